"""What happened to a case, change by change, and the case as it stood at any past instant.

A record holds the members of the stored case that a change gave new values, so that everything about a case is in its history
without anybody having to remember to write it there. The state at an instant is the fold of all records up to it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

Plain = Mapping[str, object]
_DERIVED = frozenset(
    {"next_due", "active", "promised", "breached", "overdue", "words", "facts", "labels"}
)  # computed from the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One change.

    Attributes:
        case: Of which case.
        revision: The revision it led to, from 1, without gaps.
        at: When.
        actor: Who.
        why: What was done: ``opened``, ``changed``, ``moved`` ...
        notes: What its clocks and its escalation made of it: ``response.met``, ``resolution.paused`` ...
        set: New values of top-level members of the stored case.
    """

    case: str
    revision: int
    at: datetime
    actor: str
    why: str
    notes: tuple[str, ...]
    set: Plain


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field, before and after."""

    name: str
    before: object
    after: object


def difference(before: Plain, after: Plain) -> dict[str, object]:
    """What a change gave new values; a member that went away becomes ``None``."""
    fresh = {name: value for name, value in after.items() if name not in _DERIVED}
    changed = {name: value for name, value in fresh.items() if name not in before or before[name] != value}
    gone = {name: None for name in before if name not in after and name not in _DERIVED}
    return {**changed, **gone}


def state_at(records: Iterable[Record], instant: datetime | None = None) -> dict[str, object]:
    """The stored case as it was at an instant; empty before it was opened.

    Args:
        records: Of one case, in order.
        instant: ``None`` for now.
    """
    state: dict[str, object] = {}
    for record in records:
        if instant is not None and record.at > instant:
            break
        state.update(record.set)
    return state


def ever_merged(records: Iterable[Record]) -> list[str]:
    """Ids of all cases that a case has ever taken over, also of those that were taken out again."""
    found: dict[str, None] = {}
    for record in records:
        merges = record.set.get("merges")
        for one in merges if isinstance(merges, Sequence) else ():
            if isinstance(one, Mapping):
                found[str(one["case"])] = None
    return list(found)


def changes(records: Sequence[Record]) -> list[tuple[Record, tuple[FieldChange, ...]]]:
    """Each record with its fields before and after."""
    state: dict[str, object] = {}
    told: list[tuple[Record, tuple[FieldChange, ...]]] = []
    for record in records:
        fields = tuple(FieldChange(name, state.get(name), value) for name, value in record.set.items() if name != "updated_at")
        told.append((record, fields))
        state.update(record.set)
    return told
