"""Alert rules, alerts and what rules remember, in MongoDB."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, DeleteOne, IndexModel, ReplaceOne

from tocsin_kit.store import Database, Document, Entry, Filter, Outgoing, Page, Relay, Repository, Sort, translated
from tocsin_kit.store.outbox import PENDING
from tocsin_observer.adapters.webhook_store import NAMED, REVISIONS, SUM_OF_REVISIONS
from tocsin_observer.domain.alert_rules import Actions, AlertRule, Kind, Mute, Severity
from tocsin_observer.domain.alerts import Alert, AlertState
from tocsin_observer.domain.tracking import Bucket, Phase, Tracker
from tocsin_observer.ports.alerts import AlertSearch

RULES: Final = "alert_rules"
ALERTS: Final = "alerts"
TRACKERS: Final = "alert_trackers"
PLACE: Final = "alert_place"
_MOST_RULES: Final = 10_000
_INDEXES = (
    IndexModel([("v.fired_at", DESCENDING), ("_id", DESCENDING)], name="fired"),
    IndexModel([("v.namespace", ASCENDING), ("v.fired_at", DESCENDING), ("_id", DESCENDING)], name="namespace"),
    IndexModel([("v.state", ASCENDING), ("v.resolved_at", ASCENDING)], name="over"),
    IndexModel([("v.state", ASCENDING), ("v.fired_at", DESCENDING), ("_id", DESCENDING)], name="state"),
)


class MongoRuleStore:
    """The collection ``alert_rules``.

    Args:
        database: The observer's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._rules: Repository[AlertRule] = Repository(
            database, RULES, encode=_rule_document, decode=_read_rule, wake=relay.wake
        )

    async def prepare(self) -> None:
        """Make the index."""
        with translated(RULES):
            collection: Any = self._database.collection(RULES)
            await collection.create_index([("v.namespace", ASCENDING), ("_id", ASCENDING)], name="namespace")
            await collection.create_index([("_rev", ASCENDING)], name=REVISIONS)

    async def load(self, rule: str) -> Entry[AlertRule]:
        """The rule, or an entry without value."""
        return await self._rules.load(rule)

    async def commit(self, entry: Entry[AlertRule], rule: AlertRule | None, outbox: Sequence[Outgoing]) -> Entry[AlertRule]:
        """Store (``None`` deletes) and say it."""
        return await self._rules.commit(entry, rule, outbox=outbox)

    async def of_namespace(self, namespace: str, *, limit: int, cursor: str | None) -> Page[Entry[AlertRule]]:
        """One page of the rules of a namespace, by name."""
        return await self._rules.page(Filter().eq("namespace", namespace), sort=Sort(), limit=limit, cursor=cursor)

    async def enabled(self) -> Sequence[AlertRule]:
        """All that look."""
        found = await self._rules.find(Filter().eq("enabled", True), limit=_MOST_RULES)
        return [entry.value for entry in found if entry.value is not None]

    async def naming(self, namespace: str, channel: str) -> Sequence[str]:
        """Rules that tell a channel, some of them."""
        chosen = Filter().eq("namespace", namespace).eq("actions.notify", channel)
        return [e.value.name for e in await self._rules.find(chosen, limit=NAMED) if e.value is not None]

    async def stamp(self) -> object:
        """Something that is another whenever any rule has changed: every commit raises a revision."""
        with translated(RULES):
            collection: Any = self._database.collection(RULES)
            found = await collection.aggregate(SUM_OF_REVISIONS, hint=REVISIONS).to_list(1)
            return found[0]["revisions"] if found else 0


class MongoAlertStore:
    """The collections ``alerts``, ``alert_trackers`` and ``alert_place``.

    Args:
        database: The observer's database.
        relay: Told about each commit.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._alerts: Repository[Alert] = Repository(
            database, ALERTS, encode=_alert_document, decode=_read_alert, wake=relay.wake
        )

    async def prepare(self) -> None:
        """Make the indexes."""
        with translated(ALERTS):
            await self._database.collection(ALERTS).create_indexes(list(_INDEXES))

    async def load(self, alert: str) -> Entry[Alert]:
        """The alert, or an entry without value."""
        return await self._alerts.load(alert)

    async def commit(self, entry: Entry[Alert], alert: Alert, outbox: Sequence[Outgoing]) -> Entry[Alert]:
        """Store and say it."""
        return await self._alerts.commit(entry, alert, outbox=outbox)

    async def search(self, search: AlertSearch, *, limit: int, cursor: str | None) -> Page[Entry[Alert]]:
        """One page of alerts, newest first."""
        chosen = Filter()
        if search.namespaces is not None:
            named = Filter().one_of("namespace", sorted(search.namespaces))
            chosen = chosen.any_of(named, *(Filter().prefix("namespace", prefix) for prefix in search.prefixes))
        for field in ("state", "rule", "severity", "workflow", "run"):
            if (value := getattr(search, field)) is not None:
                chosen = chosen.eq(field, value)
        return await self._alerts.page(chosen, sort=Sort("fired_at", descending=True), limit=limit, cursor=cursor)

    async def forget(self, before: datetime) -> int:
        """Remove alerts that were over before an instant and of which everything is said; how many."""
        query = {"v.state": AlertState.RESOLVED.value, "v.resolved_at": {"$lt": before}, PENDING: {"$exists": False}}
        with translated(ALERTS):
            return int((await self._database.collection(ALERTS).delete_many(query)).deleted_count)

    async def trackers(self) -> tuple[Sequence[Tracker], int | None]:
        """All that is remembered, and how far the stream was read for it."""
        with translated(TRACKERS):
            place = await self._database.collection(PLACE).find_one({"_id": "place"})
            found = [_read_tracker(d) async for d in self._database.collection(TRACKERS).find()]
        return found, None if place is None else int(place["position"])

    async def remember(self, trackers: Sequence[Tracker], forgotten: Sequence[Tracker], position: int) -> None:
        """Store trackers, forget others, and then how far the stream was read."""
        changes: list[Any] = [ReplaceOne({"_id": _key(one)}, _tracker_document(one), upsert=True) for one in trackers]
        changes += [DeleteOne({"_id": _key(one)}) for one in forgotten]
        with translated(TRACKERS):
            if changes:
                await self._database.collection(TRACKERS).bulk_write(changes, ordered=False)
            await self._database.collection(PLACE).update_one({"_id": "place"}, {"$set": {"position": position}}, upsert=True)


def _key(tracker: Tracker) -> str:
    return "\0".join([tracker.rule, *(f"{name}={value}" for name, value in sorted(tracker.group.items()))])[:900]


def _pairs(mapping: Mapping[str, str]) -> list[list[str]]:
    """A mapping whose names may hold dots, which are paths to MongoDB."""
    return [[name, value] for name, value in mapping.items()]


def _tracker_document(tracker: Tracker) -> Document:
    return {
        "_id": _key(tracker),
        "rule": tracker.rule,
        "group": _pairs(tracker.group),
        "context": _pairs(tracker.context),
        "watched_since": tracker.watched_since,
        "phase": tracker.phase.value,
        "since": tracker.since,
        "marks": list(tracker.marks),
        "seen_at": tracker.seen_at,
        "buckets": [[one.begins, one.good, one.bad] for one in tracker.buckets],
        "value": tracker.value,
        "position": tracker.position,
        "times": tracker.times,
        "shape": tracker.shape,
    }


def _read_tracker(document: Mapping[str, Any]) -> Tracker:
    return Tracker(
        rule=document["rule"],
        group=dict(document["group"]),
        context=dict(document["context"]),
        watched_since=document["watched_since"],
        phase=Phase(document["phase"]),
        since=document["since"],
        marks=tuple(document["marks"]),
        seen_at=document["seen_at"],
        buckets=tuple(Bucket(*one) for one in document["buckets"]),
        value=document["value"],
        position=document["position"],
        times=document["times"],
        shape=document.get("shape", ""),
    )


def _rule_document(rule: AlertRule) -> Document:
    plain = {name: getattr(rule, name) for name in AlertRule.__slots__}
    return {
        **plain,
        "kind": rule.kind.value,
        "severity": rule.severity.value,
        "window": rule.window.total_seconds(),
        "hold_for": rule.hold_for.total_seconds(),
        "group_by": list(rule.group_by),
        "mutes": [{name: getattr(m, name) for name in Mute.__slots__} | {"days": list(m.days)} for m in rule.mutes],
        "actions": {
            "notify": list(rule.actions.notify),
            "cancel_run": rule.actions.cancel_run,
            "start_workflow": rule.actions.start_workflow,
            "open_case": rule.actions.open_case,
        },
    }


def _read_rule(document: Mapping[str, Any]) -> AlertRule:
    actions = document["actions"]
    return AlertRule(
        **{
            **document,
            "kind": Kind(document["kind"]),
            "severity": Severity(document["severity"]),
            "window": timedelta(seconds=document["window"]),
            "hold_for": timedelta(seconds=document["hold_for"]),
            "group_by": tuple(document["group_by"]),
            "mutes": tuple(Mute(**{**one, "days": tuple(one["days"])}) for one in document["mutes"]),
            "actions": Actions(
                notify=tuple(actions["notify"]),
                cancel_run=actions["cancel_run"],
                start_workflow=actions["start_workflow"],
                open_case=actions.get("open_case", False),
            ),
        }
    )


def _alert_document(alert: Alert) -> Document:
    plain = {name: getattr(alert, name) for name in Alert.__slots__}
    told = {"group": _pairs(alert.group), "severity": alert.severity.value, "state": alert.state.value}
    return {**plain, **told, "notify": list(alert.notify)}


def _read_alert(document: Mapping[str, Any]) -> Alert:
    return Alert(
        **{
            **document,
            "group": dict(document["group"]),
            "severity": Severity(document["severity"]),
            "state": AlertState(document["state"]),
            "notify": tuple(document.get("notify", ())),
        }
    )
