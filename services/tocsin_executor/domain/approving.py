"""What a question to people is made of, compiled."""

from dataclasses import dataclass

from tocsin.expressions import Template
from tocsin_executor.domain.durations import Duration
from tocsin_executor.domain.schemas import Schema


@dataclass(frozen=True, slots=True)
class ApprovalSpec:
    """``call: approval``.

    Attributes:
        asked: Title, message, data, assignees and roles.
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
