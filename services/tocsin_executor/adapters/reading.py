"""What people look at: lists of runs, finished tasks, logs, and the signals of one run."""

import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from bson.binary import Binary
from pymongo import UpdateOne

from tocsin.errors import NotFound, TocsinError, TooLarge
from tocsin.signals import subjects
from tocsin_executor.adapters.definitions import MongoDefinitions
from tocsin_executor.adapters.scopes import within
from tocsin_executor.application.following import Piece
from tocsin_executor.application.reading import RunRow, RunSearch, Scope, TaskLine
from tocsin_executor.application.views import TaskView, task_of
from tocsin_executor.domain.deciding import bare, standing
from tocsin_executor.domain.large import Large
from tocsin_executor.domain.questions import Question
from tocsin_executor.domain.values import Json
from tocsin_executor.ports import Workflow
from tocsin_kit.bus import Bus
from tocsin_kit.bus.api import call
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.store import Database, Sort, fetch_page, translated

_TOLD = 20  # signals of each kind
_TURNS = (
    ("task", "retried"),
    ("task", "skipped"),
    ("approval", "delegated"),
    ("run", "suspended"),
    ("run", "migrated"),
    ("run", "cancel-requested"),
    ("run", "refused"),
    ("run", "faulted"),
)
_CLOSED = (("approval", "answered"), ("approval", "expired"), ("approval", "withdrawn"))
_CLOSED_TOLD = 200
_LIVE = ["pending", "running", "waiting", "suspended", "cancelling"]


class RunReading:
    """Reads what was saved.

    Args:
        database: The executor's database.
        definitions: Named workflows.
        bus: For inputs and signals, which are in streams.
    """

    def __init__(self, database: Database, definitions: MongoDefinitions, bus: Bus) -> None:
        self._database = database
        self._definitions = definitions
        self._bus = bus
        self.clock = database.clock

    async def list_runs(self, search: RunSearch, limit: int, cursor: str | None) -> tuple[Sequence[RunRow], str | None]:
        """Runs, newest first."""
        where = within(search.scope)
        if search.workflow is not None:
            where = where.eq("name", search.workflow)
        if search.version is not None:
            where = where.eq("version", search.version)
        if search.status:
            where = where.one_of("status", search.status)
        for label in search.labels:
            where = where.eq("tags", label)
        if search.parent is not None:
            where = where.eq("parent", search.parent)
        if search.error is not None:
            where = where.contains("error", search.error)
        if search.created_after is not None:
            where = where.at_least("created", search.created_after)
        if search.created_before is not None:
            where = where.below("created", search.created_before)
        with translated("runs"):
            page = await fetch_page(
                self._database.collection("runs"),
                where.query(),
                sort=Sort("created", descending=True),
                limit=limit,
                cursor=cursor,
                read=_row,
            )
        return page.items, page.next_cursor

    async def list_questions(
        self, scope: Scope, assignee: str | None, limit: int, cursor: str | None
    ) -> tuple[Sequence[Question], str | None]:
        """Open questions, those of the newest runs first; a page has all questions of its runs."""
        where = within(scope).eq("asking", True)
        if assignee is not None:
            where = where.one_of("questions.assignees", _spelt(assignee))
        with translated("runs"):
            page = await fetch_page(
                self._database.collection("runs"),
                where.query(),
                sort=Sort("created", descending=True),
                limit=limit,
                cursor=cursor,
                read=_questions,
            )
        found = [question for questions in page.items for question in questions]
        return [q for q in found if assignee is None or q.asks(assignee)], page.next_cursor

    async def live_versions(self, namespace: str, workflow: str) -> Mapping[str, int]:
        """How many runs of a workflow go on, by version."""
        match = {"namespace": {"$eq": namespace}, "name": {"$eq": workflow}, "status": {"$in": _LIVE}}
        with translated("runs"):
            groups = self._database.collection("runs").aggregate(
                [{"$match": match}, {"$group": {"_id": "$version", "count": {"$sum": 1}}}]
            )
            return {str(group["_id"]): int(group["count"]) async for group in groups}

    async def live_runs(self, namespace: str, workflow: str, other_than: str, limit: int) -> list[str]:
        """Runs that have begun and not ended, of other versions than this, oldest first."""
        query = {
            "namespace": {"$eq": namespace},
            "name": {"$eq": workflow},
            "status": {"$in": _LIVE},
            "version": {"$ne": other_than},
            "cell": {"$exists": True},
        }
        with translated("runs"):
            cursor = self._database.collection("runs").find(query, {"_id": 1}).sort("created", 1).limit(limit)
            return [document["_id"] async for document in cursor]

    async def list_workflows(self, scope: Scope, limit: int, cursor: str | None) -> tuple[Sequence[Workflow], str | None]:
        """Workflows in the order of namespace and name."""
        page = await self._definitions.page(within(scope), limit, cursor)
        return [entry.value for entry in page.items if entry.value is not None], page.next_cursor

    async def finished_tasks(
        self, run: str, after: tuple[str, int] | None, limit: int
    ) -> tuple[list[TaskView], tuple[str, int] | None]:
        """Finished activations in the order in which they were saved, and where to go on; ``None`` at the end."""
        query: dict[str, Any] = {"run": {"$eq": run}}
        if after is not None:
            query["_id"] = {"$gte": after[0]}
        views: list[TaskView] = []
        with translated("records"):
            async for document in self._database.collection("records").find(query).sort("_id", 1):
                records: list[dict[str, Json]] = orjson.loads(bytes(document["body"]))
                begin = after[1] if after is not None and document["_id"] == after[0] else 0
                for number, record in enumerate(records[begin:], begin):
                    if len(views) == limit:
                        return views, (document["_id"], number)
                    views.append(task_of(record))
        return views, None

    async def records(self, run: str, limit: int) -> list[dict[str, Json]]:
        """All finished activations of a run, in the order in which they were saved."""
        found: list[dict[str, Json]] = []
        with translated("records"):
            async for document in self._database.collection("records").find({"run": {"$eq": run}}).sort("_id", 1):
                found += [_with_references(record) for record in orjson.loads(bytes(document["body"]))]
                if len(found) > limit:
                    raise TooLarge(
                        f"Run {run} has done more than {limit} tasks, which is the limit for this.", run=run, limit=limit
                    )
        return found

    async def logs(self, run: str, after: str, limit: int) -> tuple[list[TaskLine], str | None]:
        """Lines of a run's tasks, by pieces; the id of the last piece to go on from, or ``None`` at the end."""
        found = await self.pieces(run, after, limit + 1)
        lines = [line for piece in found[:limit] for line in piece.lines]
        return lines, found[limit - 1].id if len(found) > limit else None

    async def pieces(self, run: str, after: str, limit: int) -> list[Piece]:
        """Pieces of output behind ``after``, in order."""
        with translated("task_logs"):
            cursor = self._database.collection("task_logs").find({"run": {"$eq": run}, "_id": {"$gt": after}})
            documents = await cursor.sort("_id", 1).limit(limit).to_list(limit)
        return [
            Piece(
                document["_id"],
                [
                    TaskLine(document["name"], document["reference"], document["attempt"], stream, line)
                    for stream, line in orjson.loads(bytes(document["lines"]))
                ],
            )
            for document in documents
        ]

    async def caught_up(self) -> bool:
        """Whether all output in the stream is kept; if that cannot be told, it counts as kept."""
        try:
            info = await call(self._bus, "CONSUMER.INFO.LOGS.executor-logs", {})
        except TocsinError:
            return True
        return not info.get("num_pending") and not info.get("num_ack_pending")

    async def keep_logs(self, deliveries: Sequence[Delivery]) -> None:
        """Keep pieces of output that workers sent; a piece that comes twice is kept once."""
        operations = []
        for delivery in deliveries:
            piece = orjson.loads(delivery.payload)
            lines = Binary(orjson.dumps(piece["lines"]))
            key = f"{piece['run']}/{delivery.sequence:015d}"
            kept = {"run": piece["run"], "name": piece["name"], "reference": piece["reference"], "attempt": piece["attempt"]}
            kept |= {"lines": lines, "at": self._database.clock.now()}
            operations.append(UpdateOne({"_id": key}, {"$setOnInsert": kept}, upsert=True))
        with translated("task_logs"):
            await self._database.collection("task_logs").bulk_write(operations, ordered=False)

    async def signals(
        self, namespace: str, run: str, after: int, limit: int, said: int = 0
    ) -> tuple[list[dict[str, Json]], int | None]:
        """Signals of a run behind a position and a sequence, in order, and the position to go on from.

        What an engine said and could not save any more before it died, the next one says again: each is told once here.
        """
        found: list[dict[str, Json]] = []
        pattern, position = subjects.signal_filter(namespace=namespace, entity_id=run), after
        while len(found) < limit:
            message = await self._message("SIGNALS", pattern, position + 1)
            if message is None:
                return found, None
            position, event = message[0], orjson.loads(message[2])
            sequence = int(event.get("sequence") or said + 1)
            if sequence > said:
                said = sequence
                found.append(event)
        return found, position

    async def turns(self, namespace: str, run: str) -> list[dict[str, Json]]:
        """Signals that say why a run went another way than forward, in order: of each kind the first ones, and the last."""
        return await self._told(namespace, run, _TURNS, _TOLD)

    async def closed_questions(self, namespace: str, run: str) -> list[dict[str, Json]]:
        """Signals that a question of the run was answered, expired or withdrawn."""
        return await self._told(namespace, run, _CLOSED, _CLOSED_TOLD)

    async def _told(self, namespace: str, run: str, kinds: Sequence[tuple[str, str]], most: int) -> list[dict[str, Json]]:
        found: dict[int, dict[str, Json]] = {}
        for entity, transition in kinds:
            pattern = subjects.signal_filter(namespace=namespace, entity=entity, transition=transition, entity_id=run)
            message, told = await self._asked("SIGNALS", {"last_by_subj": pattern}), 0
            while message is not None and told < most:
                found[message[0]] = orjson.loads(message[2])
                message = await self._message("SIGNALS", pattern, 1 if told == 0 else message[0] + 1)
                told += 1
        return [found[position] for position in sorted(found)]

    # -- the log of inputs --------------------------------------------------------------------------------------------

    async def append(self, subject: str, payload: bytes) -> int:
        """Store one input; its position."""
        return (await self._bus.publish(subject, payload)).sequence

    async def first(self, subject: str) -> tuple[int, bytes] | None:
        """The first input of a run that the log still has."""
        message = await self._message("EXECUTOR", subject, 1)
        return (message[1], message[2]) if message is not None else None

    async def _message(self, stream: str, subject: str, position: int) -> tuple[int, int, bytes] | None:
        return await self._asked(stream, {"next_by_subj": subject, "seq": position})

    async def _asked(self, stream: str, wanted: dict[str, Any]) -> tuple[int, int, bytes] | None:
        try:
            answer = await call(self._bus, f"STREAM.MSG.GET.{stream}", wanted)
        except NotFound:
            return None
        message = answer["message"]
        at = datetime.fromisoformat(message["time"][:23] + "Z")
        return int(message["seq"]), int(at.timestamp() * 1000), binascii.a2b_base64(message.get("data", ""))


def _with_references(record: dict[str, Any]) -> dict[str, Json]:
    """A record with its large values as references, which as JSON look like any object."""
    for name in record.get("large") or ():
        record[name] = Large(record[name]["dataref"], record[name]["size"])
    return record


def _spelt(name: str) -> list[str]:
    """A user as definitions may write the name, with or without what it is."""
    return [bare(name), f"user:{bare(name)}"]


def _questions(document: Any) -> list[Question]:  # as above
    return [_question(document, asked) for asked in document["questions"]]


def _question(document: Any, asked: Any) -> Question:  # as above
    request = orjson.loads(bytes(asked["request"]))
    said = orjson.loads(bytes(asked["said"])) if "said" in asked else {"answers": [], "delegations": []}
    by_now = standing(request, said["delegations"])
    return Question(
        id=asked["id"],
        run=document["_id"],
        namespace=document["namespace"],
        workflow=document["name"],
        activation=asked["activation"],
        task=asked["task"],
        reference=asked["reference"],
        request=request,
        form=orjson.loads(bytes(asked["form"])),
        since=asked["since"],
        deadline=asked["deadline"],
        reminders=asked["reminders"],
        assignees=by_now.names,
        away=by_now.away,
        answers=said["answers"],
        delegations=said["delegations"],
    )


def _row(document: Any) -> RunRow:  # the codec's edge: a document of the database
    return RunRow(
        id=document["_id"],
        namespace=document["namespace"],
        name=document["name"],
        version=document["version"],
        status=document["status"],
        labels=document["labels"],
        created=document["created"],
        started=document.get("started"),
        ended=document.get("ended"),
        parent=document.get("parent"),
        error=document.get("error"),
    )
