"""What alerts need: rules, trackers, alerts, channels, and somebody who sends e-mail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin_kit.store import Entry, Outgoing, Page
from tocsin_observer.domain.alert_rules import AlertRule
from tocsin_observer.domain.alerts import Alert
from tocsin_observer.domain.channels import Channel, Mail
from tocsin_observer.domain.deliveries import Answer
from tocsin_observer.domain.tracking import Tracker


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSearch:
    """Which alerts; ``None`` everywhere is all."""

    namespaces: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()
    state: str | None = None
    rule: str | None = None
    severity: str | None = None
    workflow: str | None = None
    run: str | None = None


class RuleStore(Protocol):
    """Alert rules."""

    async def load(self, rule: str) -> Entry[AlertRule]:
        """The rule, or an entry without value."""
        ...

    async def commit(self, entry: Entry[AlertRule], rule: AlertRule | None, outbox: Sequence[Outgoing]) -> Entry[AlertRule]:
        """Store (``None`` deletes) and say it."""
        ...

    async def of_namespace(self, namespace: str, *, limit: int, cursor: str | None) -> Page[Entry[AlertRule]]:
        """One page of the rules of a namespace, by name."""
        ...

    async def enabled(self) -> Sequence[AlertRule]:
        """All that look."""
        ...

    async def stamp(self) -> object:
        """Something that is another whenever any rule has changed."""
        ...


class AlertStore(Protocol):
    """Alerts, and what their rules remember."""

    async def load(self, alert: str) -> Entry[Alert]:
        """The alert, or an entry without value."""
        ...

    async def commit(self, entry: Entry[Alert], alert: Alert, outbox: Sequence[Outgoing]) -> Entry[Alert]:
        """Store and say it."""
        ...

    async def search(self, search: AlertSearch, *, limit: int, cursor: str | None) -> Page[Entry[Alert]]:
        """One page of alerts, newest first."""
        ...

    async def forget(self, before: datetime) -> int:
        """Remove alerts that were over before an instant and of which everything is said; how many."""
        ...

    async def trackers(self) -> tuple[Sequence[Tracker], int | None]:
        """All that is remembered, and how far the stream was read for it; ``None`` at the very beginning."""
        ...

    async def remember(self, trackers: Sequence[Tracker], forgotten: Sequence[Tracker], position: int) -> None:
        """Store trackers, forget others, and then how far the stream was read."""
        ...


class ChannelUsers(Protocol):
    """Something that names channels: rules, webhooks."""

    async def naming(self, namespace: str, channel: str) -> Sequence[str]:
        """Names of some of those that name a channel of their namespace."""
        ...


class ChannelStore(Protocol):
    """Channels."""

    async def load(self, channel: str) -> Entry[Channel]:
        """The channel, or an entry without value."""
        ...

    async def commit(self, entry: Entry[Channel], channel: Channel | None, outbox: Sequence[Outgoing]) -> Entry[Channel]:
        """Store (``None`` deletes) and say it."""
        ...

    async def of_namespace(self, namespace: str, *, limit: int, cursor: str | None) -> Page[Entry[Channel]]:
        """One page of the channels of a namespace, by name."""
        ...


class Mailer(Protocol):
    """Sends e-mail."""

    async def send(self, to: Sequence[str], mail: Mail, *, message: str) -> Answer:
        """Try once; ``message`` becomes the Message-ID. Never raises for what the server says."""
        ...
