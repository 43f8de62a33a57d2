"""JetStream's management API as JSON, for configuration that is newer than the client library knows.

One function asks, one creates or updates; both are safe to call from several processes at once.
"""

from datetime import timedelta
from typing import Any

import orjson

from tocsin.errors import Defect, NotFound
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.errors import translate_code

PREFIX = "$JS.API."
_NOT_FOUND = frozenset({10014, 10059, 10037})  # consumer, stream, message
_EXISTS_DIFFERENTLY = frozenset({10058, 10148})  # stream, consumer


async def call(bus: Bus, verb: str, body: dict[str, Any] | None = None, *, within: timedelta | None = None) -> dict[str, Any]:
    """Ask the API.

    Args:
        bus: A started bus.
        verb: The part behind ``$JS.API.``, for example ``STREAM.INFO.EVENTS``.
        body: The request, or ``None``.
        within: How long to wait; the bus's patience by default.

    Raises:
        NotFound: No such stream, consumer or message.
        Unavailable: No answer, or no leader now.
        Defect: The server does not accept the request.
    """
    reply = await bus.request(PREFIX + verb, orjson.dumps(body) if body is not None else b"", within=within)
    answer = orjson.loads(reply.payload)
    if not isinstance(answer, dict):
        raise Defect(f"JetStream answered {verb} with something that is no object.")
    error = answer.get("error")
    if error is not None:
        code = error.get("err_code", 0)
        if code in _NOT_FOUND:
            raise NotFound(f"JetStream has no {verb}.", nats_code=code)
        raise translate_code(code, error.get("description", ""), verb)
    return answer


async def ensure_stream(bus: Bus, config: dict[str, Any]) -> None:
    """Create the stream, or bring an existing one to this configuration.

    Raises:
        Defect: The server refuses the change (for example of storage).
    """
    name = config["name"]
    try:
        await call(bus, f"STREAM.CREATE.{name}", config)
    except Defect as error:
        if error.fields.get("nats_code") not in _EXISTS_DIFFERENTLY:
            raise
        await call(bus, f"STREAM.UPDATE.{name}", config)


async def ensure_consumer(bus: Bus, stream: str, config: dict[str, Any]) -> None:
    """Create the durable consumer, or bring an existing one to this configuration.

    A single filter travels in the API's subject too, where the server's permissions can see it.
    """
    name = config["durable_name"]
    verb = f"CONSUMER.CREATE.{stream}.{name}"
    if "filter_subject" in config:
        verb += f".{config['filter_subject']}"
    await call(bus, verb, {"stream_name": stream, "config": config})
