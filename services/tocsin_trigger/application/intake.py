"""The one way in: whatever brings events, here they are decided about and stored, with what is to be said, in one write.

An event that meets triggers without a memory is one document. One that meets a trigger with a memory is stored together with
the groups it changes and what leaves them, in a transaction; when two replicas change a group at the same moment, one of them
decides again. A repeat finds the record and changes nothing.
"""

from collections import Counter as Tally
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from prometheus_client import Counter

from tocsin.errors import Conflict, Rejected, Unavailable
from tocsin.signals import Cause, CloudEvent, decode
from tocsin_kit.store import Change, Creation, Entry
from tocsin_kit.telemetry import span
from tocsin_kit.telemetry.metrics import Family
from tocsin_trigger.application.gathered import Left, conclude
from tocsin_trigger.application.loops import LoopGuard
from tocsin_trigger.application.saying import accepted, cause_of
from tocsin_trigger.domain.deciding import Ready, Start, Waiting, as_json, decision_of, is_enough, judge, start_alone
from tocsin_trigger.domain.events import Channel, Decision, Gathering, Outcome, Received, gathering_id, group_id, run_id
from tocsin_trigger.domain.gathering import End, Enough, Held, longest_wait
from tocsin_trigger.domain.grouping import Slot, fold, fresh
from tocsin_trigger.domain.matching import Met
from tocsin_trigger.ports import EventStore, GroupStore

_TRIES = 6  # more would mean that replicas hunt each other over one group
MOST_GROUPS = 10_000
_DIRECT = frozenset({Channel.WEBHOOK, Channel.MANUAL})


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event that came in.

    Attributes:
        received: Its record, still without decisions.
        event: The event.
        met: The triggers it meets.
        at: When it came, for conditions with a memory; when it was stored by the bus, not when anybody looked.
    """

    received: Received
    event: CloudEvent
    met: Sequence[Met]
    at: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """What is on disk now.

    Attributes:
        records: What was decided, by key.
        repeats: Keys that had been there before; nothing was decided about them now.
    """

    records: dict[str, Received]
    repeats: set[str]


Said = tuple[Decision, Start | None] | Waiting


@dataclass(frozen=True, slots=True)
class _Judged:
    arrived: Arrived
    cause: Cause
    said: Sequence[Said]

    @property
    def waiting(self) -> list[Waiting]:
        return [each for each in self.said if isinstance(each, Waiting)]


class Intake:
    """Decides and stores.

    Args:
        events: Where events are recorded.
        groups: What triggers remember.
        loops: Notices what feeds itself.
        decided: Counts decisions by channel and outcome.
        most_groups: Keys that one trigger remembers at once, about.

    Attributes:
        failed: Records in which a trigger failed, for whoever weighs what becomes of it. Bounded: the next one tells, too.
    """

    def __init__(
        self,
        events: EventStore,
        groups: GroupStore,
        loops: LoopGuard,
        decided: Family[Counter],
        *,
        most_groups: int = MOST_GROUPS,
    ) -> None:
        self._most_groups = most_groups
        self._loops = loops
        self.failed: deque[Received] = deque(maxlen=100)
        self._events = events
        self._groups = groups
        self._decided = decided

    async def take(self, arrivals: Sequence[Arrived], refused: Sequence[Creation[Received]] = ()) -> Stored:
        """Decide about these and store it, all or nothing of each.

        Args:
            arrivals: In their order; each key once.
            refused: Records of refusals, stored with them.

        Raises:
            Unavailable: The database is away, or too many change the same group; bring them again.
        """
        judged = [_judge(arrived, self._loops) for arrived in arrivals]
        alone = [_alone(each) for each in judged if not each.waiting]
        repeats = await self._events.record([*alone, *refused]) if alone or refused else set()
        records = {creation.key: creation.value for creation in alone}
        if repeats and len(arrivals) == 1:  # whoever brings a single one is told what was decided then
            records |= await self._events.load_many(list(repeats))
        together = [each for each in judged if each.waiting]
        if together:
            more = await self._together(together)
            records |= more.records
            repeats |= more.repeats
        new = [record for key, record in records.items() if key not in repeats]
        self._count(new)
        for record in new:
            if any(decision.outcome is Outcome.FAILED for decision in record.decisions):
                self.failed.append(record)
        return Stored(records, repeats)

    async def _together(self, judged: Sequence[_Judged]) -> Stored:
        for _ in range(_TRIES):  # not `undisputed`: what is new may be there by now as well; the sender comes again
            known = await self._events.load_many([each.arrived.received.key for each in judged])
            plan = _Plan(
                [each for each in judged if each.arrived.received.key not in known],
                await self._groups.load_many([group_id(w.ready.trigger.id, w.group) for each in judged for w in each.waiting]),
            )
            for ready, since in plan.newcomers():
                taken = await self._groups.count(ready.trigger.id, since, self._most_groups)
                plan.bound(ready.trigger.id, self._most_groups, taken)
            plan.know(await self._events.load_many(plan.asked()))
            plan.fold()
            plan.know(await self._events.load_many(plan.missing()))
            creations, gatherings = plan.conclude()
            try:
                await self._groups.commit(creations, gatherings, plan.changes())
            except Conflict:
                continue
            return Stored({c.key: c.value for c in creations} | known, set(known))
        raise Unavailable("Too many events change the same group at this moment.", hint="Send it again.")

    def _count(self, records: Iterable[Received]) -> None:
        tally = Tally((record.channel, decision.outcome) for record in records for decision in record.decisions)
        for (channel, outcome), count in tally.items():
            self._decided.labels(channel=channel.value, outcome=outcome.value).inc(count)


class _Plan:
    """One attempt: groups as they were read, changed in memory, and what comes of it."""

    def __init__(self, judged: Sequence[_Judged], entries: dict[str, Entry[Slot]]) -> None:
        self._judged = judged
        self._entries = entries
        self._slots: dict[str, Slot] = {}
        self._left: list[Left] = []
        self._decided: dict[str, list[tuple[Decision, Start | None]]] = {}
        self._room: dict[str, tuple[int, int]] = {}
        self._payloads = {each.arrived.received.key: each.arrived.event for each in judged}

    def fold(self) -> None:
        """Let the events come to their groups, in order."""
        for each in self._judged:
            key = each.arrived.received.key
            self._decided[key] = [self._come(each, said) if isinstance(said, Waiting) else said for said in each.said]

    def _come(self, each: _Judged, waiting: Waiting) -> tuple[Decision, Start | None]:
        arrived, trigger = each.arrived, waiting.ready.trigger
        key = arrived.received.key
        if trigger.gather is None:
            return start_alone(waiting.ready, as_json(arrived.event), key)
        at = group_id(trigger.id, waiting.group)
        slot = self._slots.get(at) or self._read(at)
        if slot is None:
            most, room = self._room[trigger.id]
            if room <= 0:
                why = f"It remembers {most} keys already; there is room when some of them are done."
                return decision_of(trigger, Outcome.CROWDED, why, group=waiting.group), None
            self._room[trigger.id] = most, room - 1
            slot = fresh(trigger, waiting.group, arrived.at, direct=arrived.received.channel in _DIRECT)
        size = len(arrived.received.event or b"")
        try:
            slot, decision, endings = fold(waiting, slot, Held(key, arrived.at, size), self._enough(waiting.ready))
        except Rejected as error:
            return decision_of(trigger, Outcome.FAILED, error.detail, group=waiting.group), None
        self._slots[at] = slot
        self._left += [Left(slot, waiting.ready, ending) for ending in endings]
        if decision.outcome is not Outcome.STARTED:
            return decision, None
        mine = next((ending for ending in endings if any(held.event == key for held in ending.held)), None)
        if mine is None:  # a throttle let it pass
            started, start = start_alone(waiting.ready, as_json(arrived.event), key)
            return replace(started, group=waiting.group), start
        run = run_id(trigger.id, gathering_id(trigger.id, [held.event for held in mine.held]))
        return replace(decision, run=run), None

    def newcomers(self) -> list[tuple[Ready, datetime]]:
        """Triggers that would remember a key more, with the time since which what they remember still counts."""
        found: dict[str, tuple[Ready, datetime]] = {}
        for each in self._judged:
            for waiting in each.waiting:
                trigger = waiting.ready.trigger
                if trigger.gather is not None and group_id(trigger.id, waiting.group) not in self._entries:
                    found[trigger.id] = waiting.ready, each.arrived.at - longest_wait(trigger.gather.rule)
        return list(found.values())

    def bound(self, trigger: str, most: int, taken: int) -> None:
        """A trigger remembers so many keys of at most so many."""
        self._room[trigger] = most, most - taken

    def _enough(self, ready: Ready) -> Enough:
        return lambda held: is_enough(ready, [as_json(self._payloads[e.event]) for e in held if e.event in self._payloads])

    def asked(self) -> list[str]:
        """Keys of events that are held and that a condition is about."""
        slots = {each.id: each for each in map(_value, self._entries.values())}
        ids = {
            group_id(w.ready.trigger.id, w.group) for each in self._judged for w in each.waiting if w.ready.until is not None
        }
        return [held.event for at in ids if at in slots for held in slots[at].state.held]

    def _read(self, at: str) -> Slot | None:
        entry = self._entries.get(at)
        return None if entry is None else entry.value

    def missing(self) -> list[str]:
        """Keys of events that leave a group now and came earlier."""
        return [key for left in self._left if left.ending.end is End.FIRED for key in left.keys if key not in self._payloads]

    def know(self, records: dict[str, Received]) -> None:
        """Take the events that were missing."""
        self._payloads |= payloads(records)

    def conclude(self) -> tuple[list[Creation[Received]], list[Creation[Gathering]]]:
        """What is to be stored, with what is to be said."""
        gatherings = [conclude(left, self._payloads) for left in self._left]
        failed = {g.value.run or run_id(g.value.trigger, g.key): g.value for g in gatherings if g.value.run is None}
        creations = []
        for each in self._judged:
            key = each.arrived.received.key
            decided = [(_corrected(decision, failed), start) for decision, start in self._decided[key]]
            record, outbox = accepted(each.arrived.received, each.arrived.event, each.cause, decided)
            creations.append(Creation(key, record, outbox))
        return creations, gatherings

    def changes(self) -> list[Change[Slot]]:
        """The groups as they are now."""
        return [Change(self._entries.get(at) or Entry(at, None, 0, 0), slot) for at, slot in self._slots.items()]


def _value(entry: Entry[Slot]) -> Slot:
    assert entry.value is not None, "what was found has a value"
    return entry.value


def payloads(records: dict[str, Received]) -> dict[str, CloudEvent]:
    """The events of these records."""
    return {key: decode(record.event) for key, record in records.items() if record.event is not None}


def _judge(arrived: Arrived, loops: LoopGuard) -> _Judged:
    cause, too_deep = cause_of(arrived.event, arrived.received.key)
    if cause.traceparent is not None:  # what it leads to comes of the decision, which comes of the event
        with span("trigger.decide", parent=cause.traceparent, kind="consumer", event=arrived.event.id[:200]) as decided:
            cause = replace(cause, traceparent=decided.traceparent)
    shown = as_json(arrived.event) if arrived.met else {}
    said: list[Said] = []
    for met in arrived.met:
        verdict = judge(met.ready, shown, met.clauses, too_deep=too_deep)
        if not isinstance(verdict, Waiting):
            said.append((verdict, None))
        elif why := loops.too_many(met.ready.trigger.id, cause.correlation, arrived.event.depth):
            said.append((decision_of(met.ready.trigger, Outcome.CHAIN_STOPPED, why), None))
        elif met.ready.trigger.gather is None:
            said.append(start_alone(met.ready, shown, arrived.received.key))
        else:
            said.append(verdict)
    return _Judged(arrived, cause, said)


def _alone(judged: _Judged) -> Creation[Received]:
    decided = [said for said in judged.said if not isinstance(said, Waiting)]
    record, outbox = accepted(judged.arrived.received, judged.arrived.event, judged.cause, decided)
    return Creation(record.key, record, outbox)


def _corrected(decision: Decision, failed: dict[str, Gathering]) -> Decision:
    """The last event of a group that was complete and yet started nothing says so, too."""
    gathering = failed.get(decision.run or "")
    if gathering is None:
        return decision
    return replace(decision, outcome=Outcome.FAILED, reason=gathering.why, run=None)
