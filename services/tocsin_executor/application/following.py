"""Following what the tasks of a run print, until the run has ended and nothing comes any more."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tocsin.errors import NotFound
from tocsin_executor.application.reading import TaskLine
from tocsin_executor.application.runs import Runs
from tocsin_kit.clock import Clock

_EVERY = 0.25  # seconds between looks
_QUIET = 4  # looks without anything new, after which a run that has ended prints nothing more
_PATIENCE = 60  # looks, if what was printed is still on its way
_LATE = 8  # looks during which a piece may still turn up behind one that was seen: replicas keep them side by side
_PIECES = 200
_TERMINAL = frozenset({"completed", "faulted", "cancelled"})


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines that an attempt of a task printed together.

    Attributes:
        id: Grows with the order in which they were printed.
        lines: At least one.
    """

    id: str
    lines: Sequence[TaskLine]


@dataclass(frozen=True, slots=True)
class Ended:
    """The run has ended, and so has its output; or it has been deleted meanwhile, which ``status`` says."""

    status: str


class Pieces(Protocol):
    """Where output is kept."""

    async def pieces(self, run: str, after: str, limit: int) -> list[Piece]:
        """Pieces behind ``after``, in order."""
        ...

    async def caught_up(self) -> bool:
        """Whether everything that was published is kept."""
        ...


async def follow(runs: Runs, pieces: Pieces, run: str, clock: Clock, *, after: str = "") -> AsyncIterator[Piece | Ended]:
    """What was printed and what will be, each piece once; at last that the run has ended.

    Args:
        runs: Use cases of runs.
        pieces: Where output is kept.
        run: The run.
        clock: Time.
        after: Id of the last piece that is known.
    """
    seen: dict[str, int] = {}
    look, quiet = 0, 0
    while True:
        try:
            ended = (await runs.get(run)).status
        except NotFound:  # it was there when this began: what is old goes, also while somebody looks at it
            yield Ended("deleted")
            return
        fresh = [piece for piece in await pieces.pieces(run, after, _PIECES) if piece.id not in seen]
        for piece in fresh:
            seen[piece.id] = look
            yield piece
        settled = [known for known, when in seen.items() if when <= look - _LATE]
        if settled:
            after = max(after, *settled)
            seen = {known: when for known, when in seen.items() if known > after}
        quiet = 0 if fresh else quiet + 1
        if ended in _TERMINAL and quiet >= _QUIET and (quiet > _PATIENCE or await pieces.caught_up()):
            yield Ended(ended)
            return
        look += 1
        if len(fresh) < _PIECES:
            await clock.sleep(_EVERY)
