"""Routes by which partners send webhooks: public, proven by a signature or a token, whatever method and content they use."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from urllib.parse import parse_qs

from pydantic import Field, TypeAdapter

from tocsin.errors import Forbidden, Invalid, NotFound, TooLarge, Unauthenticated
from tocsin_kit.config.durations import Duration
from tocsin_kit.web import ANY_METHOD, Authenticator, Call, MethodNotAllowed, Public, Query, RawBody, Reply, Route
from tocsin_trigger.application.webhooks import Answered, Arrival, Challenge, Webhooks
from tocsin_trigger.domain.errors import AddressRefused, MalformedWebhook, SignatureInvalid, TimestampInFuture, TimestampTooOld
from tocsin_trigger.domain.triggers import BearerScheme, Handshake, Trigger, WebhookSource
from tocsin_trigger.http.event_schemas import HookBatchView, HookView
from tocsin_trigger.http.schemas import TriggerPath
from tocsin_trigger.ports import Results

FIRE = "trigger:fire"
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Annotated[Duration, Field(ge=timedelta(0))])
_STREAM_LIMIT = 16 * 1024 * 1024  # bytes after which the connection is given up; the webhook's own limit refuses long before
_PROBLEMS = (
    NotFound,
    AddressRefused,
    SignatureInvalid,
    TimestampTooOld,
    TimestampInFuture,
    MalformedWebhook,
    TooLarge,
)


class HookPath(TriggerPath):
    """Which webhook, with the end of its address."""

    secret: Annotated[str, Field(min_length=1, max_length=128)]


class HookRoutes:
    """The handlers.

    Args:
        webhooks: Takes webhooks.
        results: For senders that wait.
        authenticator: For senders with a token.
    """

    def __init__(self, webhooks: Webhooks, results: Results, authenticator: Authenticator) -> None:
        self._webhooks = webhooks
        self._results = results
        self._authenticator = authenticator

    async def plain(self, call: Call) -> Reply:
        """One request to an address that ends with the name."""
        path = call.params(TriggerPath)
        return await self._take(call, path.namespace, path.name, None)

    async def private(self, call: Call) -> Reply:
        """One request to an address that nobody can guess."""
        path = call.params(HookPath)
        return await self._take(call, path.namespace, path.name, path.secret)

    async def _take(self, call: Call, namespace: str, name: str, end: str | None) -> Reply:
        ready, source = self._webhooks.find(namespace, name, end)
        if call.method == "OPTIONS":
            return _asked(call, source)
        if call.method not in source.methods:
            allow = ", ".join(source.methods)
            raise MethodNotAllowed(f"{call.method} is not possible here, only {allow}", allow=allow)
        bearer = await self._bearer(call, ready.trigger) if isinstance(source.scheme, BearerScheme) else None
        wait = self._wait(call, source)
        arrival = Arrival(
            headers={header.lower(): value for header, value in call.headers.items()},
            received=call.received_at,
            traceparent=call.traceparent,
            address=call.client_address,
            method=call.method,
            query=call.query_string,
            bearer=bearer,
        )
        try:
            body = await _body(call, source.max_body)
        except TooLarge as error:
            size = error.fields.get("size")
            await self._webhooks.too_large(ready, arrival, error, size if isinstance(size, int) else source.max_body + 1)
            raise
        answer = await self._webhooks.accept(ready, arrival, body)
        if isinstance(answer, Challenge):
            return Reply(body={"challenge": answer.text}, status=200)
        return await self._told(answer, wait)

    async def _told(self, answers: Sequence[Answered], wait: timedelta | None) -> Reply:
        if len(answers) > 1:
            return Reply(body=HookBatchView(events=[HookView.of(answer) for answer in answers]), status=202)
        (answer,) = answers
        run = answer.decision.run if answer.decision else None
        end = await self._results.wait(run, wait) if run is not None and wait is not None else None
        return Reply(body=HookView.of(answer, end), status=200 if answer.duplicate or end is not None else 202)

    async def _bearer(self, call: Call, trigger: Trigger) -> str:
        scheme, _, credential = call.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not credential.strip():
            raise Unauthenticated("This webhook needs an Authorization header with a token or an API key.")
        principal = await self._authenticator.authenticate(credential.strip())
        if not principal.may(FIRE, trigger.namespace, trigger.name):
            raise Forbidden(f"{FIRE} in {trigger.namespace} is needed.")
        return principal.subject

    def _wait(self, call: Call, source: WebhookSource) -> timedelta | None:
        asked = parse_qs(call.query_string, max_num_fields=100).get("wait")
        if asked is None or source.answer_within is None:
            return None
        if not self._results.offered:
            raise Invalid("Nobody can wait for runs here.", hint="An operator sets trigger.service_secret.")
        try:
            return min(_DURATION.validate_python(asked[0]), source.answer_within)
        except ValueError as error:
            raise Invalid("wait is a duration such as 10s.") from error


def _asked(call: Call, source: WebhookSource) -> Reply:
    """CloudEvents' HTTP 1.1 Web Hooks for Event Delivery, section 4: may this origin send, and how much?"""
    origin = call.headers.get("WebHook-Request-Origin")
    headers = {"Allow": ", ".join((*source.methods, "OPTIONS"))}
    if source.handshake is Handshake.CLOUDEVENTS and origin is not None and len(origin) <= 256 and origin.isprintable():
        headers |= {
            "WebHook-Allowed-Origin": origin,
            "WebHook-Allowed-Rate": call.headers.get("WebHook-Request-Rate", "*")[:16],
        }
    return Reply(status=204, headers=headers)


def hook_routes(webhooks: Webhooks, results: Results, authenticator: Authenticator) -> Sequence[Route]:
    """What the service serves to partners."""
    handlers = HookRoutes(webhooks, results, authenticator)
    return tuple(_route(method, handlers, private=private) for private in (False, True) for method in ("POST", ANY_METHOD))


def _route(method: str, handlers: HookRoutes, *, private: bool) -> Route:
    summary = "Send a webhook; answered when it is on disk"
    return Route(
        method=method,
        path="/hooks/{namespace}/{name}/{secret}" if private else "/hooks/{namespace}/{name}",
        access=Public("the sender proves itself with a signature over the bytes it sends, or with a token"),
        summary=f"{summary}; to an address that nobody can guess" if private else summary,
        tags=("webhooks",),
        params=HookPath if private else TriggerPath,
        query=Query.ANY,
        body=RawBody(
            media_types=("*/*",), streamed=True, required=False, description="Signed bytes: JSON, a form, NDJSON, CloudEvents."
        ),
        body_limit=_STREAM_LIMIT,
        response=HookView,
        status=202,
        problems=_PROBLEMS,
        handler=handlers.private if private else handlers.plain,
    )


async def _body(call: Call, limit: int) -> bytes:
    announced = call.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise TooLarge(f"The body of {announced} bytes is above the limit of {limit}.", limit=limit, size=int(announced))
    body = bytearray()
    if call.content is not None:
        async for chunk in call.content:
            body += chunk
            if len(body) > limit:
                raise TooLarge(f"The body is above the limit of {limit} bytes.", limit=limit)
    return bytes(body)
