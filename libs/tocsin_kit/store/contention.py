"""Deciding again when somebody else was first.

A decision is made from what is stored, and stored with the revision that it was made from. When a clock, a signal or another
replica has written meanwhile, whoever asked has done nothing wrong and wants no conflict: the decision is made anew.
"""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from tocsin_kit.store.errors import RevisionConflict

P = ParamSpec("P")
T = TypeVar("T")

TRIES: Final = 8  # of one decision; more would mean that writers hunt each other


def undisputed(decide: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Call again from the beginning, with the same arguments, while somebody else was first.

    For what loads, decides and commits once, in this order; ids derived from its arguments make a repeat the same decision.

    Raises:
        RevisionConflict: Others were first each time.
    """

    @wraps(decide)
    async def again(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(TRIES - 1):
            try:
                return await decide(*args, **kwargs)
            except RevisionConflict:
                continue
        return await decide(*args, **kwargs)

    return again
