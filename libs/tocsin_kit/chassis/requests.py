"""Says what was asked of a service over HTTP and with what outcome, for the audit trail: who, what, from where, permitted?

Every request that changes something, and every one that was refused for want of a permission or of a credential; those without
a valid credential have nobody to name and are added up (:mod:`tocsin_kit.chassis.strangers`). Logins and webhooks say their
refusals themselves. The signal follows within a fraction of a second and does not hold up the answer: what a request changed
says who asked for it in its own signal, in the same write, so a process that dies in between loses the address of a change and
never the change.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from tocsin.errors import TocsinError, Unavailable
from tocsin.signals import root
from tocsin.signals.catalogue.platform import REQUEST_ACCEPTED, REQUEST_FAILED, REQUEST_REFUSED, RequestAnswered
from tocsin.signals.codec import encode
from tocsin.signals.kinds import SYSTEM_NAMESPACE
from tocsin.signals.make import make_signal, subject_of
from tocsin.signals.subjects import check_namespace
from tocsin_kit.bus import Bus
from tocsin_kit.bus.messages import Message
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.chassis.components import Part
from tocsin_kit.chassis.strangers import Strangers
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import Metrics
from tocsin_kit.web import Call, HttpServer, Permission, Public, Route
from tocsin_kit.web.reading import namespace_of

log = structlog.get_logger()

TOGETHER: Final = timedelta(milliseconds=50)  # what came in meanwhile goes out as one block
MOST: Final = 10_000  # requests that wait to be said; beyond, an attacker would choose what the process keeps in memory
ADD_UP: Final = timedelta(seconds=5)  # how often what came in without a credential is looked at
_SAID_ELSEWHERE: Final = ("/hooks/", "/api/v1/auth/login")  # say their refusals themselves
_READS: Final = frozenset({"GET", "HEAD"})
_SPOKEN_FOR: Final = frozenset({"event:publish"})  # each event is recorded with its sender, thousands a second


class RequestAudit(Part):
    """Listens to a server.

    Args:
        service: Its short name.
        server: Its HTTP server.
        bus: Its connection.
        metrics: Where it counts what could not be said.
        clock: Time.
        chance: For ids.
    """

    def __init__(self, service: str, server: HttpServer, bus: Bus, *, metrics: Metrics, clock: Clock, chance: Chance) -> None:
        super().__init__("request-audit")
        self._service = service
        self._bus = bus
        self._clock = clock
        self._chance = chance
        self._strangers = Strangers()
        self._waiting: list[_Heard] = []
        self._woken = asyncio.Event()
        self._lost = metrics.counter("audit_requests_lost", "Requests that were not said to the audit trail.").labels()
        server.answered = self.answered

    def answered(self, call: Call, route: Route, status: int) -> None:
        """A request was answered."""
        if status == 401:
            if not route.path.startswith(_SAID_ELSEWHERE):
                told = self._strangers.came(self._payload(call, route, status), self._clock.now())
                self._queue(call, told)
        elif _matters(call, route, status):
            self._queue(call, self._payload(call, route, status))

    def _queue(self, call: Call | None, payload: RequestAnswered | None) -> None:
        if payload is None:
            return
        if len(self._waiting) >= MOST:
            self._lost.inc()
            return
        # The answer has not left yet: what takes long, making the signal, comes when it has.
        self._waiting.append(_heard(call, payload, self._clock.now()))
        self._woken.set()

    async def serve(self) -> None:
        """Say it until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._add_up())
            group.create_task(self._say_on())

    async def _add_up(self) -> None:
        while True:
            await self._clock.sleep(ADD_UP)
            for payload in self._strangers.due(self._clock.now()):
                self._queue(None, payload)

    async def _say_on(self) -> None:
        while True:
            await self._woken.wait()
            await self._clock.sleep(TOGETHER)
            self._woken.clear()
            try:
                await self._say()
            except Unavailable as error:
                log.info("request_audit.waits", requests=len(self._waiting), error=error.detail)
                await self._clock.sleep(1)
                self._woken.set()

    async def stop(self) -> None:
        """Say what waits."""
        for payload in self._strangers.due():
            self._queue(None, payload)
        try:
            await self._say()
        except TocsinError as error:
            log.warning("request_audit.lost", requests=len(self._waiting), error=error.detail)

    async def _say(self) -> None:
        while self._waiting:
            block = self._waiting[:500]
            for heard in block:
                heard.message = heard.message or self._message(heard)
            try:
                await self._bus.publish_many([heard.message for heard in block if heard.message is not None])
            except Unavailable:
                raise
            except TocsinError as error:
                log.error("request_audit.refused", code=error.code, error=error.detail)
                self._lost.inc(len(block))
            del self._waiting[: len(block)]

    def _payload(self, call: Call, route: Route, status: int) -> RequestAnswered:
        return RequestAnswered(
            service=self._service,
            method=call.method[:16],
            route=route.template[:256],
            target=call.target[:256],
            permission=route.access.name if isinstance(route.access, Permission) else None,
            status=status,
            address=call.client_address,
            request=call.request_id,
            reason=call.refusal[:256] or None,
            changes=list(call.changes),
        )

    def _message(self, heard: "_Heard") -> Message:
        """The signal of a request, or of several that were added up."""
        status = heard.payload.status
        kind = REQUEST_FAILED if status >= 500 else REQUEST_REFUSED if status >= 400 else REQUEST_ACCEPTED
        signal = make_signal(
            kind,
            namespace=heard.namespace,
            # Not the request id: its sender chooses that, and a repeated one would hide the second request.
            entity_id=new_id(heard.time, self._chance),
            sequence=1,
            time=heard.time,
            payload=heard.payload,
            cause=root(heard.payload.request, heard.traceparent),
            actor=heard.actor,
        )
        return Message(subject_of(signal), encode(signal), None, signal.id)


@dataclass(slots=True)
class _Heard:
    """What is to be said of a request; the message once it is made, so that a second try has the same id."""

    payload: RequestAnswered
    namespace: str
    time: datetime
    traceparent: str | None
    actor: str | None
    message: Message | None = None


def _heard(call: Call | None, payload: RequestAnswered, now: datetime) -> _Heard:
    if call is None:
        return _Heard(payload, SYSTEM_NAMESPACE, now, None, None)
    actor = None if call.principal.is_anonymous else call.principal.subject
    return _Heard(payload, _namespace(call), call.received_at, call.traceparent, actor)


def _matters(call: Call, route: Route, status: int) -> bool:
    if isinstance(route.access, Public) or status == 499 or call.principal.is_anonymous:
        return False
    if status == 403:
        return True
    spoken_for = isinstance(route.access, Permission) and route.access.name in _SPOKEN_FOR
    return call.method not in _READS and not (spoken_for and status < 300)


def _namespace(call: Call) -> str:
    try:
        return check_namespace(namespace_of(call.parts) or SYSTEM_NAMESPACE)
    except TocsinError:
        return SYSTEM_NAMESPACE
