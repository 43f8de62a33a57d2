"""The correlator: whatever is saved, lost and counted again, each listener is given each of its events once and in order."""

import asyncio
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_executor.application import taps
from tocsin_executor.application.correlator import HELD, WINDOW, Correlator
from tocsin_executor.domain.compile import compile_workflow
from tocsin_executor.domain.correlation import EVENTS, SIGNALS
from tocsin_executor.domain.effects import Subscribe
from tocsin_executor.domain.program import ListenSpec
from tocsin_executor.ports import Listening
from tocsin_kit.clock import SystemClock

PARTITIONS = 2
CORRELATE = {"o": {"from": ".data.o", "expect": "${ .o }"}}
FILTERS = ({"with": {"type": "a"}}, {"with": {"type": "a"}, "correlate": CORRELATE}, {"with": {"type": "b.*"}})


def program_of(wanted: dict[str, Any]) -> Any:
    """A workflow of one listen, node 1."""
    about = {"dsl": "1.0.3", "namespace": "test", "name": "flow", "version": "1.0.0"}
    return compile_workflow({"document": about, "do": [{"l": {"listen": {"to": {"any": [wanted]}}}}]}, repr(wanted))


PROGRAMS = [program_of(wanted) for wanted in FILTERS]


@dataclass
class Entry:
    """An event in its stream; time and position are the same here."""

    position: int
    event: dict[str, Any]
    headers: bytes = b""

    @property
    def time_ms(self) -> int:
        return self.position

    @property
    def subject(self) -> str:
        return f"events.test.{self.event['type']}"

    @property
    def payload(self) -> bytes:
        return orjson.dumps(self.event)


class Stream:
    """A stream of events that never waits."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries, self.at, self.reads = entries, 1 << 60, 0

    async def open(self, subjects: list[str], after: int, *, since_ms: int | None = None) -> None:
        self.at = after if since_ms is None else since_ms - 1
        self.reads += 1

    async def take(self, limit: int = 3) -> list[Entry]:
        found = [entry for entry in self.entries if entry.position > self.at][:3]
        if found:
            self.at = found[-1].position
        return found

    def interrupt(self) -> None:
        """Nobody waits."""


@dataclass
class Listener:
    """A run's side: number after number, and nothing else."""

    listening: Listening
    born: int
    consumed: list[int] = field(default_factory=list)

    def fold(self, message: dict[str, Any]) -> None:
        if message["n"] == self.listening.cursors.get(EVENTS, 0) + 1:
            self.listening.cursors[EVENTS] = message["n"]
            self.listening.after[EVENTS] = message["at"]
            self.consumed.append(message["at"])


class World:
    """A replica that dies: the log and what was saved are what is left."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.folded = 0
        self.listeners: dict[str, Listener] = {}
        self.saved: tuple[int, dict[str, Listener], dict[int, Any]] = (0, {}, {})
        self.begin()

    def begin(self) -> None:
        self.stream = Stream(self.entries)
        logs = {EVENTS: self.stream, SIGNALS: Stream([])}
        self.correlator = Correlator(
            logs, lambda e: (e.event, e.payload), self.deliver, lambda: False, clock=SystemClock(), partitions=PARTITIONS
        )

    def deliver(self, messages: list[tuple[str, bytes]]) -> None:
        self.log += [(subject.rsplit(".", 1)[1], orjson.loads(payload)) for subject, payload in messages]

    def listen(self, kind: int, lookback: int) -> None:
        run = f"r{len(self.listeners)}"
        expected = {"0/o": kind} if kind == 1 else {}
        since = max(1, len(self.entries) + 1 - lookback)
        listening = Listening(run, "h:1", 1, "test", PROGRAMS[kind].digest, since, expected, {}, {}, {})
        self.listeners[run] = Listener(listening, kind)
        self.correlator.subscribe(PROGRAMS[kind], Subscribe(run, "h:1", 1, since, expected, {}, {}))

    def fold(self) -> None:
        for _ in range(2):
            self.fold_one()

    def fold_one(self) -> None:
        if self.folded < len(self.log):
            run, message = self.log[self.folded]
            self.folded += 1
            listener = self.listeners[run]
            listener.fold(message)
            self.correlator.folded(run, "h:1", listener.listening.cursors, 0)

    def save(self) -> None:
        copies = {
            run: Listener(
                dataclasses.replace(one.listening, cursors=dict(one.listening.cursors), after=dict(one.listening.after)),
                one.born,
                list(one.consumed),
            )
            for run, one in self.listeners.items()
        }
        self.saved = (self.folded, copies, {p: self.correlator.heard(p) for p in range(PARTITIONS)})

    def crash(self) -> None:
        """What began after the save begins again from the log, at the same time: here, it is subscribed again."""
        late = [one for run, one in self.listeners.items() if run not in self.saved[1]]
        self.folded, self.listeners, heard = self.saved[0], dict(self.saved[1]), self.saved[2]
        self.begin()
        found = [(one.listening, PROGRAMS[one.born].nodes[1].spec) for one in self.listeners.values()]
        assert all(isinstance(spec, ListenSpec) for _, spec in found)
        self.correlator.restore(found, heard)
        for one in late:
            old = one.listening
            listening = dataclasses.replace(old, cursors={}, after={})
            self.listeners[old.run] = Listener(listening, one.born)
            effect = Subscribe(old.run, "h:1", 1, old.since, old.expected, {}, {})
            self.correlator.subscribe(PROGRAMS[one.born], effect)
        self.save()

    def meant(self, one: Listener) -> list[int]:
        """What a listener has to be given."""
        since, kind = one.listening.since, one.born
        of = {0: lambda e: e["type"] == "a", 1: lambda e: e["type"] == "a" and e["data"]["o"] == 1}
        meets = of.get(kind, lambda e: e["type"].startswith("b"))
        return [entry.position for entry in self.entries if entry.position >= since and meets(entry.event)]

    async def settle(self) -> None:
        for _ in range(4 * len(self.entries) + 8):
            await self.correlator.taps[EVENTS].turn()
            while self.folded < len(self.log):
                self.fold_one()


@pytest.fixture(scope="module")
def few_kept() -> Iterator[None]:
    """A tap that soon has to read again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taps, "KEPT", 4)
        yield


KINDS = [*["event"] * 4, *["listen"] * 2, *["turn"] * 4, *["fold"] * 3, *["save"] * 2, *["crash"] * 2]
MOVES = st.tuples(st.sampled_from(KINDS), st.sampled_from(["a", "a", "b", "c"]), st.integers(0, 1), st.integers(0, 5))


@settings(max_examples=120, deadline=None)
@given(st.lists(MOVES, min_size=25, max_size=60))
def test_each_event_is_consumed_once_whatever_is_lost(few_kept: None, moves: list[tuple[str, str, int, int]]) -> None:
    """Reading, folding, saving and dying in any order; listeners that begin late and look back."""
    world = World()

    async def play() -> None:
        for move, kind, order, number in moves:
            if move == "event":
                position = len(world.entries) + 1
                event = {"type": kind, "id": str(position), "source": "/t", "data": {"o": order}}
                world.entries.append(Entry(position, event))
            elif move == "listen":
                world.listen(number % 3, number)
            elif move == "turn":
                await world.correlator.taps[EVENTS].turn()
                await world.correlator.taps[EVENTS].turn()
            else:
                getattr(world, move)()
        await world.settle()

    asyncio.run(play())
    for one in world.listeners.values():
        assert one.consumed == world.meant(one)


def test_a_slow_listener_is_given_a_window_and_no_more() -> None:
    """The rest waits outside its state until it has consumed some."""
    world = World()
    world.listen(0, 0)
    world.entries += [Entry(n, {"type": "a", "id": str(n), "source": "/t", "data": {"o": 0}}) for n in range(1, 100)]

    async def read() -> None:
        for _ in range(60):
            await world.correlator.taps[EVENTS].turn()

    asyncio.run(read())
    assert len(world.log) == WINDOW < HELD
    world.correlator.folded("r0", "h:1", {EVENTS: 10}, 7)
    assert len(world.log) == WINDOW + 3
    heard = [world.correlator.heard(partition)[EVENTS] for partition in range(PARTITIONS)]
    assert sorted(heard) == [(10, 11), (99, 99)], "the partition's position stays before what is not folded"


def test_events_that_nobody_can_meet_cost_one_look() -> None:
    """Ten thousand runs wait for other values: only the one that is meant is looked at, and nothing is read for nobody."""
    world = World()
    program = PROGRAMS[1]
    for n in range(10_000):
        world.correlator.subscribe(program, Subscribe(f"r{n}", "h:1", 1, 1, {"0/o": n}, {}, {}))
    world.entries += [Entry(n + 1, {"type": "a", "id": str(n), "source": "/t", "data": {"o": n * 7}}) for n in range(50)]

    async def read() -> None:
        for _ in range(30):
            await world.correlator.taps[EVENTS].turn()

    asyncio.run(read())
    assert sorted(run for run, _ in world.log) == sorted(f"r{n * 7}" for n in range(50))
    for n in range(10_000):
        world.correlator.unsubscribe(f"r{n}", "h:1")
    assert len(world.correlator) == 0
    assert not world.correlator.heard(0).keys() - {EVENTS}


@pytest.mark.parametrize(
    ("payload", "headers", "worth"),
    [
        (b'{"type":"a.b","data":1}', b"", True),
        (b'{"type":"a.c","data":1}', b"", False),
        (rb'{"type":"a\u002eb","data":1}', b"", True),
        (rb'{"type":"a.c","data":"\u0041"}', b"", True),
        (b"anything", b"NATS/1.0\r\nce-type: a.b\r\n\r\n", True),
        (b"anything", b"NATS/1.0\r\nce-type: a%2Eb\r\n\r\n", True),
        (b"anything", b"NATS/1.0\r\nce-type: x\r\n\r\n", False),
    ],
)
def test_a_message_is_read_only_if_a_type_that_is_waited_for_may_stand_in_it(
    payload: bytes, headers: bytes, worth: bool
) -> None:
    """Plain, in a header, or escaped; whatever is escaped is read."""
    world = World()
    index = world.correlator._index
    assert not index.may_meet(EVENTS, "test", payload, headers)
    program = compile_workflow(
        {
            "document": {"dsl": "1.0.3", "namespace": "test", "name": "flow", "version": "1.0.0"},
            "do": [{"l": {"listen": {"to": {"one": {"with": {"type": "a.b"}}}}}}],
        },
        "one",
    )
    world.correlator.subscribe(program, Subscribe("r", "h:1", 1, 1, {}, {}, {}))
    assert index.may_meet(EVENTS, "test", payload, headers) is worth
    assert not index.may_meet(SIGNALS, "test", payload, headers)
    assert not index.may_meet(EVENTS, "other", payload, headers)
