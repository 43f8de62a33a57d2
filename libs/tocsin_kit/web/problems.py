"""Errors as RFC 9457 problems: what an HTTP caller sees of ``tocsin.errors``.

A problem is made from ``code``, ``status``, ``detail``, ``hint``, ``violations`` and ``fields``; never from the text of an
unknown exception, which could hold anything. Pydantic's complaints become violations without the offending input, which could
be a secret.
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel, Field, ValidationError

from tocsin.errors import Defect, Invalid, Rejected, TocsinError, Unavailable, Violation
from tocsin_kit.config import in_words

PROBLEM_TYPE: Final = "application/problem+json"
_DOCS: Final = "https://tocsin.dev/errors/"


class Malformed(Rejected):
    """The request cannot be read."""

    code = "malformed"
    status = 400


class MethodNotAllowed(Rejected):
    """The address exists, but not with this method."""

    code = "method_not_allowed"
    status = 405


class RequestTimeout(Rejected):
    """The request did not arrive in time."""

    code = "request_timeout"
    status = 408


class ProblemError(BaseModel):
    """One single thing that is wrong."""

    pointer: str = Field(description="JSON pointer into the body, or the name of a parameter or header.")
    detail: str
    hint: str | None = None
    line: int | None = None
    column: int | None = None


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str = Field(description="URL of the page that explains the code.")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable, for programs.")
    instance: str = Field(description="The path that was asked for.")
    request_id: str
    hint: str | None = Field(default=None, description="What to do about it.")
    errors: list[ProblemError] = Field(default_factory=list)
    fields: dict[str, str | int | float | bool | None] = Field(default_factory=dict, description="Limits, sizes, ids.")


def as_problem(error: TocsinError, *, instance: str, request_id: str) -> dict[str, object]:
    """The JSON members of a problem; empty ones are left out."""
    problem: dict[str, object] = {
        "type": _DOCS + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "instance": instance,
        "request_id": request_id,
    }
    if error.hint:
        problem["hint"] = error.hint
    if error.violations:
        problem["errors"] = [_as_error(violation) for violation in error.violations]
    if error.fields:
        problem["fields"] = dict(error.fields)
    return problem


def _as_error(violation: Violation) -> dict[str, object]:
    members = {
        "pointer": violation.pointer,
        "detail": violation.detail,
        "hint": violation.hint,
        "line": violation.line,
        "column": violation.column,
    }
    return {name: value for name, value in members.items() if value is not None}


def headers_for(error: TocsinError) -> dict[str, str]:
    """Response headers that belong to an error: the challenge of a 401, how long to wait after a 429 or 503."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="tocsin"'}
    if isinstance(error, Unavailable):
        seconds = error.retry_after.total_seconds() if error.retry_after else 1
        return {"Retry-After": str(max(1, round(seconds)))}
    wait = error.fields.get("retry_after_seconds")
    if error.status == HTTPStatus.TOO_MANY_REQUESTS and isinstance(wait, int | float):
        return {"Retry-After": str(max(1, round(wait)))}
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED and (allow := error.fields.get("allow")):
        return {"Allow": str(allow)}
    return {}


def unknown_defect() -> Defect:
    """What a caller is told about an exception nobody foresaw: nothing but the request id, which the problem carries."""
    return Defect("something unforeseen happened here; the log has it under the request id", hint="report the request_id")


def as_invalid(error: ValidationError, *, where: str) -> Invalid:
    """Translate pydantic's complaint.

    Args:
        error: From a model of a body, query or path.
        where: ``body`` (pointers are JSON pointers), ``query`` or ``path`` (pointers are names).
    """
    violations = [
        Violation(pointer=_pointer(problem["loc"], where), detail=in_words(problem))
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    count = len(violations)
    detail = f"the {where} is not valid: {violations[0].pointer or '/'}: {violations[0].detail}"
    return Invalid(detail if count == 1 else f"{detail} (and {count - 1} more)", violations=violations)


def _pointer(location: Iterable[int | str], where: str) -> str:
    parts = [str(part) for part in location]
    if where != "body":
        return ".".join(parts)
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def titles(kinds: Sequence[type[TocsinError]]) -> dict[int, list[str]]:
    """Problem codes by status, for the OpenAPI document."""
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        codes = by_status.setdefault(kind.status, [])
        if kind.code not in codes:
            codes.append(kind.code)
    return by_status
