"""Tells people about alerts: the signal of an alert waits in the queues of the channels that its rule names.

The queues are those of webhooks: durable, retried, one for each channel. Ids follow from the signal, so that a signal that is
heard twice is told once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

import structlog

from tocsin.errors import Invalid
from tocsin.expressions import ExpressionFailed
from tocsin.signals import CloudEvent, decode, derive
from tocsin_kit.clock import Clock
from tocsin_observer.application.named_secrets import NamedSecrets
from tocsin_observer.application.telling import Wake
from tocsin_observer.domain.audit import Heard
from tocsin_observer.domain.channels import PAGER_URL, Channel, ChannelKind, mail, message
from tocsin_observer.domain.deliveries import Answer, Delivery, redacted
from tocsin_observer.domain.webhooks import checked_secret, encoded, signature_headers
from tocsin_observer.ports import DeliveryStore, Endpoint, WebhookSender, WebhookStore
from tocsin_observer.ports.alerts import AlertStore, ChannelStore, Mailer
from tocsin_observer.ports.deliveries import Seal

log = structlog.get_logger()

RETRY_FOR: Final = timedelta(hours=6)
_WITHIN: Final = timedelta(seconds=15)
_ALERTS: Final = "io.tocsin.alert."
_TOLD: Final = frozenset({"fired", "acknowledged", "resolved"})


class Notifying:
    """Lets notifications wait.

    Args:
        alerts: Which channels hear of an alert.
        webhooks: Which channels a webhook names, for when it is disabled.
        queues: Where they wait.
        wake: Tells whoever sends.
        clock: Time.
    """

    def __init__(self, alerts: AlertStore, webhooks: WebhookStore, queues: DeliveryStore, wake: Wake, *, clock: Clock) -> None:
        self._alerts = alerts
        self._webhooks = webhooks
        self._queues = queues
        self._wake = wake
        self._clock = clock

    async def hear(self, heard: Heard, event: CloudEvent) -> None:
        """Take the signal of an alert; safe to repeat."""
        if event.type.split(".")[-2] in _TOLD and event.subject is not None:
            alert = (await self._alerts.load(event.subject)).value
            await self._tell(alert.notify if alert else (), heard, event)

    async def hear_disabled(self, heard: Heard, event: CloudEvent) -> None:
        """Take the signal of a webhook that is not told any more; safe to repeat."""
        webhook = (await self._webhooks.load(f"{event.namespace}/{event.subject}")).value
        await self._tell(webhook.spec.notify if webhook else (), heard, event)

    async def _tell(self, names: Sequence[str], heard: Heard, event: CloudEvent) -> None:
        channels = [f"channel/{event.namespace}/{name}" for name in names]
        if channels:
            now = self._clock.now()
            await self._queues.add([notification(one, heard, event, now=now) for one in channels])
            await self._wake(channels)


def notification(endpoint: str, heard: Heard, event: CloudEvent, *, now: datetime) -> Delivery:
    """What waits for a channel because of a signal."""
    return Delivery(
        id=derive("notification", endpoint, event.id),
        endpoint=endpoint,
        message=derive("notified", endpoint, event.id),
        order=heard.position,
        key=event.subject or "",
        subject=heard.subject,
        type=event.type,
        event=heard.payload,
        created_at=now,
        due=now,
    )


class ChannelEndpoints:
    """Channels as endpoints (``ports.Endpoints``).

    Args:
        channels: Where they are.
        sender: Reaches those that are HTTP.
        mailer: Reaches people by e-mail.
        seal: Opens their secrets.
        named: Secrets of the platform's store that they name.
        clock: Time.
        url: Of the platform, for links.
    """

    def __init__(
        self,
        channels: ChannelStore,
        sender: WebhookSender,
        mailer: Mailer,
        seal: Seal,
        *,
        named: NamedSecrets,
        clock: Clock,
        url: str,
    ) -> None:
        self._channels = channels
        self._sender = sender
        self._mailer = mailer
        self._seal = seal
        self._named = named
        self._clock = clock
        self._url = url.rstrip("/")

    async def find(self, key: str) -> Endpoint | None:
        """The channel."""
        channel = (await self._channels.load(key.partition("/")[2])).value
        if channel is None:
            return None
        return Endpoint(key=key, ordered=True, parallel=4, rate=None, retry_for=RETRY_FOR)

    async def send(self, key: str, delivery: Delivery) -> Answer:
        """Try once."""
        channel = (await self._channels.load(key.partition("/")[2])).value
        if channel is None:
            return Answer(status=None, seconds=0, error="the channel is gone", hopeless=True)
        event = decode(delivery.event)
        try:
            return await self.sent(channel, event, delivery.message)
        except ExpressionFailed as error:  # whoever is to be woken is, also where somebody has written a template that fails
            log.warning("channel.template_failed", channel=channel.id, error=error.detail)
            plain = replace(channel, template=None)
            return await self.sent(plain, event, delivery.message, note=f"(The template of channel {channel.name} failed.)")

    async def sent(self, channel: Channel, event: CloudEvent, message_id: str, *, note: str = "") -> Answer:
        """Send the signal of an alert through a channel, with a ``note`` for whoever reads it.

        Raises:
            ExpressionFailed: The channel's template does not work on it.
        """
        about_alert = event.type.startswith(_ALERTS)
        link = f"{self._url}/console" + (f"#alerts/{quote(event.subject or '', safe='')}" if about_alert else "")
        if channel.kind is ChannelKind.EMAIL:
            return await self._mailer.send(channel.to, mail(channel.template, event, link=link, note=note), message=message_id)
        try:
            url, key = await self._places(channel)
        except Invalid as error:  # somebody may store another one: that is not hopeless
            return Answer(status=None, seconds=0, error=error.detail)
        body = encoded(message(channel.kind, channel.template, event, key=key, link=link, note=note))
        headers = {"content-type": "application/json"}
        if channel.kind is ChannelKind.WEBHOOK:
            headers = {"content-type": "application/cloudevents+json" if channel.template is None else "application/json"}
            headers |= signature_headers([key], message_id, body, self._clock.now()) if key else {}
        answer, _ = await self._sender.post(url, body, headers, within=_WITHIN)
        return redacted(answer, [key] if channel.kind is ChannelKind.PAGERDUTY else [])

    async def tried(self, key: str, delivery: Delivery, answer: Answer) -> None:
        """Nothing to note: a channel that fails is seen in its deliveries, and its messages end after six hours."""

    async def _places(self, channel: Channel) -> tuple[str, str]:
        """Where to, and the key; empty where there is none."""
        named = await self._named.texts(channel.endpoint, channel.secret_names)
        url = named[channel.url_secret] if channel.url_secret else self._opened(channel, channel.url)
        key = named[channel.key_secret] if channel.key_secret else self._opened(channel, channel.key)
        if channel.kind is ChannelKind.WEBHOOK and key:
            checked_secret(key)
        return url or PAGER_URL, key

    async def usable(self, channel: Channel) -> None:
        """Refuse a channel whose secrets cannot be had or used.

        Raises:
            SecretUnusable, WebhookInvalid: They cannot.
            Unavailable: The store does not answer.
        """
        await self._places(channel)

    def _opened(self, channel: Channel, sealed: bytes | None) -> str:
        return "" if sealed is None else self._seal.unseal(sealed, channel.endpoint).reveal()
