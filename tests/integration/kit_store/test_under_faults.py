"""The outbox under a transport that refuses, delays, repeats and lies."""

import asyncio
from typing import Any

import pytest

from tocsin_kit.chance import SeededChance
from tocsin_kit.store import Database, Outgoing, Relay, Repository
from tocsin_kit.testing.faults import Fault, Injected, Ledger, at, at_random, faulty


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_or_shuffled_by_a_lying_bus(database: Database, heard: Any, seed: int) -> None:
    """Half of the deliveries go wrong in every way there is; what a deduplicating reader sees is complete and in order."""
    shares = {Fault.REFUSE: 0.2, Fault.DUPLICATE: 0.15, Fault.DONE_BUT_TIMED_OUT: 0.15}
    ledger = Ledger()
    relay = Relay(database, faulty(heard, at_random(SeededChance(seed), shares), ledger=ledger), ["things"])
    await relay.start()
    repository: Repository[dict[str, Any]] = Repository(database, "things", encode=lambda v: v, decode=dict, wake=relay.wake)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(relay.serve())
        entries = {key: await repository.load(key) for key in "abc"}
        for n in range(1, 16):
            for key, entry in list(entries.items()):
                item = Outgoing("s", b"", f"{key}-{n}", n)
                entries[key] = await repository.commit(entry, {"n": n}, outbox=[item])
        await relay.drained()
        task.cancel()
    for key in entries:
        assert [i for i in heard.once if i.startswith(key)] == [f"{key}-{n}" for n in range(1, 16)]
    assert ledger.faults


async def test_a_commit_that_lied_about_its_end_is_found_by_the_next_decision(database: Database, heard: Any) -> None:
    """Done but reported as a timeout: the retry meets a conflict, reads, and sees that it is done; said once."""
    relay = Relay(database, heard, ["things"])
    real: Repository[dict[str, Any]] = Repository(database, "things", encode=lambda v: v, decode=dict, wake=relay.wake)
    repository = faulty(real, at("commit", 1, fault=Fault.DONE_BUT_TIMED_OUT))
    entry = await repository.load("a")
    with pytest.raises(Injected):
        await repository.commit(entry, {"n": 1}, outbox=[Outgoing("s", b"", "a-1", 1)])
    assert (await repository.load("a")).value == {"n": 1}
    await relay.stop()
    assert heard.once == ["a-1"]
