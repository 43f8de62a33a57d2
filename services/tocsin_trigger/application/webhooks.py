"""Takes webhooks: prove, read, decide, store; then answer.

The answer says that the event, its decision and what is to be said about it (the command that starts the run included) are on
disk, in one write. Killing this process after the answer loses nothing; the same message again finds its record and starts
nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.errors import NotFound, Rejected, TooLarge, Unavailable
from tocsin.signals import CloudEvent, encode
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_trigger.application.intake import Arrived, Intake
from tocsin_trigger.application.refusals import Refusals
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.bodies import Said, kept_extensions, read
from tocsin_trigger.domain.deciding import Ready
from tocsin_trigger.domain.errors import MalformedWebhook, SignatureInvalid
from tocsin_trigger.domain.events import Channel, Decision, Received, webhook_key
from tocsin_trigger.domain.matching import Met
from tocsin_trigger.domain.signing import Proof, check_address, leads_here, verify
from tocsin_trigger.domain.triggers import BODY_LIMIT, Handshake, JwtScheme, WebhookSource
from tocsin_trigger.ports import EventBus, EventStore, ForeignTokens


@dataclass(frozen=True, slots=True)
class Arrival:
    """One HTTP request to a webhook.

    Attributes:
        headers: Names in lower case.
        received: When.
        traceparent: W3C trace context, or ``None``.
        address: Of the sender.
        method: As sent.
        query: As sent, without the question mark.
        path: The last segment of the address, behind the name; ``None``: it ends with the name.
        bearer: Who the sender is by its token, and whether it may send here; ``None``: it was not asked.
    """

    headers: Mapping[str, str]
    received: datetime
    traceparent: str | None
    address: str = ""
    method: str = "POST"
    query: str = ""
    path: str | None = None
    bearer: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What the sender is told of one event.

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
        tokens: Verifies those of other issuers.
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
        tokens: ForeignTokens,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._registry = registry
        self._events = events
        self._intake = intake
        self._refusals = refusals
        self._bus = bus
        self._tokens = tokens
        self._clock = clock
        self._chance = chance

    def find(self, namespace: str, name: str, path: str | None = None) -> tuple[Ready, WebhookSource]:
        """The webhook of this address.

        Raises:
            NotFound: There is none; also when only the end of the address is wrong.
            Unavailable: The bus is away.
        """
        ready = self._registry.webhook(namespace, name)
        source = ready.trigger.source
        if not isinstance(source, WebhookSource) or not leads_here(source.paths, path, self._clock.now()):
            raise NotFound(f"There is no webhook {ready.trigger.key}.")
        if not self._bus.connected:
            raise Unavailable("Webhooks are not accepted while the bus is away.", hint="Send it again in a minute.")
        return ready, source

    async def too_large(self, ready: Ready, arrival: Arrival, error: TooLarge, size: int) -> None:
        """Record that a body was above the limit."""
        await self._refuse(ready, arrival, error, size, None)

    async def accept(self, ready: Ready, arrival: Arrival, body: bytes) -> Sequence[Answered] | Challenge:
        """Take one request.

        Returns:
            One answer for each event in it.

        Raises:
            AddressRefused: From an address that may not send.
            SignatureInvalid: Not genuine.
            TimestampTooOld: Perhaps a replay.
            MalformedWebhook: Genuine, but cannot be read.
            Unavailable: It could not be stored; send it again.
        """
        source = ready.trigger.source
        assert isinstance(source, WebhookSource)
        proof: Proof | None = None
        try:
            check_address(source.networks, arrival.address)
            if isinstance(source.scheme, JwtScheme):
                arrival = replace(arrival, bearer=await self._tokens.verify(source.scheme, _token(arrival.headers)))
            proof = verify(
                source.scheme, self._live_keys(ready, source, arrival.received), arrival.headers, body, arrival.received
            )
            said = read(arrival.headers, body, arrival.query)
            first = said[0].data
            if source.handshake is Handshake.SLACK and isinstance(first, dict) and first.get("type") == "url_verification":
                return Challenge(str(first.get("challenge", ""))[:1024])
            arrived = [self._arrived(ready, source, arrival, proof, each, body) for each in said]
        except Rejected as error:
            await self._refuse(ready, arrival, error, len(body), proof.id if proof else None)
            raise
        return await self._store(ready, arrival, {each.received.key: each for each in arrived})

    async def _store(self, ready: Ready, arrival: Arrival, arrived: Mapping[str, Arrived]) -> Sequence[Answered]:
        stored = await self._intake.take(list(arrived.values()))
        answers = []
        for key, each in arrived.items():
            if key in stored.repeats:
                answers.append(await self._again(ready, arrival, each.received))
            else:
                answers.append(Answered(key, stored.records[key].decisions[0], duplicate=False))
        return answers

    def _arrived(  # noqa: PLR0917 - each is a part of what came
        self, ready: Ready, source: WebhookSource, arrival: Arrival, proof: Proof, said: Said, body: bytes
    ) -> Arrived:
        trigger = ready.trigger
        message = self._named(ready, source, arrival, proof, said, body)
        key = webhook_key(trigger.id, message)
        own = f"/namespaces/{trigger.namespace}/triggers/{trigger.name}"
        extensions: dict[str, str | int | bool] = {} if said.event is None else kept_extensions(said.event)
        extensions["namespace"] = trigger.namespace
        if arrival.traceparent is not None:
            extensions.setdefault("traceparent", arrival.traceparent)
        if arrival.bearer is not None:
            extensions["authid"] = arrival.bearer
        if said.event is not None:
            event = replace(said.event, extensions=extensions)
        else:
            event = CloudEvent(
                id=message,
                source=own,
                type=source.event_type,
                time=proof.signed or arrival.received,
                datacontenttype="application/json",
                data=said.data,
                extensions=extensions,
            )
        payload = encode(event)
        if len(payload) > 2 * BODY_LIMIT:
            raise TooLarge(f"An event of {len(payload)} bytes is above the limit of {2 * BODY_LIMIT}.", limit=2 * BODY_LIMIT)
        received = Received(
            key=key,
            namespace=trigger.namespace,
            channel=Channel.WEBHOOK,
            received=arrival.received,
            id=event.id,
            source=event.source,
            type=event.type,
            size=len(body) if said.line is None else len(payload),
            trigger=trigger.name,
            event=payload,
        )
        return Arrived(received, event, [Met(ready)], arrival.received)

    def _named(  # noqa: PLR0917 - each is a part of what came
        self, ready: Ready, source: WebhookSource, arrival: Arrival, proof: Proof, said: Said, body: bytes
    ) -> str:
        """The message's id: the sender's, wherever it says it; else of the bytes, if they name it; else a new one."""
        if said.event is not None:
            return f"{said.event.source} {said.event.id}"
        found = None
        if ready.message_id is not None:
            found = _named(ready.message_id.evaluate(said.data, {}))
            if found is not None:
                return proof.id or found
        found = proof.id or (_named(arrival.headers.get(source.id_header.lower())) if source.id_header else None)
        if found is None and source.id_digest:
            found = hashlib.sha256(body).hexdigest()
        if found is None:
            return new_id(arrival.received, self._chance)
        return found if said.line is None else f"{found}#{said.line}"

    async def _again(self, ready: Ready, arrival: Arrival, record: Received) -> Answered:
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
        return Answered(record.key, first.decisions[0] if first and first.decisions else None, duplicate=True)

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


def _token(headers: Mapping[str, str]) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise SignatureInvalid("This webhook needs an Authorization header with a token of its issuer.")
    return token.strip()


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
