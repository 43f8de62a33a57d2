"""What the platform answers when it refuses: RFC 9457 problems back into the error tree.

The code decides the class, where this process knows it; otherwise the status does. The code that the server sent is kept in
``fields["code"]`` either way.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

import orjson

from tocsin.errors import (
    Conflict,
    Defect,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Rejected,
    TocsinError,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
    Violation,
)
from tocsin.signals import Json

_BY_STATUS: Final[Mapping[int, type[TocsinError]]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    413: TooLarge,
    415: UnsupportedMedia,
    422: Invalid,
    429: TooMany,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def as_error(status: int, body: bytes, *, url: str, retry_after: str | None = None) -> TocsinError:
    """The error that an answer with a status from 400 stands for.

    Args:
        status: HTTP status.
        body: The problem document; anything else is reported as what it is.
        url: What was asked for, for the text where the body says nothing.
        retry_after: The header of that name.
    """
    problem = _problem(body)
    code = _text(problem, "code")
    kind = _BY_STATUS.get(status, Rejected if status < 500 else Defect)
    kind = next((known for known in _kinds(kind) if known.code == code), kind)
    detail = _text(problem, "detail") or _text(problem, "title") or f"{url} answered {status}"
    error = kind(
        detail,
        hint=_text(problem, "hint"),
        violations=tuple(_violations(problem.get("errors"))),
        code=code or kind.code,
        status=status,
        request_id=_text(problem, "request_id"),
    )
    if isinstance(error, Unavailable) and retry_after and retry_after.isdecimal():
        error.retry_after = timedelta(seconds=int(retry_after))
    return error


def _problem(body: bytes) -> dict[str, Json]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _text(problem: Mapping[str, Json], name: str) -> str | None:
    value = problem.get(name)
    return value if isinstance(value, str) and value else None


def _violations(errors: Json) -> Iterator[Violation]:
    for item in errors if isinstance(errors, list) else []:
        if isinstance(item, dict):
            line, column = item.get("line"), item.get("column")
            yield Violation(
                pointer=_text(item, "pointer") or "",
                detail=_text(item, "detail") or "",
                hint=_text(item, "hint"),
                line=line if isinstance(line, int) else None,
                column=column if isinstance(column, int) else None,
            )


def _kinds(kind: type[TocsinError]) -> Iterator[type[TocsinError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)
