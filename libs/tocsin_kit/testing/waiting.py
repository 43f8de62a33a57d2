"""Waiting in tests: until something holds, with a deadline and a message that says what was seen last. Never for a while."""

import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from tocsin_kit.clock import SystemClock

Seen = TypeVar("Seen")
_LOOK = 0.01  # seconds between looks
_CLOCK = SystemClock()


class NeverHappened(AssertionError):
    """What a test waited for did not happen in time."""


async def eventually(check: Callable[[], Seen | Awaitable[Seen]], *, within: float | timedelta = 10.0, what: str = "") -> Seen:
    """Call ``check`` until it returns something true, and return that.

    Args:
        check: A function, plain or async. Its ``AssertionError`` counts as "not yet", any other exception fails at once.
        within: Seconds (or a timedelta) until it counts as never; generous, because a success does not wait for it.
        what: What is awaited, for the message; by default the function's name.

    Raises:
        NeverHappened: With what the last look saw.
    """
    seconds = within.total_seconds() if isinstance(within, timedelta) else within
    deadline = _CLOCK.monotonic() + seconds
    while True:
        failed: AssertionError | None = None
        try:
            result = check()
            seen: Seen = await result if inspect.isawaitable(result) else result
            if seen:
                return seen
            last = f"the last look saw {seen!r}"
        except AssertionError as error:
            failed, last = error, f"the last look failed: {error}"
        if _CLOCK.monotonic() > deadline:
            name = what or getattr(check, "__name__", "it")
            raise NeverHappened(f"{name} did not happen within {seconds:g} s; {last}") from failed
        await _CLOCK.sleep(_LOOK)
