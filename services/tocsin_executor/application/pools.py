"""Named pools: how many runs may go on at once, or begin in a while, over all workflows of a namespace that name the pool."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from tocsin.errors import Conflict, NotFound
from tocsin.signals import Cause
from tocsin_executor.application.reading import Scope
from tocsin_executor.domain.limits import Rate, pool_key


class PoolInUse(Conflict):
    """Runs wait for the pool."""

    code = "pool_in_use"


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool.

    Attributes:
        namespace: Whose workflows may name it.
        name: Its name.
        limit: Runs at once; 0 lets nobody in, ``None`` has no such limit.
        rate: Starts in a while, or ``None``.
    """

    namespace: str
    name: str
    limit: int | None
    rate: Rate | None

    @property
    def key(self) -> str:
        """Its key as a limit."""
        return pool_key(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool with who is in it."""

    pool: Pool
    held_by: Sequence[str]
    holding: int
    waiting: int


class PoolStore(Protocol):
    """Where pools are kept."""

    async def get(self, namespace: str, name: str) -> Pool | None:
        """The pool, if there is one."""
        ...

    async def put(self, pool: Pool, *, actor: str | None, cause: Cause) -> None:
        """Make or change it, with its signal."""
        ...

    async def delete(self, namespace: str, name: str, *, actor: str | None, cause: Cause) -> None:
        """Delete it, with its signal; raises ``NotFound``."""
        ...

    async def page(self, scope: Scope, limit: int, cursor: str | None) -> tuple[Sequence[Pool], str | None]:
        """Pools in the order of namespace and name, and the next cursor."""
        ...


class Occupancy(Protocol):
    """Who holds a limit."""

    async def holders(self, keys: Collection[str], limit: int) -> dict[str, list[str]]:
        """Runs that hold each of these limits."""
        ...

    async def count(self, key: str) -> tuple[int, int]:
        """How many runs hold a limit, and how many wait at it."""
        ...


class Freed(Protocol):
    """Lets runs begin where a limit has changed."""

    def freed(self, keys: Collection[str]) -> None:
        """Look there."""
        ...


class Pools:
    """Use cases of pools.

    Args:
        store: Where they are kept.
        occupancy: Who is in them.
        admission: Told when more may begin.
    """

    def __init__(self, store: PoolStore, occupancy: Occupancy, admission: Freed) -> None:
        self._store = store
        self._occupancy = occupancy
        self._admission = admission

    async def put(self, pool: Pool, *, actor: str | None, cause: Cause) -> PoolState:
        """Make or change a pool; runs that wait begin at once if there is room now."""
        await self._store.put(pool, actor=actor, cause=cause)
        self._admission.freed([pool.key])
        return await self._state(pool)

    async def get(self, namespace: str, name: str) -> PoolState:
        """A pool with who is in it; raises ``NotFound``."""
        pool = await self._store.get(namespace, name)
        if pool is None:
            raise NotFound(f"There is no pool {namespace}/{name}.", namespace=namespace, pool=name)
        return await self._state(pool)

    async def list(self, scope: Scope, limit: int, cursor: str | None) -> tuple[list[PoolState], str | None]:
        """Pools in the order of namespace and name."""
        pools, beyond = await self._store.page(scope, limit, cursor)
        return [await self._state(pool) for pool in pools], beyond

    async def delete(self, namespace: str, name: str, *, actor: str | None, cause: Cause) -> None:
        """Delete a pool that nobody waits for.

        Raises:
            PoolInUse: Somebody does.
            NotFound: There is none.
        """
        _, waiting = await self._occupancy.count(pool_key(namespace, name))
        if waiting:
            raise PoolInUse(f"{waiting} runs wait for pool {namespace}/{name}.", hint="Cancel them, or let them in.")
        await self._store.delete(namespace, name, actor=actor, cause=cause)

    async def _state(self, pool: Pool) -> PoolState:
        held = await self._occupancy.holders([pool.key], 20)
        holding, waiting = await self._occupancy.count(pool.key)
        return PoolState(pool, held[pool.key], holding, waiting)
