"""Named pools over HTTP."""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import BaseModel, Field, model_validator

from tocsin.errors import NotFound
from tocsin_executor.application.pools import Pool, PoolInUse, Pools, PoolState
from tocsin_executor.domain.limits import LIMIT, Rate
from tocsin_executor.http.asking import cause_of, scope_of
from tocsin_executor.http.schemas import Name, Namespace
from tocsin_kit.config import Duration
from tocsin_kit.web import Call, Input, Page, PageQuery, Permission, Reply, Route

READ = Permission("pool:read")
WRITE = Permission("pool:write")


class PoolId(Input):
    """Path of one pool."""

    namespace: Namespace
    name: Name


class PoolQuery(PageQuery):
    """Filters of the list of pools."""

    namespace: Namespace | None = None


class RateBody(Input):
    """Starts in a while."""

    limit: int = Field(ge=1, le=LIMIT)
    every: Duration = Field(description="For example 1m.")


class PoolBody(Input):
    """What a pool lets through."""

    limit: int | None = Field(None, ge=0, le=LIMIT, description="Runs at once; 0 lets nobody begin.")
    rate: RateBody | None = Field(None, description="Starts in a while.")

    @model_validator(mode="after")
    def _something(self) -> "PoolBody":
        if self.limit is None and self.rate is None:
            raise ValueError("a pool needs limit, rate or both")
        return self


class RateOut(BaseModel):
    """Starts in a while."""

    limit: int
    every_ms: int


class PoolOut(BaseModel):
    """A pool with who is in it."""

    namespace: str
    name: str
    limit: int | None
    rate: RateOut | None
    held_by: list[str] = Field(description="Runs that hold a slot, oldest first; at most 20.")
    holding: int
    waiting: int

    @classmethod
    def of(cls, state: PoolState) -> "PoolOut":
        """The view of a pool."""
        pool = state.pool
        rate = None if pool.rate is None else RateOut(limit=pool.rate.limit, every_ms=pool.rate.every)
        return cls(
            namespace=pool.namespace,
            name=pool.name,
            limit=pool.limit,
            rate=rate,
            held_by=list(state.held_by),
            holding=state.holding,
            waiting=state.waiting,
        )


class _Handlers:
    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def put(self, call: Call) -> PoolOut:
        params, body = call.params(PoolId), call.body(PoolBody)
        rate = None if body.rate is None else Rate(body.rate.limit, max(1, body.rate.every // timedelta(milliseconds=1)))
        pool = Pool(params.namespace, params.name, body.limit, rate)
        return PoolOut.of(await self._pools.put(pool, actor=call.principal.subject, cause=cause_of(call)))

    async def show(self, call: Call) -> PoolOut:
        params = call.params(PoolId)
        return PoolOut.of(await self._pools.get(params.namespace, params.name))

    async def list(self, call: Call) -> Page[PoolOut]:
        query = call.query(PoolQuery)
        states, cursor = await self._pools.list(scope_of(call, READ.name, query.namespace), query.limit, query.cursor)
        return Page(items=[PoolOut.of(state) for state in states], next_cursor=cursor)

    async def delete(self, call: Call) -> Reply:
        params = call.params(PoolId)
        await self._pools.delete(params.namespace, params.name, actor=call.principal.subject, cause=cause_of(call))
        return Reply(status=204)


def pool_routes(pools: Pools) -> Sequence[Route]:
    """``/api/v1/pools``."""
    handlers = _Handlers(pools)
    path, tags = "/api/v1/pools/{namespace}/{name}", ("pools",)
    return (
        Route(
            method="PUT",
            path=path,
            access=WRITE,
            summary="Make a pool, or change what it lets through",
            tags=tags,
            handler=handlers.put,
            params=PoolId,
            body=PoolBody,
            response=PoolOut,
        ),
        Route(
            method="GET",
            path=path,
            access=READ,
            summary="A pool, and which runs are in it",
            tags=tags,
            handler=handlers.show,
            params=PoolId,
            response=PoolOut,
            problems=(NotFound,),
        ),
        Route(
            method="GET",
            path="/api/v1/pools",
            access=READ,
            summary="List pools",
            tags=tags,
            handler=handlers.list,
            query=PoolQuery,
            response=Page[PoolOut],
        ),
        Route(
            method="DELETE",
            path=path,
            access=WRITE,
            summary="Delete a pool that nobody waits for",
            tags=tags,
            handler=handlers.delete,
            params=PoolId,
            status=204,
            problems=(NotFound, PoolInUse),
        ),
    )
