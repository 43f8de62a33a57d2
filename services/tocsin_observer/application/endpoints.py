"""What is behind the names of endpoints: webhooks, and whatever else is told things, by the first part of its name."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from tocsin.errors import Conflict, Invalid
from tocsin.expressions import ExpressionFailed
from tocsin.signals import decode, root
from tocsin.signals.catalogue import observer as words
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry
from tocsin_observer.application.announcing import Said, announce
from tocsin_observer.application.named_secrets import NamedSecrets
from tocsin_observer.domain.deliveries import Answer, Delivery, DeliveryState, redacted, told
from tocsin_observer.domain.webhooks import (
    PUBLIC_PREFIX,
    Webhook,
    WebhookInvalid,
    WebhookState,
    checked_secret,
    disabled,
    render,
    signature_headers,
)
from tocsin_observer.ports import CheckpointSigner, Endpoint, Endpoints, WebhookStore
from tocsin_observer.ports.deliveries import DeliveryStore, Seal, WebhookSender

log = structlog.get_logger()

BACKLOG: Final = 100_000  # messages that may wait for one webhook; beyond, it is disabled rather than kept for ever
_COUNT_EVERY: Final = 50  # failed attempts between two counts of the backlog


class AllEndpoints:
    """Endpoints of all kinds (``ports.Endpoints``).

    Args:
        kinds: By the first part of their names.
    """

    def __init__(self, kinds: Mapping[str, Endpoints]) -> None:
        self._kinds = kinds

    async def find(self, key: str) -> Endpoint | None:
        """The endpoint."""
        kind = self._kinds.get(key.partition("/")[0])
        return None if kind is None else await kind.find(key)

    async def send(self, key: str, delivery: Delivery) -> Answer:
        """Try once."""
        return await self._kinds[key.partition("/")[0]].send(key, delivery)

    async def tried(self, key: str, delivery: Delivery, answer: Answer) -> None:
        """Take note of what became of an attempt."""
        await self._kinds[key.partition("/")[0]].tried(key, delivery, answer)


class WebhookEndpoints:
    """Webhooks as endpoints.

    Args:
        webhooks: Where they are.
        queues: What waits for them.
        sender: Reaches them.
        seal: Opens their secrets.
        named: Secrets of the platform's store that webhooks name.
        signer: Signs beside secrets, for those who would rather check with a public key than keep one.
        clock: Time.
    """

    def __init__(
        self,
        webhooks: WebhookStore,
        queues: DeliveryStore,
        sender: WebhookSender,
        seal: Seal,
        *,
        named: NamedSecrets,
        signer: CheckpointSigner,
        clock: Clock,
    ) -> None:
        self._webhooks = webhooks
        self._queues = queues
        self._sender = sender
        self._seal = seal
        self._named = named
        self._signer = signer
        self._clock = clock
        self._known: dict[str, tuple[float, Webhook | None]] = {}

    async def find(self, key: str) -> Endpoint | None:
        """The webhook; one that is paused, or moved and not verified there yet, keeps what waits."""
        webhook = await self._webhook(key)
        if webhook is None or webhook.state is WebhookState.DISABLED:
            return None
        spec = webhook.spec
        parallel = spec.parallel if webhook.state is WebhookState.ACTIVE else 0
        return Endpoint(key=key, ordered=spec.ordered, parallel=parallel, rate=spec.rate, retry_for=spec.retry_for)

    async def send(self, key: str, delivery: Delivery) -> Answer:
        """Try once."""
        webhook = await self._webhook(key)
        if webhook is None:
            return Answer(status=None, seconds=0, error="the webhook is gone", hopeless=True)
        try:
            rendered = render(webhook.spec, decode(delivery.event))
        except ExpressionFailed as error:
            return Answer(status=None, seconds=0, error=error.detail, hopeless=True)
        return await self.post(webhook, delivery.message, rendered.body, rendered.headers, within=webhook.spec.timeout)

    async def post(
        self, webhook: Webhook, message: str, body: bytes, headers: Mapping[str, str], *, within: timedelta
    ) -> Answer:
        """Send a body, signed, with the webhook's own headers."""
        spec, now = webhook.spec, self._clock.now()
        try:
            secrets = await self._named.texts(webhook.endpoint, spec.secret_names)
            own = () if spec.signing_secret else webhook.signing(now)
            keys = [self._seal.unseal(one.sealed, webhook.endpoint).reveal() for one in own]
            keys += [checked_secret(secrets[spec.signing_secret])] if spec.signing_secret else []
            given = {name: _header(secrets[secret]) for name, secret in spec.header_secrets.items()}
        except Invalid as error:  # somebody may store another one: that is not hopeless
            return Answer(status=None, seconds=0, error=error.detail)
        signed = signature_headers(keys, message, body, now, sign=self._signer.sign)
        everything = {**spec.headers, **given, **headers, **signed}
        answer, _ = await self._sender.post(spec.url, body, everything, within=within, hidden=given)
        return redacted(answer, given.values())

    async def usable(self, webhook: Webhook) -> None:
        """Refuse a webhook whose secrets cannot be had or used.

        Raises:
            SecretUnusable, WebhookInvalid: They cannot.
            Unavailable: The store does not answer.
        """
        secrets = await self._named.texts(webhook.endpoint, webhook.spec.secret_names)
        if webhook.spec.signing_secret:
            checked_secret(secrets[webhook.spec.signing_secret])
        for secret in webhook.spec.header_secrets.values():
            _header(secrets[secret])

    @property
    def public_key(self) -> str:
        """What the signatures ``v1a`` are checked with, as Standard Webhooks writes it."""
        return PUBLIC_PREFIX + base64.b64encode(self._signer.public).decode()

    async def tried(self, key: str, delivery: Delivery, answer: Answer) -> None:
        """An endpoint that fails for too long, is full or says that it is gone is disabled, and that is said."""
        webhook = await self._webhook(key)
        if webhook is None or (answer.good and webhook.failing_since is None):
            return
        try:
            await self._noted(key, delivery, answer)
        except Conflict:
            log.debug("webhook.changed_meanwhile", webhook=webhook.id)  # the next attempt takes note
        self._known.pop(key, None)

    async def _noted(self, key: str, delivery: Delivery, answer: Answer) -> None:
        entry = await self._webhooks.load(key.partition("/")[2])
        webhook, now = entry.value, self._clock.now()
        if webhook is None:
            return
        if answer.good:
            await self._webhooks.commit(entry, _failing(webhook, None), [])
            return
        said: list[Said] = []
        # Not of what webhooks say themselves: two that fail and are told of each other would go on for ever.
        if delivery.state is DeliveryState.GIVEN_UP and delivery.subject.split(".")[2] != "webhook":
            given_up = words.WebhookGivenUp(
                name=webhook.name, delivery=delivery.id, message=delivery.message, reason=delivery.reason or told(answer)
            )
            said.append((words.WEBHOOK_DELIVERY_GIVEN_UP, given_up))
        after = webhook if webhook.failing_since or answer.hopeless else _failing(webhook, now)
        reason = await self._why_disable(after, delivery, answer, now)
        if reason is not None and webhook.state is WebhookState.ACTIVE:
            after = disabled(after, reason, now=now)
            said.append((words.WEBHOOK_DISABLED, words.WebhookChanged(name=webhook.name, url=shown(webhook), reason=reason)))
            log.warning("webhook.disabled", webhook=webhook.id, reason=reason)
        if said or after is not webhook:
            await self._commit(entry, webhook, after, said, now)

    async def _commit(self, entry: Entry[Webhook], webhook: Webhook, after: Webhook, said: list[Said], now: datetime) -> None:
        outbox = announce(
            said,
            namespace=webhook.namespace,
            entity_id=webhook.name,
            after=entry.sequence,
            now=now,
            cause=root(f"webhook {webhook.id}"),
            actor=None,
        )
        await self._webhooks.commit(entry, after, outbox)

    async def _why_disable(self, webhook: Webhook, delivery: Delivery, answer: Answer, now: datetime) -> str | None:
        if answer.gone:
            return "the endpoint answered 410 Gone"
        if webhook.failing_since is not None and now - webhook.failing_since >= webhook.spec.disable_after:
            return f"every attempt since {webhook.failing_since:%Y-%m-%d %H:%M} UTC failed: {told(answer)}"
        if delivery.attempts % _COUNT_EVERY == 1 and not answer.hopeless:
            waiting = await self._queues.count_waiting(webhook.endpoint, limit=BACKLOG)
            if waiting >= BACKLOG:
                return f"{BACKLOG} messages wait for it: {told(answer)}"
        return None

    async def _webhook(self, key: str) -> Webhook | None:
        """The webhook as it was within the last second."""
        at, webhook = self._known.get(key, (float("-inf"), None))
        if self._clock.monotonic() - at > 1.0:
            webhook = (await self._webhooks.load(key.partition("/")[2])).value
            self._known[key] = (self._clock.monotonic(), webhook)
        return webhook


def _header(value: str) -> str:
    if not value.isprintable() or not value.isascii():
        raise WebhookInvalid("a secret for a header holds what no header can")
    return value


def _failing(webhook: Webhook, since: datetime | None) -> Webhook:
    return replace(webhook, failing_since=since)


def shown(webhook: Webhook) -> str:
    """Where a webhook goes, without its query, which often holds a secret."""
    return webhook.spec.url.partition("?")[0][:2048]
