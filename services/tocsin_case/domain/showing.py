"""A case as JSON, for expressions of playbooks and for reports."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum

from tocsin.signals import Json
from tocsin_case.domain.cases import Case

_INSIDE = frozenset({"last_position", "dedupes", "merges"})


def as_json(value: object) -> Json:
    """A domain value as JSON: instants in RFC 3339, durations in seconds."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return as_json(value.value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def case_json(case: Case) -> dict[str, Json]:
    """What a playbook sees as ``.case``; ``cause`` is the first thing that caused it."""
    shown = {field.name: as_json(getattr(case, field.name)) for field in fields(case) if field.name not in _INSIDE}
    cause = next((link for link in case.links if link.role == "caused-by"), None) or next(iter(case.links), None)
    shown["cause"] = as_json(cause)
    return shown
