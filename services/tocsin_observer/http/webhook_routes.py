"""Routes of webhooks that go out."""

from collections.abc import Sequence

from pydantic import BaseModel

from tocsin.errors import Conflict, NotFound, PreconditionFailed
from tocsin_kit.web import EVERYWHERE, Call, Page, Permission, Public, Reply, Route
from tocsin_observer.application.named_secrets import SecretUnusable
from tocsin_observer.application.webhooks import Webhooks
from tocsin_observer.domain.channels import ChannelUnknown
from tocsin_observer.domain.webhooks import Verification, WebhookInvalid
from tocsin_observer.http.audit_routes import cause_of
from tocsin_observer.http.webhook_schemas import (
    AgainView,
    AttemptView,
    DeliveryPath,
    DeliveryQuery,
    DeliveryView,
    PublicKeyView,
    RotateBody,
    WebhookBody,
    WebhookPath,
    WebhookQuery,
    WebhookView,
    WindowBody,
)
from tocsin_observer.ports import DeliverySearch

READ = Permission("webhook:read")
WRITE = Permission("webhook:write")
REDELIVER = Permission("webhook:redeliver")
TRUST = "webhook:trust"
USE = "secret:use"
_ONE = "/api/v1/webhooks/{namespace}/{name}"
_TAGS = ("webhooks",)


class _WebhookHandlers:
    def __init__(self, webhooks: Webhooks, public_key: str) -> None:
        self._webhooks = webhooks
        self._public_key = public_key

    async def public_key(self, _: Call) -> PublicKeyView:
        return PublicKeyView(key=self._public_key)

    async def list(self, call: Call) -> Page[WebhookView]:
        query = call.query(WebhookQuery)
        page = await self._webhooks.of_namespace(query.namespace, limit=query.limit, cursor=query.cursor)
        views = [WebhookView.of(entry.value) for entry in page.items if entry.value is not None]
        return Page(items=views, next_cursor=page.next_cursor)

    async def put(self, call: Call) -> Reply:
        path, body = call.params(WebhookPath), call.body(WebhookBody)
        if path.namespace == "system":  # it may be told of everything: so must whoever makes it
            call.require("signal:read", EVERYWHERE)
        if body.verification is Verification.NONE:
            call.require(TRUST, path.namespace)
        for name in sorted(body.spec().secret_names):
            call.require(USE, path.namespace, name)
        made = await self._webhooks.put(
            path.namespace,
            path.name,
            body.spec(),
            expect=call.expected_revision,
            actor=call.principal.subject,
            cause=cause_of(call),
        )
        assert made.entry.value is not None
        view = WebhookView.of(made.entry.value, secret=made.secret.reveal() if made.secret else None)
        return Reply(body=view, revision=made.entry.revision, status=201 if made.created else 200)

    async def show(self, call: Call) -> Reply:
        path = call.params(WebhookPath)
        entry = await self._webhooks.get(path.namespace, path.name)
        assert entry.value is not None
        waiting = await self._webhooks.waiting(entry.value)
        return Reply(body=WebhookView.of(entry.value, waiting=waiting), revision=entry.revision)

    async def delete(self, call: Call) -> BaseModel | None:
        path = call.params(WebhookPath)
        await self._webhooks.delete(path.namespace, path.name, actor=call.principal.subject, cause=cause_of(call))
        return None

    async def pause(self, call: Call) -> Reply:
        return await self._step(call, "pause")

    async def resume(self, call: Call) -> Reply:
        return await self._step(call, "resume")

    async def _step(self, call: Call, verb: str) -> Reply:
        path = call.params(WebhookPath)
        entry = await self._webhooks.step(path.namespace, path.name, verb, actor=call.principal.subject, cause=cause_of(call))
        assert entry.value is not None
        return Reply(body=WebhookView.of(entry.value), revision=entry.revision)

    async def rotate(self, call: Call) -> Reply:
        path, body = call.params(WebhookPath), call.body(RotateBody)
        made = await self._webhooks.rotate(
            path.namespace, path.name, overlap=body.overlap, actor=call.principal.subject, cause=cause_of(call)
        )
        assert made.entry.value is not None
        assert made.secret is not None
        return Reply(body=WebhookView.of(made.entry.value, secret=made.secret.reveal()), revision=made.entry.revision)

    async def verify(self, call: Call) -> Reply:
        path = call.params(WebhookPath)
        entry = await self._webhooks.verify(path.namespace, path.name, actor=call.principal.subject, cause=cause_of(call))
        assert entry.value is not None
        return Reply(body=WebhookView.of(entry.value), revision=entry.revision)

    async def test(self, call: Call) -> AttemptView:
        path = call.params(WebhookPath)
        return AttemptView.of(await self._webhooks.test(path.namespace, path.name))

    async def deliveries(self, call: Call) -> Page[DeliveryView]:
        path, query = call.params(WebhookPath), call.query(DeliveryQuery)
        await self._webhooks.get(path.namespace, path.name)
        search = DeliverySearch(
            endpoint=f"webhook/{path.namespace}/{path.name}",
            state=query.state.value if query.state else None,
            type=query.type,
            message=query.message,
        )
        page = await self._webhooks.deliveries(search, limit=query.limit, cursor=query.cursor)
        return Page(items=[DeliveryView.of(one) for one in page.items], next_cursor=page.next_cursor)

    async def again(self, call: Call) -> AgainView:
        path = call.params(DeliveryPath)
        count = await self._webhooks.again(
            path.namespace, path.name, path.delivery, actor=call.principal.subject, cause=cause_of(call)
        )
        return AgainView(messages=count)

    async def window(self, call: Call) -> AgainView:
        path, body = call.params(WebhookPath), call.body(WindowBody)
        count = await self._webhooks.window(
            path.namespace, path.name, body.since, body.until, actor=call.principal.subject, cause=cause_of(call)
        )
        return AgainView(messages=count)


def webhook_routes(webhooks: Webhooks, public_key: str) -> Sequence[Route]:
    """Everything below ``/api/v1/webhooks``."""
    on = _WebhookHandlers(webhooks, public_key)
    return (_public_key(on), *_resources(on), *_steps(on), *_deliveries(on))


def _public_key(on: _WebhookHandlers) -> Route:
    return Route(
        method="GET",
        path="/api/v1/webhooks/public-key",
        access=Public("public keys are public"),
        summary="What the signatures `v1a` of all webhooks are checked with",
        tags=_TAGS,
        response=PublicKeyView,
        handler=on.public_key,
    )


def _resources(on: _WebhookHandlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path="/api/v1/webhooks",
            access=READ,
            summary="Webhooks that go out, by name",
            tags=_TAGS,
            query=WebhookQuery,
            response=Page[WebhookView],
            handler=on.list,
        ),
        Route(
            method="PUT",
            path=_ONE,
            access=WRITE,
            summary="Make or change a webhook; its endpoint is asked at once whether it wants to be called",
            tags=_TAGS,
            params=WebhookPath,
            body=WebhookBody,
            response=WebhookView,
            also=(201,),
            problems=(WebhookInvalid, ChannelUnknown, SecretUnusable, PreconditionFailed),
            handler=on.put,
        ),
        Route(
            method="GET",
            path=_ONE,
            access=READ,
            summary="A webhook",
            tags=_TAGS,
            params=WebhookPath,
            response=WebhookView,
            problems=(NotFound,),
            handler=on.show,
        ),
        Route(
            method="DELETE",
            path=_ONE,
            access=WRITE,
            summary="Delete a webhook; what waits for it is discarded",
            tags=_TAGS,
            params=WebhookPath,
            status=204,
            problems=(NotFound,),
            handler=on.delete,
        ),
    )


def _steps(on: _WebhookHandlers) -> Sequence[Route]:
    table = (
        ("pause", on.pause, "Do not tell it until it is resumed; messages that wait go on waiting"),
        ("resume", on.resume, "Tell a paused or disabled webhook again"),
        ("verify", on.verify, "Ask the endpoint again whether it wants to be called"),
    )
    plain = tuple(
        Route(
            method="POST",
            path=f"{_ONE}/{verb}",
            access=WRITE,
            summary=summary,
            tags=_TAGS,
            params=WebhookPath,
            response=WebhookView,
            problems=(NotFound, Conflict),
            handler=handler,
        )
        for verb, handler, summary in table
    )
    return (
        *plain,
        Route(
            method="POST",
            path=f"{_ONE}/rotate",
            access=WRITE,
            summary="Give it a new secret; the old ones sign as well for a while",
            tags=_TAGS,
            params=WebhookPath,
            body=RotateBody,
            response=WebhookView,
            problems=(NotFound,),
            handler=on.rotate,
        ),
        Route(
            method="POST",
            path=f"{_ONE}/test",
            access=WRITE,
            summary="Send it a message of type webhook.test, and show what it answers",
            tags=_TAGS,
            params=WebhookPath,
            response=AttemptView,
            problems=(NotFound,),
            seconds=70.0,
            handler=on.test,
        ),
    )


def _deliveries(on: _WebhookHandlers) -> Sequence[Route]:
    return (
        Route(
            method="GET",
            path=f"{_ONE}/deliveries",
            access=READ,
            summary="What was sent, with requests and answers, newest first",
            tags=_TAGS,
            params=WebhookPath,
            query=DeliveryQuery,
            response=Page[DeliveryView],
            problems=(NotFound,),
            handler=on.deliveries,
        ),
        Route(
            method="POST",
            path=f"{_ONE}/deliveries/{{delivery}}/redeliver",
            access=REDELIVER,
            summary="Send one message again, under the id that it had",
            tags=_TAGS,
            params=DeliveryPath,
            response=AgainView,
            problems=(NotFound, Conflict),
            handler=on.again,
        ),
        Route(
            method="POST",
            path=f"{_ONE}/redeliver",
            access=REDELIVER,
            summary="Send all messages of a window again, also those of a time in which it was not told",
            tags=_TAGS,
            params=WebhookPath,
            body=WindowBody,
            response=AgainView,
            problems=(NotFound, Conflict),
            seconds=120.0,
            handler=on.window,
        ),
    )
