"""Runs that wait for a limit, in MongoDB: in the collection of all runs, so that one list shows them all.

The document of such a run has ``slots``: what it needs and how far it is. The engine's saves set other fields and leave those
alone, and its ``status`` says when it has ended; so who holds a limit is a query and not a counter. A limit has a revision in
``limits``, which every commit about it moves.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from bson.binary import Binary
from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne
from pymongo.errors import DuplicateKeyError

from tocsin_executor.adapters.pools import POOLS
from tocsin_executor.adapters.runs import moment
from tocsin_executor.application.waiting import Held, Look, Waiting
from tocsin_executor.domain.admission import Admit, Candidate, Displace, Holder, Refuse, Situation, Verdict
from tocsin_executor.domain.inputs import Parent
from tocsin_executor.domain.large import inside, load_document
from tocsin_executor.domain.limits import Gate, Policy, Rate, Terms
from tocsin_executor.domain.values import Millis
from tocsin_kit.store.database import Database, Document
from tocsin_kit.store.errors import RevisionConflict, translated

_LIVE = ["pending", "running", "waiting", "suspended", "cancelling"]
_LOOKED_AT = 500  # runs that wait at one limit that one decision is about
_LONG_AGO: Millis = 60_000  # a run that was let in begins within a moment
_ON_ITS_WAY: Millis = 10_000  # from when a run is let in until its start is written, at most
_STATED = {"slots.state": {"$exists": True}}

INDEXES = [
    IndexModel(
        [
            ("slots.keys", ASCENDING),
            ("slots.state", ASCENDING),
            ("status", ASCENDING),
            ("slots.priority", DESCENDING),
            ("slots.since", ASCENDING),
        ],
        name="slots",
        partialFilterExpression=_STATED,
    ),
    IndexModel([("slots.keys", ASCENDING), ("slots.granted", ASCENDING)], name="granted", partialFilterExpression=_STATED),
    IndexModel([("slots.state", ASCENDING), ("status", ASCENDING)], name="undone", partialFilterExpression=_STATED),
]


class MongoQueue:
    """The queue.

    Args:
        database: The executor's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure_indexes(self) -> None:
        """Create the indexes that are not there yet."""
        with translated("indexes"):
            await self._runs.create_indexes(INDEXES)
            # A collection that a transaction has to make first is a lock that others run into.
            await self._limits.create_indexes([IndexModel([("revision", ASCENDING)], name="revision")])

    async def put(self, waiting: Waiting) -> bool:
        """Accept a run."""
        with translated("runs"):
            try:
                await self._runs.insert_one(_document(waiting))
            except DuplicateKeyError:
                return False
        return True

    async def find(self, run: str) -> Waiting | None:
        """A run that had to pass limits."""
        with translated("runs"):
            found = await self._runs.find_one({"_id": {"$eq": run}, **_STATED}, {"cell": 0})
        return None if found is None else _waiting(found)

    async def missing_pools(self, keys: Collection[str]) -> list[str]:
        """Keys of pools that there are none for."""
        if not keys:
            return []
        found = await self._pools(keys)
        return [key for key in keys if key not in found]

    # -- deciding -----------------------------------------------------------------------------------------------------

    async def look(self, key: str, now: Millis) -> Look:
        """Revisions first, so that whatever changes behind them is noticed at the commit."""
        with translated("runs"):
            query = {"slots.keys": key, "slots.state": "waiting"}
            order = [("slots.priority", DESCENDING), ("slots.since", ASCENDING)]
            found = await self._runs.find(query, {"slots": 1}).sort(order).limit(_LOOKED_AT).to_list(None)
            if not found:
                return Look(Situation(now, [], {}))
            keys = sorted({each for document in found for each in document["slots"]["keys"]})
            limits = await self._limits.find({"_id": {"$in": keys}}).to_list(None)
            revisions = dict.fromkeys(keys, 0) | {d["_id"]: int(d["revision"]) for d in limits}
            pools = await self._pools(keys)
            found = await self._runs.find(query, {"slots": 1}).sort(order).limit(_LOOKED_AT).to_list(None)
            found = [d for d in found if set(d["slots"]["keys"]) <= set(keys)]
            candidates = [_candidate(document, pools) for document in found]
            held = await self._runs.find(
                {"slots.keys": {"$in": keys}, "slots.state": "granted", "status": {"$in": _LIVE}},
                {"slots.keys": 1, "slots.since": 1, "slots.asked": 1},
            ).to_list(None)
            holders: dict[str, list[Holder]] = {}
            for document in held:
                slots = document["slots"]
                for each in slots["keys"]:
                    holders.setdefault(each, []).append(Holder(document["_id"], slots["since"], slots.get("asked") is not None))
            starts = await self._starts(candidates, now)
        return Look(Situation(now, candidates, holders, starts), revisions)

    async def _starts(self, candidates: Sequence[Candidate], now: Millis) -> dict[str, list[Millis]]:
        rates = {gate.key: gate.rate for candidate in candidates for gate in candidate.gates if gate.rate is not None}
        starts: dict[str, list[Millis]] = {}
        for key, rate in rates.items():
            query = {"slots.keys": key, "slots.granted": {"$gt": now - rate.every - _ON_ITS_WAY}, **_STATED}
            found = await self._runs.find(query, {"slots.granted": 1, "started": 1}).to_list(None)
            # When it began; while that is not known, when it was let in.
            starts[key] = [_millis(d["started"]) if d.get("started") else d["slots"]["granted"] for d in found]
        return starts

    async def commit(self, look: Look, verdicts: Sequence[Verdict], now: Millis) -> list[Waiting]:
        """All or none, if no limit has moved."""
        moved = [verdict.run for verdict in verdicts if isinstance(verdict, Admit | Refuse)]
        with translated("runs"):
            async with self._database.transaction() as transaction:
                session = transaction.session
                for key, revision in sorted(look.revisions.items()):
                    await self._move(key, revision, session)
                writes = [_change(verdict, now) for verdict in verdicts]
                done = await self._runs.bulk_write(writes, ordered=False, session=session)
                if done.matched_count != len(writes):
                    raise RevisionConflict("One of the runs was cancelled meanwhile, or has ended.")
                found = await self._runs.find({"_id": {"$in": moved}}, session=session).to_list(None)
                dropped = [d["_id"] for d in found if d["slots"]["state"] == "dropped"]
                if dropped:
                    await self._runs.delete_many({"_id": {"$in": dropped}}, session=session)
        return [_waiting(document) for document in found if document["slots"]["state"] != "dropped"]

    async def _move(self, key: str, revision: int, session: Any) -> None:  # Motor ships no types
        if revision == 0:
            try:
                await self._limits.insert_one({"_id": key, "revision": 1}, session=session)
            except DuplicateKeyError as error:
                raise RevisionConflict(f"Limit {key} was moved by someone else.") from error
            return
        done = await self._limits.update_one({"_id": key, "revision": revision}, {"$inc": {"revision": 1}}, session=session)
        if done.matched_count != 1:
            raise RevisionConflict(f"Limit {key} was moved by someone else.")

    async def withdraw(self, run: str, reason: tuple[str, str], now: Millis) -> Waiting | None:
        """Refuse a run that still waits."""
        with translated("runs"):
            found = await self._runs.find_one_and_update(
                {"_id": {"$eq": run}, "slots.state": "waiting", "status": "pending"},
                {"$set": _refused(reason, now)},
                return_document=True,
            )
        return None if found is None else _waiting(found)

    async def keys(self) -> list[str]:
        """Limits that somebody waits at."""
        with translated("runs"):
            return [str(key) for key in await self._runs.distinct("slots.keys", {"slots.state": "waiting"})]

    async def undone(self, before: Millis) -> tuple[list[Waiting], list[str]]:
        """What a crash may have left undone."""
        late = {"slots.state": "granted", "status": "pending", "slots.granted": {"$lt": before}}
        unsaid = {"slots.state": "refused", "slots.unsaid": {"$lt": before}}
        asked = {
            "slots.state": "granted",
            "slots.asked": {"$lt": before},
            "status": {"$in": ["running", "waiting", "suspended"]},
        }
        with translated("runs"):
            moved = await self._runs.find({"$or": [late, unsaid]}).limit(_LOOKED_AT).to_list(None)
            displaced = await self._runs.find(asked, {"_id": 1}).limit(_LOOKED_AT).to_list(None)
        return [_waiting(document) for document in moved], [document["_id"] for document in displaced]

    async def put_back(self, run: str, before: Millis) -> bool:
        """Let a run wait again that was let in and has not begun."""
        late = {"slots.state": "granted", "status": "pending", "slots.granted": {"$lt": before}, "slots.asked": None}
        change = {"$set": {"slots.state": "waiting"}, "$unset": {"slots.granted": ""}}
        with translated("runs"):
            done = await self._runs.update_one({"_id": {"$eq": run}, **late}, change)
        return bool(done.matched_count)

    async def said(self, run: str) -> None:
        """It was said that this run was refused."""
        with translated("runs"):
            await self._runs.update_one({"_id": {"$eq": run}}, {"$unset": {"slots.unsaid": ""}})

    # -- explaining ---------------------------------------------------------------------------------------------------

    async def holders(self, keys: Collection[str], limit: int) -> dict[str, list[str]]:
        """Runs that hold each of these limits."""
        held: dict[str, list[str]] = {}
        with translated("runs"):
            for key in keys:
                query = {"slots.keys": key, "slots.state": "granted", "status": {"$in": _LIVE}}
                found = await self._runs.find(query, {"_id": 1}).sort("slots.since", ASCENDING).limit(limit).to_list(None)
                held[key] = [document["_id"] for document in found]
        return held

    async def count(self, key: str) -> tuple[int, int]:
        """How many runs hold a limit, and how many wait at it."""
        with translated("runs"):
            query = {"slots.keys": key, "slots.state": "granted", "status": {"$in": _LIVE}}
            holding = await self._runs.count_documents(query)
            waiting = await self._runs.count_documents({"slots.keys": key, "slots.state": "waiting"})
        return int(holding), int(waiting)

    async def held(self, now: Millis) -> Held:
        """All limits together, for whoever watches."""
        unbegun = {"slots.state": "granted", "status": "pending", "slots.granted": {"$lt": now - _LONG_AGO}}
        grouped = [
            {"$match": {"slots.state": "waiting"}},
            {"$group": {"_id": None, "n": {"$sum": 1}, "first": {"$min": "$slots.since"}}},
        ]
        with translated("runs"):
            found = await self._runs.aggregate(grouped).to_list(None)
            waiting, first = (int(found[0]["n"]), int(found[0]["first"])) if found else (0, now)
            holding = await self._runs.count_documents({"slots.state": "granted", "status": {"$in": _LIVE}})
            late = await self._runs.count_documents(unbegun)
        return Held(waiting, int(holding), int(late), max(now - first, 0))

    async def ahead(self, waiting: Waiting, key: str) -> int:
        """How many are before a run at a limit."""
        priority, since = waiting.terms.priority, waiting.since
        earlier = {"slots.priority": priority, "slots.since": {"$lt": since}}
        query = {"slots.keys": key, "slots.state": "waiting", "$or": [{"slots.priority": {"$gt": priority}}, earlier]}
        with translated("runs"):
            return int(await self._runs.count_documents(query))

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _pools(self, keys: Iterable[str]) -> dict[str, Gate]:
        named = {key.partition(":")[2]: key for key in keys if key.startswith("pool:")}
        if not named:
            return {}
        with translated(POOLS):
            found = (
                await self._database.collection(POOLS).find({"_id": {"$in": list(named)}, "v": {"$exists": True}}).to_list(None)
            )
        return {named[d["_id"]]: _pool_gate(named[d["_id"]], d["v"]) for d in found}

    @property
    def _runs(self) -> Any:  # Motor ships no types; this is the codec's edge
        return self._database.collection("runs")

    @property
    def _limits(self) -> Any:  # as above
        return self._database.collection("limits")


def _change(verdict: Verdict, now: Millis) -> UpdateOne:
    where: Document = {"_id": verdict.run, "slots.state": "waiting"}
    match verdict:
        case Admit():
            return UpdateOne(where, {"$set": {"slots.state": "granted", "slots.granted": now}})
        case Refuse(key=key, keep=True):
            reason = ("limit_reached", f"limit '{key}' is reached, and the workflow says not to wait")
            return UpdateOne(where, {"$set": _refused(reason, now)})
        case Refuse():
            return UpdateOne(where, {"$set": {"slots.state": "dropped"}})
        case Displace():
            where = {"_id": verdict.run, "slots.state": "granted", "status": {"$in": _LIVE}}
            return UpdateOne(where, {"$set": {"slots.asked": now}})


def _refused(reason: tuple[str, str], now: Millis) -> Document:
    code, detail = reason
    return {
        "slots.state": "refused",
        "slots.reason": [code, detail],
        "slots.unsaid": now,
        "status": "cancelled",
        "ended": moment(now),
    }


def _pool_gate(key: str, pool: Mapping[str, Any]) -> Gate:
    rate = pool.get("rate")
    return Gate(key, pool.get("limit"), Rate(rate["limit"], rate["every"]) if rate else None)


def _candidate(document: Document, pools: Mapping[str, Gate]) -> Candidate:
    slots = document["slots"]
    own = _gate(slots.get("gate"))
    # A pool that is gone lets nobody wait: its slots are nobody's any more.
    shared = [pools[key] for key in slots["pools"] if key in pools]
    return Candidate(document["_id"], (*(() if own is None else (own,)), *shared), slots["priority"], slots["since"])


def _gate(stored: Mapping[str, Any] | None) -> Gate | None:
    if stored is None:
        return None
    rate = stored.get("rate")
    return Gate(
        stored["key"], stored.get("limit"), Rate(rate["limit"], rate["every"]) if rate else None, Policy(stored["policy"])
    )


def _document(waiting: Waiting) -> Document:
    gate = waiting.terms.gate
    return {
        "_id": waiting.run,
        "namespace": waiting.namespace,
        "name": waiting.workflow,
        "version": waiting.version,
        "digest": waiting.digest,
        "status": "pending",
        "labels": waiting.labels,
        "tags": [f"{name}={value}" for name, value in waiting.labels.items()],
        "created": moment(waiting.since),
        "parent": None if waiting.parent is None else waiting.parent.run,
        "large": _large(waiting.start),
        "slots": {
            "state": "waiting",
            "keys": list(waiting.terms.keys),
            "pools": list(waiting.terms.pools),
            "gate": None
            if gate is None
            else {
                "key": gate.key,
                "limit": gate.limit,
                "policy": gate.policy.value,
                "rate": None if gate.rate is None else {"limit": gate.rate.limit, "every": gate.rate.every},
            },
            "priority": waiting.terms.priority,
            "since": waiting.since,
            "partition": waiting.partition,
            "start": Binary(waiting.start),
            "actor": waiting.actor,
            "trigger": waiting.trigger,
            "correlation": waiting.correlation,
            "attempt": None if waiting.parent is None else waiting.parent.attempt,
        },
    }


def _large(start: bytes) -> list[str]:
    """Digests of the large values that a start brings."""
    document = load_document(orjson.loads(start))
    return [found.digest for name in ("input", "reuse") for found in inside(document.get(name))]


def _waiting(document: Document) -> Waiting:
    slots = document["slots"]
    above, reason, ended = document.get("parent"), slots.get("reason"), document.get("ended")
    return Waiting(
        run=document["_id"],
        namespace=document["namespace"],
        workflow=document["name"],
        version=document["version"],
        digest=document["digest"],
        labels=document["labels"],
        partition=slots["partition"],
        since=slots["since"],
        state="granted" if slots["state"] == "waiting" and document["status"] != "pending" else slots["state"],
        terms=Terms(_gate(slots.get("gate")), tuple(slots["pools"]), slots["priority"]),
        start=bytes(slots["start"]),
        actor=slots.get("actor"),
        trigger=slots.get("trigger"),
        correlation=slots.get("correlation") or document["_id"],
        parent=Parent(above, slots["attempt"]) if above is not None and slots.get("attempt") is not None else None,
        reason=(reason[0], reason[1]) if reason else None,
        ended=None if ended is None else _millis(ended),
    )


def _millis(at: datetime) -> Millis:
    return int(at.timestamp() * 1000)
