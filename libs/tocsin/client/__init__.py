"""A client of the platform's HTTP API for programs: ``async with Client(url, StaticToken(key)) as tocsin: ...``.

Typed where the platform's promises are; answers are the API's JSON objects. Every refusal is one of ``tocsin.errors``.
"""

from types import TracebackType
from typing import Self

from tocsin.client.authority import Authority
from tocsin.client.observing import Alerts, Analytics, Audit, Webhooks
from tocsin.client.operations import Approvals, Logs, Pools, Repairs, Workers
from tocsin.client.proposals import Proposals
from tocsin.client.records import Assets, Cases, DeadLetters
from tocsin.client.resources import Auth, Backfills, Events, Named, Platform, Runs, Signals, Workflows
from tocsin.client.secrets import Secrets
from tocsin.client.transport import Credentials, Record, StaticToken, Transport
from tocsin.client.triggers import Triggers


class Client:
    """All resources over one connection; an async context manager.

    Args:
        url: Of the gateway.
        credentials: Who asks; ``StaticToken("tcn_...")`` for an API key.
    """

    def __init__(self, url: str, credentials: Credentials) -> None:
        """Nothing is connected before the first request."""
        self.transport = Transport(url, credentials)
        self.auth = Auth(self.transport)
        self.authority = Authority(self.transport)
        self.workflows = Workflows(self.transport)
        self.runs = Runs(self.transport)
        self.pools = Pools(self.transport)
        self.workers = Workers(self.transport)
        self.repairs = Repairs(self.transport)
        self.logs = Logs(self.transport)
        self.approvals = Approvals(self.transport)
        self.proposals = Proposals(self.transport)
        self.events = Events(self.transport)
        self.signals = Signals(self.transport)
        self.triggers = Triggers(self.transport)
        self.schedules = Named(self.transport, "schedules")
        self.backfills = Backfills(self.transport)
        self.cases = Cases(self.transport)
        self.assets = Assets(self.transport)
        self.dead_letters = DeadLetters(self.transport)
        self.audit = Audit(self.transport)
        self.webhooks = Webhooks(self.transport)
        self.alerts = Alerts(self.transport)
        self.analytics = Analytics(self.transport)
        self.alert_rules = Named(self.transport, "alert-rules")
        self.channels = Named(self.transport, "channels")
        self.secrets = Secrets(self.transport)
        self.platform = Platform(self.transport)

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.transport.__aexit__(kind, error, trace)


__all__ = ["Client", "Credentials", "Record", "StaticToken", "Transport"]
