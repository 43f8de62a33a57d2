"""Takes webhooks: prove, read, decide, store; then answer.

The answer says that the event, its decision and what is to be said about it (the command that starts the run included) are on
disk, in one write. Killing this process after the answer loses nothing; the same message again finds its record and starts
nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from tocsin.errors import Rejected, TooLarge, Unavailable, UnsupportedMedia
from tocsin.signals import CloudEvent, Json, encode
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_trigger.application.intake import Arrived, Intake
from tocsin_trigger.application.refusals import Refusals
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.deciding import Ready
from tocsin_trigger.domain.errors import MalformedWebhook
from tocsin_trigger.domain.events import Channel, Decision, Received, webhook_key
from tocsin_trigger.domain.matching import Met
from tocsin_trigger.domain.signing import Proof, check_address, verify
from tocsin_trigger.domain.triggers import Handshake, WebhookSource
from tocsin_trigger.ports import EventBus, EventStore


@dataclass(frozen=True, slots=True)
class Arrival:
    """One HTTP request to a webhook.

    Attributes:
        headers: Names in lower case.
        received: When.
        traceparent: W3C trace context, or ``None``.
        address: Of the sender.
    """

    headers: Mapping[str, str]
    received: datetime
    traceparent: str | None
    address: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told.

    Attributes:
        key: Names the event in the API.
        decision: What was decided.
        duplicate: It was received before; nothing was done now.
    """

    key: str
    decision: Decision | None
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Challenge:
    """A sender asked whether somebody is there.

    Attributes:
        text: What it wants to hear.
    """

    text: str


class Webhooks:
    """The intake.

    Args:
        registry: The triggers.
        events: Where events are recorded.
        intake: Decides and stores.
        refusals: Where refusals are recorded.
        bus: Only asked whether it is there: while it is not, nothing is accepted that could not be dispatched.
        clock: Time.
        chance: For ids of messages that have none.
    """

    def __init__(
        self,
        registry: Registry,
        events: EventStore,
        intake: Intake,
        refusals: Refusals,
        bus: EventBus,
        *,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._registry = registry
        self._events = events
        self._intake = intake
        self._refusals = refusals
        self._bus = bus
        self._clock = clock
        self._chance = chance

    def find(self, namespace: str, name: str) -> Ready:
        """The webhook of this name.

        Raises:
            NotFound: There is none.
            Unavailable: The bus is away.
        """
        ready = self._registry.webhook(namespace, name)
        if not self._bus.connected:
            raise Unavailable("Webhooks are not accepted while the bus is away.", hint="Send it again in a minute.")
        return ready

    async def too_large(self, ready: Ready, arrival: Arrival, error: TooLarge, size: int) -> None:
        """Record that a body was above the limit."""
        await self._refuse(ready, arrival, error, size, None)

    async def accept(self, ready: Ready, arrival: Arrival, body: bytes) -> Answer | Challenge:
        """Take one request.

        Raises:
            AddressRefused: From an address that may not send.
            SignatureInvalid: Not genuine.
            TimestampTooOld: Perhaps a replay.
            MalformedWebhook: Genuine, but not JSON.
            Unavailable: It could not be stored; send it again.
        """
        source = ready.trigger.source
        assert isinstance(source, WebhookSource)
        proof: Proof | None = None
        try:
            check_address(source.networks, arrival.address)
            proof = verify(
                source.scheme, self._live_keys(ready, source, arrival.received), arrival.headers, body, arrival.received
            )
            data = _read(arrival.headers, body)
            if proof.id is None and ready.message_id is not None:
                proof = replace(proof, id=_named(ready.message_id.evaluate(data, {})))
        except Rejected as error:
            await self._refuse(ready, arrival, error, len(body), proof.id if proof else None)
            raise
        if source.handshake is Handshake.SLACK and isinstance(data, dict) and data.get("type") == "url_verification":
            return Challenge(str(data.get("challenge", ""))[:1024])
        return await self._store(ready, arrival, proof, data, len(body))

    async def _store(self, ready: Ready, arrival: Arrival, proof: Proof, data: Json, size: int) -> Answer:
        trigger = ready.trigger
        assert isinstance(trigger.source, WebhookSource)
        message = proof.id or new_id(arrival.received, self._chance)
        key = webhook_key(trigger.id, message)
        extensions: dict[str, str | int | bool] = {"namespace": trigger.namespace}
        if arrival.traceparent is not None:
            extensions["traceparent"] = arrival.traceparent
        event = CloudEvent(
            id=message,
            source=f"/namespaces/{trigger.namespace}/triggers/{trigger.name}",
            type=trigger.source.event_type,
            time=proof.signed or arrival.received,
            datacontenttype="application/json",
            data=data,
            extensions=extensions,
        )
        received = Received(
            key=key,
            namespace=trigger.namespace,
            channel=Channel.WEBHOOK,
            received=arrival.received,
            id=message,
            source=event.source,
            type=event.type,
            size=size,
            trigger=trigger.name,
            event=encode(event),
        )
        stored = await self._intake.take([Arrived(received, event, [Met(ready)], arrival.received)])
        if stored.repeats:
            return await self._again(ready, arrival, received)
        return Answer(key, stored.records[key].decisions[0], duplicate=False)

    async def _again(self, ready: Ready, arrival: Arrival, record: Received) -> Answer:
        """The message is known: tell what was decided then."""
        await self._events.repeated(record.key, arrival.received)
        replay = replace(
            record,
            key=new_id(arrival.received, self._chance),
            refused="replayed",
            reason=f"The message was received before, as event {record.key}.",
            decisions=(),
            event=None,
        )
        await self._refusals.record(ready.trigger.key, replay, arrival.traceparent)
        first = (await self._events.load(record.key)).value
        return Answer(record.key, first.decisions[0] if first and first.decisions else None, duplicate=True)

    async def _refuse(self, ready: Ready, arrival: Arrival, error: Rejected, size: int, message: str | None) -> None:
        trigger = ready.trigger
        received = Received(
            key=new_id(arrival.received, self._chance),
            namespace=trigger.namespace,
            channel=Channel.WEBHOOK,
            received=arrival.received,
            id=message,
            source=None,
            type=None,
            size=size,
            trigger=trigger.name,
            refused=error.code,
            reason=error.detail,
        )
        await self._refusals.record(trigger.key, received, arrival.traceparent)

    def _live_keys(self, ready: Ready, source: WebhookSource, now: datetime) -> list[bytes]:
        dead = {key.id for key in source.keys if key.expires is not None and key.expires <= now}
        return [material for key_id, material in ready.keys if key_id not in dead]


def _named(value: object) -> str | None:
    """A message's id from its body; ``None`` where there is none, so that it counts as a new one.

    Raises:
        MalformedWebhook: It is neither text nor a whole number, or too long.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int) or not 1 <= len(str(value)) <= 256:
        raise MalformedWebhook("The message's id must be text of 1 to 256 characters, or a whole number.")
    if not str(value).isprintable():
        raise MalformedWebhook("The message's id holds characters that cannot be printed.")
    return str(value)


def _read(headers: Mapping[str, str], body: bytes) -> Json:
    content_type = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise UnsupportedMedia(f"A webhook's body is JSON, not {content_type[:64]}.")
    try:
        value: Json = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedWebhook(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from error
    return value
