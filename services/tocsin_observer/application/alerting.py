"""Watches all signals for the alert rules, in order, and makes alerts; one replica does it at a time.

What rules remember is in memory and stored every second before the place in the stream: after a crash the same signals are
folded once more, and each tracker ignores those that it knows. An alert's id follows from its rule, its group and how often
that has fired, so it is made once whoever makes it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

import structlog

from tocsin.cesql import Filter, parse
from tocsin.errors import TocsinError
from tocsin.signals import Cause, CloudEvent, decode, follow, root
from tocsin.signals.catalogue import observer as words
from tocsin.signals.ids import DEPTH_LIMIT
from tocsin_kit.clock import Clock
from tocsin_observer.application.acting import commands_of
from tocsin_observer.application.announcing import announce
from tocsin_observer.application.notifying import Notifying
from tocsin_observer.application.reading import AT_ONCE, Reader
from tocsin_observer.domain.alert_rules import AlertRule, Kind, concerns, group_of, workflow_of
from tocsin_observer.domain.alerts import AlertState, alert_id, fired, resolved
from tocsin_observer.domain.audit import Heard
from tocsin_observer.domain.patterns import PatternIndex
from tocsin_observer.domain.tracking import Phase, Tracker, Turn, dealt_with, measured, next_look, observed, turned
from tocsin_observer.ports.alerts import AlertStore, RuleStore

log = structlog.get_logger()

LOOK: Final = timedelta(milliseconds=500)
ASKED: Final = timedelta(seconds=2)  # without a signal, which a change of a rule is too: between two looks for changed rules
FLUSH: Final = timedelta(seconds=1)
MOST_TRACKERS: Final = 100_000  # things watched at once; beyond, new ones are not, and that is said
MOST_OF_RULE: Final = 10_000  # of one rule: nobody's rule takes the room of all others
_TOLD: Final = frozenset({"alert", "webhook"})  # what people may be notified of
_ORDER: Final = {"match": 0, "bad": 1, "end": 2}

Key = tuple[str, tuple[tuple[str, str], ...]]
Measures = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class _Watch:
    rule: AlertRule
    condition: Filter | None


class Alerting:
    """The engine of alerts.

    Args:
        rules: What is looked for.
        alerts: Alerts, and what rules remember.
        reader: All signals.
        notifying: Tells people.
        measures: The platform's measures by name, as they are now.
        clock: Time.
    """

    def __init__(
        self,
        rules: RuleStore,
        alerts: AlertStore,
        reader: Reader,
        notifying: Notifying,
        *,
        measures: Measures,
        clock: Clock,
    ) -> None:
        self._rules = rules
        self._alerts = alerts
        self._reader = reader
        self._notifying = notifying
        self._measures = measures
        self._clock = clock
        self._turn = asyncio.Lock()
        self._reset()

    def _reset(self) -> None:
        self._stamp: object = None
        self._watches: dict[str, _Watch] = {}
        self._index: PatternIndex[tuple[str, str]] = PatternIndex()
        self._trackers: dict[Key, Tracker] = {}
        self._dues: dict[Key, datetime] = {}
        self._dirty: set[Key] = set()
        self._gone: dict[Key, Tracker] = {}
        self._position = 0
        self._stored_position = -1
        self._flushed = self._asked = float("-inf")
        self._behind, self._goal = False, 0
        self._full: set[str] = set()
        self._sizes: Counter[str] = Counter()

    async def work(self) -> None:
        """Watch until cancelled.

        Raises:
            Unavailable: The bus or the database does not answer; begin again from what is stored.
        """
        self._reset()
        known, position = await self._alerts.trackers()
        self._trackers = {_key(one.rule, one.group): one for one in known}
        self._sizes = Counter(one.rule for one in known)
        if position is None:  # the very first time: from now on, also after a crash in the next moment
            position = await self._reader.now()
            await self._alerts.remember([], [], position)
        anew = await self._reader.begins_anew(position)
        if anew:  # places of before say nothing about what comes
            self._trackers = {key: replace(one, position=0) for key, one in self._trackers.items()}
        self._position, self._goal = position, await self._reader.goal()
        self._behind = self._goal > (0 if anew else position)  # what was said meanwhile is heard before anything is missed
        await self._refresh()
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(self._tick())
            await self._reader.each(self._hear, after=position)
            ticking.cancel()

    async def _hear(self, batch: Sequence[Heard]) -> None:
        async with self._turn:
            await self._take(batch)

    # ---- signals -----------------------------------------------------------------------------------------------------

    async def _take(self, batch: Sequence[Heard]) -> None:
        await self._refresh()
        for heard in batch:
            places = self._index.matching(heard.subject)
            tokens = heard.subject.split(".", 3)
            if places or tokens[2] in _TOLD:
                await self._one(heard, sorted(places, key=lambda place: _ORDER[place[1]]))
            self._position = heard.position
        self._behind = len(batch) >= AT_ONCE or self._position < self._goal
        await self._flush()

    async def _one(self, heard: Heard, places: Sequence[tuple[str, str]]) -> None:
        try:
            event = decode(heard.payload)
        except TocsinError as error:
            log.info("alerts.unreadable", position=heard.position, error=error.detail)
            return
        if heard.subject.split(".", 3)[2] == "alert":
            await self._notifying.hear(heard, event)
            await self._dealt_with(event)
            places = places if self._may_fire_others(event) else ()
        elif heard.subject.split(".", 4)[2:4] == ["webhook", "disabled"]:
            await self._notifying.hear_disabled(heard, event)
        for rule_id, part in places:
            try:
                await self._fold(self._watches[rule_id], part, heard, event)
            except TocsinError:
                raise
            except Exception:  # one signal that a rule cannot read must not be the end of all alerts
                log.exception("alerts.not_folded", rule=rule_id, position=heard.position)

    def _may_fire_others(self, event: CloudEvent) -> bool:
        """Whether rules are told of an alert: not if its own rule watches alerts, or two of those would go on for ever."""
        said = event.payload if isinstance(event.payload, dict) else {}
        watch = self._watches.get(f"{event.namespace}/{said.get('rule')}")
        return watch is not None and not watch.rule.watches_alerts

    async def _dealt_with(self, event: CloudEvent) -> None:
        """Somebody has resolved an alert: whatever comes from now on may fire another one."""
        said = event.payload if isinstance(event.payload, dict) else {}
        rule_id, group = f"{event.namespace}/{said.get('rule')}", said.get("group") or {}
        if event.type != words.ALERT_RESOLVED.type or not said.get("by") or not isinstance(group, dict):
            return
        key = _key(rule_id, {name: str(value) for name, value in group.items()})
        tracker, watch = self._trackers.get(key), self._watches.get(rule_id)
        if tracker is not None and watch is not None and alert_id(tracker) == event.subject:
            after = dealt_with(tracker, watch.rule, self._clock.now())
            await self._look(key, after, watch.rule, follow_or_root(event))

    async def _fold(self, watch: _Watch, part: str, heard: Heard, event: CloudEvent) -> None:
        rule = watch.rule
        if (watch.condition is not None and part == "match" and not watch.condition.evaluate(event).holds) or not concerns(
            rule, event
        ):
            return
        key, cause = _key(rule.id, group_of(rule, event)), follow_or_root(event)
        now = heard.stored if self._behind else self._clock.now()  # behind the present, it is the time in which that was said
        if self._behind and key in self._trackers and heard.position > self._trackers[key].position:
            await self._look(key, self._trackers[key], rule, cause, now)  # as it stood before
        tracker = self._trackers.get(key)
        if tracker is not None and heard.position <= tracker.position:
            return  # read again after a crash
        if tracker is None:
            if part == "end" or not self._has_room(rule.id):
                return
            tracker = self._new(rule, dict(key[1]), heard.stored)
        at = _due(event) or event.time or heard.stored
        context = {**tracker.context, **_context(event)}
        tracker = replace(
            observed(tracker, rule, part, transition=heard.subject.split(".")[3], at=at, position=heard.position),
            context=context,
        )
        await self._look(key, tracker, rule, cause, now)

    def _has_room(self, rule: str) -> bool:
        if len(self._trackers) < MOST_TRACKERS and self._sizes[rule] < MOST_OF_RULE:
            self._full.discard(rule)
            return True
        if rule not in self._full:
            log.error("alerts.too_many_things", rule=rule, limit=MOST_TRACKERS, limit_of_rule=MOST_OF_RULE)
            self._full.add(rule)
        return False

    def _new(self, rule: AlertRule, group: Mapping[str, str], at: datetime | None = None) -> Tracker:
        return Tracker(rule=rule.id, group=group, watched_since=at or self._clock.now(), shape=rule.shape)

    def _keep(self, key: Key, tracker: Tracker) -> None:
        if self._trackers.get(key) != tracker:
            self._sizes[key[0]] += key not in self._trackers
            self._trackers[key] = tracker
            self._dirty.add(key)
            self._gone.pop(key, None)

    # ---- time --------------------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(LOOK)
            async with self._turn:
                if self._clock.monotonic() - self._asked >= ASKED.total_seconds():
                    await self._refresh()
                if not self._behind:
                    await self._look_at_all()
                await self._flush()

    async def _look_at_all(self) -> None:
        now = self._clock.now()
        if rules := [watch.rule for watch in self._watches.values() if watch.rule.kind is Kind.MEASURE]:
            readings = self._measures()
            for rule in rules:
                await self._measure(rule, readings)
        for key in [key for key, due in self._dues.items() if due <= now]:
            rule = self._watches[key[0]].rule
            cause, depth = root(f"alert rule {rule.id}"), int(self._trackers[key].context.get("depth", 0))
            await self._look(key, self._trackers[key], rule, replace(cause, depth=min(depth + 1, DEPTH_LIMIT)))

    async def _measure(self, rule: AlertRule, readings: Mapping[str, float]) -> None:
        for name, value in readings.items():
            if fnmatchcase(name, rule.measure or ""):
                key = _key(rule.id, {"measure": name})
                tracker = self._trackers.get(key) or self._new(rule, {"measure": name})
                if tracker.value != value:
                    await self._look(key, measured(tracker, value), rule, root(f"alert rule {rule.id}"))

    async def _forget(self, key: Key, tracker: Tracker, why: str) -> None:
        """Nobody looks at this any more: what it fired is over."""
        if tracker.phase is Phase.FIRING:
            await self._resolve(tracker, root(f"alert rule {tracker.rule}"), note=why)
        self._drop(key, tracker)

    # ---- alerts ------------------------------------------------------------------------------------------------------

    async def _look(self, key: Key, tracker: Tracker, rule: AlertRule, cause: Cause, now: datetime | None = None) -> None:
        now, before = now or self._clock.now(), tracker
        tracker, turn = turned(tracker, rule, now)
        if turn is Turn.FIRED:
            if key not in self._trackers:
                self._keep(key, before)
                await self._flush(now=True)  # the alert's id follows from it: after a crash it must be the same
            await self._fire(rule, tracker, now, cause)
        elif turn is Turn.RESOLVED:
            await self._resolve(tracker, cause)
        if tracker.idle and rule.kind is not Kind.ABSENCE:
            self._drop(key, tracker)
            return
        self._schedule(key, tracker, rule, now)
        self._keep(key, tracker)

    def _schedule(self, key: Key, tracker: Tracker, rule: AlertRule, now: datetime) -> None:
        due = next_look(tracker, rule, now)
        if due is None:
            self._dues.pop(key, None)
        else:
            self._dues[key] = due

    def _drop(self, key: Key, tracker: Tracker) -> None:
        if self._trackers.pop(key, None) is None:
            return  # never stored: it came and went within a moment
        self._sizes[key[0]] -= 1
        self._dues.pop(key, None)
        self._dirty.discard(key)
        self._gone[key] = tracker

    async def _fire(self, rule: AlertRule, tracker: Tracker, now: datetime, cause: Cause) -> None:
        alert = fired(rule, tracker, now=now)
        entry = await self._alerts.load(alert.id)
        if entry.value is not None:  # made before a crash
            return
        outbox = announce(
            [(words.ALERT_FIRED, alert.said(open_case=rule.actions.open_case or None))],
            namespace=alert.namespace,
            entity_id=alert.id,
            after=entry.sequence,
            now=now,
            cause=cause,
            actor=None,
        )
        await self._alerts.commit(entry, alert, [*outbox, *commands_of(rule, alert, now=now, cause=cause)])
        log.info("alert.fired", rule=rule.id, alert=alert.id, summary=alert.summary)

    async def _resolve(self, tracker: Tracker, cause: Cause, note: str | None = None) -> None:
        entry = await self._alerts.load(alert_id(tracker))
        if entry.value is None or entry.value.state is AlertState.RESOLVED:
            return
        now = self._clock.now()
        alert = resolved(entry.value, by=None, now=now, note=note)
        outbox = announce(
            [(words.ALERT_RESOLVED, alert.said(note=note))],
            namespace=alert.namespace,
            entity_id=alert.id,
            after=entry.sequence,
            now=now,
            cause=cause,
            actor=None,
        )
        await self._alerts.commit(entry, alert, outbox)

    # ---- memory ------------------------------------------------------------------------------------------------------

    async def _refresh(self) -> None:
        stamp, self._asked = await self._rules.stamp(), self._clock.monotonic()
        if stamp == self._stamp:
            return
        rules = await self._rules.enabled()
        self._watches = {rule.id: _Watch(rule, parse(rule.filter) if rule.filter else None) for rule in rules}
        self._index = PatternIndex(
            (pattern, (rule.id, part)) for rule in rules for pattern, part in rule.patterns() if rule.kind is not Kind.MEASURE
        )
        for key, tracker in list(self._trackers.items()):
            watch = self._watches.get(tracker.rule)
            if watch is None:
                await self._forget(key, tracker, "the rule is gone or disabled")
            elif tracker.shape and tracker.shape != watch.rule.shape:
                await self._forget(key, tracker, "the rule looks for something else now")
        for rule in rules:  # an absence is watched from the beginning
            key = _key(rule.id, {})
            if rule.kind is Kind.ABSENCE and not rule.group_by and key not in self._trackers:
                self._keep(key, self._new(rule, {}))
        self._dues = dict.fromkeys(self._trackers, self._clock.now())  # a changed rule may see it differently
        self._stamp = stamp

    async def _flush(self, *, now: bool = False) -> None:
        at = self._clock.monotonic()
        if not now and at - self._flushed < FLUSH.total_seconds():
            return
        if self._dirty or self._gone or self._position != self._stored_position:
            dirty = [self._trackers[key] for key in self._dirty]
            await self._alerts.remember(dirty, list(self._gone.values()), self._position)
            self._dirty.clear()
            self._gone.clear()
            self._stored_position = self._position
        self._flushed = at


def _key(rule: str, group: Mapping[str, str]) -> Key:
    return rule, tuple(sorted(group.items()))


def follow_or_root(event: CloudEvent) -> Cause:
    """What an alert comes of; where the chain is too long to go on it ends with the alert, which must not get lost in it."""
    try:
        return follow(event)
    except TocsinError:
        return replace(root(event.id), depth=DEPTH_LIMIT)


def _due(event: CloudEvent) -> datetime | None:
    """When a firing was due: that is what a late start is counted from."""
    data = event.payload if isinstance(event.payload, dict) else {}
    try:
        due = datetime.fromisoformat(str(data.get("due_at")))
    except ValueError:
        return None
    return due if due.tzinfo is not None else None


def _context(event: CloudEvent) -> dict[str, str]:
    """What an alert can tell beyond its group: the last run and workflow that it saw."""
    run = event.subject if "/runs/" in event.source else None
    workflow = workflow_of(event)
    depth = str(event.depth) if event.depth else None
    return {name: value for name, value in (("run", run), ("workflow", workflow), ("depth", depth)) if value}
