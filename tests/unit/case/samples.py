"""A case to begin with."""

from dataclasses import replace
from datetime import UTC, datetime

from tocsin_case.domain.cases import Case
from tocsin_case.domain.types import Priority, Stage

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def new_case(**changes: object) -> Case:
    """One that was opened at ``NOW``, with these fields."""
    case = Case(
        id="0" * 26,
        namespace="default",
        kind="incident",
        title="It broke",
        description="",
        status="open",
        stage=Stage.NEW,
        priority=Priority.NORMAL,
        severity=3,
        owner=None,
        tags=(),
        links=(),
        opened_at=NOW,
        opened_by="user:ada",
        updated_at=NOW,
    )
    return replace(case, **changes)
