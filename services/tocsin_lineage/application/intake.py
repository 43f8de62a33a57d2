"""OpenLineage in: from anyone's client, in any order, any number of times.

The event is kept first, whole; what it says about assets and the graph is derived from it, each step safe to repeat. A sender
that got no answer sends again, and nothing is counted twice.
"""

from collections.abc import Mapping
from dataclasses import replace

import orjson

from tocsin.signals import Cause, Json, derive
from tocsin_lineage.application.assets import Assets, happening_of
from tocsin_lineage.domain.assets import Act
from tocsin_lineage.domain.graph import ASSET, JOB, Edge
from tocsin_lineage.domain.openlineage import DatasetMention, LineageEvent, Stage, read_event
from tocsin_lineage.ports import EdgeStore, EventStore


class Intake:
    """The use case of foreign programs.

    Args:
        events: Where events are kept.
        edges: The graph.
        assets: What they are about.
    """

    def __init__(self, events: EventStore, edges: EdgeStore, assets: Assets) -> None:
        self._events = events
        self._edges = edges
        self._assets = assets

    async def take(self, document: Json, *, namespace: str, actor: str, cause: Cause) -> str:
        """Take one event; its id, the same for a repeat.

        Raises:
            InvalidLineageEvent: It is none.
        """
        event = read_event(document)
        event_id = derive("openlineage", namespace, orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode())
        await self._events.keep(namespace, event_id, event)
        if event.job is not None:
            job = JOB + event.job
            edges = [Edge(ASSET + mention.key, job) for mention in event.inputs]
            edges += [Edge(job, ASSET + mention.key) for mention in event.outputs]
            await self._edges.add(namespace, edges)
        for act, mentions in self._acts(event):
            for mention in mentions:
                await self._happened(event, mention, act, namespace=namespace, actor=actor, cause=cause)
        return event_id

    @staticmethod
    def _acts(event: LineageEvent) -> tuple[tuple[Act, tuple[DatasetMention, ...]], ...]:
        """What it means: a completed run has written its outputs; everything else has only been seen."""
        written = event.stage is Stage.COMPLETE
        return (
            (Act.OBSERVED, event.inputs),
            (Act.MATERIALIZED if written else Act.OBSERVED, event.outputs),
        )

    async def _happened(
        self,
        event: LineageEvent,
        mention: DatasetMention,
        act: Act,
        *,
        namespace: str,
        actor: str,
        cause: Cause,
    ) -> None:
        # A run that says START and COMPLETE has read its inputs once; a dataset event stands for itself.
        about = f"{event.run}" if event.run else f"{event.job}@{event.time.isoformat()}"
        bare = happening_of(act, cause_id=f"{namespace}:{about}", key=mention.key, at=event.time, actor=actor)
        happening = replace(bare, run=event.run, task=event.job, version=_version(mention.facets))
        await self._assets.record(namespace, mention.key, happening, facets=mention.facets, cause=cause)


def _version(facets: Mapping[str, Json]) -> str | None:
    version = facets.get("version")
    found = version.get("datasetVersion") if isinstance(version, dict) else None
    return found if isinstance(found, str) else None
