"""Finding runs again."""

from typing import Any

import pytest

from tocsin_executor.application.reading import RunSearch, Scope

pytestmark = pytest.mark.server


async def test_runs_are_found_by_what_is_known_of_them_as_soon_as_they_have_ended(rig: Any) -> None:
    """Labels (all), status (any), version, words of the error whatever their case; pages neither skip nor repeat."""
    async with rig.replica() as replica:
        boom = {"boom": {"raise": {"error": {"type": "https://x.test/e", "status": 409, "title": "Out of Stock (A+)"}}}}
        await rig.publish([boom], name="bad")
        await rig.publish([{"s": {"set": {"a": 1}}}], name="good", version="2.1.0")
        failed = await rig.start(name="bad", labels={"team": "a", "tier": "gold"})
        fine = [await rig.start(name="good", labels={"team": "a"}) for _ in range(5)]
        for run in (failed, *fine):
            await rig.ended(run)
        await replica.runs.catch_up()

        async def found(**more: Any) -> list[str]:
            rows, _ = await replica.reading.list_runs(RunSearch(Scope(), **more), 50, None)
            return [row.id for row in rows]

        assert set(await found(labels=["team=a"])) == {failed, *fine}
        assert await found(labels=["team=a", "tier=gold"]) == [failed]
        assert await found(status=["faulted", "cancelled"]) == [failed]
        assert await found(error="out of stock (a+)") == [failed]
        assert await found(error="no such") == []
        assert len(await found(version="2.1.0", status=["completed"])) == 5
        seen: list[str] = []
        cursor = None
        while True:
            rows, cursor = await replica.reading.list_runs(RunSearch(Scope(), version="2.1.0"), 2, cursor)
            seen += [row.id for row in rows]
            if cursor is None:
                break
        assert sorted(seen) == sorted(fine)
