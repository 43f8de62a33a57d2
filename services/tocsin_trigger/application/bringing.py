"""The events that a trigger brings itself: of a request by name, of something that it watches."""

from datetime import datetime
from typing import cast

from tocsin.errors import TooLarge
from tocsin.expressions import Json
from tocsin.signals import CloudEvent, encode
from tocsin.signals import Json as Data
from tocsin_trigger.application.intake import Arrived
from tocsin_trigger.domain.deciding import Ready
from tocsin_trigger.domain.events import Channel, Received, named_key
from tocsin_trigger.domain.matching import Met
from tocsin_trigger.domain.triggers import BODY_LIMIT


def bring(
    ready: Ready, channel: Channel, message: str, kind: str, data: Json, *, now: datetime, **attributes: str | None
) -> Arrived:
    """An event of the trigger's own.

    Args:
        ready: The trigger.
        channel: How it comes.
        message: Its id; the same again is the same event.
        kind: CloudEvents type.
        data: What it says.
        now: When it came.
        attributes: Extensions; those that are ``None`` are left out.

    Raises:
        TooLarge: It is above what an event may be.
    """
    trigger = ready.trigger
    extensions: dict[str, str | int | bool] = {"namespace": trigger.namespace}
    extensions |= {name: value for name, value in attributes.items() if value is not None}
    event = CloudEvent(
        id=message,
        source=f"/namespaces/{trigger.namespace}/triggers/{trigger.name}",
        type=kind,
        time=now,
        datacontenttype="application/json",
        data=cast(Data, data),  # what expressions give is read only by its type, and JSON all the same
        extensions=extensions,
    )
    payload = encode(event)
    if len(payload) > BODY_LIMIT:
        raise TooLarge(f"An event of {len(payload)} bytes is above the limit of {BODY_LIMIT}.", limit=BODY_LIMIT)
    received = Received(
        key=named_key(trigger.id, channel.value, message),
        namespace=trigger.namespace,
        channel=channel,
        received=now,
        id=message,
        source=event.source,
        type=kind,
        size=len(payload),
        trigger=trigger.name,
        event=payload,
    )
    return Arrived(received, event, [Met(ready)], now)
