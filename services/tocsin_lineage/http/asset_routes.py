"""Routes of assets. Keys may hold slashes, so what belongs to one is asked for by query, not below its path."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel

from tocsin.signals import Cause, root
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry
from tocsin_kit.web import Call, Page, Permission, Reply, Route
from tocsin_lineage.application import Assets
from tocsin_lineage.application.assets import happening_of
from tocsin_lineage.domain.assets import Act, Asset
from tocsin_lineage.http.schemas import (
    AssetBody,
    AssetPath,
    AssetQuery,
    AssetView,
    HappeningBody,
    HappeningQuery,
    HappeningView,
)
from tocsin_lineage.ports import AssetSearch

READ = Permission("asset:read")
WRITE = Permission("asset:write")
REPORT = Permission("asset:report")
TAGS = ("assets",)
ONE = "/api/v1/assets/{namespace}/{key:path}"


class _AssetHandlers:
    def __init__(self, assets: Assets, clock: Clock) -> None:
        self._assets = assets
        self._clock = clock

    async def put(self, call: Call) -> Reply:
        path, body = call.params(AssetPath), call.body(AssetBody)
        asset = Asset(
            namespace=path.namespace,
            key=path.key,
            kind=body.kind,
            group=body.group,
            description=body.description,
            owners=body.owners,
            tags=body.tags,
            declared=True,
        )
        entry = await self._assets.describe(
            asset, expect=call.expected_revision, actor=call.principal.subject, cause=_cause(call)
        )
        return _shown(entry)

    async def show(self, call: Call) -> Reply:
        path = call.params(AssetPath)
        return _shown(await self._assets.get(path.namespace, path.key))

    async def delete(self, call: Call) -> BaseModel | None:
        path = call.params(AssetPath)
        await self._assets.delete(path.namespace, path.key, actor=call.principal.subject, cause=_cause(call))
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
        )
        page = await self._assets.search(search, limit=query.limit, cursor=query.cursor)
        views = [AssetView.of(entry.value) for entry in page.items if entry.value]
        return Page(items=views, next_cursor=page.next_cursor)

    async def report(self, call: Call) -> Reply:
        body = call.body(HappeningBody)
        cause = _cause(call)
        happening = happening_of(
            Act(body.act),
            cause_id=f"{body.namespace}:{call.principal.subject}:{body.id or cause.id}",
            key=body.key,
            at=body.at or self._clock.now(),
            actor=call.principal.subject,
        )
        happening = replace(happening, run=body.run, task=body.task, version=body.version, metadata=dict(body.metadata))
        entry = await self._assets.record(body.namespace, body.key, happening, facets={}, cause=cause)
        return _shown(entry)

    async def happenings(self, call: Call) -> Page[HappeningView]:
        query = call.query(HappeningQuery)
        page = await self._assets.happenings(query.namespace, query.key, limit=query.limit, cursor=query.cursor)
        return Page(items=[HappeningView.of(one) for one in page.items], next_cursor=page.next_cursor)


def _cause(call: Call) -> Cause:
    return root(call.request_id, call.traceparent)


def _shown(entry: Entry[Asset]) -> Reply:
    return Reply(body=AssetView.of(entry.value) if entry.value else None, revision=entry.revision)


def asset_routes(assets: Assets, clock: Clock) -> Sequence[Route]:
    """Everything below ``/api/v1/assets``."""
    on = _AssetHandlers(assets, clock)
    return (*_of_all(on), *_of_one(on))


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
            summary="Report that an asset was written, or looked at",
            tags=TAGS,
            body=HappeningBody,
            response=AssetView,
            status=201,
            handler=on.report,
        ),
        Route(
            method="GET",
            path="/api/v1/assets/happenings",
            access=READ,
            summary="Materializations and observations of an asset, newest first",
            tags=TAGS,
            query=HappeningQuery,
            response=Page[HappeningView],
            handler=on.happenings,
        ),
    )


def _of_one(on: _AssetHandlers) -> Sequence[Route]:
    return (
        Route(
            method="PUT",
            path=ONE,
            access=WRITE,
            summary="Describe an asset",
            tags=TAGS,
            params=AssetPath,
            body=AssetBody,
            response=AssetView,
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
