"""What people and programs do with assets."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tocsin.errors import Conflict, NotFound, PreconditionFailed
from tocsin.signals import Cause, Json, derive
from tocsin.signals.catalogue import lineage as words
from tocsin.signals.kinds import Payload, SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, Outgoing, Page
from tocsin_lineage.domain.assets import Act, Asset, Happening, happened
from tocsin_lineage.ports import AssetSearch, AssetStore

TRIES = 8  # against other writers of the same asset


class Assets:
    """The use cases of assets.

    Args:
        store: Where assets are.
        clock: Time.
    """

    def __init__(self, store: AssetStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def describe(self, asset: Asset, *, expect: int | None, actor: str, cause: Cause) -> Entry[Asset]:
        """Make an asset known, or describe it anew; what runs did to it stays.

        Raises:
            PreconditionFailed: It has changed since the person saw it.
        """
        entry = await self._store.load(asset.namespace, asset.key)
        if expect is not None and expect != entry.revision:
            raise PreconditionFailed(f"asset {asset.key} has changed since you read it", hint="read it again")
        if entry.value is not None:
            asset = replace(
                asset,
                facets=entry.value.facets,
                materialized=entry.value.materialized,
                observed=entry.value.observed,
                materializations=entry.value.materializations,
            )
        said = (words.ASSET_REGISTERED, words.AssetRegistered(name=asset.key, kind=asset.kind))
        outbox = [self._signal(said, asset, entry.sequence + 1, cause, actor)]
        return await self._store.commit(entry, asset, outbox)

    async def get(self, namespace: str, key: str) -> Entry[Asset]:
        """An asset with its revision.

        Raises:
            NotFound: There is none.
        """
        entry = await self._store.load(namespace, key)
        if entry.value is None:
            raise NotFound(f"there is no asset {key} in namespace {namespace}", asset=key)
        return entry

    async def search(self, search: AssetSearch, *, limit: int, cursor: str | None) -> Page[Entry[Asset]]:
        """One page of assets, by key."""
        return await self._store.search(search, limit=limit, cursor=cursor)

    async def happenings(self, namespace: str, key: str, *, limit: int, cursor: str | None) -> Page[Happening]:
        """What happened to an asset, newest first."""
        return await self._store.happenings(namespace, key, limit=limit, cursor=cursor)

    async def delete(self, namespace: str, key: str, *, actor: str, cause: Cause) -> None:
        """Forget an asset; what happened to it stays on record.

        Raises:
            NotFound: There is none.
        """
        entry = await self.get(namespace, key)
        asset = entry.value
        if asset is not None:
            said = (words.ASSET_DELETED, words.AssetDeleted(name=key))
            await self._store.commit(entry, None, [self._signal(said, asset, entry.sequence + 1, cause, actor)])

    async def record(
        self, namespace: str, key: str, happening: Happening, *, facets: Mapping[str, Json], cause: Cause
    ) -> Entry[Asset]:
        """Record what happened to an asset, which need not be known before; safe to repeat.

        Raises:
            Conflict: Others wrote to the same asset all the time.
        """
        for _ in range(TRIES):
            entry = await self._store.load(namespace, key)
            if await self._store.known(happening.id):
                return entry
            asset = entry.value or Asset(namespace=namespace, key=key)
            after = happened(asset, happening, facets)
            said = [] if entry.value else [(words.ASSET_REGISTERED, words.AssetRegistered(name=key, kind=asset.kind))]
            outbox = [
                self._signal(one, after, entry.sequence + number, cause, happening.actor)
                for number, one in enumerate([*said, _of(happening, key)], start=1)
            ]
            try:
                return await self._store.record(entry, after, happening, outbox)
            except Conflict:
                continue
        raise Conflict(f"asset {key} is being written by others all the time", asset=key)

    def _signal(
        self, said: tuple[SignalType[Payload], Payload], asset: Asset, sequence: int, cause: Cause, actor: str
    ) -> Outgoing:
        kind, payload = said
        signal = make_signal(
            kind,
            namespace=asset.namespace,
            entity_id=signal_entity(asset.key),
            sequence=sequence,
            time=self._clock.now(),
            payload=payload,
            cause=cause,
            actor=actor,
        )
        return Outgoing.of(subject_of(signal), signal)


def signal_entity(key: str) -> str:
    """What an asset is called in subjects: its key, or a digest of one that is too long for a subject."""
    return key if len(key) <= 160 else derive("asset", key)


def happening_of(act: Act, *, cause_id: str, key: str, at: datetime, actor: str) -> Happening:
    """A happening whose id is derived from its cause."""
    return Happening(id=derive("asset", act.value, cause_id, key), act=act, at=at, actor=actor)


def _of(happening: Happening, key: str) -> tuple[SignalType[Payload], Payload]:
    if happening.act is Act.MATERIALIZED:
        materialized = words.AssetMaterialized(
            name=key,
            run=happening.run,
            task=happening.task,
            version=happening.version,
            metadata=dict(happening.metadata),
        )
        return words.ASSET_MATERIALIZED, materialized
    observed = words.AssetObserved(name=key, run=happening.run, version=happening.version, metadata=dict(happening.metadata))
    return words.ASSET_OBSERVED, observed
