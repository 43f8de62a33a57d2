"""What people do with alerts: write rules and channels, take care of what fires, say that it is over, try a channel."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from tocsin.errors import Conflict, NotFound, PreconditionFailed
from tocsin.signals import Cause, derive
from tocsin.signals.catalogue import observer as words
from tocsin.signals.kinds import SignalType
from tocsin.signals.make import make_signal
from tocsin_kit.chance import Chance
from tocsin_kit.clock import Clock
from tocsin_kit.config import Secret
from tocsin_kit.store import Entry, Page
from tocsin_kit.store.changes import changes
from tocsin_observer.application.announcing import announce
from tocsin_observer.application.notifying import ChannelEndpoints
from tocsin_observer.domain.alert_rules import AlertRule, checked_rule
from tocsin_observer.domain.alerts import Alert, acknowledged, resolved
from tocsin_observer.domain.channels import Channel, ChannelInvalid, ChannelKind, ChannelUnknown, checked_template
from tocsin_observer.domain.deliveries import Answer
from tocsin_observer.ports.alerts import AlertSearch, AlertStore, ChannelStore, ChannelUsers, RuleStore
from tocsin_observer.ports.deliveries import Seal

_STEPS: Final[dict[str, tuple[Callable[..., Alert], SignalType[words.AlertChanged]]]] = {
    "acknowledge": (acknowledged, words.ALERT_ACKNOWLEDGED),
    "resolve": (resolved, words.ALERT_RESOLVED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSpec:
    """What people write about a channel.

    Attributes:
        kind: How people are reached.
        url: Where to; ``None`` leaves what is stored.
        key: Routing key or signing secret; ``None`` leaves what is stored.
        to: Addresses.
        template: jq over the signal.
        url_secret: Name of a stored secret instead of ``url``; ``None`` leaves what is stored.
        key_secret: The same instead of ``key``.
    """

    kind: ChannelKind
    url: Secret | None = None
    key: Secret | None = None
    to: Sequence[str] = ()
    template: str | None = None
    url_secret: str | None = None
    key_secret: str | None = None


class Alerts:
    """The use cases of alerts.

    Args:
        rules: Rules.
        alerts: Alerts.
        channels: Channels that rules name.
        clock: Time.
    """

    def __init__(self, rules: RuleStore, alerts: AlertStore, channels: ChannelStore, *, clock: Clock) -> None:
        self._rules = rules
        self._alerts = alerts
        self._channels = channels
        self._clock = clock

    async def put(self, rule: AlertRule, *, expect: int | None, actor: str, cause: Cause) -> Entry[AlertRule]:
        """Make or change a rule.

        Raises:
            AlertRuleInvalid: It cannot work.
            ChannelUnknown: It would tell nobody.
            PreconditionFailed: It has changed since the person saw it.
        """
        checked_rule(rule)
        await require_channels(self._channels, rule.namespace, rule.actions.notify)
        entry = await self._rules.load(rule.id)
        if expect is not None and expect != entry.revision:
            raise PreconditionFailed(f"alert rule {rule.id} has changed since you read it", hint="read it again")
        outbox = announce(
            [(words.ALERT_RULE_CHANGED, words.AlertRuleChanged(name=rule.name, changes=changes(entry.value, rule)))],
            namespace=rule.namespace,
            entity_id=rule.name,
            after=entry.sequence,
            now=self._clock.now(),
            cause=cause,
            actor=actor,
        )
        return await self._rules.commit(entry, rule, outbox)

    async def rule(self, namespace: str, name: str) -> Entry[AlertRule]:
        """A rule with its revision.

        Raises:
            NotFound: There is none.
        """
        entry = await self._rules.load(f"{namespace}/{name}")
        if entry.value is None:
            raise NotFound(f"there is no alert rule {name} in namespace {namespace}", rule=name)
        return entry

    async def rules(self, namespace: str, *, limit: int, cursor: str | None) -> Page[Entry[AlertRule]]:
        """One page of the rules of a namespace, by name."""
        return await self._rules.of_namespace(namespace, limit=limit, cursor=cursor)

    async def delete(self, namespace: str, name: str, *, actor: str, cause: Cause) -> None:
        """Delete a rule; what it fired is resolved.

        Raises:
            NotFound: There is none.
        """
        entry = await self.rule(namespace, name)
        outbox = announce(
            [(words.ALERT_RULE_DELETED, words.AlertRuleChanged(name=name, changes=changes(entry.value, None)))],
            namespace=namespace,
            entity_id=name,
            after=entry.sequence,
            now=self._clock.now(),
            cause=cause,
            actor=actor,
        )
        await self._rules.commit(entry, None, outbox)

    async def search(self, search: AlertSearch, *, limit: int, cursor: str | None) -> Page[Entry[Alert]]:
        """One page of alerts, newest first."""
        return await self._alerts.search(search, limit=limit, cursor=cursor)

    async def alert(self, alert: str) -> Entry[Alert]:
        """An alert with its revision.

        Raises:
            NotFound: There is none.
        """
        entry = await self._alerts.load(alert)
        if entry.value is None:
            raise NotFound(f"there is no alert {alert}", alert=alert)
        return entry

    async def step(self, alert: str, verb: str, *, actor: str, note: str | None, cause: Cause) -> Entry[Alert]:
        """Acknowledge or resolve an alert.

        Raises:
            Conflict: Its state does not allow it.
        """
        entry = await self.alert(alert)
        assert entry.value is not None
        move, kind = _STEPS[verb]
        now = self._clock.now()
        after = move(entry.value, by=actor, now=now, note=note)
        outbox = announce(
            [(kind, after.said(by=actor, note=note).model_copy(update={"changes": changes(entry.value, after)}))],
            namespace=after.namespace,
            entity_id=after.id,
            after=entry.sequence,
            now=now,
            cause=cause,
            actor=actor,
        )
        return await self._alerts.commit(entry, after, outbox)


class Channels:
    """The use cases of channels.

    Args:
        store: Where they are.
        endpoints: Sends through them.
        seal: Keeps their secrets unreadable.
        users: Who names channels, by what they are.
        clock: Time.
        chance: For ids.
    """

    def __init__(
        self,
        store: ChannelStore,
        endpoints: ChannelEndpoints,
        seal: Seal,
        *,
        users: Mapping[str, ChannelUsers],
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._store = store
        self._users = users
        self._endpoints = endpoints
        self._seal = seal
        self._clock = clock
        self._chance = chance

    async def put(self, namespace: str, name: str, spec: ChannelSpec, *, actor: str, cause: Cause) -> Entry[Channel]:
        """Make or change a channel.

        Raises:
            ChannelInvalid: It cannot work.
        """
        entry = await self._store.load(f"{namespace}/{name}")
        now, before = self._clock.now(), entry.value
        channel = Channel(
            namespace=namespace, name=name, kind=spec.kind, to=tuple(spec.to), template=spec.template, changed_at=now
        )
        kept = before if before is not None and before.kind is spec.kind else None
        # A pager's key goes to its URL: whoever gives another URL gives the key again, or it would be a way to get it.
        moved = spec.url is not None or spec.url_secret is not None
        known = None if kept is None or (moved and spec.kind is ChannelKind.PAGERDUTY) else kept
        channel = replace(
            channel,
            url=None if spec.url_secret else self._sealed(channel, spec.url) or (kept.url if kept else None),
            key=None if spec.key_secret else self._sealed(channel, spec.key) or (known.key if known else None),
            url_secret=spec.url_secret or (kept.url_secret if kept and spec.url is None else None),
            key_secret=spec.key_secret or (known.key_secret if known and spec.key is None else None),
        )
        _check(channel, spec)
        await self._endpoints.usable(channel)
        return await self._say(entry, channel, words.CHANNEL_CHANGED, actor=actor, cause=cause)

    async def get(self, namespace: str, name: str) -> Entry[Channel]:
        """A channel with its revision.

        Raises:
            NotFound: There is none.
        """
        entry = await self._store.load(f"{namespace}/{name}")
        if entry.value is None:
            raise NotFound(f"there is no channel {name} in namespace {namespace}", channel=name)
        return entry

    async def of_namespace(self, namespace: str, *, limit: int, cursor: str | None) -> Page[Entry[Channel]]:
        """One page of the channels of a namespace, by name."""
        return await self._store.of_namespace(namespace, limit=limit, cursor=cursor)

    async def delete(self, namespace: str, name: str, *, actor: str, cause: Cause) -> None:
        """Delete a channel; what waits for it is discarded.

        Raises:
            NotFound: There is none.
            Conflict: Something would tell nobody then.
        """
        entry = await self.get(namespace, name)
        for what, users in self._users.items():
            if found := await users.naming(namespace, name):
                raise Conflict(f"channel {name} is told by the {what} {', '.join(found)}", hint="change those first")
        await self._say(entry, None, words.CHANNEL_DELETED, actor=actor, cause=cause)

    async def test(self, namespace: str, name: str, *, cause: Cause) -> Answer:
        """Send an alert that never fired; what the other side says to it."""
        channel = (await self.get(namespace, name)).value
        assert channel is not None
        now = self._clock.now()
        said = words.AlertChanged(rule="test", severity="info", summary=f"A test of channel {name}.", fired_at=now)
        event = make_signal(
            words.ALERT_FIRED,
            namespace=namespace,
            entity_id=derive("test of a channel", self._chance.token(16).hex()),
            sequence=1,
            time=now,
            payload=said,
            cause=cause,
        )
        return await self._endpoints.sent(channel, event, derive("test", event.id))

    def _sealed(self, channel: Channel, secret: Secret | None) -> bytes | None:
        return None if secret is None else self._seal.seal(secret, channel.endpoint)

    async def _say(
        self,
        entry: Entry[Channel],
        after: Channel | None,
        kind: SignalType[words.ChannelChanged],
        *,
        actor: str,
        cause: Cause,
    ) -> Entry[Channel]:
        channel = after or entry.value
        assert channel is not None
        differences = changes(entry.value, after, hidden={"url", "key"}, without={"namespace", "name", "changed_at"})
        outbox = announce(
            [(kind, words.ChannelChanged(name=channel.name, kind=channel.kind.value, changes=differences))],
            namespace=channel.namespace,
            entity_id=channel.name,
            after=entry.sequence,
            now=self._clock.now(),
            cause=cause,
            actor=actor,
        )
        return await self._store.commit(entry, after, outbox)


async def require_channels(channels: ChannelStore, namespace: str, names: Sequence[str]) -> None:
    """Refuse names that nobody could be told by.

    Raises:
        ChannelUnknown: There is no such channel.
    """
    for name in names:
        if (await channels.load(f"{namespace}/{name}")).value is None:
            raise ChannelUnknown(
                f"there is no channel {name} in namespace {namespace}, so nobody would be told",
                hint="make it first: `tocsin alert apply` takes channels and rules together",
                channel=name,
            )


def _check(channel: Channel, spec: ChannelSpec) -> None:
    checked_template(spec.template)
    if channel.kind is ChannelKind.EMAIL:
        wrong = [address for address in spec.to if address.count("@") != 1 or not address.isprintable() or " " in address]
        if not spec.to or wrong:
            raise ChannelInvalid(f"{wrong[0][:80]!r} is not an address" if wrong else "an e-mail channel has addresses in `to`")
        return
    if channel.kind is ChannelKind.PAGERDUTY and channel.key is None and channel.key_secret is None:
        raise ChannelInvalid("a pager channel has a routing key in `key`")
    if channel.kind is not ChannelKind.PAGERDUTY and channel.url is None and channel.url_secret is None:
        raise ChannelInvalid(f"a channel of kind {channel.kind.value} has a `url`")
    if spec.url is not None:
        parts = urlsplit(spec.url.reveal())
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ChannelInvalid("url is an http(s) URL with a host")
