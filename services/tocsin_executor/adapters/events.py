"""A message of the bus as an event: in any of the modes that the CloudEvents binding of NATS knows."""

import orjson

from tocsin.signals import decode_nats, encode
from tocsin_executor.domain.values import Json
from tocsin_executor.ports import EventEntry
from tocsin_kit.bus.log import header_fields


def read_event(entry: EventEntry) -> tuple[dict[str, Json], bytes]:
    """An event's members, and their JSON.

    Raises:
        InvalidEvent: It is none.
    """
    headers = header_fields(entry.headers) if entry.headers else {}
    event = decode_nats(headers, entry.payload)
    document = entry.payload if entry.payload[:1] == b"{" and not _binary(headers) else encode(event)
    members: dict[str, Json] = orjson.loads(document)
    return members, document


def _binary(headers: dict[str, str]) -> bool:
    return any(name.lower().startswith("ce-") for name in headers)
