"""Live runs and newer versions on real servers."""

from typing import Any

import pytest

from tocsin_executor.adapters.runs import MongoRuns
from tocsin_executor.application.migrations import Migrations
from tocsin_executor.application.runs import RunAlreadyDone
from tocsin_executor.domain.inputs import Verb
from tocsin_kit.testing.waiting import eventually

pytestmark = pytest.mark.server


async def test_live_runs_are_reported_and_moved_and_stay_moved_over_a_crash(rig: Any) -> None:
    """Of two positions one exists in the new version; that run ends as the new version says, under another owner."""
    old = [{"pick": {"switch": [{"a": {"when": ".a", "then": "one"}}, {"b": {"then": "two"}}]}}]
    old += [{"one": {"wait": {"hours": 1}, "then": "last"}}, {"two": {"wait": {"hours": 1}}}, {"last": {"set": {"of": "old"}}}]
    new = [old[0] | {}, old[1], {"two": {"set": {"gone": True}}}, {"last": {"set": {"of": "new"}}}]
    async with rig.replica(orderly=False) as replica:
        programs = replica.engine.host._programs
        saved = MongoRuns(replica.database)
        migrations = Migrations(replica.runs, saved, replica.reading, replica.definitions, programs)
        await rig.publish(old, version="1.0.0")
        moves, stays = await rig.start({"a": True}), await rig.start({"a": False})

        async def begun() -> bool:
            await replica.runs.catch_up()
            return await migrations.staying("default", "flow", "2.0.0") == {"1.0.0": 2}

        await eventually(begun, within=5)
        await rig.publish(new, version="2.0.0")

        async def looked_at() -> Any:
            report = await migrations.dry_run("default", "flow", None)
            return report if len(report.runs) == 2 else None

        report = await eventually(looked_at, within=5)
        assert (report.version, report.safe) == ("2.0.0", 1)
        assert list(report.reasons) == ["task 'two' (/do/2/two) is of another kind in the new version"]
        with pytest.raises(RunAlreadyDone, match="another kind"):
            await migrations.move(await replica.runs.get(stays), None, actor="user:ada", reason=None)
        view = await migrations.move(await replica.runs.get(moves), None, actor="user:ada", reason="fixed")
        with pytest.raises(RunAlreadyDone, match=r"is of version 2\.0\.0 already"):
            await migrations.move(view, None, actor="user:ada", reason="again")
        assert view.version == "2.0.0"
    async with rig.replica() as replica:
        await replica.runs.control(moves, Verb.SKIP, actor="user:ada", reason=None, task="one")

        async def over() -> bool:
            return (await replica.runs.get(moves)).status == "completed"

        await eventually(over, within=10)
        view = await replica.runs.get(moves)
        assert (view.version, view.output) == ("2.0.0", {"of": "new"})
