"""Deciding again when somebody else was first.

A decision is made from what is stored, and stored with the revision that it was made from. When a clock, a signal or another
replica has written meanwhile, whoever asked has done nothing wrong and wants no conflict: the decision is made anew.
"""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from tocsin_kit.clock import SystemClock
from tocsin_kit.store.errors import RevisionConflict

P = ParamSpec("P")
T = TypeVar("T")

PAUSES: Final = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Seconds before each further try; after the last, writers hunt each other. A transaction that touches what another one has
written and not committed is refused at once, and that commit waits for a disk: all tries could be over before it is done."""


def undisputed(decide: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Call again from the beginning, with the same arguments, while somebody else was first.

    For what loads, decides and commits once, in this order; ids derived from its arguments make a repeat the same decision.

    Raises:
        RevisionConflict: Others were first each time.
    """

    @wraps(decide)
    async def again(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause in PAUSES:
            try:
                return await decide(*args, **kwargs)
            except RevisionConflict:
                await SystemClock().sleep(pause)
        return await decide(*args, **kwargs)

    return again
