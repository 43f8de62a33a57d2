"""Decides about messages on somebody else's subjects, which are no CloudEvents and become the data of one."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
import structlog

from tocsin.errors import Rejected
from tocsin.expressions import Json
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_trigger.application.bringing import bring
from tocsin_trigger.application.intake import Intake
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.events import Channel

log = structlog.get_logger()

EVENT_TYPE = "io.tocsin.subject.message.v1"


@dataclass(frozen=True, slots=True)
class ForeignMessage:
    """One message.

    Attributes:
        id: Names it, where something does: its place in a stream, or its publisher's id.
        subject: Where it was published.
        headers: Its headers.
        payload: Its bytes.
    """

    id: str | None
    subject: str
    headers: Mapping[str, str]
    payload: bytes


class SubjectEvents:
    """The use case.

    Args:
        registry: The triggers.
        intake: Decides and stores.
        clock: Time.
        chance: For ids of messages that have none.
    """

    def __init__(self, registry: Registry, intake: Intake, clock: Clock, chance: Chance) -> None:
        self._registry = registry
        self._intake = intake
        self._clock = clock
        self._chance = chance

    async def take(self, trigger: str, messages: Sequence[ForeignMessage]) -> None:
        """Decide about these and store it.

        Args:
            trigger: Key of the trigger; when it is gone, nothing is decided.
            messages: In their order.

        Raises:
            Unavailable: The database is away; bring them again.
        """
        ready = self._registry.known(trigger)
        if ready is None:
            return
        arrivals = {}
        for message in messages:
            now = self._clock.now()
            data: dict[str, Json] = {
                "subject": message.subject,
                "headers": dict(message.headers),
                "payload": _readable(message.payload),
            }
            try:
                arrived = bring(ready, Channel.WATCH, message.id or new_id(now, self._chance), EVENT_TYPE, data, now=now)
            except Rejected as error:
                log.warning("subject.refused", trigger=trigger, subject=message.subject, code=error.code, error=error.detail)
                continue
            arrivals[arrived.received.key] = arrived
        if arrivals:
            await self._intake.take(list(arrivals.values()))


def _readable(payload: bytes) -> Json:
    """JSON where it is, text where it is that, Base64 otherwise."""
    try:
        value: Json = orjson.loads(payload)
    except orjson.JSONDecodeError:
        try:
            return payload.decode()
        except UnicodeDecodeError:
            return base64.b64encode(payload).decode()
    return value
