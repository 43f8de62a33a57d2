"""Answers the services that ask for secrets on the bus. Several replicas share the work through a queue group.

Who asks is the last token of the subject, which the server's permissions prove. A request that cannot be read, or is too old
when its turn comes, gets no value.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Protocol

import structlog
from pydantic import ValidationError

from tocsin.errors import TocsinError, Unavailable
from tocsin.signals.kinds import JsonValue
from tocsin_auth.adapters.answering import Answering, Asked
from tocsin_auth.application.tokens import Issued
from tocsin_kit.bus import Bus
from tocsin_kit.bus.permissions import ASKS_FOR_SECRETS, RUNS_TASKS
from tocsin_kit.bus.run_tokens import SUBJECT as RUN_TOKEN
from tocsin_kit.bus.run_tokens import RunTokenEnd, RunTokenRequest, sealed_token
from tocsin_kit.bus.secrets import SUBJECT, SecretNotFound, SecretRequest, refusing_reply, sealed_reply
from tocsin_kit.telemetry import Metrics

_PATIENCE: Final = timedelta(seconds=4.5)  # those who ask wait for five
_AT_ONCE: Final = 32

log = structlog.get_logger()


class Resolver(Protocol):
    """Resolves names (``application.secret_uses.SecretUses``)."""

    async def resolve(self, request: SecretRequest, service: str) -> Mapping[str, JsonValue]:
        """The values."""
        ...


class RunTokenIssuer(Protocol):
    """Issues tokens of runs (``application.tokens.Tokens``)."""

    async def for_run(self, namespace: str, run: str, lifetime: timedelta) -> Issued:
        """One."""
        ...


class RunTokenEnder(Protocol):
    """Ends them (``application.run_token_ends.RunTokenEnds``)."""

    async def end(self, session: str) -> None:
        """One."""
        ...


class SecretRequests(Answering):
    """The answering side of ``tocsin_kit.bus.secrets``.

    Args:
        bus: Connected as the auth service.
        resolver: Decides and opens.
        tokens: Issues tokens of runs.
        ends: Ends them.
        metrics: Of the service.
    """

    def __init__(self, bus: Bus, resolver: Resolver, tokens: RunTokenIssuer, ends: RunTokenEnder, metrics: Metrics) -> None:
        super().__init__("secret-requests", bus, [f"{subject}.*" for subject in (SUBJECT, RUN_TOKEN)], at_once=_AT_ONCE)
        self._resolver, self._tokens, self._ends = resolver, tokens, ends
        self._outcomes = metrics.counter(
            "auth_secret_requests", "Requests of services for secrets.", outcome=("given", "refused", "failed")
        )

    def turned_away(self) -> None:
        """Who asked gives up by itself."""
        self._outcomes.labels(outcome="failed").inc()

    async def answer(self, request: Asked) -> None:
        """Give what is asked for, or say why not."""
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                if not request.reply:
                    return await self._told(request)
                await self._bus.announce(request.reply, await self._answer(request))
        except (TocsinError, TimeoutError) as error:
            self._outcomes.labels(outcome="failed").inc()
            log.warning("secrets.unanswered", error=getattr(error, "detail", "no decision in time"))

    async def _answer(self, message: Asked) -> bytes:
        kind, _, service = message.subject.rpartition(".")
        if kind == RUN_TOKEN:
            return await self._run_token(message.data, service)
        try:
            request = SecretRequest.model_validate_json(message.data)
        except ValidationError:
            return self._refused("rejected", "the request for secrets cannot be read", service)
        if service not in ASKS_FOR_SECRETS:
            return self._refused("forbidden", "this service is given no secrets", service)
        try:
            reply = sealed_reply(request, await self._resolver.resolve(request, service))
        except TocsinError as error:
            names = str(error.fields.get("names", "")).split(",")
            code = Unavailable.code if isinstance(error, Unavailable) else error.code
            return self._refused(code, error.detail, service, [name for name in names if name])
        self._outcomes.labels(outcome="given").inc()
        log.info("secrets.given", service=service, namespace=request.namespace, names=request.names)
        return reply

    async def _told(self, message: Asked) -> None:
        kind, _, service = message.subject.rpartition(".")
        if kind == RUN_TOKEN and service in RUNS_TASKS:
            with contextlib.suppress(ValidationError):
                await self._ends.end(RunTokenEnd.model_validate_json(message.data).end)

    async def _run_token(self, data: bytes, service: str) -> bytes:
        try:
            request = RunTokenRequest.model_validate_json(data)
            if service not in RUNS_TASKS:
                return self._refused("forbidden", "this service runs no tasks", service)
            issued = await self._tokens.for_run(request.namespace, request.run, timedelta(seconds=request.seconds))
            reply = sealed_token(request, issued.token)
        except ValidationError:
            return self._refused("rejected", "the request for a token cannot be read", service)
        except TocsinError as error:
            return self._refused(error.code, error.detail, service)
        log.info("run_token.given", service=service, namespace=request.namespace, run=request.run)
        return reply

    def _refused(self, code: str, detail: str, service: str, names: list[str] | None = None) -> bytes:
        self._outcomes.labels(outcome="refused").inc()
        write = log.info if code == SecretNotFound.code else log.warning
        write("secrets.refused", service=service, code=code, detail=detail)
        return refusing_reply(code, detail, names or ())
