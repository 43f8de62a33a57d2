"""The HTTP server of one service: routes in, problems out, nothing unmeasured, unlimited or unnamed.

It is a component: ``start`` binds, ``stop`` drains (no new connections, streams end, answers in hand are finished). Every
error becomes an RFC 9457 problem here and nowhere else; an exception that nobody foresaw is logged once, with its request id,
and tells the caller nothing.
"""

import asyncio
import errno
import ipaddress
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Final

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from tocsin.errors import Defect, NotFound, TocsinError, Unavailable
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import Health, Metrics, parse_traceparent, span
from tocsin_kit.web.access import Public
from tocsin_kit.web.call import Call
from tocsin_kit.web.endpoint import Authenticator, Endpoint, Limits
from tocsin_kit.web.idempotency import IdempotencyRecords
from tocsin_kit.web.measures import UNMATCHED, HttpMeasures
from tocsin_kit.web.openapi import Json, document
from tocsin_kit.web.problems import PROBLEM_TYPE, Malformed, MethodNotAllowed, as_problem, headers_for, unknown_defect
from tocsin_kit.web.replies import Answer, Reply
from tocsin_kit.web.routes import ANY_METHOD, Route

_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_DOCUMENT: Final = "/openapi.json"
_LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_NextHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]

Answered = Callable[[Call, Route, int], None]
"""Gets the request, its route and the status of its answer."""

log = structlog.get_logger("tocsin.web")


class HttpServer:
    """Serves the routes of one service.

    Args:
        service: Its short name (``auth``); in metrics, logs and the OpenAPI title.
        routes: What it serves; ``/openapi.json`` is added where it is not among them.
        host: Address to bind.
        port: Port to bind; 0 for a free one, see :attr:`url`.
        authenticator: Proves who sends a credential.
        clock: Time.
        chance: Source of request ids.
        limits: Bounds of every request.
        records: For ``Idempotency-Key``.
        metrics: Of the service.
        version: Of the service, for OpenAPI.
        trusted_proxies: Networks whose ``X-Forwarded-For`` is believed.
    """

    def __init__(
        self,
        service: str,
        routes: Sequence[Route],
        *,
        host: str,
        port: int,
        authenticator: Authenticator,
        clock: Clock,
        chance: Chance,
        limits: Limits | None = None,
        records: IdempotencyRecords | None = None,
        metrics: Metrics | None = None,
        version: str = "0",
        trusted_proxies: Sequence[str] = _LOOPBACK,
    ) -> None:
        """Compile the routes; nothing is bound yet."""
        self.name = f"{service}.http"
        described = any(route.path == _DOCUMENT for route in routes)  # the gateway's own describes all services
        self.routes = (*routes, *([] if described else [self._openapi_route()]))
        self._service, self._version = service, version
        self._host, self._port = host, port
        self._clock, self._chance = clock, chance
        self._limits = limits or Limits()
        self._measures = HttpMeasures(metrics or Metrics(service), {route.template for route in self.routes})
        self._proxies = [ipaddress.ip_network(network) for network in trusted_proxies]
        self._closing = asyncio.Event()
        self._leaving = False
        self._runner: web.AppRunner | None = None
        self.answered: Answered | None = None
        """Told about each request of a route of ours once it is answered; must neither block nor raise."""
        self._endpoints = [
            Endpoint(
                route, authenticator=authenticator, limits=self._limits, clock=clock, closing=self._closing, records=records
            )
            for route in self.routes
        ]

    @cached_property
    def document(self) -> Json:
        """The OpenAPI document. Made when it is first asked for: half a second of a platform's start otherwise."""
        return document(self.routes, title=f"Tocsin {self._service}", version=self._version)

    def _openapi_route(self) -> Route:
        async def openapi(_: Call) -> Answer:
            return Reply(body=orjson.dumps(self.document), media_type="application/json")

        return Route(
            method="GET",
            path=_DOCUMENT,
            access=Public("describes the API, holds no data"),
            summary="This document",
            tags=("meta",),
            handler=openapi,
        )

    # ---- component -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            Unavailable: The port is taken or not ours to bind.
        """
        app = web.Application(middlewares=[self._around], client_max_size=0)
        for endpoint in self._endpoints:
            self._add(app, endpoint)
        app.on_response_prepare.append(self._complete)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=self._limits.drain.total_seconds(),
            max_field_size=32 * 1024,  # a token that is too long should be refused as such, not as a broken request
            max_line_size=self._limits.target_bytes,
            keepalive_timeout=75.0,  # longer than what proxies usually keep
            logger=_protocol_log(),
            auto_decompress=False,  # a small body must not become a large one
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            self._runner = None
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
            hint = "end what listens there, or set another port"
            raise Unavailable(f"port {self._port} on {self._host}, for {self._service}, {why}", hint=hint) from error
        self._port = self._runner.addresses[0][1]

    async def serve(self) -> None:
        """Nothing to do: the server's connections live on the loop."""

    def leave(self) -> None:
        """End each connection with the answer on it, so that its client does not meet a closed one with its next request."""
        self._leaving = True

    async def stop(self) -> None:
        """Take no more, end streams, finish what is in hand within ``limits.drain``."""
        self.leave()
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def health(self) -> Health:
        """Ready while it listens."""
        if self._runner is None or self._closing.is_set():
            return Health(ready=False, detail="not listening")
        return Health(ready=True, detail=f"listening on {self._host}:{self._port}", facts={"port": self._port})

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    # ---- requests ------------------------------------------------------------------------------------------------------

    def _add(self, app: web.Application, endpoint: Endpoint) -> None:
        async def handle(request: web.Request) -> web.StreamResponse:
            call: Call = request[_CALL]
            return await endpoint.answer(request, call)

        route = endpoint.route
        resource = app.router.add_resource(route.pattern)
        resource.add_route(route.method, handle)
        if route.method == "GET":
            resource.add_route("HEAD", handle)
        handle.__dict__["route"] = route

    @web.middleware
    async def _around(self, request: web.Request, handler: _NextHandler) -> web.StreamResponse:
        """Everything that is the same for all requests."""
        started = self._clock.monotonic()
        call = self._call(request)
        request[_CALL] = call
        self._measures.in_hand.inc()
        response: web.StreamResponse | None = None
        with (
            structlog.contextvars.bound_contextvars(request_id=call.request_id),
            span(f"{call.method} {_template(request)}", parent=call.traceparent, kind="server") as trace,
        ):
            call.traceparent = trace.traceparent
            try:
                response = await self._answered(request, handler, call)
                trace.set("http.response.status_code", response.status)
            finally:
                self._measures.in_hand.dec()
                self._account(request, call, response, self._clock.monotonic() - started)
        if self._leaving:
            response.force_close()
        return response

    async def _answered(self, request: web.Request, handler: _NextHandler, call: Call) -> web.StreamResponse:
        try:
            return await handler(request)
        except TocsinError as error:
            if isinstance(error, Defect):
                log.exception("http.defect", service=self._service, code=error.code)
            return self._refusal(error, call)
        except web.HTTPMethodNotAllowed as error:
            allow = ", ".join(sorted(error.allowed_methods - {ANY_METHOD}))
            return self._refusal(MethodNotAllowed(f"{request.method} is not possible here, only {allow}", allow=allow), call)
        except web.HTTPNotFound:
            return self._refusal(NotFound("there is nothing at this address", hint="see /openapi.json"), call)
        except (web.HTTPException, web.RequestPayloadError) as error:
            return self._refusal(Malformed(f"the request cannot be read: {type(error).__name__}"), call)
        except ConnectionResetError:
            raise
        except Exception:
            log.exception("http.unforeseen", service=self._service, method=call.method, target=call.target)
            return self._refusal(unknown_defect(), call)

    def _call(self, request: web.Request) -> Call:
        given = request.headers.get("X-Request-Id", "")
        traceparent = request.headers.get("traceparent")
        now = self._clock.now()
        return Call(
            method=request.method,
            target=request.raw_path.partition("?")[0],
            query_string=request.rel_url.raw_query_string,
            headers=request.headers,
            request_id=given if _SANE_ID.fullmatch(given) else new_id(now, self._chance),
            client_address=self._client(request),
            received_at=now,
            traceparent=traceparent if parse_traceparent(traceparent) else None,
        )

    def _client(self, request: web.Request) -> str:
        """The first address, from our side, that is no proxy of ours."""
        given = ",".join(request.headers.getall("X-Forwarded-For", ()))  # one list, in however many headers it came
        hops = [hop.strip() for hop in given.split(",") if hop.strip()]
        address = request.remote or "unknown"
        while hops and self._is_proxy(address):
            address = hops.pop()
        return address[:64]

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)

    def _refusal(self, error: TocsinError, call: Call) -> web.Response:
        self._measures.problems.labels(code=error.code).inc()
        problem = as_problem(error, instance=call.target, request_id=call.request_id)
        headers = {"Content-Type": PROBLEM_TYPE, **headers_for(error)}
        return web.Response(status=error.status, body=orjson.dumps(problem, default=str), headers=headers)

    async def _complete(self, request: web.Request, response: web.StreamResponse) -> None:
        """Headers of every answer, streams included; one that is set already stays."""
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = "tocsin"  # aiohttp tells versions
        if (call := request.get(_CALL)) is not None:  # aiohttp refuses an unknown Expect before anything of ours runs
            response.headers["X-Request-Id"] = call.request_id

    def _account(self, request: web.Request, call: Call, response: web.StreamResponse | None, seconds: float) -> None:
        template = _template(request)
        status = response.status if response is not None else 499  # the client went away; nginx's word for it
        self._measures.requests.labels(method=call.method, route=template, status=str(status)).inc()
        self._measures.seconds.labels(method=call.method, route=template).observe(seconds)
        if self.answered is not None and (route := _route(request)) is not None:
            self.answered(call, route, status)
        write = log.info if call.method not in {"GET", "HEAD"} or status >= 400 else log.debug
        write(
            "http.answered",
            service=self._service,
            method=call.method,
            target=call.target,
            status=status,
            ms=round(seconds * 1000, 2),
            principal=call.principal.subject,
            client=call.client_address,
        )


_CALL: Final = web.RequestKey("call", Call)


class _Garbage(logging.Filter):
    """Keeps bytes that are no HTTP out of the log: whoever sends them would choose what is written there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it."""
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _protocol_log() -> logging.Logger:
    """Where aiohttp writes what never became a request."""
    logger = logging.getLogger("tocsin.web.protocol")
    if not logger.filters:
        logger.addFilter(_Garbage())
    return logger


def _route(request: web.Request) -> Route | None:
    """The route that matched."""
    route: Route | None = getattr(request.match_info.handler, "route", None)
    return route


def _template(request: web.Request) -> str:
    """Its template."""
    route = _route(request)
    return route.template if route else UNMATCHED
