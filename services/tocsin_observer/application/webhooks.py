"""What people do with webhooks that go out: make, verify, rotate, pause, look at what was delivered, have it sent again."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Final

import orjson

from tocsin.cesql import parse
from tocsin.errors import Conflict, NotFound, PreconditionFailed
from tocsin.signals import Cause, decode, derive, subjects
from tocsin.signals.catalogue import observer as words
from tocsin.signals.kinds import SignalType
from tocsin_kit.chance import Chance
from tocsin_kit.clock import Clock
from tocsin_kit.config import Secret
from tocsin_kit.store import Entry, Page, undisputed
from tocsin_kit.store.changes import changes
from tocsin_observer.application.alerts import require_channels
from tocsin_observer.application.announcing import announce
from tocsin_observer.application.endpoints import WebhookEndpoints, shown
from tocsin_observer.application.telling import Wake, waiting_for, wants
from tocsin_observer.domain.deliveries import Answer, Delivery, DeliveryState, told
from tocsin_observer.domain.patterns import PatternIndex, parts_of
from tocsin_observer.domain.webhooks import (
    SigningSecret,
    Verification,
    Webhook,
    WebhookSpec,
    WebhookState,
    changed,
    checked,
    fingerprint,
    new_secret,
    paused,
    resumed,
    verified,
    with_secret,
)
from tocsin_observer.ports import DeliverySearch, DeliveryStore, Search, SignalStore, WebhookSender, WebhookStore
from tocsin_observer.ports.alerts import ChannelStore
from tocsin_observer.ports.deliveries import Seal

VERIFYING: Final = timedelta(seconds=5)  # how long an endpoint may think about a challenge
MOST_AGAIN: Final = 10_000  # messages of a window that are sent again at once
_PAGE: Final = 500
_JSON: Final = {"content-type": "application/json"}
_TRIES: Final = 5
_STEPS: Final[dict[str, tuple[Callable[..., Webhook], SignalType[words.WebhookChanged]]]] = {
    "pause": (paused, words.WEBHOOK_PAUSED),
    "resume": (resumed, words.WEBHOOK_RESUMED),
}


@dataclass(frozen=True, slots=True)
class Made:
    """A webhook that was made or changed.

    Attributes:
        entry: As it is stored.
        secret: Of a new one; shown this once.
        created: Whether it is new.
    """

    entry: Entry[Webhook]
    secret: Secret | None
    created: bool


class Webhooks:
    """The use cases of webhooks.

    Args:
        store: Where they are.
        channels: Channels that they name.
        queues: What waits for them, and the log.
        signals: All signals that are kept, for windows that are sent again.
        endpoints: Signs for them.
        sender: Reaches them.
        seal: Keeps their secrets unreadable.
        wake: Tells whoever sends that something waits.
        clock: Time.
        chance: For secrets.
    """

    def __init__(
        self,
        *,
        store: WebhookStore,
        channels: ChannelStore,
        queues: DeliveryStore,
        signals: SignalStore,
        endpoints: WebhookEndpoints,
        sender: WebhookSender,
        seal: Seal,
        wake: Wake,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._store = store
        self._channels = channels
        self._queues = queues
        self._signals = signals
        self._endpoints = endpoints
        self._sender = sender
        self._seal = seal
        self._wake = wake
        self._clock = clock
        self._chance = chance

    # ---- webhooks ----------------------------------------------------------------------------------------------------

    @undisputed
    async def put(self, namespace: str, name: str, spec: WebhookSpec, *, expect: int | None, actor: str, cause: Cause) -> Made:
        """Make or change a webhook, and ask its endpoint whether it wants to be called.

        Raises:
            WebhookInvalid: It cannot work.
            ChannelUnknown: It would tell nobody when it is disabled.
            PreconditionFailed: It has changed since the person saw it.
        """
        checked(spec, namespace)
        await require_channels(self._channels, namespace, spec.notify)
        entry = await self._store.load(f"{namespace}/{name}")
        if expect is not None and expect != entry.revision:
            raise PreconditionFailed(f"webhook {namespace}/{name} has changed since you read it", hint="read it again")
        now, secret = self._clock.now(), None
        if entry.value is None:
            state = WebhookState.ACTIVE if spec.verification is Verification.NONE else WebhookState.UNVERIFIED
            webhook = Webhook(
                namespace=namespace, name=name, spec=spec, state=state, secrets=(), created_at=now, changed_at=now
            )
        else:
            webhook = changed(entry.value, spec, now=now)
        await self._endpoints.usable(webhook)
        webhook, secret = self._with_own_secret(webhook, now)
        said = [words.WEBHOOK_CREATED if entry.value is None else words.WEBHOOK_UPDATED]
        if webhook.state is WebhookState.UNVERIFIED:
            # Before it is stored: one that moves goes on being told without a moment in which it is not.
            problem = await self._asked(webhook)
            said += [] if problem else [words.WEBHOOK_VERIFIED]
            webhook = replace(webhook, reason=problem) if problem else verified(webhook, now=self._clock.now())
            if not problem and entry.value is not None and entry.value.state is WebhookState.PAUSED:
                webhook = paused(webhook, now=now)
        stored = await self._say(entry, webhook, *said, actor=actor, cause=cause)
        await self._wake([webhook.endpoint])
        return Made(stored, secret, entry.value is None)

    async def get(self, namespace: str, name: str) -> Entry[Webhook]:
        """A webhook with its revision.

        Raises:
            NotFound: There is none.
        """
        entry = await self._store.load(f"{namespace}/{name}")
        if entry.value is None:
            raise NotFound(f"there is no webhook {name} in namespace {namespace}", webhook=name)
        return entry

    async def of_namespace(self, namespace: str, *, limit: int, cursor: str | None) -> Page[Entry[Webhook]]:
        """One page of the webhooks of a namespace, by name."""
        return await self._store.of_namespace(namespace, limit=limit, cursor=cursor)

    async def waiting(self, webhook: Webhook) -> int:
        """How many messages wait, counted up to 1000."""
        return await self._queues.count_waiting(webhook.endpoint, limit=1000)

    async def delete(self, namespace: str, name: str, *, actor: str, cause: Cause) -> None:
        """Delete a webhook; what waits for it is discarded.

        Raises:
            NotFound: There is none.
        """
        entry = await self.get(namespace, name)
        assert entry.value is not None
        await self._say(entry, None, words.WEBHOOK_DELETED, actor=actor, cause=cause)
        await self._queues.discard(entry.value.endpoint, "the webhook was deleted")

    @undisputed
    async def step(self, namespace: str, name: str, verb: str, *, actor: str, cause: Cause) -> Entry[Webhook]:
        """Pause or resume a webhook.

        Raises:
            Conflict: Its state does not allow it.
        """
        entry = await self.get(namespace, name)
        move, kind = _STEPS[verb]
        stored = await self._say(entry, move(entry.value, now=self._clock.now()), kind, actor=actor, cause=cause)
        await self._wake([f"webhook/{namespace}/{name}"])
        return stored

    @undisputed
    async def rotate(self, namespace: str, name: str, *, overlap: timedelta, actor: str, cause: Cause) -> Made:
        """Give a webhook a new secret; the old ones sign beside it for the overlap.

        Raises:
            Conflict: It has none of its own.
        """
        entry = await self.get(namespace, name)
        assert entry.value is not None
        if entry.value.spec.signing_secret:
            raise Conflict(
                f"webhook {entry.value.id} signs with the stored secret {entry.value.spec.signing_secret}",
                hint="store a new version of that with `tocsin secret set`; it signs within half a minute",
            )
        now = self._clock.now()
        secret, sealed = self._drawn(entry.value, now)
        webhook = with_secret(entry.value, sealed, now=now, overlap=overlap)
        stored = await self._say(entry, webhook, words.WEBHOOK_ROTATED, actor=actor, cause=cause)
        return Made(stored, secret, created=False)

    async def verify(self, namespace: str, name: str, *, actor: str, cause: Cause) -> Entry[Webhook]:
        """Ask the endpoint whether it wants to be called.

        Raises:
            Conflict: It does not, with what it answered.
        """
        entry = await self.get(namespace, name)
        webhook = entry.value
        if webhook is not None and webhook.state is not WebhookState.UNVERIFIED:
            return entry
        entry = await self._verify(entry, actor=actor, cause=cause)
        webhook = entry.value
        if webhook is None or webhook.state is WebhookState.UNVERIFIED:
            raise Conflict(f"the endpoint is not verified: {webhook.reason if webhook else 'it is gone'}", hint=_VERIFY_HINT)
        return entry

    async def test(self, namespace: str, name: str) -> Answer:
        """Send a signal that never happened, outside of the queue; what the endpoint says to it."""
        webhook = (await self.get(namespace, name)).value
        assert webhook is not None
        body = orjson.dumps({"type": "webhook.test", "timestamp": self._clock.now(), "data": {"webhook": webhook.id}})
        message = derive("test", self._chance.token(16).hex())
        return await self._endpoints.post(webhook, message, body, _JSON, within=webhook.spec.timeout)

    # ---- deliveries --------------------------------------------------------------------------------------------------

    async def deliveries(self, search: DeliverySearch, *, limit: int, cursor: str | None) -> Page[Delivery]:
        """One page of the delivery log, newest first."""
        return await self._queues.search(search, limit=limit, cursor=cursor)

    async def again(self, namespace: str, name: str, delivery: str, *, actor: str, cause: Cause) -> int:
        """Send one message again, with the id that it had.

        Raises:
            NotFound: There is no such delivery of this webhook.
            Conflict: It still waits.
        """
        entry = await self.get(namespace, name)
        webhook = entry.value
        assert webhook is not None
        found = await self._queues.load(delivery)
        if found is None or found.endpoint != webhook.endpoint:
            raise NotFound(f"there is no delivery {delivery} of webhook {webhook.id}")
        if found.state is DeliveryState.WAITING:
            raise Conflict(f"delivery {delivery} still waits")
        now = self._clock.now()
        fresh = replace(
            found,
            id=derive("delivery again", found.id, cause.id),
            created_at=now,
            due=now,
            state=DeliveryState.WAITING,
            attempts=0,
            first_at=None,
            log=(),
            reason=None,
        )
        return await self._resent(entry, [fresh], actor=actor, cause=cause)

    async def window(
        self, namespace: str, name: str, since: datetime, until: datetime | None, *, actor: str, cause: Cause
    ) -> int:
        """Send every message of a window again, also of signals that came while the webhook was not told; how many.

        Raises:
            Conflict: There are more than 10,000 of them.
        """
        entry = await self.get(namespace, name)
        webhook = entry.value
        assert webhook is not None
        condition = parse(webhook.spec.filter) if webhook.spec.filter else None
        index = PatternIndex([(webhook.spec.subject, webhook)])
        named = parts_of(webhook.spec.subject)[0]
        search = Search(namespaces=None if named == "*" else {named}, since=since, until=until)
        fresh: list[Delivery] = []
        cursor, now = None, self._clock.now()
        while True:
            page = await self._signals.search(search, limit=_PAGE, cursor=cursor)
            for record in page.records:
                subject = subjects.signal(record.namespace, record.entity, record.transition, record.entity_id)
                event = decode(record.event)
                if index.matching(subject) and wants(webhook, condition, subject, event):
                    fresh.append(waiting_for(webhook, subject, record.position, event, record.event, now=now, again=cause.id))
            if len(fresh) > MOST_AGAIN:
                raise Conflict(f"more than {MOST_AGAIN} messages are in this window", hint="take a shorter one")
            cursor = page.next_cursor
            if cursor is None:
                return await self._resent(entry, fresh, actor=actor, cause=cause)

    # ---- inside ------------------------------------------------------------------------------------------------------

    async def _resent(self, entry: Entry[Webhook], fresh: list[Delivery], *, actor: str, cause: Cause) -> int:
        webhook = entry.value
        assert webhook is not None
        if webhook.state is not WebhookState.ACTIVE:
            raise Conflict(f"webhook {webhook.id} is {webhook.state.value}: nothing can be sent", hint="verify or resume it")
        await self._queues.add(fresh)
        reason = f"{len(fresh)} messages"
        for left in reversed(range(_TRIES)):  # not `undisputed`: the messages are added already, only this is said again
            try:
                await self._say(entry, entry.value, words.WEBHOOK_REDELIVERED, actor=actor, cause=cause, reason=reason)
                break
            except Conflict:  # an attempt took note of something meanwhile
                if not left:
                    raise
                entry = await self.get(webhook.namespace, webhook.name)
        await self._wake([webhook.endpoint])
        return len(fresh)

    async def _verify(self, entry: Entry[Webhook], *, actor: str, cause: Cause) -> Entry[Webhook]:
        webhook = entry.value
        assert webhook is not None
        problem = await self._asked(webhook)
        if problem is None:
            after = verified(webhook, now=self._clock.now())
            return await self._say(entry, after, words.WEBHOOK_VERIFIED, actor=actor, cause=cause)
        return await self._store.commit(entry, replace(webhook, reason=problem), [])

    async def _asked(self, webhook: Webhook) -> str | None:
        """Why an endpoint is not verified; ``None`` when it is."""
        if webhook.spec.verification is Verification.ORIGIN:
            return await self._origin_allowed(webhook)
        challenge = self._chance.token(24).hex()
        body = orjson.dumps({"type": "webhook.verification", "timestamp": self._clock.now(), "data": {"challenge": challenge}})
        message = derive("verification", challenge)
        answer = await self._endpoints.post(webhook, message, body, _JSON, within=VERIFYING)
        if not answer.good:
            return told(answer)
        return None if challenge in answer.answer else "the answer does not hold the challenge"

    async def _origin_allowed(self, webhook: Webhook) -> str | None:
        """The handshake of "HTTP 1.1 Web Hooks for Event Delivery", section 4."""
        headers = {"WebHook-Request-Origin": "tocsin"}
        answer, given = await self._sender.post(webhook.spec.url, b"", headers, within=VERIFYING, method="OPTIONS")
        if not answer.good:
            return told(answer)
        allowed = given.get("webhook-allowed-origin", "")
        return None if allowed in {"*", "tocsin"} else "the answer does not allow the origin `tocsin`"

    def _with_own_secret(self, webhook: Webhook, now: datetime) -> tuple[Webhook, Secret | None]:
        """The webhook with something that signs: a secret of its own, unless it has one or names another."""
        if webhook.spec.signing_secret or webhook.secrets:
            return webhook, None
        secret, sealed = self._drawn(webhook, now)
        return with_secret(webhook, sealed, now=now), secret

    def _drawn(self, webhook: Webhook, now: datetime) -> tuple[Secret, SigningSecret]:
        text = new_secret(self._chance.token(32))
        sealed = self._seal.seal(Secret(text), webhook.endpoint)
        return Secret(text), SigningSecret(sealed=sealed, fingerprint=fingerprint(text), made_at=now)

    async def _say(
        self,
        entry: Entry[Webhook],
        after: Webhook | None,
        *kinds: SignalType[words.WebhookChanged],
        actor: str,
        cause: Cause,
        reason: str | None = None,
    ) -> Entry[Webhook]:
        webhook = after or entry.value
        assert webhook is not None
        differences = changes(_fields(entry.value), _fields(after), hidden={"headers"})
        outbox = announce(
            [
                (kind, words.WebhookChanged(name=webhook.name, url=shown(webhook), reason=reason, changes=told_changes))
                for kind, told_changes in zip(kinds, (differences, *([] for _ in kinds[1:])), strict=True)
            ],
            namespace=webhook.namespace,
            entity_id=webhook.name,
            after=entry.sequence,
            now=self._clock.now(),
            cause=cause,
            actor=actor,
        )
        return await self._store.commit(entry, after, outbox)


def _fields(webhook: Webhook | None) -> dict[str, object] | None:
    """What people can change of a webhook, and how many secrets sign; queries of URLs often hold a secret."""
    if webhook is None:
        return None
    written = {one.name: getattr(webhook.spec, one.name) for one in fields(webhook.spec)}
    signing = [one.fingerprint for one in webhook.secrets]
    return {**written, "url": shown(webhook), "state": webhook.state, "fingerprints": signing}


_VERIFY_HINT: Final = "answer the POST of type webhook.verification with 2xx and data.challenge in the body"
