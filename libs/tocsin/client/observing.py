"""The observer's resources: the audit trail, webhooks that go out, alerts; a method is one request."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from tocsin.client.resources import Filters
from tocsin.client.transport import Record, Transport

_AUDIT = "/api/v1/audit"
_WEBHOOKS = "/api/v1/webhooks"
_EXPORT_SECONDS = 3600.0


class Audit:
    """Who did what, as a chain that can be proven."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    def list(self, filters: Filters, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Records, newest first; filters: namespace, actor, action, entity, id, outcome, address, request, since, until."""
        return self._http.pages(_AUDIT, filters, limit=limit)

    async def show(self, number: int) -> Record:
        """One record, with ``changes`` before and after."""
        return await self._http.get(f"{_AUDIT}/records/{number}")

    def export(self, filters: Filters) -> AsyncIterator[bytes]:
        """The trail, piece by piece: ``format`` (jsonl, csv), namespace, actor, since, until."""
        return self._http.download(f"{_AUDIT}/export", filters, seconds=_EXPORT_SECONDS)

    async def status(self) -> Record:
        """Where the chain ends, and the public keys that sign it."""
        return await self._http.get(f"{_AUDIT}/status")

    def holds(self) -> AsyncIterator[Record]:
        """Legal holds."""
        return self._http.pages(f"{_AUDIT}/holds", paged=False)

    async def hold(self, name: str, body: Record) -> Record:
        """Place a hold: ``reason``, ``held_namespace``, ``held_actor``, ``since``, ``until``."""
        return await self._http.put(f"{_AUDIT}/holds/{quote(name, safe='')}", body)

    async def release(self, name: str) -> Record:
        """Release a hold."""
        return await self._http.delete(f"{_AUDIT}/holds/{quote(name, safe='')}")


class Webhooks:
    """Webhooks that go out."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def apply(self, namespace: str, name: str, body: Record) -> Record:
        """Create or change one; the answer of a new one has its ``secret``, once."""
        return await self._http.put(_path(_WEBHOOKS, namespace, name), body)

    def list(self, namespace: str, *, limit: int | None = None) -> AsyncIterator[Record]:
        """All of them in a namespace."""
        return self._http.pages(_WEBHOOKS, {"namespace": namespace}, limit=limit)

    async def show(self, namespace: str, name: str) -> Record:
        """One of them, with how many messages wait."""
        return await self._http.get(_path(_WEBHOOKS, namespace, name))

    async def delete(self, namespace: str, name: str) -> Record:
        """Delete one; what waits for it is discarded."""
        return await self._http.delete(_path(_WEBHOOKS, namespace, name))

    async def act(self, namespace: str, name: str, verb: str, body: Record | None = None) -> Record:
        """``pause``, ``resume``, ``verify``, ``test``, ``rotate`` (``overlap``) or ``redeliver`` (``since``, ``until``)."""
        return await self._http.post(_path(_WEBHOOKS, namespace, name, verb), body, seconds=130)

    def deliveries(self, namespace: str, name: str, filters: Filters, *, limit: int | None = None) -> AsyncIterator[Record]:
        """What was sent, newest first; filters: state, type, message."""
        return self._http.pages(_path(_WEBHOOKS, namespace, name, "deliveries"), filters, limit=limit)

    async def again(self, namespace: str, name: str, delivery: str) -> Record:
        """Send one message again."""
        return await self._http.post(_path(_WEBHOOKS, namespace, name, "deliveries", delivery, "redeliver"))


class Alerts:
    """What fires, and the rules and channels behind it."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    def list(self, filters: Filters, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Alerts, newest first; filters: namespace, state, rule, severity, workflow, run."""
        return self._http.pages("/api/v1/alerts", filters, limit=limit)

    async def show(self, alert: str) -> Record:
        """One alert."""
        return await self._http.get(_path("/api/v1/alerts", alert))

    async def act(self, alert: str, verb: str, note: str | None = None) -> Record:
        """``acknowledge`` or ``resolve``."""
        return await self._http.post(_path("/api/v1/alerts", alert, verb), {"note": note})

    async def test_channel(self, namespace: str, name: str) -> Record:
        """Send an alert that never fired."""
        return await self._http.post(_path("/api/v1/channels", namespace, name, "test"))


class Analytics:
    """What can be learnt from many runs."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def ask(self, question: str, filters: Filters) -> Record:
        """``runs``, ``tasks``, ``failures`` (namespace, workflow, since, until, limit) or ``compare`` (one, other)."""
        return await self._http.get(_path("/api/v1/analytics", question), filters)

    async def health(self) -> Record:
        """How every part and replica is: ``ready``, ``absent``, ``replicas``, ``measures``."""
        return await self._http.get("/api/v1/health")

    def kinds(self) -> AsyncIterator[Record]:
        """All kinds of signals: who says them, who listens, how often, when last."""
        return self._http.pages("/api/v1/signals/catalogue", paged=False)

    async def rebuild(self, since: str | None) -> Record:
        """Have all facts made anew from the signals that are kept."""
        return await self._http.post("/api/v1/analytics/rebuild", {"since": since}, seconds=300)


def _path(collection: str, *parts: str) -> str:
    return "/".join([collection, *(quote(part, safe="") for part in parts)])
