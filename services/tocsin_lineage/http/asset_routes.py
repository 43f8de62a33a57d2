"""Routes of assets. Keys may hold slashes, so what belongs to one is asked for by query, not below its path."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel

from tocsin.errors import NotFound
from tocsin.signals import Cause, root
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry
from tocsin_kit.web import Call, Page, Permission, Reply, Route
from tocsin_lineage.application import Assets, Recorder
from tocsin_lineage.application.recording import Report, happening_of
from tocsin_lineage.domain.assets import Act, Asset
from tocsin_lineage.domain.policy import PolicyInvalid, read_policy
from tocsin_lineage.http.schemas import (
    AssetBody,
    AssetPath,
    AssetQuery,
    HappeningBody,
    HappeningQuery,
    MomentQuery,
    RunQuery,
)
from tocsin_lineage.http.views import AssetView, HappeningView, MomentView, TouchedList
from tocsin_lineage.ports import AssetSearch, HappeningSearch

READ = Permission("asset:read")
WRITE = Permission("asset:write")
REPORT = Permission("asset:report")
START = "run:start"
TAGS = ("assets",)
ONE = "/api/v1/assets/{namespace}/{key:path}"


class _AssetHandlers:
    def __init__(self, assets: Assets, recorder: Recorder, clock: Clock) -> None:
        self._assets = assets
        self._recorder = recorder
        self._clock = clock

    async def put(self, call: Call) -> Reply:
        path, body = call.params(AssetPath), call.body(AssetBody)
        if body.automation is not None:
            call.require(START, path.namespace)  # or whoever may describe assets could start workflows
        asset = Asset(
            namespace=path.namespace,
            key=path.key,
            kind=body.kind,
            group=body.group,
            description=body.description,
            owners=body.owners,
            tags=body.tags,
            code_version=body.code_version,
            declared=True,
            policy=read_policy(body.declaration()),
        )
        entry = await self._assets.describe(
            asset, expect=call.expected_revision, actor=call.principal.subject, cause=cause_of(call)
        )
        return _shown(entry)

    async def show(self, call: Call) -> Reply:
        path = call.params(AssetPath)
        return _shown(await self._assets.get(path.namespace, path.key))

    async def delete(self, call: Call) -> BaseModel | None:
        path = call.params(AssetPath)
        await self._assets.delete(path.namespace, path.key, actor=call.principal.subject, cause=cause_of(call))
        return None

    async def list(self, call: Call) -> Page[AssetView]:
        query = call.query(AssetQuery)
        permitted = call.permitted(READ.name)
        named = frozenset({query.namespace}) if query.namespace is not None else None
        search = AssetSearch(
            namespaces=named or (None if permitted.everywhere else permitted.exact),
            prefixes=() if named else permitted.prefixes,
            prefix=query.prefix,
            group=query.group,
            tag=query.tag,
            kind=query.kind,
            state=query.state,
        )
        page = await self._assets.search(search, limit=query.limit, cursor=query.cursor)
        views = [AssetView.of(entry.value) for entry in page.items if entry.value]
        return Page(items=views, next_cursor=page.next_cursor)

    async def report(self, call: Call) -> Reply:
        body = call.body(HappeningBody)
        cause = cause_of(call)
        happening = happening_of(
            Act(body.act),
            cause_id=f"{body.namespace}:{call.principal.subject}:{body.id or cause.id}",
            key=body.key,
            at=body.at or self._clock.now(),
            actor=call.principal.subject,
            partition=body.partition or "",
        )
        happening = replace(happening, run=body.run, task=body.task, version=body.version, metadata=dict(body.metadata))
        await self._recorder.record([Report(namespace=body.namespace, key=body.key, happening=happening, cause=cause)])
        return _shown(await self._assets.get(body.namespace, body.key))

    async def happenings(self, call: Call) -> Page[HappeningView]:
        query = call.query(HappeningQuery)
        search = HappeningSearch(
            namespace=query.namespace,
            key=query.key,
            partition=query.partition,
            acts=(Act(query.act),) if query.act is not None else (),
            since=query.since,
            until=query.until,
        )
        page = await self._assets.happenings(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[HappeningView.of(one) for one in page.items], next_cursor=page.next_cursor)

    async def moment(self, call: Call) -> MomentView:
        query = call.query(MomentQuery)
        at = query.at or self._clock.now()
        found = await self._assets.moment(query.namespace, query.key, partition=query.partition, at=at)
        return MomentView.of(found, at)

    async def of_run(self, call: Call) -> TouchedList:
        permitted = call.permitted(READ.name)
        found = await self._assets.of_run(call.query(RunQuery).run)
        return TouchedList.of([(place, one) for place, one in found if place[0] in permitted])


def cause_of(call: Call) -> Cause:
    """A request as a cause."""
    return root(call.request_id, call.traceparent)


def _shown(entry: Entry[Asset]) -> Reply:
    return Reply(body=AssetView.of(entry.value) if entry.value else None, revision=entry.revision)


def asset_routes(assets: Assets, recorder: Recorder, clock: Clock) -> Sequence[Route]:
    """Assets themselves, and what happened to them."""
    on = _AssetHandlers(assets, recorder, clock)
    return (*_of_all(on), *_of_history(on), *_of_one(on))


def _of_all(on: _AssetHandlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path="/api/v1/assets",
            access=READ,
            summary="Assets, by key",
            tags=TAGS,
            query=AssetQuery,
            response=Page[AssetView],
            handler=on.list,
        ),
        Route(
            method="POST",
            path="/api/v1/assets/happenings",
            access=REPORT,
            summary="Report that an asset was written, looked at, or read",
            tags=TAGS,
            body=HappeningBody,
            response=AssetView,
            status=201,
            handler=on.report,
        ),
    )


def _of_history(on: _AssetHandlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path="/api/v1/assets/happenings",
            access=READ,
            summary="Materializations, observations and readings of an asset, newest first",
            tags=TAGS,
            query=HappeningQuery,
            response=Page[HappeningView],
            handler=on.happenings,
        ),
        Route(
            method="GET",
            path="/api/v1/assets/moment",
            access=READ,
            summary="An asset as of an instant: who had written it, who had read that, its columns and checks",
            tags=TAGS,
            query=MomentQuery,
            response=MomentView,
            problems=(NotFound,),
            handler=on.moment,
        ),
        Route(
            method="GET",
            path="/api/v1/assets/touched",
            access=READ,
            summary="What a run wrote and read",
            tags=TAGS,
            query=RunQuery,
            response=TouchedList,
            handler=on.of_run,
        ),
    )


def _of_one(on: _AssetHandlers) -> Sequence[Route]:
    return (
        Route(
            method="PUT",
            path=ONE,
            access=WRITE,
            summary="Describe an asset: owners, partitions, upstream, freshness, checks, automation",
            tags=TAGS,
            params=AssetPath,
            body=AssetBody,
            response=AssetView,
            problems=(PolicyInvalid,),
            handler=on.put,
        ),
        Route(
            method="GET",
            path=ONE,
            access=READ,
            summary="An asset",
            tags=TAGS,
            params=AssetPath,
            response=AssetView,
            handler=on.show,
        ),
        Route(
            method="DELETE",
            path=ONE,
            access=WRITE,
            summary="Forget an asset; what happened to it stays on record",
            tags=TAGS,
            params=AssetPath,
            status=204,
            handler=on.delete,
        ),
    )
