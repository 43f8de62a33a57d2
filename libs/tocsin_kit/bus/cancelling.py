"""Cancellation that the client library swallows is raised again.

nats-py waits with ``asyncio.wait_for``, which in Python 3.11 forgets a cancellation that comes in the same turn of the loop
as the answer, and its way to the socket catches cancellations and drops them. A task group cancels its tasks once: one that
goes on after that keeps its whole process from ending. So the connection is made with the client below, and all that waits in
it is guarded in one place.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg


@contextmanager
def cancellable() -> Iterator[None]:
    """Around a call of the library.

    Raises:
        asyncio.CancelledError: The task was cancelled in between, whatever the call said about it.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


class CancellableClient(Client):
    """The library's client, whose waiting can be cancelled; everything else is the library's."""

    async def connect(self, *args: Any, **options: Any) -> None:
        """Connect; see the library."""
        with cancellable():
            await super().connect(*args, **options)

    async def request(self, *args: Any, **options: Any) -> Msg:
        """Ask and wait for one answer; see the library."""
        with cancellable():
            return await super().request(*args, **options)

    async def flush(self, *args: Any, **options: Any) -> None:
        """Wait until the server has everything; see the library."""
        with cancellable():
            await super().flush(*args, **options)

    async def _flush_pending(self, force_flush: bool = False) -> Any:  # the library's signature
        """Every publish and subscribe goes this way to the socket."""
        with cancellable():
            return await super()._flush_pending(force_flush)
