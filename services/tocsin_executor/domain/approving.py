"""What a question to people is made of, compiled."""

from dataclasses import dataclass
from typing import Final, TypeGuard

from tocsin.expressions import Template
from tocsin_executor.domain.durations import Duration
from tocsin_executor.domain.schemas import Schema
from tocsin_executor.domain.values import Json

NAMES: Final = 50
"""Assignees and roles an approval may have; answers and hand-overs as well."""


def is_count(value: Json) -> TypeGuard[int]:
    """Whether so many approvals or refusals can be wanted."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= NAMES


@dataclass(frozen=True, slots=True)
class ApprovalSpec:
    """``call: approval``.

    Attributes:
        asked: Title, message, data, assignees and roles, and how many approvals are wanted.
        form: What an answer has to be, or ``None``.
        deadline: Until when, or ``None``.
        reminder: How often to remind, or ``None``.
        default: The answer at the deadline, or ``None``: it is an error then.
    """

    asked: Template
    form: Schema | None
    deadline: Duration | None
    reminder: Duration | None
    default: Template | None
