"""Makes assets anew when their conditions hold: one run for each partition and cause, and a record of every look.

A look has an id that is derived from its cause and partition. A start is stored together with its record, and with what it
answers in the partition's document, whose revision it was decided from: neither a repeat nor another replica starts a second
run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from tocsin.errors import Conflict
from tocsin.schedules import parse_timetable
from tocsin.signals import Cause, CloudEvent, Json, derive, follow, root
from tocsin.signals.subjects import SignalSubject
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, undisputed
from tocsin_lineage.application.announcing import start_run
from tocsin_lineage.domain.assets import Asset, Condition, Slot
from tocsin_lineage.domain.automation import Facts, Finding, Part, Tick, Upstream, answered_by, causes, evaluate, tick_of
from tocsin_lineage.domain.checks import blockers
from tocsin_lineage.domain.freshness import ends_after
from tocsin_lineage.domain.mappings import Ends, downstream_keys, upstream_keys
from tocsin_lineage.domain.partitions import WHOLE, Windows, all_keys, is_key, key_of, last_closed, time_of, windows_in
from tocsin_lineage.domain.policy import MadeOf
from tocsin_lineage.ports import AssetStore, Changes, Evaluation, EvaluationStore

EVERY = timedelta(seconds=1)
AT_ONCE = 200
LOOK_LIMIT = 200  # partitions that one cause makes be looked at
KNOWN_LIMIT = 10_000
_NEWS = frozenset({"materialized", "check-evaluated", "freshness-changed"})


class Automation:
    """Looks at conditions.

    Args:
        store: Where assets are.
        evaluations: Where looks are recorded.
        clock: Time.
    """

    def __init__(self, store: AssetStore, evaluations: EvaluationStore, *, clock: Clock) -> None:
        self._store = store
        self._evaluations = evaluations
        self._clock = clock

    async def hear(self, place: SignalSubject, event: CloudEvent) -> None:
        """Something happened to an asset: look at those that are made of it."""
        if place.entity != "asset" or place.transition not in _NEWS or not isinstance(event.payload, dict):
            return
        name, partition = event.payload.get("name"), event.payload.get("partition") or WHOLE
        if not isinstance(name, str) or not isinstance(partition, str):
            return
        downstream = [asset for asset in await self._store.downstream(place.namespace, name) if asset.policy.automation]
        if not downstream:
            return
        source = (await self._store.load(place.namespace, name)).value
        cause = follow(event)
        for asset in downstream:
            if source is None:
                continue
            made_of = next(one for one in asset.policy.upstream if one.key == name)
            ends = await self._ends(asset, source)
            if is_key(source.policy.partitions, partition):
                keys = downstream_keys(made_of.mapping, ends, partition)
            else:
                keys = all_keys(asset.policy.partitions, ends.now, ends.known_down)  # written as a whole: all of it concerns
            for key in keys[-LOOK_LIMIT:]:
                await self._look(asset.namespace, asset.key, key, event.id, cause)

    async def check(self) -> int:
        """Look at what time has made due; how many assets that were."""
        now = self._clock.now()
        places = await self._store.automation_due(now, AT_ONCE)
        for place in places:
            try:
                await self._tick(*place, now=now)
            except Conflict:  # another replica did, or it was described anew: it is due again then
                continue
        return len(places)

    async def _tick(self, namespace: str, key: str, *, now: datetime) -> None:
        entry = await self._store.load(namespace, key)
        asset = entry.value
        if asset is None or asset.automation_due is None or asset.automation_due > now:
            return
        instant = asset.automation_due.isoformat()
        for partition in await self._due_partitions(asset, now):
            cause_id = derive("automation-tick", namespace, key, instant)
            await self._look(namespace, key, partition, cause_id, root(cause_id))
        # Last: a process that ends before this looks again, and finds its own records.
        await self._store.commit(entry, replace(asset, automation_due=next_look(asset, now)), ())

    async def _due_partitions(self, asset: Asset, now: datetime) -> list[str]:
        """The partition that has just been over; all of those that are not partitions of time."""
        partitions = asset.policy.partitions
        if isinstance(partitions, Windows):
            window = last_closed(partitions, now)
            return [key_of(partitions, window.start)] if window is not None else []
        known = await self._store.slot_keys(asset.namespace, asset.key, KNOWN_LIMIT)
        return all_keys(partitions, now, known)[-LOOK_LIMIT:]

    @undisputed
    async def _look(self, namespace: str, key: str, partition: str, cause_id: str, cause: Cause) -> None:
        look = derive("evaluation", namespace, key, partition, cause_id)
        if await self._evaluations.known([look]):
            return
        asset = (await self._store.load(namespace, key)).value
        if asset is None or asset.policy.automation is None:
            return
        place = (namespace, key, partition)
        entry = (await self._store.load_slots([place]))[place]
        await self._decide(asset, entry, partition, (look, cause_id, cause))

    async def _decide(self, asset: Asset, entry: Entry[Slot], partition: str, why: tuple[str, str, Cause]) -> None:
        condition = asset.policy.automation
        if condition is None:
            return
        look, cause_id, cause = why
        now = self._clock.now()
        slot = entry.value or Slot(namespace=asset.namespace, asset=asset.key, partition=partition)
        facts = await self._facts(asset, slot, tick_of(condition), now)
        finding = evaluate(condition, facts)
        run = derive("automation", asset.namespace, asset.key, partition, *causes(condition, facts)) if finding.holds else None
        record = _record(look, asset, partition, now=now, cause=cause_id, finding=finding, run=run)
        if run is None or run == slot.requested_run:
            await self._evaluations.keep([replace(record, run=None)])
            return
        handled, answered = answered_by(facts)
        after = replace(
            slot,
            requested_at=now,
            requested_run=run,
            handled=handled,
            answered=answered,
            ticked=facts.tick if facts.tick is not None else slot.ticked,
        )
        labels = {"tocsin.asset": asset.key[:200], **({"tocsin.partition": partition} if partition else {})}
        given = input_of(asset, partition)
        start = start_run(run, asset, given=given, labels=labels, event=cause_id, now=now, cause=cause)
        await self._store.commit_together(Changes(slots=[(entry, after, [start])], evaluations=[record]))

    async def _facts(self, asset: Asset, slot: Slot, tick: Tick | None, now: datetime) -> Facts:
        since = asset.since or now
        return Facts(
            partition=slot.partition,
            upstream=tuple([await self._upstream(asset, one, slot.partition) for one in asset.policy.upstream]),
            handled=slot.handled if slot.handled is not None else since,
            answered=frozenset(slot.answered) if slot.handled is not None else None,
            written=slot.written is not None,
            requested=slot.condition is Condition.REQUESTED,
            tick=_last_tick(tick, since, now) if tick is not None else None,
            ticked=slot.ticked if slot.ticked is not None else since,
            code=_other_code(slot, asset),
        )

    async def _upstream(self, asset: Asset, made_of: MadeOf, partition: str) -> Upstream:
        source = (await self._store.load(asset.namespace, made_of.key)).value
        if source is None:
            return Upstream(key=made_of.key, parts=(Part(WHOLE, None, None),))
        keys = upstream_keys(made_of.mapping, await self._ends(asset, source), partition)
        places = {key: (asset.namespace, made_of.key, key) for key in keys}
        slots = await self._store.load_slots(list(places.values()))
        parts = []
        for key, place in places.items():
            slot = slots[place].value
            parts.append(Part(key, slot.noted, slot.happening) if slot is not None else Part(key, None, None))
        return Upstream(
            key=made_of.key,
            parts=tuple(parts),
            state=source.verdict.state,
            blocked=tuple(blockers(source.standings, keys)),
        )

    async def _ends(self, asset: Asset, source: Asset) -> Ends:
        known: list[Sequence[str]] = []
        for one in (asset, source):
            fixed = one.policy.partitions is None or isinstance(one.policy.partitions, Windows)
            known.append(() if fixed else await self._store.slot_keys(one.namespace, one.key, KNOWN_LIMIT))
        return Ends(asset.policy.partitions, source.policy.partitions, self._clock.now(), known[0], known[1])


def _other_code(slot: Slot, asset: Asset) -> tuple[str, str] | None:
    """The version of the code that a partition was written with, and that of now, where they differ."""
    if slot.code is None or asset.code_version is None or slot.code == asset.code_version:
        return None
    return slot.code, asset.code_version


def input_of(asset: Asset, partition: str) -> Mapping[str, Json]:
    """What the maker is given: its own input, the asset, and the partition with its window."""
    maker = asset.policy.maker
    given: dict[str, Json] = {**(maker.input if maker is not None else {}), "asset": asset.key}
    if partition:
        given["partition"] = partition
        window = time_of(asset.policy.partitions, partition)
        if window is not None:
            given["window"] = {"start": window.start.isoformat(), "end": window.end.isoformat()}
    return given


def next_look(asset: Asset, now: datetime) -> datetime | None:
    """When time makes the condition due again: the next instant of its cron pattern, the next end of a window."""
    condition = asset.policy.automation
    tick = tick_of(condition) if condition is not None else None
    coming = parse_timetable(tick.cron, tick.zone).next(now) if tick is not None else None
    windows = windows_in(asset.policy.partitions)
    ending = next(islice(ends_after(windows, now), 1), None) if windows is not None and tick is None else None
    return min((at for at in (coming, ending) if at is not None), default=None)


def _last_tick(tick: Tick, since: datetime, now: datetime) -> datetime | None:
    table = parse_timetable(tick.cron, tick.zone)
    span = timedelta(hours=2)
    while True:
        begin = max(now - span, since)
        found, _ = table.due(begin, now, 10_000)
        if found:
            return found[-1]
        if begin == since:
            return None
        span *= 8


def _record(
    look: str, asset: Asset, partition: str, *, now: datetime, cause: str, finding: Finding, run: str | None
) -> Evaluation:
    return Evaluation(
        id=look,
        namespace=asset.namespace,
        asset=asset.key,
        partition=partition,
        at=now,
        cause=cause,
        finding=finding.document(),
        run=run,
    )
