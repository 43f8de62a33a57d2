"""The words of messages: kinds of values, nearest names."""

import difflib
from collections.abc import Iterable, Mapping

from tocsin.definitions.reading import Value
from tocsin.definitions.shapes import Condition, Duration, Items, Record, Reference, Rule, Shape, Strict, Table, Text

DIRECTIVES = ("continue", "exit", "end")
_SHOWN = 14  # names in one hint


def article(value: Value) -> str:
    """What kind of value this is, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    return "a string" if isinstance(value, str) else "a list" if isinstance(value, list) else "an object"


def fits(shape: Shape, value: Value) -> bool:
    """Whether a value has the JSON type that a shape describes."""
    match shape:
        case Text() | Condition() | Strict() | Reference():
            return isinstance(value, str)
        case Items():
            return isinstance(value, list)
        case Record() | Table() | Rule():
            return isinstance(value, dict)
        case Duration():
            return isinstance(value, str | dict)
        case _:
            return False


def kind_of(shape: Shape) -> str:
    """The JSON type that a shape describes, with its article."""
    match shape:
        case Condition() | Strict():
            return "an expression"
        case Reference():
            return "a name"
        case Text():
            return "a string"
        case Items():
            return "a list"
        case _:
            return "an object"


def known_names(names: Iterable[str] | Mapping[str, object]) -> str:
    """A few names for a hint."""
    listed = sorted(names)
    return ", ".join(f"'{name}'" for name in listed[:_SHOWN]) + (" ..." if len(listed) > _SHOWN else "")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """A hint: the nearest name, or what there is."""
    listed = sorted(names)
    if close := difflib.get_close_matches(name, listed, n=1, cutoff=0.6):
        return f"Did you mean '{close[0]}'?"
    return f"Known: {known_names(listed)}." if listed else None


def token(key: str) -> str:
    """A key as a reference token of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
