"""What people and programs do with assets."""

from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.errors import Invalid, NotFound, PreconditionFailed
from tocsin.signals import Cause
from tocsin.signals.catalogue import lineage as words
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, Page, undisputed
from tocsin_lineage.application.announcing import announce, changes_of, registered
from tocsin_lineage.domain.assets import Act, Asset, Condition, Happening, Slot, described
from tocsin_lineage.domain.checks import CheckResult
from tocsin_lineage.domain.freshness import EachPartition
from tocsin_lineage.domain.partitions import LISTED_LIMIT, all_keys, is_key
from tocsin_lineage.domain.schema_history import SchemaVersion
from tocsin_lineage.ports import AssetSearch, AssetStore, Changes, HappeningSearch

READERS_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An asset, or a partition of it, as of an instant.

    Attributes:
        written: The writing that its content came from then.
        readers: Who read it between that writing and the instant, newest first; at most a hundred.
        schema: Its columns then.
        checks: The latest results of its checks until then.
    """

    written: Happening | None
    readers: tuple[Happening, ...]
    schema: SchemaVersion | None
    checks: tuple[CheckResult, ...]


class Assets:
    """The use cases of assets.

    Args:
        store: Where assets are.
        clock: Time.
    """

    def __init__(self, store: AssetStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @undisputed
    async def describe(self, asset: Asset, *, expect: int | None, actor: str, cause: Cause) -> Entry[Asset]:
        """Make an asset known, or describe it anew; what runs did to it stays.

        Raises:
            PreconditionFailed: It has changed since the person saw it.
        """
        entry = await self._store.load(asset.namespace, asset.key)
        if expect is not None and expect != entry.revision:
            raise PreconditionFailed(f"asset {asset.key} has changed since you read it", hint="read it again")
        now = self._clock.now()
        asset = described(asset, entry.value, now)
        outbox = announce(
            [registered(asset, before=entry.value)],
            namespace=asset.namespace,
            key=asset.key,
            after=entry.sequence,
            now=now,
            cause=cause,
            actor=actor,
        )
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

    async def happenings(self, search: HappeningSearch, *, limit: int, cursor: str | None) -> Page[Happening]:
        """What happened to an asset, newest first."""
        return await self._store.happenings(search, limit=limit, cursor=cursor)

    async def of_run(self, run: str) -> list[tuple[tuple[str, str], Happening]]:
        """What a run wrote and read; at most a thousand."""
        return list(await self._store.of_run(run, 1000))

    async def moment(self, namespace: str, key: str, *, partition: str | None, at: datetime) -> Moment:
        """An asset as of an instant: which run and task had written it, and which had read that.

        Raises:
            NotFound: There is no such asset.
        """
        await self.get(namespace, key)
        search = HappeningSearch(namespace=namespace, key=key, partition=partition, acts=(Act.MATERIALIZED,), until=at)
        written = (await self._store.happenings(search, limit=1, cursor=None)).items
        reading = replace(search, acts=(Act.READ,), since=written[0].at if written else None)
        readers = await self._store.happenings(reading, limit=READERS_LIMIT, cursor=None)
        schemas = (await self._store.schemas(namespace, key, limit=LISTED_LIMIT, cursor=None)).items
        results = await self._store.checks(namespace, key, check=None, until=at, limit=500, cursor=None)
        latest: dict[tuple[str, str], CheckResult] = {}
        for result in results.items:
            if partition is None or result.partition in {"", partition}:
                latest.setdefault((result.check, result.partition), result)
        return Moment(
            written=written[0] if written else None,
            readers=tuple(readers.items),
            schema=next((version for version in schemas if version.at <= at), None),
            checks=tuple(latest.values()),
        )

    async def checks(self, namespace: str, key: str, *, check: str | None, limit: int, cursor: str | None) -> Page[CheckResult]:
        """Results of the checks of an asset, newest first."""
        return await self._store.checks(namespace, key, check=check, until=None, limit=limit, cursor=cursor)

    async def schemas(self, namespace: str, key: str, *, limit: int, cursor: str | None) -> Page[SchemaVersion]:
        """Versions of the columns of an asset, newest first."""
        return await self._store.schemas(namespace, key, limit=limit, cursor=cursor)

    async def partitions(self, namespace: str, key: str, *, condition: Condition | None) -> list[Slot]:
        """All partitions that there should be, and what became of each; the newest 10,000 in order.

        Raises:
            NotFound: There is no such asset.
        """
        asset = (await self.get(namespace, key)).value
        if asset is None:
            return []
        slots: dict[str, Slot] = {}
        cursor: str | None = None
        while True:
            page = await self._store.slots(namespace, key, condition=None, limit=500, cursor=cursor)
            slots.update({slot.partition: slot for slot in page.items})
            cursor = page.next_cursor
            if cursor is None or len(slots) >= LISTED_LIMIT:
                break
        known = [name for name in slots if name]
        expected = all_keys(asset.policy.partitions, self._clock.now(), known)
        names = expected if asset.policy.partitions is None and not known else sorted({*expected, *known})
        if asset.policy.partitions is not None or known:
            names = [name for name in names if name]
        found = [slots.get(name) or Slot(namespace=namespace, asset=key, partition=name) for name in names[-LISTED_LIMIT:]]
        return [slot for slot in found if condition is None or slot.condition is condition]

    async def register(self, namespace: str, key: str, partition: str) -> None:
        """Make a partition known before it is written; one that is known stays as it is.

        Raises:
            NotFound: There is no such asset.
            Invalid: It can have no such partition.
        """
        if await self._made_known(namespace, key, partition):
            await self._judge_again(namespace, key)

    @undisputed
    async def _made_known(self, namespace: str, key: str, partition: str) -> bool:
        """Whether it was not before, and the promise is about it."""
        asset = (await self.get(namespace, key)).value
        if asset is None or not is_key(asset.policy.partitions, partition):
            raise Invalid(f"{key} can have no partition {partition!r}.")
        place = (namespace, key, partition)
        entry = (await self._store.load_slots([place]))[place]
        if entry.value is not None:
            return False
        slot = Slot(namespace=namespace, asset=key, partition=partition, known=self._clock.now())
        await self._store.commit_together(Changes(slots=[(entry, slot, ())]))
        return isinstance(asset.policy.promise, EachPartition)

    @undisputed
    async def _judge_again(self, namespace: str, key: str) -> None:
        """The promise about each partition is about one more."""
        entry = await self._store.load(namespace, key)
        if entry.value is not None:
            verdict = replace(entry.value.verdict, due=self._clock.now())
            await self._store.commit(entry, replace(entry.value, verdict=verdict), ())

    @undisputed
    async def delete(self, namespace: str, key: str, *, actor: str, cause: Cause) -> None:
        """Forget an asset; what happened to it stays on record.

        Raises:
            NotFound: There is none.
        """
        entry = await self.get(namespace, key)
        outbox = announce(
            [(words.ASSET_DELETED, words.AssetDeleted(name=key, changes=changes_of(entry.value, None)), None)],
            namespace=namespace,
            key=key,
            after=entry.sequence,
            now=self._clock.now(),
            cause=cause,
            actor=actor,
        )
        await self._store.commit(entry, None, outbox)
