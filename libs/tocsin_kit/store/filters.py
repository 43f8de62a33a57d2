"""Conditions for queries, built from typed parts, so that nothing a user sends is ever read as an operator.

Field names come from our code; values are scalars and are always wrapped in an explicit operator. A ``dict`` from outside has
no way in.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from tocsin.errors import Defect, Invalid

Scalar: TypeAlias = str | int | float | bool | bytes | datetime | None

TEXT = "$text"  # MongoDB's name for its text index, which takes the place of a field
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that must all hold; empty matches everything.

    Attributes:
        conditions: (field, operator, operand), made by the methods only.
        alternatives: Groups of which at least one must hold.
    """

    conditions: tuple[tuple[str, str, Any], ...] = ()
    alternatives: tuple[tuple["Filter", ...], ...] = ()

    def eq(self, field: str, value: Scalar) -> "Filter":
        """The field has this value; a list field contains it."""
        return self._and(field, "$eq", _scalar(value))

    def not_eq(self, field: str, value: Scalar) -> "Filter":
        """The field has another value, or is missing."""
        return self._and(field, "$ne", _scalar(value))

    def one_of(self, field: str, values: Iterable[Scalar]) -> "Filter":
        """The field has one of these values."""
        return self._and(field, "$in", [_scalar(value) for value in values])

    def at_least(self, field: str, value: Scalar) -> "Filter":
        """The field is this or above."""
        return self._and(field, "$gte", _scalar(value))

    def at_most(self, field: str, value: Scalar) -> "Filter":
        """The field is this or under."""
        return self._and(field, "$lte", _scalar(value))

    def below(self, field: str, value: Scalar) -> "Filter":
        """The field is under this."""
        return self._and(field, "$lt", _scalar(value))

    def prefix(self, field: str, text: str) -> "Filter":
        """The text field begins with ``text`` (case matters; can use an index).

        Raises:
            Invalid: It holds a NUL, which MongoDB refuses in a pattern.
        """
        if "\0" in text:
            raise Invalid(f"the beginning of {field} cannot hold a NUL character")
        return self._and(field, "$regex", "^" + re.escape(text))

    def contains(self, field: str, text: str) -> "Filter":
        """The text field has ``text`` in it, whatever the case. No index helps: other conditions should narrow it down.

        Raises:
            Invalid: It holds a NUL, which MongoDB refuses in a pattern.
        """
        if "\0" in text:
            raise Invalid(f"what {field} contains cannot hold a NUL character")
        return self._and(field, "$regex", "(?i)" + re.escape(text))

    def exists(self, field: str, *, present: bool = True) -> "Filter":
        """The field is there (or is not)."""
        return self._and(field, "$exists", present)

    def words(self, text: str) -> "Filter":
        """The collection's text index finds these words; at most once in a filter, and not within :meth:`any_of`."""
        return Filter((*self.conditions, (TEXT, "$search", _scalar(text))), self.alternatives)

    def any_of(self, *filters: "Filter") -> "Filter":
        """At least one of these holds as well."""
        return Filter(self.conditions, (*self.alternatives, filters))

    def query(self, under: str = "") -> dict[str, Any]:
        """The driver's form.

        Args:
            under: Field that holds the entity; put before every field name that does not begin with an underscore.
        """
        clauses: list[dict[str, Any]] = [{_path(field, under): {op: value}} for field, op, value in self.conditions]
        clauses += [{"$or": [f.query(under) for f in group]} for group in self.alternatives if group]
        if not clauses:
            return {}
        return clauses[0] if len(clauses) == 1 else {"$and": clauses}

    def _and(self, field: str, operator: str, operand: object) -> "Filter":
        if not _FIELD.fullmatch(field):
            raise Defect(f"{field!r} is not a field name.")
        return Filter((*self.conditions, (field, operator, operand)), self.alternatives)


EVERYTHING = Filter()


def _path(field: str, under: str) -> str:
    return field if not under or field.startswith(("_", "$")) else f"{under}.{field}"


def _scalar(value: Scalar) -> Scalar:
    if value is None or isinstance(value, str | int | float | bool | bytes | datetime):
        return value
    raise Invalid(f"A filter takes a plain value, not {type(value).__name__}.")
