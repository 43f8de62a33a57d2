"""What the exit codes mean; scripts depend on them."""

import enum
from collections.abc import Mapping
from typing import Final

from tocsin.errors import (
    Conflict,
    Defect,
    Forbidden,
    NotFound,
    PreconditionFailed,
    Rejected,
    TocsinError,
    TooMany,
    Unauthenticated,
    Unavailable,
)


class Exit(enum.IntEnum):
    """Exit codes of every command."""

    OK = 0
    NEGATIVE = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    INVALID = 7
    INTERRUPTED = 130


MEANINGS: Final[Mapping[Exit, str]] = {
    Exit.OK: "done",
    Exit.NEGATIVE: "a negative answer: the run failed or was cancelled, something is not ready, the platform broke",
    Exit.USAGE: "the command line is wrong",
    Exit.UNREACHABLE: "the platform cannot be reached, or cannot answer now",
    Exit.REFUSED: "not logged in, or not permitted",
    Exit.NOT_FOUND: "there is nothing by that name",
    Exit.CONFLICT: "the state does not allow it, or somebody else was first",
    Exit.INVALID: "the input is not valid",
    Exit.INTERRUPTED: "interrupted from the keyboard",
}

# The first that fits; subclasses before their parents.
_BY_KIND: Final[tuple[tuple[type[TocsinError], Exit], ...]] = (
    (Unauthenticated, Exit.REFUSED),
    (Forbidden, Exit.REFUSED),
    (NotFound, Exit.NOT_FOUND),
    (PreconditionFailed, Exit.CONFLICT),
    (Conflict, Exit.CONFLICT),
    (TooMany, Exit.UNREACHABLE),
    (Unavailable, Exit.UNREACHABLE),
    (Rejected, Exit.INVALID),
    (Defect, Exit.NEGATIVE),
)


def exit_of(error: TocsinError) -> Exit:
    """The exit code that an error ends a command with."""
    return next((code for kind, code in _BY_KIND if isinstance(error, kind)), Exit.NEGATIVE)
