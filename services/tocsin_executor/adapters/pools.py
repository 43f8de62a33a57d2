"""Pools in MongoDB, each with the signals of its changes."""

from collections.abc import Mapping, Sequence
from typing import Any

from tocsin.errors import NotFound
from tocsin.signals import Cause
from tocsin.signals.catalogue.executor import POOL_CHANGED, POOL_DELETED, PoolChanged, PoolDeleted
from tocsin.signals.make import make_signal, subject_of
from tocsin_executor.adapters.scopes import within
from tocsin_executor.application.pools import Pool
from tocsin_executor.application.reading import Scope
from tocsin_executor.domain.limits import Rate
from tocsin_kit.store import Database, Entry, Outgoing, Relay, Repository, Sort, undisputed
from tocsin_kit.store.changes import changes

POOLS = "pools"


class MongoPools:
    """The pool store.

    Args:
        database: The executor's database.
        relay: Publishes the signals of commits.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._clock = database.clock
        self._pools: Repository[Pool] = Repository(database, POOLS, encode=_encode, decode=_decode, wake=relay.wake)

    async def get(self, namespace: str, name: str) -> Pool | None:
        """The pool, if there is one."""
        return (await self._pools.load(_key(namespace, name))).value

    @undisputed
    async def put(self, pool: Pool, *, actor: str | None, cause: Cause) -> None:
        """Make or change it, with its signal; no signal if nothing changes."""
        entry = await self._pools.load(_key(pool.namespace, pool.name))
        if entry.value == pool:
            return
        payload = PoolChanged(
            namespace=pool.namespace,
            name=pool.name,
            limit=pool.limit,
            rate_limit=pool.rate.limit if pool.rate else None,
            rate_every_ms=pool.rate.every if pool.rate else None,
            changes=changes(_told(entry.value), _told(pool)),
        )
        await self._pools.commit(entry, pool, outbox=[self._signal(entry, payload, actor, cause)])

    @undisputed
    async def delete(self, namespace: str, name: str, *, actor: str | None, cause: Cause) -> None:
        """Delete it, with its signal."""
        entry = await self._pools.load(_key(namespace, name))
        if entry.value is None:
            raise NotFound(f"There is no pool {namespace}/{name}.", namespace=namespace, pool=name)
        payload = PoolDeleted(namespace=namespace, name=name, changes=changes(_told(entry.value), None))
        await self._pools.commit(entry, None, outbox=[self._signal(entry, payload, actor, cause)])

    async def page(self, scope: Scope, limit: int, cursor: str | None) -> tuple[Sequence[Pool], str | None]:
        """Pools in the order of namespace and name."""
        page = await self._pools.page(within(scope), sort=Sort(), limit=limit, cursor=cursor)
        return [entry.value for entry in page.items if entry.value is not None], page.next_cursor

    def _signal(self, entry: Entry[Pool], payload: PoolChanged | PoolDeleted, actor: str | None, cause: Cause) -> Outgoing:
        kind: Any = POOL_CHANGED if isinstance(payload, PoolChanged) else POOL_DELETED
        event = make_signal(
            kind,
            namespace=payload.namespace,
            entity_id=payload.name,
            sequence=entry.sequence + 1,
            time=self._clock.now(),
            payload=payload,
            cause=cause,
            actor=actor,
        )
        return Outgoing.of(subject_of(event), event)


def _told(pool: Pool | None) -> dict[str, object] | None:
    return None if pool is None else {"limit": pool.limit, "rate": pool.rate}


def _key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}"


def _encode(pool: Pool) -> dict[str, Any]:
    rate = None if pool.rate is None else {"limit": pool.rate.limit, "every": pool.rate.every}
    return {"namespace": pool.namespace, "name": pool.name, "limit": pool.limit, "rate": rate}


def _decode(document: Mapping[str, Any]) -> Pool:
    rate = document.get("rate")
    return Pool(
        document["namespace"], document["name"], document.get("limit"), Rate(rate["limit"], rate["every"]) if rate else None
    )
