"""An asset: something that runs make and read. A table, a file, a model; what it is called is its owner's business."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from tocsin.signals import Json
from tocsin_lineage.domain.checks import Standing
from tocsin_lineage.domain.freshness import Verdict
from tocsin_lineage.domain.policy import Policy


class Act(Enum):
    """What happened to an asset."""

    MATERIALIZED = "materialized"
    OBSERVED = "observed"
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One materialization, observation or reading.

    Attributes:
        id: Derived from its cause: the same twice is one.
        act: Written, looked at, or read by a run.
        at: When.
        noted: When it was recorded.
        partition: Which partition; empty for the whole asset.
        run: Id of the run.
        task: JSON pointer to the task, or the foreign job's name.
        job: The job of the graph that did it.
        version: What the writer calls this version.
        metadata: Whatever is known about it: rows, bytes, checks.
        actor: Who said so.
    """

    id: str
    act: Act
    at: datetime
    noted: datetime | None = None
    partition: str = ""
    run: str | None = None
    task: str | None = None
    job: str | None = None
    version: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    actor: str

    def recorded(self, noted: datetime) -> "Happening":
        """The same with its time of recording; written out, because intake does this for every event."""
        return Happening(
            id=self.id,
            act=self.act,
            at=self.at,
            noted=noted,
            partition=self.partition,
            run=self.run,
            task=self.task,
            job=self.job,
            version=self.version,
            metadata=self.metadata,
            actor=self.actor,
        )


class Condition(Enum):
    """What is to be said of a partition."""

    MISSING = "missing"
    REQUESTED = "requested"
    FAILED = "failed"
    MATERIALIZED = "materialized"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What is known about one partition of an asset, or (with an empty key) about one without partitions.

    Attributes:
        namespace: Of the asset.
        asset: Its key.
        partition: The partition's.
        written: The latest time that it was written.
        noted: When that was recorded.
        happening: Id of that writing.
        run: The run that wrote it.
        count: How often it was written.
        failed_at: When the latest run for it failed.
        failed_run: That run.
        requested_at: When the latest run for it was started from here.
        requested_run: That run.
        handled: See ``automation.Facts``.
        answered: The same.
        ticked: The same.
        known: When it was registered, before anything was written.
        code: Version of the code that it was written with.
    """

    namespace: str
    asset: str
    partition: str
    written: datetime | None = None
    noted: datetime | None = None
    happening: str | None = None
    run: str | None = None
    count: int = 0
    failed_at: datetime | None = None
    failed_run: str | None = None
    requested_at: datetime | None = None
    requested_run: str | None = None
    handled: datetime | None = None
    answered: tuple[str, ...] = ()
    ticked: datetime | None = None
    known: datetime | None = None
    code: str | None = None

    @property
    def condition(self) -> Condition:
        """The newest of what happened to it."""
        stories = (
            (self.noted, Condition.MATERIALIZED),
            (self.failed_at, Condition.FAILED),
            (self.requested_at, Condition.REQUESTED),
        )
        told = [(at, condition) for at, condition in stories if at is not None]
        if not told:
            return Condition.MISSING
        return max(told, key=lambda story: story[0])[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One asset.

    Attributes:
        namespace: Where it belongs.
        key: Its name there; may hold slashes, dots and whatever a URI may.
        kind: ``table``, ``file``, ``model`` ...
        group: What it is listed under.
        description: Markdown.
        owners: Who answers for it.
        tags: Free words.
        code_version: Of the code that makes it.
        declared: Whether a person described it; otherwise it is only known from what runs did.
        facets: The latest OpenLineage facets about it, unknown ones included.
        materialized: The latest time it was written.
        observed: The latest time it was looked at.
        materializations: How often it was written.
        policy: What is declared about it.
        since: When that was declared.
        verdict: How fresh it is.
        automation_due: When its condition has to be looked at next, if nothing happens before.
        standings: The latest results of its checks.
        schema: The latest version of its columns.
        made_with: Version of the code that it was written with last.
    """

    namespace: str
    key: str
    kind: str | None = None
    group: str | None = None
    description: str = ""
    owners: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    code_version: str | None = None
    declared: bool = False
    facets: Mapping[str, Json] = field(default_factory=dict)
    materialized: datetime | None = None
    observed: datetime | None = None
    materializations: int = 0
    policy: Policy = field(default_factory=Policy)
    since: datetime | None = None
    verdict: Verdict = field(default_factory=Verdict)
    automation_due: datetime | None = None
    standings: Mapping[str, Standing] = field(default_factory=dict)
    schema: str | None = None
    made_with: str | None = None

    @property
    def outdated(self) -> bool:
        """Whether the code that makes it has changed since it was written."""
        return self.made_with is not None and self.code_version is not None and self.made_with != self.code_version


def described(said: Asset, before: Asset | None, now: datetime) -> Asset:
    """What a person says about an asset; what runs did to it stays, and so does the verdict unless the promise is another.

    Args:
        said: What was said.
        before: The asset as it was; ``None`` for a new one.
        now: When.
    """
    judged = now if said.policy.promise is not None or said.code_version is not None else None
    looked = now if said.policy.automation is not None else None
    if before is None:
        return replace(said, since=now, verdict=Verdict(since=now, due=judged), automation_due=looked)
    after = replace(
        before,
        kind=said.kind,
        group=said.group,
        description=said.description,
        owners=said.owners,
        tags=said.tags,
        code_version=said.code_version,
        # What was written before anybody said what its code is was written with the first version that was said.
        made_with=before.made_with or (before.code_version if before.materialized is not None else None),
        declared=True,
        policy=said.policy,
    )
    if before.code_version != said.code_version:
        after = replace(after, verdict=replace(after.verdict, due=now), automation_due=looked)
    if before.policy.document == said.policy.document:
        return after
    old, new = before.policy, said.policy
    if old.promise == new.promise and old.partitions == new.partitions and before.since is not None:
        return replace(after, verdict=replace(after.verdict, due=judged), automation_due=looked)
    return replace(after, since=now, verdict=Verdict(since=now, due=judged), automation_due=looked)


def code_of(happening: Happening, asset: Asset) -> str | None:
    """Version of the code that wrote: what the writer says as ``code_version``, or else what is declared now."""
    said = happening.metadata.get("code_version")
    return said if isinstance(said, str) and said else asset.code_version


def happened(asset: Asset, happening: Happening, facets: Mapping[str, Json]) -> Asset:
    """An asset after something happened to it; what is reported late does not move its clocks back.

    Args:
        asset: As it is.
        happening: What happened; a reading changes nothing.
        facets: What is newly known about it.
    """
    if happening.act is Act.READ:
        return asset
    if happening.act is Act.OBSERVED:
        newest = asset.observed is None or happening.at >= asset.observed
        return replace(
            asset,
            observed=happening.at if newest else asset.observed,
            facets={**facets, **asset.facets} if not newest else {**asset.facets, **facets},
        )
    newest = asset.materialized is None or happening.at >= asset.materialized
    verdict = asset.verdict
    made_with = code_of(happening, asset) if newest else asset.made_with
    if asset.policy.promise is not None or asset.code_version is not None:
        verdict = replace(verdict, due=happening.noted or happening.at)  # its keeper looks at once
    return replace(
        asset,
        materialized=happening.at if newest else asset.materialized,
        materializations=asset.materializations + 1,
        facets={**asset.facets, **facets} if newest else {**facets, **asset.facets},
        verdict=verdict,
        made_with=made_with,
    )


def filled(slot: Slot, happening: Happening, code: str | None = None) -> Slot:
    """A partition after it was written, with this version of the code."""
    newest = slot.written is None or happening.at >= slot.written
    return replace(
        slot,
        count=slot.count + 1,
        noted=happening.noted,
        happening=happening.id,
        written=happening.at if newest else slot.written,
        run=happening.run if newest else slot.run,
        code=code if newest else slot.code,
    )


def failed(slot: Slot, run: str, at: datetime) -> Slot:
    """A partition after a run for it failed; one that was older than what is known changes nothing."""
    if slot.run == run or (slot.failed_at is not None and slot.failed_at >= at):
        return slot
    return replace(slot, failed_at=at, failed_run=run)
