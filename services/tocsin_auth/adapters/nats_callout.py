"""Answers the NATS server's auth callout: every connection that is no service's is decided here.

A request that cannot be read, or not decided in time, gets a refusal or no answer at all; the server lets nobody in without
one. Several replicas share the work through a queue group.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from tocsin.errors import TocsinError, Unauthenticated
from tocsin.signals import root
from tocsin_auth.adapters.answering import Answering, Asked
from tocsin_auth.adapters.nats_jwt import CalloutRequest, Issuer, read_request
from tocsin_auth.application.bus_logins import BusLogins
from tocsin_auth.application.saying import Asker
from tocsin_auth.domain.bus_access import Place
from tocsin_kit.bus import Bus
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry import Metrics

SUBJECT: Final = "$SYS.REQ.USER.AUTH"
_PATIENCE: Final = timedelta(seconds=1.5)  # the server gives up after two
_AT_ONCE: Final = 64  # decisions; more wait

log = structlog.get_logger()


class Callout(Answering):
    """The callout of this replica.

    Args:
        bus: Connected as the auth service.
        issuer: Signs answers.
        logins: Decides.
        clock: Time.
        metrics: Of the service.
    """

    def __init__(self, bus: Bus, issuer: Issuer, logins: BusLogins, clock: Clock, metrics: Metrics) -> None:
        super().__init__("callout", bus, [SUBJECT], at_once=_AT_ONCE)
        self._issuer, self._logins, self._clock = issuer, logins, clock
        self._outcomes = metrics.counter("auth_bus_logins", "Connections decided.", outcome=("accepted", "refused", "failed"))

    def turned_away(self) -> None:
        """The server refuses that connection by itself."""
        self._outcomes.labels(outcome="failed").inc()

    async def answer(self, request: Asked) -> None:
        """Let somebody in, or not."""
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                answer = await self._answer(read_request(request.data))
                await self._bus.announce(request.reply, answer)
        except (TocsinError, TimeoutError) as error:
            self._outcomes.labels(outcome="failed").inc()
            log.warning("bus_login.undecided", error=getattr(error, "detail", "no decision in time"))

    async def _answer(self, request: CalloutRequest) -> bytes:
        now = self._clock.now()
        asker = Asker(root(request.id), address=request.address)
        try:
            login = await self._logins.decide(request.credential, asker, Place(request.server_id, request.client))
        except Unauthenticated as error:
            self._outcomes.labels(outcome="refused").inc()
            log.info("bus_login.refused", address=request.address, reason=error.detail)
            return self._issuer.refusal(request, reason="not authorized", now=now)
        self._outcomes.labels(outcome="accepted").inc()
        log.info("bus_login.accepted", principal=login.principal.subject, address=request.address)
        return self._issuer.user(request, name=login.principal.subject, access=login.access, now=now, expires=login.expires)
