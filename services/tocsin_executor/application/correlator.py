"""The correlator: events from the bus become numbered inputs of the runs that listen for them.

It lives beside the fold that owns the runs. An event that may meet a subscription is appended to the run's log with the next
number of that subscription; the fold takes number after number and refuses everything else. Both are functions of the order of
events, so after a crash the next owner counts again from the saved position and gets the same numbers: an event is consumed
once or, when it was counted twice, refused. Nothing is stored here; subscriptions are saved with their runs, and how far the
events are matched and folded with the position of the partition, in one transaction.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog

from tocsin.errors import TocsinError
from tocsin_executor.application import wire
from tocsin_executor.application.taps import Start, Tap
from tocsin_executor.domain.correlation import Index, Subscription, channels_of
from tocsin_executor.domain.effects import Subscribe
from tocsin_executor.domain.program import ListenSpec, Program
from tocsin_executor.domain.values import Json, Millis
from tocsin_executor.ports import EventEntry, EventLog, Heard, Listening
from tocsin_kit.clock import Clock

log = structlog.get_logger()

WINDOW: Final = 16
"""Deliveries of a subscription on their way or in line; more wait here, so that a slow body does not grow the run's state."""

HELD: Final = 1_000
"""Events that wait here for one subscription; above, they are delivered all the same, and the run meets its own limit."""

EVENT_LIMIT: Final = 256 * 1024
"""Bytes; larger ones are no events of this platform. Custom events have half as many; what a webhook received may take twice
its bytes to say (the trigger service refuses above that), and a run that waits for it must not miss it."""

_TOUCH = 10.0  # seconds between looks at how far the events are matched where nothing else is saved

Decode = Callable[[EventEntry], tuple[dict[str, Json], bytes]]
"""A message as an event's members and their JSON; raises Rejected if it is none."""


@dataclass(slots=True)
class _Counted:
    """A delivery with its number."""

    channel: str
    n: int
    position: int
    time_ms: Millis


@dataclass(slots=True)
class _Line:
    """What is on its way to a subscription.

    Attributes:
        partition: Of its run.
        sent: Delivered and not folded yet.
        held: Counted and not delivered: the window is full.
        waiting: Delivered events that the run has not consumed yet.
    """

    partition: int
    sent: deque[_Counted] = field(default_factory=deque)
    held: deque[tuple[_Counted, bytes, str]] = field(default_factory=deque)
    waiting: int = 0

    @property
    def first(self) -> dict[str, _Counted]:
        """The first delivery of each channel that is not folded."""
        found: dict[str, _Counted] = {}
        for counted in (*self.sent, *(held[0] for held in self.held)):
            found.setdefault(counted.channel, counted)
        return found


class Correlator:
    """Matches events to the subscriptions of the partitions that this replica owns.

    Args:
        logs: The streams to read, by channel.
        decode: Reads an event's message.
        deliver: Appends inputs to the logs of runs.
        full: Whether so much is on its way that nothing should be added.
        clock: Time.
        partitions: How many there are.
    """

    def __init__(
        self,
        logs: dict[str, EventLog],
        decode: Decode,
        deliver: Callable[[list[wire.Outgoing]], None],
        full: Callable[[], bool],
        *,
        clock: Clock,
        partitions: int,
    ) -> None:
        self._index = Index()
        self._lines: dict[tuple[str, str], _Line] = {}
        self._busy: dict[tuple[str, str], _Line] = {}
        self._decode = decode
        self._deliver = deliver
        self._clock = clock
        self._partitions = partitions
        self.taps = {
            channel: Tap(channel, f"{channel}.>", reader, clock, wanted=self._wanted(channel), look=self._look, full=full)
            for channel, reader in logs.items()
        }
        self.matched = 0

    def __len__(self) -> int:
        return len(self._index)

    def subscriptions(self) -> list[Subscription]:
        """All of them."""
        return list(self._index)

    def _wanted(self, channel: str) -> Callable[[], bool]:
        return lambda: self._index.reads(channel)

    # -- subscriptions ------------------------------------------------------------------------------------------------

    def subscribe(self, program: Program, effect: Subscribe) -> None:
        """A run begins to listen; an effect that is repeated changes nothing."""
        spec = program.nodes[effect.node].spec
        if self._index.get(effect.run, effect.subscription) is not None or not isinstance(spec, ListenSpec):
            return
        subscription = Subscription(
            effect.run,
            effect.subscription,
            effect.node,
            program.namespace,
            effect.since,
            effect.expected,
            effect.variables,
            after=dict(effect.after),
        )
        self._add(subscription, spec, dict.fromkeys(channels_of(spec)))

    def restore(self, listening: Iterable[tuple[Listening, ListenSpec]], heard: dict[int, Heard]) -> None:
        """The subscriptions of partitions that were taken over."""
        for found, spec in listening:
            if self._index.get(found.run, found.token) is not None:
                continue
            subscription = Subscription(
                found.run,
                found.token,
                found.node,
                found.namespace,
                found.since,
                found.expected,
                found.variables,
                after=dict(found.after),
                sent=dict(found.cursors),
            )
            known = heard.get(wire.partition_of(found.run, self._partitions), {})
            self._add(subscription, spec, {channel: known.get(channel) for channel in channels_of(spec)})

    def _add(self, subscription: Subscription, spec: ListenSpec, heard: dict[str, tuple[int, Millis] | None]) -> None:
        self._index.add(subscription, spec)
        self._lines[subscription.key] = _Line(wire.partition_of(subscription.run, self._partitions))
        for channel, known in heard.items():
            start = Start(None, subscription.since)
            if known is not None and known[1] >= subscription.since:
                start = Start(*known)
            for entry in self.taps[channel].want(start):
                self._look_for(channel, entry, only=subscription)

    def unsubscribe(self, run: str, token: str) -> None:
        """Nobody waits there any more."""
        self._index.remove(run, token)
        self._lines.pop((run, token), None)
        self._busy.pop((run, token), None)

    def forget_run(self, run: str) -> None:
        """All of a run's subscriptions are gone."""
        for subscription in self._index:
            if subscription.run == run:
                self.unsubscribe(run, subscription.token)

    def forget(self, partitions: set[int]) -> None:
        """These partitions are not this replica's any more."""
        for key in [key for key, line in self._lines.items() if line.partition in partitions]:
            self.unsubscribe(*key)

    def folded(self, run: str, token: str, cursors: dict[str, int], waiting: int) -> None:
        """The run has folded deliveries up to these numbers, and so many wait in its state."""
        line = self._lines.get((run, token))
        if line is None:
            return
        line.waiting = waiting
        while line.sent and line.sent[0].n <= cursors.get(line.sent[0].channel, 0):
            line.sent.popleft()
        self._release(run, token, line)
        if not line.sent and not line.held:
            self._busy.pop((run, token), None)

    # -- how far ------------------------------------------------------------------------------------------------------

    def heard(self, partition: int) -> dict[str, tuple[int, Millis]]:
        """Up to where the partition's events are matched and folded, by channel; a channel is absent where that is unknown."""
        found: dict[str, tuple[int, Millis]] = {}
        for channel, tap in self.taps.items():
            safe = tap.safe
            if safe is not None and safe.after is not None:
                found[channel] = (safe.after, safe.since)
        for line in self._busy.values():
            if line.partition == partition:
                for channel, counted in line.first.items():
                    if channel in found and counted.position <= found[channel][0]:
                        found[channel] = (counted.position - 1, counted.time_ms)
        return found

    # -- life ---------------------------------------------------------------------------------------------------------

    async def serve(self, touch: Callable[[set[int]], None]) -> None:
        """Match until cancelled; ``touch`` is told which partitions have moved on."""
        async with asyncio.TaskGroup() as group:
            for tap in self.taps.values():
                group.create_task(tap.serve())
            group.create_task(self._touch(touch))

    async def _touch(self, touch: Callable[[set[int]], None]) -> None:
        before: dict[str, Start | None] = {}
        while True:
            await self._clock.sleep(_TOUCH)
            now = {channel: tap.safe for channel, tap in self.taps.items()}
            if now != before and self._lines:
                touch({line.partition for line in self._lines.values()})
            before = now

    # -- matching -----------------------------------------------------------------------------------------------------

    def _look(self, tap: Tap, entry: EventEntry) -> None:
        self._look_for(tap.channel, entry, only=None)

    def _look_for(self, channel: str, entry: EventEntry, *, only: Subscription | None) -> None:
        namespace = entry.subject.split(".", 2)[1]
        if len(entry.payload) > EVENT_LIMIT or not self._index.may_meet(channel, namespace, entry.payload, entry.headers):
            return
        try:
            event, document = self._decode(entry)
        except TocsinError as error:
            log.debug("correlator.no_event", position=entry.position, error=error.detail)
            return
        cause = event.get("id")
        for subscription in self._index.matching(channel, namespace, event):
            if only is not None and subscription is not only:
                continue
            if entry.position <= subscription.after.get(channel, 0) or entry.time_ms < subscription.since:
                continue
            self._count(subscription, channel, entry, document, cause if isinstance(cause, str) else "")

    def _count(self, subscription: Subscription, channel: str, entry: EventEntry, document: bytes, cause: str) -> None:
        n = subscription.sent.get(channel, 0) + 1
        subscription.sent[channel], subscription.after[channel] = n, entry.position
        line = self._lines[subscription.key]
        self._busy[subscription.key] = line
        line.held.append((_Counted(channel, n, entry.position, entry.time_ms), document, cause))
        self.matched += 1
        self._release(subscription.run, subscription.token, line)

    def _release(self, run: str, token: str, line: _Line) -> None:
        while line.held and (len(line.sent) + line.waiting < WINDOW or len(line.held) > HELD):
            counted, document, cause = line.held.popleft()
            line.sent.append(counted)
            payload = wire.event(token, counted.n, document, channel=counted.channel, position=counted.position, cause=cause)
            self._deliver([(wire.input_subject(run, self._partitions), payload)])
