"""State and signals cannot disagree: the repository and the relay on a real MongoDB."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from tocsin.errors import Defect, NotFound, Unavailable
from tocsin_kit.store import (
    Change,
    Creation,
    Database,
    Filter,
    InvalidCursor,
    Outgoing,
    Relay,
    Repository,
    RevisionConflict,
    Sort,
)
from tocsin_kit.testing.waiting import eventually

Thing = dict[str, Any]


def signal(key: str, sequence: int) -> Outgoing:
    return Outgoing(f"signals.default.thing.changed.{key}", b"{}", f"{key}-{sequence}", sequence)


def things(database: Database, relay: Relay) -> Repository[Thing]:
    return Repository(database, "things", encode=lambda v: v, decode=dict, wake=relay.wake)


@asynccontextmanager
async def relaying(relay: Relay) -> AsyncIterator[None]:
    await relay.start()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(relay.serve())
        yield
        task.cancel()


async def unsaid(database: Database) -> int:
    return int(await database.collection("things").count_documents({"_pending": {"$exists": True}}))


async def test_each_commit_is_said_in_order_and_leaves_nothing_behind(database: Database, heard: Any) -> None:
    """Signals of an entity arrive in the order of its commits; afterwards the document holds only state."""
    relay = Relay(database, heard, ["things"])
    repository = things(database, relay)
    async with relaying(relay):
        entry = await repository.load("a")
        for n in range(1, 21):
            entry = await repository.commit(entry, {"n": n}, outbox=[signal("a", n)])
        await relay.drained()
    assert heard.once == [f"a-{n}" for n in range(1, 21)]
    assert await database.collection("things").find_one({"_id": "a"}) == {"_id": "a", "_rev": 20, "_seq": 20, "v": {"n": 20}}


async def test_a_second_writer_decides_again(database: Database, heard: Any) -> None:
    """Of two decisions made from the same state one is stored, and only its signal is said."""
    repository = things(database, relay := Relay(database, heard, ["things"]))
    async with relaying(relay):
        entry = await repository.commit(await repository.load("a"), {"n": 0})
        await repository.commit(entry, {"n": 1}, outbox=[signal("a", 1)])
        with pytest.raises(RevisionConflict):
            await repository.commit(entry, {"n": 2}, outbox=[Outgoing("s", b"", "other", 1)])
        with pytest.raises(RevisionConflict):
            await repository.commit(await repository_entry(repository, "a", revision=0), {"n": 3})
        await relay.drained()
    assert heard.once == ["a-1"]


async def repository_entry(repository: Repository[Thing], key: str, *, revision: int) -> Any:
    import dataclasses

    return dataclasses.replace(await repository.load(key), revision=revision)


async def test_numbers_of_signals_have_no_gap(database: Database, heard: Any) -> None:
    """A caller that counts wrong is stopped before anything is written."""
    repository = things(database, Relay(database, heard, ["things"]))
    with pytest.raises(Defect):
        await repository.commit(await repository.load("a"), {"n": 1}, outbox=[signal("a", 2)])
    assert (await repository.load("a")).value is None


async def test_a_deleted_name_goes_on_counting_when_it_is_used_again(database: Database, heard: Any) -> None:
    """Deleting leaves a tombstone: not found, not listed, but its running number goes on."""
    repository = things(database, relay := Relay(database, heard, ["things"]))
    async with relaying(relay):
        entry = await repository.commit(await repository.load("a"), {"n": 1}, outbox=[signal("a", 1)])
        await repository.commit(entry, None, outbox=[signal("a", 2)])
        with pytest.raises(NotFound):
            await repository.get("a")
        assert await repository.find(Filter()) == []
        entry = await repository.load("a")
        assert (entry.value, entry.sequence) == (None, 2)
        await repository.commit(entry, {"n": 2}, outbox=[signal("a", 3)])
        await relay.drained()
    assert heard.once == ["a-1", "a-2", "a-3"]
    assert await repository.get("a") == {"n": 2}


async def test_what_a_killed_process_left_is_found_by_another(
    database: Database, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit whose process died before the relay is said by the sweep of any replica, in whichever collection it lies."""
    monkeypatch.setattr("tocsin_kit.store.relay.ORPHAN_AFTER", timedelta(milliseconds=200))
    dead = Relay(database, heard, ["things"])  # never runs
    entry = await things(database, dead).commit(await things(database, dead).load("a"), {"n": 1}, outbox=[signal("a", 1)])
    await things(database, dead).commit(entry, {"n": 2}, outbox=[signal("a", 2)])
    async with relaying(Relay(database, heard, ["others", "things", "neither"])):
        await eventually(lambda: heard.once == ["a-1", "a-2"])

        async def clean() -> bool:
            return await unsaid(database) == 0

        await eventually(clean)


async def test_a_second_replica_says_first_what_the_first_left_unsaid(database: Database, heard: Any) -> None:
    """Replica B commits on top of A's unsaid signal: B's relay says A's first, so order holds."""
    dead = Relay(database, heard, ["things"])
    entry = await things(database, dead).commit(await things(database, dead).load("a"), {"n": 1}, outbox=[signal("a", 1)])
    relay = Relay(database, heard, ["things"])
    async with relaying(relay):
        await things(database, relay).commit(entry, {"n": 2}, outbox=[signal("a", 2)])
        await relay.drained()
        assert heard.once == ["a-1", "a-2"]


async def test_while_the_bus_is_away_commits_go_on_and_are_said_later(database: Database, heard: Any) -> None:
    """An unavailable bus delays signals and loses none."""
    relay = Relay(database, heard, ["things"])
    heard.failures = [Unavailable("away")] * 3
    async with relaying(relay):
        repository = things(database, relay)
        entry = await repository.commit(await repository.load("a"), {"n": 1}, outbox=[signal("a", 1)])
        await repository.commit(entry, {"n": 2}, outbox=[signal("a", 2)])
        await relay.drained()
    assert heard.once == ["a-1", "a-2"]
    assert await unsaid(database) == 0


async def test_a_signal_that_cannot_be_published_holds_back_only_its_entity(database: Database, heard: Any) -> None:
    """One stuck outbox is left where it is and reported; all others pass."""
    relay = Relay(database, heard, ["things"])
    heard.refuses = {"a-1": Defect("never")}
    async with relaying(relay):
        repository = things(database, relay)
        for key in "abc":
            await repository.commit(await repository.load(key), {}, outbox=[signal(key, 1)])
        await eventually(lambda: heard.once == ["b-1", "c-1"])
        assert relay.health().facts["stuck"] == 1
    assert await unsaid(database) == 1


async def test_what_is_stuck_does_not_hide_what_a_dead_process_left(
    database: Database, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep takes the oldest first, but not only them, however many of them can never be said."""
    monkeypatch.setattr("tocsin_kit.store.relay.BATCH", 1)
    monkeypatch.setattr("tocsin_kit.store.relay.SWEEP_EVERY", timedelta(milliseconds=20))
    monkeypatch.setattr("tocsin_kit.store.relay.ORPHAN_AFTER", timedelta(0))
    dead = things(database, Relay(database, heard, ["things"]))  # nobody serves it
    heard.refuses = {"a-1": Defect("never")}
    for key in "ab":
        await dead.commit(await dead.load(key), {}, outbox=[signal(key, 1)])
    async with relaying(Relay(database, heard, ["things"])):
        await eventually(lambda: heard.once == ["b-1"])


async def test_a_transaction_says_all_or_nothing(database: Database, heard: Any) -> None:
    """Two entities change together, or neither does; signals follow the commit, never a rollback."""
    relay = Relay(database, heard, ["things"])
    repository = things(database, relay)
    async with relaying(relay):
        await repository.commit(await repository.load("warm"), {})  # the collection exists
        stale = await repository_entry(repository, "b", revision=7)

        async def half() -> None:
            async with database.transaction() as tx:
                await repository.commit(await repository.load("a"), {}, outbox=[signal("a", 1)], within=tx)
                await repository.commit(stale, {}, within=tx)

        with pytest.raises(RevisionConflict):
            await half()
        async with database.transaction() as tx:
            await repository.commit(await repository.load("c"), {}, outbox=[signal("c", 1)], within=tx)
            await repository.commit(await repository.load("d"), {}, outbox=[signal("d", 1)], within=tx)
        await relay.drained()
    assert heard.once == ["c-1", "d-1"]
    assert [e.key for e in await repository.find(Filter())] == ["c", "d", "warm"]


async def test_many_are_created_at_once_and_repeats_are_recognised(database: Database, heard: Any) -> None:
    """Creating derived ids again leaves the first alone and says nothing twice."""
    relay = Relay(database, heard, ["things"])
    repository = things(database, relay)
    async with relaying(relay):
        creations = [Creation(f"k{n:03}", {"n": n}, [signal(f"k{n:03}", 1)]) for n in range(300)]
        assert await repository.create_many(creations[:200]) == set()
        assert await repository.create_many(creations) == {c.key for c in creations[:200]}
        await relay.drained()
    assert sorted(heard.once) == [f"k{n:03}-1" for n in range(300)]


@pytest.mark.parametrize("sort", [Sort(), Sort("n"), Sort("n", descending=True)])
async def test_pages_neither_skip_nor_repeat_while_entries_come_and_go(database: Database, heard: Any, sort: Sort) -> None:
    """What was there all the time is listed exactly once, whatever is inserted or deleted between two pages."""
    repository = things(database, Relay(database, heard, ["things"]))
    await repository.create_many([Creation(f"k{n:02}", {"n": n % 4}) for n in range(40)])
    seen: list[str] = []
    cursor = None
    round_ = 0
    while True:
        page = await repository.page(Filter().prefix("_id", "k"), sort=sort, limit=7, cursor=cursor)
        seen += [entry.key for entry in page.items]
        await repository.create_many([Creation(f"x{round_}", {"n": round_ % 4})])
        round_ += 1
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert sorted(seen) == [f"k{n:02}" for n in range(40)]
    with pytest.raises(InvalidCursor):
        await repository.page(Filter().eq("n", 1), sort=sort, limit=7, cursor=cursor)
    with pytest.raises(InvalidCursor):
        await repository.page(Filter(), sort=sort, limit=7, cursor="%%%")


async def test_nothing_a_user_sends_becomes_an_operator(database: Database, heard: Any) -> None:
    """A value that looks like a query is compared as the value it is, or refused."""
    repository = things(database, Relay(database, heard, ["things"]))
    await repository.create_many([Creation("a", {"name": "x"}), Creation("b", {"name": "$ne"})])
    assert [e.key for e in await repository.find(Filter().eq("name", "$ne"))] == ["b"]
    assert [e.key for e in await repository.find(Filter().prefix("name", ".*"))] == []
    evil: Mapping[str, Any] = {"$ne": ""}
    with pytest.raises(Exception, match="plain value"):
        Filter().eq("name", evil)  # type: ignore[arg-type]


async def test_two_replicas_writing_at_once_lose_no_signal_and_no_number(database: Database, heard: Any) -> None:
    """Two replicas commit to the same entities as fast as they can: sequences have no gap, order holds."""
    relays = [Relay(database, heard, ["things"]) for _ in range(2)]

    async def write(relay: Relay) -> None:
        repository = things(database, relay)
        done = 0
        while done < 30:
            entry = await repository.load("a")
            try:
                await repository.commit(entry, {"n": done}, outbox=[signal("a", entry.sequence + 1)])
            except RevisionConflict:
                continue
            done += 1

    run: Callable[[Relay], Awaitable[None]] = write
    async with relaying(relays[0]), relaying(relays[1]):
        await asyncio.gather(run(relays[0]), run(relays[1]))
        for relay in relays:
            await relay.drained()
    assert heard.once == [f"a-{n}" for n in range(1, 61)]


async def test_many_commits_at_once_are_each_as_one_alone(database: Database, heard: Any) -> None:
    """Stored with their signals, except those that someone else changed and those with something unsaid, which are named."""
    repository = things(database, relay := Relay(database, heard, ["things"]))
    entries = [await repository.commit(await repository.load(key), {"n": 0}) for key in ("a", "b", "c", "d")]
    await repository.commit(entries[1], {"n": "theirs"})
    await repository.commit(entries[2], {"n": "unsaid"}, outbox=[signal("c", 1)])
    unsaid_entry = await repository.load("c")
    changes = [
        Change(entries[0], {"n": 1}, [signal("a", 1)]),
        Change(entries[1], {"n": 1}, [signal("b", 1)]),
        Change(unsaid_entry, {"n": 1}, [signal("c", 2)]),
        Change(entries[3], {"n": 1}, [signal("d", 1)]),
    ]
    done = await repository.commit_many(changes)
    assert {key: (entry.revision, entry.sequence) for key, entry in done.items()} == {"a": (2, 1), "d": (2, 1)}
    assert (await repository.get("b"), await repository.get("c")) == ({"n": "theirs"}, {"n": "unsaid"})
    async with relaying(relay):
        await repository.commit(unsaid_entry, {"n": 1}, outbox=[signal("c", 2)])
        await relay.drained()
    assert sorted(heard.once) == ["a-1", "c-1", "c-2", "d-1"]
    assert await repository.commit_many([]) == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"n": 1, "same": "x"}, {"n": 2, "same": "x"}),
        ({"n": 1}, {"n": True}),
        ({"n": [1, {"a": 1}]}, {"n": [1, {"a": 1.0}]}),
        ({"n": 1}, {"n": 1, "new": None}),
        ({"n": 1, "gone": 1}, {"n": 1}),
        ({"n": {"a": 1, "b": 2}}, {"n": {"a": 1}}),
        ({"n": "x"}, {"n": "$_id", "list": ["$$ROOT", {"$literal": 1}]}),
    ],
)
async def test_what_many_commits_store_is_the_new_value_whole(
    database: Database, heard: Any, before: Thing, after: Thing
) -> None:
    """Only what differs is written; what is read then is what was committed, to the type of each number."""
    repository = things(database, Relay(database, heard, ["things"]))
    entry = await repository.commit(await repository.load("a"), before)
    await repository.commit_many([Change(entry, after)])
    assert repr(dict(sorted((await repository.get("a")).items()))) == repr(dict(sorted(after.items())))
