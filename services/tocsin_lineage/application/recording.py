"""Recording what happened to assets: many reports in one transaction, each of them once.

A report is a fact with an id that is derived from its cause. Whoever repeats it is told that it is recorded. An asset, its
partition, the happening, the versions of its columns, results of checks and all signals about them are stored together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tocsin.signals import Cause, Json, derive
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, Outgoing, undisputed
from tocsin_lineage.application.announcing import Said, announce, of_check, of_happening, of_schema, registered
from tocsin_lineage.domain.assets import Act, Asset, Happening, Slot, code_of, failed, filled, happened
from tocsin_lineage.domain.checks import CheckPolicy, CheckResult, stood
from tocsin_lineage.domain.partitions import WHOLE
from tocsin_lineage.domain.schema_history import SchemaVersion, columns_of, difference, fingerprint
from tocsin_lineage.ports import AssetStore, Changes, Place, SlotPlace

_AHEAD = timedelta(minutes=1)  # clocks of senders differ; what is said to happen later than that happens now
_MILLISECOND = timedelta(milliseconds=1)  # what the store can tell apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What happened to an asset, which need not be known before.

    Attributes:
        namespace: Of the asset.
        key: Its key.
        happening: What happened; ``None`` when there are only check results.
        facets: What is newly known about it.
        checks: Results of its checks.
        failed: The partition could not be made: the run and the time of its failure.
        kind: Of the asset, where it had none.
        mention: The asset has been named, and is to be known from now on.
        cause: Why this is reported.
    """

    namespace: str
    key: str
    happening: Happening | None = None
    facets: Mapping[str, Json] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    failed: tuple[str, str, datetime] | None = None
    kind: str | None = None
    mention: bool = False
    cause: Cause

    @property
    def place(self) -> Place:
        """Namespace and key."""
        return self.namespace, self.key

    @property
    def partition(self) -> str:
        """Of what happened."""
        if self.failed is not None:
            return self.failed[0]
        return self.happening.partition if self.happening is not None else WHOLE


@dataclass(slots=True)
class _Draft:
    """An asset on its way through the reports of a batch."""

    entry: Entry[Asset]
    asset: Asset
    said: list[tuple[Said, Cause, str | None]] = field(default_factory=list)


class Recorder:
    """Records reports.

    Args:
        store: Where assets are.
        clock: Time.
    """

    def __init__(self, store: AssetStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @undisputed
    async def record(self, reports: Sequence[Report]) -> None:
        """Record all of them, or nothing; safe to repeat.

        Raises:
            RevisionConflict: Others wrote to the same assets all the time.
        """
        if not reports:
            return
        changes = await self._decide(reports)
        if changes.assets or changes.slots or changes.happenings or changes.checks:
            await self._store.commit_together(changes)

    async def requested_for(self, run: str) -> Sequence[SlotPlace]:
        """The partitions that a run was started for from here."""
        return await self._store.slots_of(run)

    async def _decide(self, reports: Sequence[Report]) -> Changes:
        news = await self._unknown(reports)
        entries = await self._store.load_many(list(dict.fromkeys(report.place for report in news)))
        slots = await self._store.load_slots(list(dict.fromkeys(_slot_place(report) for report in news if _has_slot(report))))
        now = self._clock.now()
        drafts: dict[Place, _Draft] = {}
        filled_slots: dict[SlotPlace, Slot] = {}
        changes = Changes()
        for report in news:
            draft = drafts.get(report.place)
            if draft is None:
                draft = drafts[report.place] = _begin(entries[report.place], report)
            report = _heard(report, now)  # noqa: PLW2901  # nothing is known of the future
            happening = report.happening
            if _has_slot(report):
                place = _slot_place(report)
                slot = (
                    filled_slots.get(place)
                    or slots[place].value
                    or Slot(namespace=place[0], asset=place[1], partition=place[2])
                )
                happening, filled_slots[place] = _fill(report, slot, draft.asset, now)
            self._take(report, happening, draft, changes)
        for draft in drafts.values():
            if draft.said or draft.entry.value is None or draft.asset != draft.entry.value:
                changes.assets.append((draft.entry, draft.asset, _outbox(draft, now)))
        changes.slots += [(slots[place], slot, ()) for place, slot in filled_slots.items() if slot != slots[place].value]
        return changes

    async def _unknown(self, reports: Sequence[Report]) -> list[Report]:
        """What is not recorded; of two of the same id the first."""
        happenings = {report.happening.id for report in reports if report.happening is not None}
        checked = {check.id for report in reports for check in report.checks}
        seen = set(await self._store.known(happenings, checked))
        news = []
        for report in reports:
            happening = report.happening if report.happening is not None and report.happening.id not in seen else None
            checks = tuple(check for check in report.checks if check.id not in seen)
            if happening is None and not checks and report.failed is None and not report.mention:
                continue
            seen |= {*([happening.id] if happening else []), *(check.id for check in checks)}
            whole = happening is report.happening and len(checks) == len(report.checks)
            news.append(
                report
                if whole
                else replace(report, happening=happening, checks=checks, facets=report.facets if happening else {})
            )
        return news

    @staticmethod
    def _take(report: Report, happening: Happening | None, draft: _Draft, changes: Changes) -> None:
        """One report: into the draft of its asset, and what is stored beside it."""
        asset = draft.asset
        if report.kind is not None and asset.kind is None:
            asset = replace(asset, kind=report.kind)
        if happening is not None:
            changes.happenings.append((report.place, happening))
            asset = happened(asset, happening, report.facets)
            said = of_happening(happening, asset.key)
            if said is not None:
                draft.said.append((said, report.cause, happening.actor))
            asset = _of_columns(asset, report, draft, changes)
        for check in report.checks:
            policy = asset.policy.checks.get(check.check, CheckPolicy())
            result = replace(check, blocking=check.blocking or policy.blocking)
            changes.checks.append((report.place, result))
            asset = replace(asset, standings=stood(asset.standings, result))
            draft.said.append((of_check(result, asset.key), report.cause, result.actor))
        draft.asset = asset


def _begin(entry: Entry[Asset], report: Report) -> _Draft:
    if entry.value is not None:
        return _Draft(entry, entry.value)
    asset = Asset(namespace=report.namespace, key=report.key, kind=report.kind)
    actor = report.happening.actor if report.happening is not None else None
    return _Draft(entry, asset, [(registered(asset), report.cause, actor)])


def _of_columns(asset: Asset, report: Report, draft: _Draft, changes: Changes) -> Asset:
    """The asset with the version of its columns, if what happened says what they are and nothing newer has."""
    happening = report.happening
    told, before_told = report.facets.get("schema"), draft.asset.facets.get("schema")
    if happening is None or told is None or asset.facets.get("schema") is not told:
        return asset  # not spoken of, or what is known is newer
    if asset.schema is not None and told == before_told:
        return asset
    columns = columns_of(report.facets)
    if columns is None:
        return asset
    found = fingerprint(columns)
    if found == asset.schema:
        return asset
    before = columns_of(draft.asset.facets) if asset.schema is not None else None
    version = derive("schema-version", *report.place, found, happening.id)
    changes.schemas.append((report.place, SchemaVersion(version, happening.at, columns, happening.run)))
    if before is not None:
        said = of_schema(asset.key, happening.run, difference(before, columns))
        draft.said.append((said, report.cause, happening.actor))
    return replace(asset, schema=found)


def _heard(report: Report, now: datetime) -> Report:
    """The report with no time that is still to come: an asset would be fresh until then, and what is newer would be older."""
    happening, latest = report.happening, now + _AHEAD
    if (happening is None or happening.at <= latest) and all(check.at <= latest for check in report.checks):
        return report
    checks = tuple(replace(check, at=min(check.at, now)) for check in report.checks)
    return replace(report, happening=happening and replace(happening, at=min(happening.at, now)), checks=checks)


def _has_slot(report: Report) -> bool:
    written = report.happening is not None and report.happening.act is Act.MATERIALIZED
    return written or report.failed is not None


def _slot_place(report: Report) -> SlotPlace:
    return report.namespace, report.key, report.partition


def _empty(place: SlotPlace) -> Slot:
    return Slot(namespace=place[0], asset=place[1], partition=place[2])


def _fill(report: Report, slot: Slot, asset: Asset, now: datetime) -> tuple[Happening | None, Slot]:
    """What happened with its time of recording, which grows from writing to writing, and the partition after it."""
    if report.failed is not None:
        return report.happening, failed(slot, report.failed[1], report.failed[2])
    if report.happening is None:
        return None, slot
    noted = now if slot.noted is None else max(now, slot.noted + _MILLISECOND)
    happening = report.happening.recorded(noted)
    return happening, filled(slot, happening, code_of(happening, asset))


def _outbox(draft: _Draft, now: datetime) -> list[Outgoing]:
    outbox: list[Outgoing] = []
    for number, (said, cause, actor) in enumerate(draft.said):
        outbox += announce(
            [said],
            namespace=draft.asset.namespace,
            key=draft.asset.key,
            after=draft.entry.sequence + number,
            now=now,
            cause=cause,
            actor=actor,
        )
    return outbox


def happening_of(
    act: Act, *, cause_id: str, key: str, at: datetime, actor: str, partition: str = WHOLE, noted: datetime | None = None
) -> Happening:
    """A happening whose id is derived from its cause."""
    return Happening(
        id=happening_id(act, cause_id, key, partition), act=act, at=at, actor=actor, partition=partition, noted=noted
    )


def happening_id(act: Act, cause_id: str, key: str, partition: str = WHOLE) -> str:
    """The id of what happened to an asset for a cause."""
    return derive("asset", act.value, cause_id, key, *([partition] if partition else []))
