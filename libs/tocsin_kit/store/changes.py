"""What a write changes, field by field, for the audit trail: ``changes(entry.value, value)`` beside a commit.

Secrets never show: fields that are named as hidden or sound like a secret, :class:`~tocsin_kit.config.Secret` and bytes are
told as changed and no more. What is told is bounded, because signals are small: long texts are cut, and of long lists only what
came and what went is named.
"""

import dataclasses
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any, Final

import orjson

from tocsin.signals.changes import FieldChange
from tocsin.signals.kinds import JsonValue
from tocsin_kit.config.secret import HIDDEN, Secret
from tocsin_kit.telemetry.redaction import redact_text, sounds_secret

MOST: Final = 40  # fields
LONGEST_TEXT: Final = 400  # characters
LONGEST_LIST: Final = 20  # elements; above, only the differences are told, as many as these on each side
_DEPTH: Final = 5


def changes(
    before: object,
    after: object,
    *,
    hidden: Collection[str] = (),
    without: Collection[str] = (),
    flat: Collection[str] = (),
) -> list[FieldChange]:
    """The fields in which two states of one entity differ.

    Args:
        before: A dataclass or a mapping; ``None`` when there was nothing.
        after: The same; ``None`` when there is nothing any more.
        hidden: Fields whose values are secrets, beside those that sound like it.
        without: Fields that nobody asked to change (times, counters): not told at all.
        flat: Fields whose own members are told one by one, as ``<field>.<member>``.

    Returns:
        At most :data:`MOST`, by name of the field; JSON values only.
    """
    old, new = _flat(_fields(before), flat), _flat(_fields(after), flat)
    names = sorted(
        name
        for name in old.keys() | new.keys()
        if name not in without
        and old.get(name) != new.get(name)
        # What is on one side only and says nothing is not told.
        and (old.get(name) or new.get(name) or (name in old and name in new))
    )
    return [_change(name, old.get(name), new.get(name), hidden=name in hidden or sounds_secret(name)) for name in names[:MOST]]


def _fields(state: object) -> Mapping[str, Any]:
    """Fields and values."""
    if state is None:
        return {}
    if isinstance(state, Mapping):
        return {str(name): value for name, value in state.items()}
    if dataclasses.is_dataclass(state):
        return {one.name: getattr(state, one.name) for one in dataclasses.fields(state)}
    raise TypeError(f"changes are told of dataclasses and mappings, not of {type(state).__name__}")


def _flat(state: Mapping[str, Any], names: Collection[str]) -> Mapping[str, Any]:
    """The same with some fields taken apart."""
    found: dict[str, Any] = {}
    for name, value in state.items():
        if name in names and (isinstance(value, Mapping) or (dataclasses.is_dataclass(value) and not isinstance(value, type))):
            found |= {f"{name}.{member}": one for member, one in _fields(value).items()}
        else:
            found[name] = value
    return found


def _change(name: str, old: object, new: object, *, hidden: bool) -> FieldChange:
    if hidden:
        was, now = (None if _empty(value) else HIDDEN for value in (old, new))
        return FieldChange(field=name[:128], before=was, after=now)
    before, after = _plain(old, _DEPTH), _plain(new, _DEPTH)
    partial = False
    if isinstance(before, list) and isinstance(after, list) and max(len(before), len(after)) > LONGEST_LIST:
        gone, came = _without(before, after), _without(after, before)
        before, after, partial = gone[:LONGEST_LIST], came[:LONGEST_LIST], True
    before, cut = _cut(before)
    after, also = _cut(after)
    return FieldChange(field=name[:128], before=before, after=after, partial=partial or cut or also)


def _empty(value: object) -> bool:
    """Whether there is nothing to hide."""
    return value is None or value in ("", b"", (), [])


def _without(values: list[JsonValue], others: list[JsonValue]) -> list[JsonValue]:
    known = {orjson.dumps(one, option=orjson.OPT_SORT_KEYS) for one in others}
    return [one for one in values if orjson.dumps(one, option=orjson.OPT_SORT_KEYS) not in known]


def _cut(value: JsonValue) -> tuple[JsonValue, bool]:
    """What fits into a signal."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:LONGEST_TEXT]}…", True
    if isinstance(value, list) and len(value) > LONGEST_LIST:
        return value[:LONGEST_LIST], True
    if isinstance(value, list | dict) and len(text := orjson.dumps(value)) > 4 * LONGEST_TEXT:
        return f"{text[: 4 * LONGEST_TEXT].decode('utf-8', 'ignore')}…", True
    return value, False


def _plain(value: object, depth: int) -> JsonValue:
    """A JSON value, secrets hidden."""
    if isinstance(value, Enum):
        return value.name.lower()
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return redact_text(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return f"{value.total_seconds():g} s"
        case Secret() | bytes():
            return HIDDEN
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {str(name)[:128]: _named(str(name), one, depth) for name, one in value.items()}
    if dataclasses.is_dataclass(value):
        said = (one for one in dataclasses.fields(value) if getattr(value, one.name) != one.default)
        return {one.name: _named(one.name, getattr(value, one.name), depth) for one in said}
    if isinstance(value, AbstractSet):
        return sorted((_plain(one, depth - 1) for one in value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(one, depth - 1) for one in value]
    return redact_text(str(value))


def _named(name: str, value: object, depth: int) -> JsonValue:
    return HIDDEN if sounds_secret(name) and not _empty(value) else _plain(value, depth - 1)
