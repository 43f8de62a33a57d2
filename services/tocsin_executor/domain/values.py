"""The words the engine's modules share: JSON values, instants, and the errors a workflow can see."""

from enum import Enum
from typing import TypeAlias

from tocsin.expressions import Json

__all__ = ["ErrorKind", "Json", "Millis", "Problem", "problem", "same_type"]

Millis: TypeAlias = int
"""An instant (since the epoch, UTC) or a duration in whole milliseconds. The engine counts in integers: a fold must repeat."""

Problem: TypeAlias = dict[str, Json]
"""An error as a workflow sees it (RFC 7807); ``instance`` is a JSON pointer into the definition."""

ERRORS = "https://open-workflow-specification.org/spec/1.0.0/errors/"
_HOSTS = ("open-workflow-specification.org", "serverlessworkflow.io")


class ErrorKind(Enum):
    """The language's standard error types, with their default status and title."""

    CONFIGURATION = ("configuration", 400, "Configuration Error")
    VALIDATION = ("validation", 400, "Validation Error")
    EXPRESSION = ("expression", 400, "Expression Error")
    AUTHENTICATION = ("authentication", 401, "Authentication Error")
    AUTHORIZATION = ("authorization", 403, "Authorization Error")
    TIMEOUT = ("timeout", 408, "Timeout")
    COMMUNICATION = ("communication", 500, "Communication Error")
    RUNTIME = ("runtime", 500, "Runtime Error")


def problem(kind: ErrorKind, detail: str, *, status: int | None = None, title: str | None = None) -> Problem:
    """An error of a standard type; ``instance`` is set where it is raised.

    Args:
        kind: Standard type.
        detail: What happened this time, one sentence.
        status: A more exact status than the type's default, or ``None``.
        title: A more exact title, or ``None``.
    """
    name, default, heading = kind.value
    return {"type": ERRORS + name, "status": status or default, "title": title or heading, "detail": detail}


def same_type(left: str, right: str) -> bool:
    """Whether two error types mean the same.

    The specification's text, its conformance kit and older documents put the standard types under different paths and hosts, so
    types on the specification's hosts are compared by their last segment, all others as they are written.
    """
    if left == right:
        return True
    return _standard(left) and _standard(right) and left.rstrip("/").rpartition("/")[2] == right.rstrip("/").rpartition("/")[2]


def _standard(kind: str) -> bool:
    host = kind.partition("://")[2].partition("/")[0]
    return any(host == known or host.endswith("." + known) for known in _HOSTS)
