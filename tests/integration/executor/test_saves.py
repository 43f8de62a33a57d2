"""Saves whose outcome nobody knows: the database was lost at the commit, and they are made again."""

from typing import Any

import pytest

from tocsin_executor.adapters.runs import Deposed, MongoRuns
from tocsin_kit.store import RevisionConflict
from tocsin_kit.store.errors import StoreUnavailable
from tocsin_kit.testing.waiting import eventually

pytestmark = pytest.mark.server


async def test_an_owner_takes_its_partition_again_under_the_same_epoch_and_nobody_under_an_older_one(rig: Any) -> None:
    """An owner that dropped what it knew goes on from what is saved; one that was deposed does not come back."""
    async with rig.replica() as replica:
        store = MongoRuns(replica.database)
        epoch = replica.engine.host.owned[0]
        assert await store.take_over(0, epoch) == await store.take_over(0, epoch)
        assert await store.take_over(0, epoch + 1) >= 0
        with pytest.raises(Deposed):
            await store.take_over(0, epoch)


async def test_a_save_that_is_made_again_changes_nothing_and_deposes_nobody(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored, but the answer was lost; and once met by another transaction: the owner goes on, the history is as it was."""
    together, saves = MongoRuns._together, []

    async def unlucky(self: MongoRuns, *writes: Any) -> None:
        saves.append(len(saves))
        if len(saves) % 3 == 1:
            raise RevisionConflict("another transaction")
        await together(self, *writes)
        if len(saves) % 3 == 2:
            raise StoreUnavailable("no answer")

    monkeypatch.setattr(MongoRuns, "_together", unlucky)
    async with rig.replica() as replica, rig.worker():
        owned = set(replica.engine.host.owned)
        view = await rig.run([{"a": {"call": "noop", "with": {}}}, {"b": {"set": {"got": 1}}}])
        assert (view.status, view.output) == ("completed", {"got": 1})

        async def saved() -> bool:
            return replica.engine.host.live(view.id) is None

        await eventually(saved, within=60)
        assert len(saves) >= 3
        assert set(replica.engine.host.owned) == owned
        tasks, _ = await replica.reading.finished_tasks(view.id, None, 50)
        assert [(task.name, task.status) for task in tasks] == [("a", "completed"), ("b", "completed")]
