"""Answers that take long: chunks as they come, and server-sent events with a heartbeat, ended cleanly by a drain.

Who reads them is looked at again all the time: an answer goes on no longer than the credential proves what it proved when it
began, so a person who is shut out hears nothing more within seconds. A client whose token has merely become old connects again
with a new one and goes on where it was.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Final

from aiohttp import web

from tocsin_kit.clock import Clock
from tocsin_kit.web.replies import EventStream, Stream

LOOK_AGAIN: Final = timedelta(seconds=1)

StillProven = Callable[[], Awaitable[bool]]
"""Whether the credential that an answer began with still proves the same."""


class _Ended(Exception):
    """One of the tasks of a stream has nothing more to do, so neither have the others."""


async def send_chunks(request: web.Request, stream: Stream, *, clock: Clock, proven: StillProven) -> web.StreamResponse:
    """Send a stream of bytes; a client that goes away ends the iterator.

    A credential that is withdrawn breaks the connection: what was sent so far must not look like all there is.
    """
    response = web.StreamResponse(status=stream.status, headers=dict(stream.headers))
    if stream.media_type is not None:
        response.headers.setdefault("Content-Type", stream.media_type)
    try:
        await response.prepare(request)
        look_at = clock.monotonic() + LOOK_AGAIN.total_seconds()
        async for chunk in stream.chunks:
            if clock.monotonic() >= look_at:
                look_at = clock.monotonic() + LOOK_AGAIN.total_seconds()
                if not await proven():
                    _break_off(request)
                    return response
            await response.write(chunk)
        await response.write_eof()
    except ConnectionResetError:
        pass  # the client has gone; nothing is left to tell it
    finally:
        await _close(stream.chunks)
    return response


async def send_events(
    request: web.Request, stream: EventStream, *, clock: Clock, closing: asyncio.Event, proven: StillProven
) -> web.StreamResponse:
    """Send server-sent events until they end, the client goes, the credential is withdrawn, or the server drains."""
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        await response.write(f"retry: {int(stream.retry.total_seconds() * 1000)}\n\n".encode())
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(response, stream))
            group.create_task(_beat(response, stream, clock))
            group.create_task(_until(closing))
            group.create_task(_while(proven, clock))
    except* (_Ended, ConnectionResetError):
        pass  # the events or the client have gone
    finally:
        await _close(stream.events)
    if request.transport is not None and not request.transport.is_closing():
        await response.write_eof()
    return response


async def _pump(response: web.StreamResponse, stream: EventStream) -> None:
    async for event in stream.events:
        await response.write(event.encode())
    raise _Ended


async def _beat(response: web.StreamResponse, stream: EventStream, clock: Clock) -> None:
    while True:
        await clock.sleep(stream.heartbeat)
        await response.write(b": still here\n\n")


async def _until(closing: asyncio.Event) -> None:
    await closing.wait()
    raise _Ended


async def _while(proven: StillProven, clock: Clock) -> None:
    while True:
        await clock.sleep(LOOK_AGAIN)
        if not await proven():
            raise _Ended


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _close(iterator: AsyncIterator[object]) -> None:
    """Run the ``finally`` blocks of an async generator now, not when it is collected."""
    aclose = getattr(iterator, "aclose", None)
    if aclose is not None:
        await aclose()
