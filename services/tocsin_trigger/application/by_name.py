"""Starts work by a trigger's name: a person fills in a form, a program posts it."""

from dataclasses import dataclass
from datetime import datetime

from tocsin.errors import Invalid
from tocsin.expressions import Json
from tocsin_kit.chance import Chance, new_id
from tocsin_trigger.application.bringing import bring
from tocsin_trigger.application.intake import Intake
from tocsin_trigger.application.registry import Registry
from tocsin_trigger.domain.events import Channel, Decision
from tocsin_trigger.domain.triggers import Kind

EVENT_TYPE = "io.tocsin.trigger.fired.v1"


@dataclass(frozen=True, slots=True)
class Fired:
    """What was decided.

    Attributes:
        event: Key of the record.
        decision: The trigger's.
        duplicate: The same request came before; nothing was done now.
    """

    event: str
    decision: Decision | None
    duplicate: bool


class ByName:
    """The use case.

    Args:
        registry: The triggers.
        intake: Decides and stores.
        chance: For ids of requests without one.
    """

    def __init__(self, registry: Registry, intake: Intake, chance: Chance) -> None:
        self._registry = registry
        self._intake = intake
        self._chance = chance

    async def fire(
        self, namespace: str, name: str, data: Json, *, request: str | None, actor: str, now: datetime, traceparent: str | None
    ) -> Fired:
        """Decide about a request, and start.

        Args:
            namespace: Of the trigger.
            name: Of the trigger.
            data: What was filled in.
            request: Names it; the same again starts nothing twice. ``None``: it is a new one.
            actor: Who, proven.
            now: When.
            traceparent: W3C trace context.

        Raises:
            NotFound: There is no such trigger.
            Invalid: It is not of kind manual.
        """
        ready = self._registry.required(namespace, name)
        trigger = ready.trigger
        if trigger.kind is not Kind.MANUAL:
            raise Invalid(f"{trigger.key} is of kind {trigger.kind.value}; only a manual one is started by name.")
        message = request or new_id(now, self._chance)
        arrived = bring(ready, Channel.MANUAL, message, EVENT_TYPE, data, now=now, authid=actor, traceparent=traceparent)
        key = arrived.received.key
        stored = await self._intake.take([arrived])
        decisions = stored.records[key].decisions if key in stored.records else ()
        return Fired(key, decisions[0] if decisions else None, key in stored.repeats)
