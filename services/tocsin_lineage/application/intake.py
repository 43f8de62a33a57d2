"""OpenLineage in: from anyone's client, in any order, any number of times.

Events that come at the same time are taken together: whoever waits takes all that wait, so that a busy intake makes few, large
transactions and a quiet one answers at once. An event is answered when it is kept whole and all that is derived from it is
stored, and all of that is safe to repeat: a sender that got no answer sends again, and nothing is counted twice.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from tocsin.errors import TocsinError, Unavailable
from tocsin.signals import Cause, Json, derive
from tocsin_kit.store import Page
from tocsin_lineage.application.recording import Recorder, Report, happening_id
from tocsin_lineage.domain.assertions import assertions_of
from tocsin_lineage.domain.assets import Act, Happening
from tocsin_lineage.domain.checks import CheckResult, Grade
from tocsin_lineage.domain.columns import column_edges
from tocsin_lineage.domain.graph import ASSET, JOB, Edge
from tocsin_lineage.domain.openlineage import DatasetMention, InvalidLineageEvent, LineageEvent, Stage, read_event
from tocsin_lineage.ports import EventSearch, EventStore, GraphStore, KeptEvent

BATCH = 500  # events of one transaction
MENTIONS = 2000  # datasets that the events of one transaction name; an event that names more has several transactions
_SPARE = 12  # levels that answers and stored documents put around an event, of the 254 that a text of JSON may have


@dataclass(frozen=True, slots=True)
class _Taken:
    """An event that waits."""

    id: str
    namespace: str
    actor: str
    cause: Cause
    event: LineageEvent
    done: asyncio.Future[None]


class Intake:
    """The use case of foreign programs.

    Args:
        events: Where events are kept.
        graph: The graph.
        recorder: Records what they say about assets.
    """

    def __init__(self, events: EventStore, graph: GraphStore, recorder: Recorder) -> None:
        self._events = events
        self._graph = graph
        self._recorder = recorder
        self._waiting: list[_Taken] = []
        self._taking: asyncio.Event | None = None  # set when the batch that is being taken has its answers

    async def take(self, document: Json, *, namespace: str, actor: str, cause: Cause) -> str:
        """Take one event; its id, the same for a repeat.

        Raises:
            InvalidLineageEvent: It is none.
        """
        return (await self.take_many([document], namespace=namespace, actor=actor, cause=cause))[0]

    async def events(self, search: EventSearch, *, limit: int, cursor: str | None) -> Page[KeptEvent]:
        """Events as they came, newest first."""
        return await self._events.page(search, limit=limit, cursor=cursor)

    async def take_batch(self, documents: Sequence[Json], *, namespace: str, actor: str, cause: Cause) -> dict[int, str]:
        """Take those of a batch that are events; why the others are none, by their place in it."""
        good, refused = [], {}
        for number, document in enumerate(documents):
            try:
                good.append(_understood(document, namespace=namespace, actor=actor, cause=cause))
            except InvalidLineageEvent as error:
                refused[number] = error.detail
        await self._take(good)
        return refused

    async def take_many(self, documents: Sequence[Json], *, namespace: str, actor: str, cause: Cause) -> list[str]:
        """Take several; all of them are understood before any is taken.

        Raises:
            InvalidLineageEvent: One is none.
        """
        taken = [_understood(document, namespace=namespace, actor=actor, cause=cause) for document in documents]
        await self._take(taken)
        return [one.id for one in taken]

    async def _take(self, taken: Sequence[_Taken]) -> None:
        self._waiting += taken
        try:
            while not all(one.done.done() for one in taken):
                if self._taking is not None:
                    await self._taking.wait()  # all who wait wake at once; with a lock each would wake the next one
                else:
                    await self._take_waiting()
        except asyncio.CancelledError:
            # Who went away sends again or not at all. Its events must not become what nobody after it gets past.
            for one in taken:
                one.done.cancel()
            self._waiting = [one for one in self._waiting if not one.done.done()]
            raise
        for one in taken:
            one.done.result()

    async def _take_waiting(self) -> None:
        self._taking = taking = asyncio.Event()
        count = _fitting(self._waiting)
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        try:
            await self._answer(batch)
        except asyncio.CancelledError:
            # One caller went away; the next one takes those that have no answer yet.
            self._waiting = [*(one for one in batch if not one.done.done()), *self._waiting]
            raise
        finally:
            self._taking = None
            taking.set()

    async def _answer(self, batch: Sequence[_Taken]) -> None:
        try:
            await self._keep(batch)
        except Exception as error:  # noqa: BLE001  # it belongs to those who wait, each of whom raises it
            if len(batch) > 1 and not isinstance(error, Unavailable):
                for one in batch:  # an event that cannot be kept is its sender's, and nobody else's
                    await self._answer([one])
                return
            for one in batch:
                if not one.done.done():
                    one.done.set_exception(error)
                    one.done.exception()  # a caller who went away asks no more
        else:
            for one in batch:
                if not one.done.done():
                    one.done.set_result(None)

    async def _keep(self, batch: Sequence[_Taken]) -> None:
        edges: dict[str, list[tuple[Edge, datetime]]] = {}
        columns: dict[str, list[tuple[DatasetMention, datetime]]] = {}
        reports: list[Report] = []
        for one in batch:
            edges.setdefault(one.namespace, []).extend((edge, one.event.time) for edge in _edges(one.event))
            made = ((mention, one.event.time) for mention in one.event.outputs if "columnLineage" in mention.facets)
            columns.setdefault(one.namespace, []).extend(made)
            reports += _reports(one)
        try:
            async with asyncio.TaskGroup() as group:  # none needs another: the database works while we decide
                group.create_task(self._events.keep_many([(one.namespace, one.id, one.event) for one in batch]))
                group.create_task(self._join(edges, columns))
                group.create_task(self._record(reports))
        except* TocsinError as failed:
            raise failed.exceptions[0] from None

    async def _record(self, reports: Sequence[Report]) -> None:
        for begin in range(0, len(reports), MENTIONS):  # almost always one; each is safe to repeat
            await self._recorder.record(reports[begin : begin + MENTIONS])

    async def _join(
        self,
        edges: Mapping[str, Sequence[tuple[Edge, datetime]]],
        columns: Mapping[str, Sequence[tuple[DatasetMention, datetime]]],
    ) -> None:
        for namespace, found in edges.items():
            await self._graph.add(namespace, found)
        for namespace, mentions in columns.items():
            parts = [(edge, at) for mention, at in mentions for edge in column_edges(mention.key, mention.facets)]
            await self._graph.add_columns(namespace, parts)


def _understood(document: Json, *, namespace: str, actor: str, cause: Cause) -> _Taken:
    """An event that waits to be taken.

    Raises:
        InvalidLineageEvent: It is none, or is nested deeper than could be answered.
    """
    event = read_event(document)
    try:
        # As text within as many brackets as answers put around it: what can be kept can be shown.
        text = orjson.dumps(_nested(document), option=orjson.OPT_SORT_KEYS)[_SPARE:-_SPARE]
    except orjson.JSONEncodeError as error:
        raise InvalidLineageEvent("the event is nested deeper than 240 levels", hint="flatten its facets") from error
    event_id = derive("openlineage", namespace, text.decode())
    return _Taken(event_id, namespace, actor, cause, event, asyncio.get_running_loop().create_future())


def _nested(document: Json) -> Json:
    for _ in range(_SPARE):
        document = [document]
    return document


def _fitting(waiting: Sequence[_Taken]) -> int:
    """How many of those that wait have a transaction together: at least one."""
    mentions = 0
    for count, one in enumerate(waiting[:BATCH]):
        mentions += len(one.event.inputs) + len(one.event.outputs)
        if mentions > MENTIONS and count:
            return count
    return min(len(waiting), BATCH)


def _edges(event: LineageEvent) -> list[Edge]:
    if event.job is None:
        return []
    job = JOB + event.job
    return [
        *(Edge(ASSET + mention.key, job) for mention in event.inputs),
        *(Edge(job, ASSET + mention.key) for mention in event.outputs),
    ]


def _reports(taken: _Taken) -> list[Report]:
    """What it means: a completed run has written its outputs and read its inputs; without a run something was looked at."""
    event = taken.event
    output = Act.MATERIALIZED if event.stage is Stage.COMPLETE else Act.OBSERVED
    given = Act.READ if event.run is not None else Act.OBSERVED
    acts = [*((given, mention) for mention in event.inputs), *((output, mention) for mention in event.outputs)]
    return [_report(taken, act, mention) for act, mention in acts]


def _report(taken: _Taken, act: Act, mention: DatasetMention) -> Report:
    event = taken.event
    # A run that says START and COMPLETE has read its inputs once; a dataset event stands for itself.
    about = f"{event.run}" if event.run else f"{event.job}@{event.time.isoformat()}"
    happening = Happening(
        id=happening_id(act, f"{taken.namespace}:{about}", mention.key),
        act=act,
        at=event.time,
        run=event.run,
        task=event.job,
        job=JOB + event.job if event.job is not None else None,
        version=_version(mention.facets),
        actor=taken.actor,
    )
    checks = tuple(
        CheckResult(
            id=derive("assertion", taken.id, mention.key, str(number)),
            check=one.name,
            passed=one.passed,
            severity=Grade.ERROR if one.is_error else Grade.WARN,
            at=event.time,
            run=event.run,
            actor=taken.actor,
        )
        for number, one in enumerate(assertions_of(mention.facets))
    )
    return Report(
        namespace=taken.namespace,
        key=mention.key,
        happening=happening,
        facets=mention.facets,
        checks=checks,
        cause=taken.cause,
    )


def _version(facets: Mapping[str, Json]) -> str | None:
    version = facets.get("version")
    found = version.get("datasetVersion") if isinstance(version, dict) else None
    return found if isinstance(found, str) else None
