"""What a published workflow definition asks for: the schedules that belong to it, and are not a person's to edit."""

from collections.abc import Mapping
from dataclasses import dataclass

KINDS = ("every", "cron", "after")
RESERVED = "definition."  # no workflow has a dot in its name, so no two of these names are the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The ``schedule`` of the newest version of a workflow.

    Attributes:
        namespace: Of the workflow.
        workflow: Its name.
        number: Of the definition's signal that said it; a lower one is older.
        words: The expression by kind; nothing when the definition asks for nothing any more.
    """

    namespace: str
    workflow: str
    number: int
    words: Mapping[str, str]


def managed_name(workflow: str, kind: str) -> str:
    """Name of the schedule that belongs to a definition."""
    return f"{RESERVED}{workflow}.{kind}"
