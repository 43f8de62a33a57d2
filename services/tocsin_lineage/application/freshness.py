"""Keeps the promises' clocks: judges each asset when its verdict can change, or when it was written.

When to look is in the asset's document, so any replica may look, and none has to remember anything; what is decided is stored
with the revision that it was decided from, so a transition is said once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tocsin.errors import Conflict
from tocsin.signals import derive, root
from tocsin_kit.clock import Clock
from tocsin_lineage.application.announcing import announce, of_freshness
from tocsin_lineage.domain.assets import Asset
from tocsin_lineage.domain.causes import Maker, Reason, Source, explain
from tocsin_lineage.domain.freshness import Change, EachPartition, Known, State, Verdict, judge, open_keys
from tocsin_lineage.domain.graph import JOB
from tocsin_lineage.domain.partitions import LISTED_LIMIT, Windows, grid_of
from tocsin_lineage.ports import AssetStore, FactStore, GraphStore, Waits

EVERY = timedelta(seconds=1)
AT_ONCE = 500  # assets of one look
ASKED = 5  # workflows whose runs are asked for when an asset is late


class FreshnessKeeper:
    """Judges what is due.

    Args:
        store: Where assets are.
        facts: What is known about workflows and schedules.
        graph: Who writes what.
        waits: What runs wait for.
        clock: Time.
    """

    def __init__(self, store: AssetStore, facts: FactStore, graph: GraphStore, waits: Waits, *, clock: Clock) -> None:
        self._store = store
        self._waits = waits
        self._facts = facts
        self._graph = graph
        self._clock = clock

    async def check(self) -> int:
        """Judge what is due; how many were judged."""
        now = self._clock.now()
        places = await self._store.due(now, AT_ONCE)
        for place in places:
            try:
                await self._judge(*place, now=now)
            except Conflict:  # it was written, described or judged meanwhile; it is still due if that did not judge it
                continue
        return len(places)

    async def _judge(self, namespace: str, key: str, *, now: datetime) -> None:
        entry = await self._store.load(namespace, key)
        asset = entry.value
        if asset is None or asset.verdict.due is None or asset.verdict.due > now:
            return
        verdict, changes = await self._verdict(asset, now)
        late = any(change.after in {State.WARNING, State.STALE} for change in changes)
        causes = await self.explain(asset) if late else []
        said = [
            of_freshness(asset, change, causes if change.after in {State.WARNING, State.STALE} else ()) for change in changes
        ]
        outbox = announce(
            said,
            namespace=namespace,
            key=key,
            after=entry.sequence,
            now=now,
            cause=root(derive("freshness", namespace, key, entry.revision)),
            actor=None,
        )
        await self._store.commit(entry, replace(asset, verdict=verdict), outbox)

    async def _verdict(self, asset: Asset, now: datetime) -> tuple[Verdict, list[Change]]:
        promise, partitions = asset.policy.promise, asset.policy.partitions
        since = asset.since or now
        grid = None
        if isinstance(promise, EachPartition):
            plain = isinstance(partitions, Windows)
            known = () if plain else await self._store.slot_keys(asset.namespace, asset.key, LISTED_LIMIT)
            grid = grid_of(partitions, now, known)
        keys = open_keys(promise, asset.verdict, now=now, since=since, grid=grid)
        slots = await self._store.load_slots([(asset.namespace, asset.key, key) for key in keys])
        found = {
            place[2]: Known(entry.value.written, entry.value.known) for place, entry in slots.items() if entry.value is not None
        }
        return judge(
            promise,
            asset.verdict,
            now=now,
            since=since,
            written=asset.materialized,
            outdated=asset.outdated,
            grid=grid,
            look=lambda key: found.get(key, Known()),
        )

    async def explain(self, asset: Asset) -> list[Reason]:
        """Why an asset is not fresh, or would not be; the strongest cause first."""
        makers = await self._makers(asset)
        schedules = await self._facts.schedules_of([(maker.namespace, maker.name) for maker in makers])
        entries = await self._store.load_many([(asset.namespace, one.key) for one in asset.policy.upstream])
        sources = [
            Source(key=entry.value.key, state=entry.value.verdict.state, written=entry.value.materialized)
            for entry in entries.values()
            if entry.value is not None
        ]
        waits = await self._waits.of([(maker.namespace, maker.name) for maker in makers[:ASKED]])
        code = (asset.made_with, asset.code_version) if asset.made_with and asset.code_version and asset.outdated else None
        return explain(asset.materialized, makers, schedules, sources, waits=waits, code=code)

    async def _makers(self, asset: Asset) -> Sequence[Maker]:
        """Workflows that are declared to make it here or in their definition; else those that were seen to write it."""
        places = {(maker.namespace, maker.name) for maker in await self._facts.makers(asset.namespace, asset.key)}
        if asset.policy.maker is not None:
            places.add((asset.namespace, asset.policy.maker.workflow))
        if not places:
            for job in await self._graph.writers(asset.namespace, asset.key):
                namespace, _, rest = job.removeprefix(JOB).partition("/")
                if not rest.endswith("]"):  # not only declared
                    places.add((namespace, rest.partition(".")[0]))
        return await self._facts.runs_of(sorted(places))
