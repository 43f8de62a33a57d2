"""What leaves with a commit: signals about assets, and the commands that start runs and backfills."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tocsin.signals import Cause, CloudEvent, Json, derive
from tocsin.signals.catalogue import lineage as words
from tocsin.signals.changes import FieldChange
from tocsin.signals.kinds import Payload, Severity, SignalType
from tocsin.signals.make import make_signal, source_of, subject_of
from tocsin.signals.subjects import command
from tocsin_kit.store import Outgoing
from tocsin_kit.store.changes import changes
from tocsin_lineage.domain.assets import Act, Asset, Happening
from tocsin_lineage.domain.causes import Reason
from tocsin_lineage.domain.checks import CheckResult, Grade
from tocsin_lineage.domain.freshness import Change, State
from tocsin_lineage.domain.schema_history import Difference

START = "io.tocsin.command.run.start.v1"
BACKFILL = "io.tocsin.command.backfill.start.v1"
ACTOR = "service:lineage"
_SAID_BY_PEOPLE = ("kind", "group", "description", "owners", "tags", "code_version", "declared")
NAMES_LIMIT = 50  # columns that a signal names

Said = tuple[SignalType[Payload], Payload, Severity | None]


def signal_entity(key: str) -> str:
    """What an asset is called in subjects: its key, or a digest of one that is too long for a subject."""
    return key if len(key) <= 160 else derive("asset", key)


def registered(asset: Asset, *, before: Asset | None = None) -> Said:
    """That an asset became known, or was described anew."""
    policy = asset.policy
    payload = words.AssetRegistered(
        name=asset.key,
        kind=asset.kind,
        upstream=[one.key for one in policy.upstream] if asset.declared else None,
        maker=policy.maker.workflow if policy.maker is not None else None,
        changes=changes_of(before, asset) if asset.declared else [],  # of what runs told nobody said anything
    )
    return words.ASSET_REGISTERED, payload, None


def changes_of(before: Asset | None, after: Asset | None) -> list[FieldChange]:
    """What a write changes of what people say about an asset."""
    return changes(_told(before), _told(after), flat={"policy"})


def _told(asset: Asset | None) -> dict[str, object] | None:
    if asset is None:
        return None
    return {name: getattr(asset, name) for name in _SAID_BY_PEOPLE} | {"policy": asset.policy.document}


def of_happening(happening: Happening, key: str) -> Said | None:
    """That it was written or looked at; a reading is recorded and not said."""
    match happening.act:
        case Act.MATERIALIZED:
            materialized = words.AssetMaterialized(
                name=key,
                partition=happening.partition or None,
                run=happening.run,
                task=happening.task,
                version=happening.version,
                metadata=dict(happening.metadata),
            )
            return words.ASSET_MATERIALIZED, materialized, None
        case Act.OBSERVED:
            observed = words.AssetObserved(
                name=key, run=happening.run, version=happening.version, metadata=dict(happening.metadata)
            )
            return words.ASSET_OBSERVED, observed, None
        case Act.READ:
            return None


def of_check(result: CheckResult, key: str) -> Said:
    """That a check was evaluated."""
    bad = Severity.WARN if result.severity is Grade.WARN else Severity.ERROR
    payload = words.AssetCheckEvaluated(
        name=key,
        check=result.check,
        partition=result.partition or None,
        passed=result.passed,
        severity=result.severity.value,
        blocking=result.blocking,
        run=result.run,
        detail=result.detail,
    )
    return words.ASSET_CHECK_EVALUATED, payload, None if result.passed else bad


def of_schema(key: str, run: str | None, change: Difference) -> Said:
    """That the columns are others now."""
    payload = words.AssetSchemaChanged(
        name=key,
        run=run,
        added=list(change.added[:NAMES_LIMIT]),
        removed=list(change.removed[:NAMES_LIMIT]),
        changed=[name for name, _, _ in change.changed[:NAMES_LIMIT]],
        breaking=change.is_breaking,
    )
    return words.ASSET_SCHEMA_CHANGED, payload, Severity.WARN if change.is_breaking else None


def of_freshness(asset: Asset, change: Change, causes: Sequence[Reason]) -> Said:
    """That its freshness, or that of a partition, is another."""
    payload = words.AssetFreshnessChanged(
        name=asset.key,
        partition=change.partition,
        before=change.before.value,
        state=change.after.value,
        materialized_at=asset.materialized,
        causes=[
            words.FreshnessCause(
                kind=one.why.value,
                detail=one.detail[:1000],
                subject=one.subject,
                limit=one.limit,
                held_by=list(one.held_by[:20]) or None,
            )
            for one in causes
        ],
    )
    severity = {State.STALE: Severity.ERROR, State.WARNING: Severity.WARN}.get(change.after)
    return words.ASSET_FRESHNESS_CHANGED, payload, severity


def announce(
    said: Sequence[Said], *, namespace: str, key: str, after: int, now: datetime, cause: Cause, actor: str | None
) -> list[Outgoing]:
    """Signals ready for the outbox, numbered behind what was said before."""
    events = [
        make_signal(
            kind,
            namespace=namespace,
            entity_id=signal_entity(key),
            sequence=after + number,
            time=now,
            payload=payload,
            cause=cause,
            actor=actor,
            severity=severity,
        )
        for number, (kind, payload, severity) in enumerate(said, start=1)
    ]
    return [Outgoing.of(subject_of(event), event) for event in events]


def start_run(
    run: str,
    asset: Asset,
    *,
    given: Mapping[str, Json],
    labels: Mapping[str, str],
    event: str,
    now: datetime,
    cause: Cause,
) -> Outgoing:
    """The command that starts the asset's maker for a partition."""
    maker = asset.policy.maker
    data: dict[str, Json] = {
        "run": run,
        "namespace": asset.namespace,
        "workflow": maker.workflow if maker is not None else "",
        "version": maker.version if maker is not None else None,
        "input": dict(given),
        "labels": dict(labels),
        "trigger": {"kind": "asset", "name": asset.key, "event": event},
        "actor": ACTOR,
    }
    return _command(("executor", "start", run), START, data, asset.namespace, now=now, cause=cause)


def start_backfill(
    name: str, asset: Asset, items: Sequence[Mapping[str, Json]], *, concurrency: int, actor: str, now: datetime, cause: Cause
) -> Outgoing:
    """The command that makes the scheduler start the asset's maker for these partitions."""
    maker = asset.policy.maker
    data: dict[str, Json] = {
        "backfill": name,
        "namespace": asset.namespace,
        "schedule": None,
        "workflow": maker.workflow if maker is not None else "",
        "version": maker.version if maker is not None else None,
        "items": [dict(item) for item in items],
        "concurrency": concurrency,
        "actor": actor,
    }
    return _command(("scheduler", "backfill", name), BACKFILL, data, asset.namespace, now=now, cause=cause)


def _command(
    to: tuple[str, str, str], kind: str, data: Mapping[str, Json], namespace: str, *, now: datetime, cause: Cause
) -> Outgoing:
    service, verb, key = to
    event = CloudEvent(
        id=derive("command", kind, key),
        source=source_of(namespace, "assets", key),
        type=kind,
        subject=key,
        time=now,
        datacontenttype="application/json",
        data=dict(data),
        extensions={"namespace": namespace, "partitionkey": key, **cause.attributes()},
    )
    return Outgoing.of(command(service, verb, key), event, counted=False)
