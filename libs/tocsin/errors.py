"""One tree of errors whose branches say what happens next.

The consumer loop and the HTTP layer read only ``code``, ``status`` and the branch; never the text. Texts are for people and
may change, codes are public API and may not.

==================  ===========================================  ==========================================  ========
branch              meaning                                      the delivery                                HTTP
==================  ===========================================  ==========================================  ========
:class:`Rejected`   the sender is wrong; again cannot help       dead-lettered with the reason               4xx
:class:`Conflict`   someone wrote first; read and decide again   redelivered at once                         409
:class:`Unavailable` a dependency failed; later may work         redelivered after ``retry_after``/backoff   503
:class:`Defect`     an invariant of ours is broken               parked, and a person is told                500
==================  ===========================================  ==========================================  ========
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with an input, and where.

    Attributes:
        pointer: JSON pointer into the offending document, or the name of a parameter or header.
        detail: What is wrong, one sentence.
        hint: What to do about it, or ``None``.
        line: 1-based line of a definition file, or ``None`` where there is no file.
        column: 1-based column, or ``None``.
    """

    pointer: str
    detail: str
    hint: str | None = None
    line: int | None = None
    column: int | None = None


class TocsinError(Exception):
    """Root of the tree; never raised itself.

    Args:
        detail: One sentence for a person: what, and where. Defaults to the class's first docstring line.
        hint: What to do about it.
        violations: Each single thing that is wrong, when there are several.
        fields: Machine-readable facts (ids, limits, sizes). Never a secret.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(
        self,
        detail: str | None = None,
        *,
        hint: str | None = None,
        violations: Sequence[Violation] = (),
        **fields: str | float | bool | None,
    ) -> None:
        """Keep the parts apart, so that logs, problems and dead letters can each show them their way."""
        self.detail = detail or (type(self).__doc__ or self.code).strip().splitlines()[0]
        self.hint = hint
        self.violations = tuple(violations)
        self.fields = fields
        super().__init__(self.detail)

    @property
    def title(self) -> str:
        """Short text that is the same for every occurrence of this kind of error."""
        return (type(self).__doc__ or self.code).strip().splitlines()[0].rstrip(".")


class Rejected(TocsinError):
    """The request can never succeed as it is."""

    code = "rejected"
    status = 400


class Invalid(Rejected):
    """The input is not valid."""

    code = "invalid"
    status = 422


class Unauthenticated(Rejected):
    """Nobody is logged in, or the credentials are not valid."""

    code = "unauthenticated"
    status = 401


class Forbidden(Rejected):
    """The credentials are valid, but do not permit this."""

    code = "forbidden"
    status = 403


class NotFound(Rejected):
    """There is nothing by that name."""

    code = "not_found"
    status = 404


class PreconditionFailed(Rejected):
    """The thing has changed since it was read (``If-Match``)."""

    code = "precondition_failed"
    status = 412


class TooLarge(Rejected):
    """The input is above a stated limit."""

    code = "too_large"
    status = 413


class UnsupportedMedia(Rejected):
    """The content type is not one that is understood here."""

    code = "unsupported_media"
    status = 415


class TooMany(Rejected):
    """More requests than the limit allows; slow down."""

    code = "too_many"
    status = 429


class Conflict(TocsinError):
    """Someone else wrote first, or the state does not allow this now."""

    code = "conflict"
    status = 409


class Unavailable(TocsinError):
    """Something this depends on does not answer; later may work."""

    code = "unavailable"
    status = 503
    retry_after: timedelta | None = None


class Defect(TocsinError):
    """An invariant of the platform is broken; this is our fault."""

    code = "defect"
    status = 500
