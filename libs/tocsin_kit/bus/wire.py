"""Many publications as one block of bytes, as the NATS protocol wants them.

The client library has no public way to send more than one message at once. Because its checks are passed by, they are made
here: nothing that could end a line early may be in a subject or a header.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from nats import errors as nats_errors
from nats.aio.client import Client

from tocsin.errors import Defect, TooLarge
from tocsin_kit.bus.errors import translate
from tocsin_kit.bus.messages import Message

_SUBJECT: Final = re.compile(r"[^\s\x00-\x1f*>]+")
_LONGEST: Final = 3000  # bytes of a subject; the server ends a connection that sends a line of more than 4,096 bytes
AT_ONCE: Final = 64 * 1024
"""Bytes that may be handed to the socket without asking whether it keeps up."""

_HEAD: Final = b"NATS/1.0\r\n"


def carried(subject: str) -> bool:
    """Whether the bus can carry this subject: one word, without wildcards, not too long for a line of the protocol."""
    return _SUBJECT.fullmatch(subject) is not None and len(subject.encode()) <= _LONGEST


def publication(message: Message, reply: str, limit: int, more: str = "") -> bytes:
    """One message.

    Args:
        message: What to publish.
        reply: Where the acknowledgement goes; empty for none.
        limit: The server's payload limit in bytes.
        more: Further header lines, each ended.

    Raises:
        TooLarge: Above the limit.
        Defect: The subject or a header cannot be carried.
    """
    subject, payload = message.subject, message.payload
    if not carried(subject):
        raise Defect(f"{subject[:200]!r} is not a subject the bus can carry.", subject=subject)
    if len(payload) > limit:
        raise TooLarge(f"The message for {subject} is above the bus's payload limit.", size=len(payload), limit=limit)
    headers = message.wire_headers()
    if headers is None and not more:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(payload), payload)
    head = b"%b%b\r\n" % (_HEAD, (more + _lines(headers or {}, subject)).encode())
    size = len(head)
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject.encode(), reply.encode(), size, size + len(payload), head, payload)


def batch_block(messages: Sequence[Message], batch: str, reply: str, limit: int) -> bytes:
    """An atomic batch; only its last message asks for an answer.

    Args:
        messages: 1 to 1,000, all for one stream.
        batch: Name of the batch, unique.
        reply: Where the answer goes.
        limit: The server's payload limit in bytes.
    """
    last = len(messages)
    parts = []
    for number, message in enumerate(messages, 1):
        more = f"Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {number}\r\n"
        if number == last:
            parts.append(publication(message, reply, limit, more + "Nats-Batch-Commit: 1\r\n"))
        else:
            parts.append(publication(message, "", limit, more))
    return b"".join(parts)


def write_now(nats: Client, block: bytes) -> bool:
    """Hand whole protocol commands to the socket before this returns, without the library's task in between.

    Returns:
        Whether that was possible. Not without a connection, not past commands that wait in the library, and not for a large
        block, which has to wait for the socket: :func:`write_block` does all of that.
    """
    if not nats.is_connected or nats._pending or not nats._transport or len(block) > AT_ONCE:  # noqa: SLF001  # see above
        return False
    nats._transport.write(block)  # noqa: SLF001
    return True


async def write_block(nats: Client, block: bytes) -> None:
    """Send protocol commands.

    Raises:
        BusUnavailable: There is no connection.
    """
    if write_now(nats, block):
        return
    if not nats.is_connected:
        raise translate(nats_errors.ConnectionClosedError(), "a block of messages")
    try:
        await nats._send_command(block)  # noqa: SLF001  # see above
        await nats._flush_pending()  # noqa: SLF001
    except (nats_errors.Error, OSError) as error:
        raise translate(error, "a block of messages") from error


def _lines(headers: Mapping[str, str], subject: str) -> str:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise Defect(f"A header of a message for {subject} holds a line break.", subject=subject)
    return lines
