"""What the signals of others mean for assets: definitions declare, tasks report, runs fail, schedules pause.

Every step is safe to repeat. Signals of one entity come in order; between entities order does not matter, because what is kept
about a workflow or a schedule is changed only by newer news.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tocsin.signals import Cause, CloudEvent, follow
from tocsin.signals.catalogue import executor as runs
from tocsin.signals.catalogue import scheduler as schedules
from tocsin.signals.make import read_payload
from tocsin.signals.subjects import SignalSubject, parse_signal
from tocsin_kit.bus.delivery import Delivery
from tocsin_lineage.application.recording import Recorder, Report, happening_of
from tocsin_lineage.domain.assets import Act
from tocsin_lineage.domain.causes import Clockwork, Maker
from tocsin_lineage.domain.graph import ASSET, Edge
from tocsin_lineage.domain.jobs import declared_node, job_node, workflow_of
from tocsin_lineage.ports import FactStore, GraphStore, Place

ACTOR = "service:executor"
Follower = Callable[[SignalSubject, CloudEvent], Awaitable[None]]

_STATUS = {"started": "running", "resumed": "running", "suspended": "suspended", "completed": "completed"}


class Hearing:
    """Takes signals.

    Args:
        facts: What is kept about workflows and schedules.
        graph: The graph.
        recorder: Records what happened to assets.
        followers: Who hears each of them besides: automation.
    """

    def __init__(self, facts: FactStore, graph: GraphStore, recorder: Recorder, *, followers: Sequence[Follower] = ()) -> None:
        self._facts = facts
        self._graph = graph
        self._recorder = recorder
        self._followers = followers
        self._take: Mapping[str, Follower] = {
            "definition": self._definition,
            "task": self._task,
            "run": self._run,
            "schedule": self._schedule,
            "asset": self._asset,
        }

    async def hear(self, delivery: Delivery) -> None:
        """Take one signal; safe to repeat."""
        place = parse_signal(delivery.subject)
        if place.transition not in _NEWS.get(place.entity, _NOTHING):
            return
        event = delivery.event()
        take = self._take.get(place.entity)
        if take is not None:
            await take(place, event)
        for follower in self._followers:
            await follower(place, event)

    async def _definition(self, place: SignalSubject, event: CloudEvent) -> None:
        if place.transition == "deleted":
            gone = read_payload(runs.DEFINITION_DELETED, event)
            if gone.version is None:
                await self._facts.declared(gone.namespace, gone.name, "", {})
            return
        said = read_payload(runs.DEFINITION_PUBLISHED, event)
        at, cause = _time(event), follow(event)
        writes: dict[str, list[Place]] = {}
        edges: list[Edge] = []
        reports: list[Report] = []
        for task in said.assets or ():
            job = job_node(said.namespace, said.name, task.task)
            edges += [Edge(ASSET + one.asset, job) for one in task.consumes]
            edges += [Edge(job, ASSET + one.asset) for one in task.produces]
            writes[task.task] = [(said.namespace, one.asset) for one in task.produces]
            reports += [
                Report(namespace=said.namespace, key=one.asset, kind=one.kind, mention=True, cause=cause)
                for one in (*task.consumes, *task.produces)
            ]
        await self._facts.declared(said.namespace, said.name, said.version, writes)
        await self._graph.add(said.namespace, [(edge, at) for edge in edges])
        await self._recorder.record(reports)

    async def _asset(self, place: SignalSubject, event: CloudEvent) -> None:
        """What a person declares an asset to be made of is in the graph as well, with the maker between."""
        data = event.payload if isinstance(event.payload, dict) else {}
        key, made_of = data.get("name"), data.get("upstream")
        if place.transition == "deleted":
            made_of = []
        if place.transition not in {"registered", "deleted"} or not isinstance(key, str) or not isinstance(made_of, list):
            return
        maker = data.get("maker")
        job = declared_node(place.namespace, key, maker if isinstance(maker, str) else None)
        edges = [Edge(ASSET + str(one), job) for one in made_of]
        if edges:
            edges.append(Edge(job, ASSET + key))
        await self._graph.declare(place.namespace, ASSET + key, edges, _time(event))

    async def _task(self, place: SignalSubject, event: CloudEvent) -> None:
        said = read_payload(runs.TASK_ASSETS_REPORTED, event)
        job = job_node(place.namespace, workflow_of(said.workflow), said.task)
        edges = [Edge(ASSET + one.asset, job) for one in said.consumed]
        edges += [Edge(job, ASSET + one.asset) for one in said.produced]
        await self._graph.add(place.namespace, [(edge, said.reported_at) for edge in edges])
        if said.produced:
            await self._facts.makes(place.namespace, workflow_of(said.workflow))
        cause = follow(event)
        # Which activation it was: a task in a loop writes as often as it runs.
        about = f"{place.namespace}:{place.id}:{said.task}:{event.extensions.get('activation', '')}"
        default = event.extensions.get("assetpartition")
        reports = [
            self._report(act, one, about, (place, said, default, job), cause)
            for act, mentions in ((Act.READ, said.consumed), (Act.MATERIALIZED, said.produced))
            for one in mentions
        ]
        await self._recorder.record(reports)

    @staticmethod
    def _report(
        act: Act,
        one: runs.AssetMention,
        about: str,
        told: tuple[SignalSubject, runs.TaskAssetsReported, object, str],
        cause: Cause,
    ) -> Report:
        place, said, default, job = told
        partition = one.partition or (str(default) if default is not None and act is Act.MATERIALIZED else "")
        bare = happening_of(act, cause_id=about, key=one.asset, at=said.reported_at, actor=ACTOR, partition=partition)
        happening = replace(bare, run=place.id, task=said.task, job=job, version=one.version, metadata=one.metadata or {})
        return Report(namespace=place.namespace, key=one.asset, happening=happening, kind=one.kind, cause=cause)

    async def _run(self, place: SignalSubject, event: CloudEvent) -> None:
        data = event.payload if isinstance(event.payload, dict) else {}
        name = data.get("name")
        workflow = workflow_of(name) if isinstance(name, str) and place.transition != "refused" else data.get("workflow")
        if not isinstance(workflow, str) or not workflow:
            return
        if not await self._facts.is_maker(place.namespace, workflow):
            return  # most runs make no asset; a write for each of them would be as many again
        status = _STATUS.get(place.transition, place.transition)
        if place.transition == "status-changed":
            status = str(data.get("status"))
        at = _time(event)
        maker = Maker(namespace=place.namespace, name=workflow, run=place.id, status=status, at=at, error=_error(data))
        await self._facts.run_is(maker, position=at)
        if status in {"faulted", "cancelled", "refused"}:
            await self._failed(place, workflow, event)

    async def _failed(self, place: SignalSubject, workflow: str, event: CloudEvent) -> None:
        """The partitions that the run was for: those it was started for from here, or the one that its signals name."""
        slots = set(await self._recorder.requested_for(place.id))
        partition = event.extensions.get("assetpartition")
        if partition is not None:
            slots |= {(*one, str(partition)) for one in await self._facts.written_by(place.namespace, workflow)}
        at, cause = _time(event), follow(event)
        await self._recorder.record(
            [
                Report(namespace=namespace, key=key, failed=(name, place.id, at), cause=cause)
                for namespace, key, name in sorted(slots)
            ]
        )

    async def _schedule(self, place: SignalSubject, event: CloudEvent) -> None:
        if place.transition == "deleted":
            await self._facts.schedule_gone(place.namespace, place.id)
            return
        said = read_payload(schedules.SCHEDULE_CREATED, event)
        clockwork = Clockwork(
            name=said.name,
            workflow=said.workflow,
            paused=place.transition == "paused" or (place.transition == "updated" and said.next_at is None),
            reason=said.reason,
            next_at=said.next_at,
        )
        await self._facts.schedule_is(place.namespace, clockwork, position=_time(event))


_NOTHING: frozenset[str] = frozenset()
_NEWS: Mapping[str, frozenset[str]] = {
    "definition": frozenset({"published", "deleted"}),
    "task": frozenset({"assets-reported"}),
    "run": frozenset({*_STATUS, "status-changed", "faulted", "cancelled", "refused"}),
    "schedule": frozenset({"created", "updated", "paused", "resumed", "deleted"}),
    "asset": frozenset({"registered", "materialized", "check-evaluated", "freshness-changed", "deleted"}),
}


def _time(event: CloudEvent) -> datetime:
    if event.time is None:
        raise ValueError("a signal has a time")
    return event.time


def _error(data: Mapping[str, object]) -> str | None:
    error = data.get("error")
    if isinstance(error, dict):
        found = error.get("title") or error.get("detail") or error.get("type")
        return str(found)[:300] if found is not None else None
    detail = data.get("detail") or data.get("reason")
    return str(detail)[:300] if detail is not None else None
