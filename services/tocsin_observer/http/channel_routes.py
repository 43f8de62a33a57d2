"""Routes of channels of notifications."""

from collections.abc import Sequence

from pydantic import BaseModel

from tocsin.errors import Conflict, NotFound
from tocsin_kit.web import Call, Page, Permission, Reply, Route
from tocsin_observer.application.alerts import Channels
from tocsin_observer.application.named_secrets import SecretUnusable
from tocsin_observer.domain.channels import ChannelInvalid
from tocsin_observer.domain.webhooks import WebhookInvalid
from tocsin_observer.http.alert_schemas import ChannelBody, ChannelView, NamedPath, NamedQuery
from tocsin_observer.http.audit_routes import cause_of
from tocsin_observer.http.webhook_schemas import AttemptView

READ = Permission("channel:read")
WRITE = Permission("channel:write")
USE = "secret:use"


class _ChannelHandlers:
    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def list(self, call: Call) -> Page[ChannelView]:
        query = call.query(NamedQuery)
        page = await self._channels.of_namespace(query.namespace, limit=query.limit, cursor=query.cursor)
        views = [ChannelView.of(entry.value) for entry in page.items if entry.value is not None]
        return Page(items=views, next_cursor=page.next_cursor)

    async def put(self, call: Call) -> Reply:
        path, body = call.params(NamedPath), call.body(ChannelBody)
        for name in (body.url_secret, body.key_secret):
            if name is not None:
                call.require(USE, path.namespace, name)
        entry = await self._channels.put(
            path.namespace, path.name, body.spec(), actor=call.principal.subject, cause=cause_of(call)
        )
        assert entry.value is not None
        return Reply(body=ChannelView.of(entry.value), revision=entry.revision)

    async def show(self, call: Call) -> Reply:
        path = call.params(NamedPath)
        entry = await self._channels.get(path.namespace, path.name)
        assert entry.value is not None
        return Reply(body=ChannelView.of(entry.value), revision=entry.revision)

    async def delete(self, call: Call) -> BaseModel | None:
        path = call.params(NamedPath)
        await self._channels.delete(path.namespace, path.name, actor=call.principal.subject, cause=cause_of(call))
        return None

    async def test(self, call: Call) -> AttemptView:
        path = call.params(NamedPath)
        return AttemptView.of(await self._channels.test(path.namespace, path.name, cause=cause_of(call)))


def channel_routes(channels: Channels) -> Sequence[Route]:
    """Everything below ``/api/v1/channels``."""
    on, one, tags = _ChannelHandlers(channels), "/api/v1/channels/{namespace}/{name}", ("channels",)
    return (
        Route(
            method="GET",
            path="/api/v1/channels",
            access=READ,
            summary="Channels of notifications, by name",
            tags=tags,
            query=NamedQuery,
            response=Page[ChannelView],
            handler=on.list,
        ),
        Route(
            method="PUT",
            path=one,
            access=WRITE,
            summary="Make or change a channel",
            tags=tags,
            params=NamedPath,
            body=ChannelBody,
            response=ChannelView,
            problems=(ChannelInvalid, SecretUnusable, WebhookInvalid),
            handler=on.put,
        ),
        *_one(on),
        Route(
            method="POST",
            path=f"{one}/test",
            access=WRITE,
            summary="Send an alert that never fired, and show what the other side says",
            tags=tags,
            params=NamedPath,
            response=AttemptView,
            problems=(NotFound,),
            handler=on.test,
        ),
    )


def _one(on: _ChannelHandlers) -> Sequence[Route]:
    path, tags = "/api/v1/channels/{namespace}/{name}", ("channels",)
    return (
        Route(
            method="GET",
            path=path,
            access=READ,
            summary="A channel",
            tags=tags,
            params=NamedPath,
            response=ChannelView,
            problems=(NotFound,),
            handler=on.show,
        ),
        Route(
            method="DELETE",
            path=path,
            access=WRITE,
            summary="Delete a channel; what waits for it is discarded",
            tags=tags,
            params=NamedPath,
            status=204,
            problems=(NotFound, Conflict),
            handler=on.delete,
        ),
    )
