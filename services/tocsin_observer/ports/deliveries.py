"""What telling the world needs: queues of deliveries, endpoints and how they are reached, webhooks and their secrets."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tocsin_kit.config import Secret
from tocsin_kit.store import Entry, Outgoing, Page
from tocsin_observer.domain.deliveries import Answer, Delivery
from tocsin_observer.domain.webhooks import Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySearch:
    """Which deliveries of an endpoint; ``None`` everywhere is all."""

    endpoint: str
    state: str | None = None
    type: str | None = None
    message: str | None = None


class DeliveryStore(Protocol):
    """Deliveries: those that wait, in a queue for each endpoint, and the log of the others."""

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Let them wait; one that is there already changes nothing."""
        ...

    async def endpoints(self, partitions: Collection[int]) -> Mapping[int, Sequence[str]]:
        """Endpoints of these partitions for which something waits."""
        ...

    async def waiting(
        self, endpoint: str, *, but_keys: Collection[str], now: datetime | None, limit: int
    ) -> Sequence[Delivery]:
        """What waits for an endpoint, in order.

        Args:
            endpoint: Which.
            but_keys: Without messages of these keys.
            now: Only what is due; ``None`` for all.
            limit: At most so many.
        """
        ...

    async def next_due(self, endpoint: str) -> datetime | None:
        """When the first of those that wait is due; ``None`` when nothing waits."""
        ...

    async def settle(self, delivery: Delivery) -> None:
        """Store what became of an attempt."""
        ...

    async def discard(self, endpoint: str, reason: str) -> int:
        """Let nothing wait for an endpoint any more; how much that was."""
        ...

    async def count_waiting(self, endpoint: str, *, limit: int) -> int:
        """How many wait, counted up to ``limit``."""
        ...

    async def load(self, delivery: str) -> Delivery | None:
        """A delivery by its id."""
        ...

    async def search(self, search: DeliverySearch, *, limit: int, cursor: str | None) -> Page[Delivery]:
        """One page of deliveries, newest first."""
        ...

    async def forget(self, before: datetime) -> int:
        """Remove settled deliveries that were made before an instant."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How an endpoint wants to be told.

    Attributes:
        key: ``webhook/<namespace>/<name>``.
        ordered: Whether messages of one key do not overtake one another.
        parallel: At most so many on their way.
        rate: At most so many a second.
        retry_for: How long a message is tried.
    """

    key: str
    ordered: bool
    parallel: int
    rate: float | None
    retry_for: timedelta


class Endpoints(Protocol):
    """What is behind the keys of endpoints."""

    async def find(self, key: str) -> Endpoint | None:
        """The endpoint; ``None`` when it is gone or is not told any more."""
        ...

    async def send(self, key: str, delivery: Delivery) -> Answer:
        """Try once; never raises for what the endpoint does."""
        ...

    async def tried(self, key: str, delivery: Delivery, answer: Answer) -> None:
        """Take note of what became of an attempt: an endpoint may be disabled by it."""
        ...


class WebhookStore(Protocol):
    """Webhooks."""

    async def load(self, webhook: str) -> Entry[Webhook]:
        """The webhook, or an entry without value."""
        ...

    async def commit(self, entry: Entry[Webhook], webhook: Webhook | None, outbox: Sequence[Outgoing]) -> Entry[Webhook]:
        """Store (``None`` deletes) and say it."""
        ...

    async def of_namespace(self, namespace: str, *, limit: int, cursor: str | None) -> Page[Entry[Webhook]]:
        """One page of the webhooks of a namespace, by name."""
        ...

    async def active(self) -> Sequence[Webhook]:
        """All that are told."""
        ...

    async def stamp(self) -> object:
        """Something that is another whenever any webhook has changed."""
        ...


class WebhookSender(Protocol):
    """Reaches endpoints over HTTP; goes only where the operator allows, follows nothing, reads no more than it keeps."""

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        within: timedelta,
        method: str = "POST",
        hidden: Collection[str] = (),
    ) -> tuple[Answer, Mapping[str, str]]:
        """One request: what came of it, and the headers of the answer in lower case; never raises for what is met there.

        Of the headers in ``hidden`` the log has the names only.
        """
        ...


class Seal(Protocol):
    """Keeps secrets in the database unreadable."""

    def seal(self, secret: Secret, context: str) -> bytes:
        """Encrypt so that it opens in this context only."""
        ...

    def unseal(self, sealed: bytes, context: str) -> Secret:
        """The reverse."""
        ...
