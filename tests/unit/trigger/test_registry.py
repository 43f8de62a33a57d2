"""What a replica knows of the triggers while they are read and changed at once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

import pytest

from tocsin.errors import NotFound
from tocsin_kit.clock import SystemClock
from tocsin_kit.store import Entry, Outgoing, Page
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.sources import EventSource
from tocsin_trigger.domain.triggers import Target, Trigger
from tocsin_trigger.ports import Known, Snapshot, TriggerSearch

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def trigger(name: str) -> Trigger:
    return Trigger(f"id-{name}", "default", name, EventSource("a"), Target("w"), NOW, NOW)


class Clear:
    """A cipher that hides nothing."""

    def seal(self, text: str, context: str) -> bytes:
        return text.encode()

    def unseal(self, sealed: bytes, context: str) -> str:
        return sealed.decode()


class SlowStore:
    """Reads its snapshot, and hands it out when it is told to."""

    def __init__(self, *entries: Entry[Trigger]) -> None:
        self.entries = {entry.key: entry for entry in entries}
        self.read = asyncio.Event()
        self.handed = asyncio.Event()
        self.taken = asyncio.Event()

    async def load(self, key: str) -> Entry[Trigger]:
        return self.entries.get(key, Entry(key, None, 9, 9))

    async def commit(self, entry: Entry[Trigger], trigger: Trigger | None, outbox: Sequence[Outgoing]) -> Entry[Trigger]:
        raise NotImplementedError

    async def page(self, search: TriggerSearch, *, limit: int, cursor: str | None) -> Page[Entry[Trigger]]:
        raise NotImplementedError

    async def snapshot(self) -> Snapshot:
        return Snapshot(list(self.entries.values()))

    async def follow(self, known: Callable[[], Known]) -> AsyncIterator[Snapshot | Entry[Trigger]]:
        snapshot = await self.snapshot()
        self.read.set()
        await self.handed.wait()
        yield snapshot
        self.taken.set()
        await asyncio.Event().wait()


async def test_what_was_changed_while_the_triggers_were_read_is_not_forgotten() -> None:
    """A trigger made between the reading of a snapshot and its taking stays known; one deleted then stays gone."""
    gone = Entry("default/gone", trigger("gone"), 1, 1)
    store = SlowStore(gone)
    registry = Registry(store, Clear(), SystemClock())
    async with asyncio.TaskGroup() as group:
        await registry.start()
        serving = group.create_task(registry.serve())
        await store.read.wait()
        made = Entry("default/made", trigger("made"), 1, 1)
        store.entries = {made.key: made}
        registry.put(made)
        registry.put(Entry(gone.key, None, 2, 2))
        store.handed.set()
        await store.taken.wait()
        assert [met.ready.trigger.name for met in registry.matching("default", "a", "/x")] == ["made"]
        serving.cancel()
    with pytest.raises(NotFound):
        registry.webhook("default", "gone")


class TellingStore(SlowStore):
    """Hands its snapshot out at once, and a change when it is told to."""

    async def follow(self, known: Callable[[], Known]) -> AsyncIterator[Snapshot | Entry[Trigger]]:
        yield await self.snapshot()
        self.taken.set()
        await self.handed.wait()
        for entry in self.entries.values():
            yield entry
        await asyncio.Event().wait()


async def test_a_change_is_answered_when_the_database_has_told_it() -> None:
    """It counts here at once; whoever made it is answered when those who follow the database know it too."""
    made = Entry("default/made", trigger("made"), 1, 1)
    store = TellingStore()
    registry = Registry(store, Clear(), SystemClock())
    await registry.start()
    await registry.spread(Entry("default/early", trigger("early"), 1, 1))  # nobody follows yet: nothing to wait for
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(registry.serve())
        await store.taken.wait()
        spreading = group.create_task(registry.spread(made))
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop for it to begin
        assert registry.known("default/made") is not None
        assert not spreading.done()
        store.entries = {made.key: made}
        store.handed.set()
        await spreading
        serving.cancel()
