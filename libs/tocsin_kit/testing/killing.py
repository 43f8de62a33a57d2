"""Lives that end at a chosen moment: the same work again and again, killed at its first await, its second, its third ...

A killed process does nothing any more: no handler runs, no transaction is given up. So the work is not cancelled, it is never
gone on with; what it had just asked of a server is done there all the same, as it is when a process is killed.
"""

import asyncio
import ctypes
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Final

_REMEMBER: Final = (
    ctypes.pythonapi.Py_IncRef
)  # for ever: a coroutine that is collected is closed, and its handlers run after all


class Killed(BaseException):
    """The life is over."""


class _Life:
    """Runs a coroutine up to one of its awaits; to be awaited in a task of its own, which is left behind."""

    def __init__(self, work: Coroutine[Any, Any, None], ends_at: int) -> None:
        self._work = work
        self._left = ends_at

    def __await__(self) -> Generator[Any, Any, None]:
        inner = self._work.__await__()
        failed: BaseException | None = None
        while True:
            try:
                waits_for = next(inner) if failed is None else inner.throw(failed)
            except StopIteration:
                return
            failed = None
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001  # it belongs to the work
                failed = error
            self._left -= 1
            if self._left == 0:
                _REMEMBER(ctypes.py_object((self._work, inner)))
                raise Killed


async def _lived(life: _Life) -> None:
    await life


async def killed_everywhere(live: Callable[[int], Coroutine[Any, Any, None]], after: Callable[[int], Awaitable[None]]) -> int:
    """Live once for each await of the work, and die there; the last life is lived to its end.

    Args:
        live: The work of the life with this number (from 1).
        after: What comes after it: the next process, on what this one has left.

    Returns:
        At how many awaits it was killed.
    """
    number = 1
    while True:
        life = _Life(live(number), number)
        try:
            # A task of its own: deadlines that the dead had set must not hit the living.
            await asyncio.create_task(_lived(life))  # noqa: TID251  # awaited at once, so that nothing is unheard
        except Killed:
            await after(number)
            number += 1
        else:
            await after(number)
            return number - 1
