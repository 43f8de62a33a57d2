"""Publishes custom events that came over HTTP: who sent them is written into them, by us."""

from collections.abc import Sequence
from dataclasses import replace

from tocsin.errors import Forbidden, Invalid, TooLarge
from tocsin.signals import CloudEvent, encode
from tocsin_trigger.domain.triggers import BODY_LIMIT
from tocsin_trigger.ports import EventBus

BATCH = 1000  # events in one request
_AUTH_TYPES = {"user": "user", "service": "service_account", "key": "api_key"}


class Publishing:
    """Publishes events.

    Args:
        bus: Where to.
    """

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    async def publish(self, namespace: str, events: Sequence[CloudEvent], *, actor: str, traceparent: str | None) -> list[str]:
        """Publish them in order; on disk when it returns.

        Args:
            namespace: Where; an event that names another one is refused.
            events: At least one.
            actor: Who publishes, proven.
            traceparent: Of the request, for events that have none.

        Returns:
            The ids of the events.

        Raises:
            Invalid: None, or too many.
            Forbidden: An event names another namespace.
            Unavailable: Not all were stored; send all again, with the same ids.
        """
        if not 1 <= len(events) <= BATCH:
            raise Invalid(f"1 to {BATCH} events can be published at once.", limit=BATCH, size=len(events))
        marked = [_marked(event, namespace, actor, traceparent) for event in events]
        await self._bus.publish(namespace, marked)
        return [event.id for event in marked]


def _marked(event: CloudEvent, namespace: str, actor: str, traceparent: str | None) -> CloudEvent:
    if event.namespace not in {None, namespace}:
        raise Forbidden(f"The event {event.id} names namespace {event.namespace}, the request {namespace}.")
    extensions = dict(event.extensions)
    extensions |= {"namespace": namespace, "authid": actor, "authtype": _AUTH_TYPES.get(actor.partition(":")[0], "unknown")}
    if traceparent is not None:
        extensions.setdefault("traceparent", traceparent)
    marked = replace(event, extensions=extensions)
    size = len(encode(marked))
    if size > BODY_LIMIT:
        said = f"The event {event.id} of {size} bytes is above the limit of {BODY_LIMIT}."
        hint = "Keep the data where its readers can get it, and send its address as the attribute 'dataref'."
        raise TooLarge(said, hint=hint, size=size, limit=BODY_LIMIT)
    return marked
