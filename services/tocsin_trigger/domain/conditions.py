"""What an event must fulfil before a trigger starts anything: a schema of its data, a CESQL filter, a jq filter, in this order.

Each is compiled once and gives its answer in words. Schemas use a linear-time matcher and fetch nothing, CESQL always ends, and
of jq only what has a bound is allowed, so that deciding about an event takes a time that nobody outside chooses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import jsonschema_rs

from tocsin.cesql import CesqlInvalid, Filter, parse
from tocsin.cesql import Value as Attribute
from tocsin.errors import Violation
from tocsin.expressions import Cost, Expression, ExpressionInvalid, Json, compile_condition, truthy

VARIABLES: Final = frozenset({"trigger"})
_OPEN: Final = "Avoid recursion, unbounded generators and regular expressions over long text; use a task of the workflow."


@dataclass(frozen=True, slots=True)
class Conditions:
    """The compiled conditions of one trigger; ``None`` where it has none.

    Attributes:
        schema: Of the event's data.
        cesql: Over its attributes.
        jq: Over all of it.
        match: Attributes with the patterns that they must match whole.
    """

    schema: jsonschema_rs.Validator | None
    cesql: Filter | None
    jq: Expression | None
    match: tuple[tuple[str, str, jsonschema_rs.Validator], ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The conditions as they were written.

    Attributes:
        schema: JSON Schema, draft 2020-12 unless it says otherwise.
        cesql: CESQL expression.
        jq: jq condition.
        match: Attributes with regular expressions.
    """

    schema: Json = None
    cesql: str | None = None
    jq: str | None = None
    match: tuple[tuple[str, str], ...] = ()


def compile_conditions(wanted: Wanted) -> tuple[Conditions, list[Violation]]:
    """Compile; with everything that is wrong."""
    violations: list[Violation] = []
    schema = cesql = jq = None
    if wanted.schema is not None:
        try:
            schema = _schema(wanted.schema)
        except ValueError as error:
            violations.append(Violation("/schema", str(error)[:500]))
    if wanted.cesql is not None:
        try:
            cesql = parse(wanted.cesql)
        except CesqlInvalid as error:
            violations.append(Violation("/filter/cesql", error.detail, error.hint))
    if wanted.jq is not None:
        try:
            jq = compile_condition(wanted.jq, VARIABLES)
        except ExpressionInvalid as error:
            violations.append(Violation("/filter", error.detail, error.hint))
        else:
            violations += open_cost("/filter", jq.cost)
    match = []
    for name, pattern in wanted.match:
        try:
            match.append((name, pattern, _schema({"type": "string", "pattern": f"^(?:{pattern})$"})))
        except ValueError as error:
            violations.append(Violation(f"/match/{name}", str(error)[:500]))
    return Conditions(schema, cesql, jq, tuple(match)), violations


def open_cost(pointer: str, cost: Cost) -> list[Violation]:
    """A violation, if an expression may take arbitrarily long."""
    return [Violation(pointer, "This expression may take arbitrarily long.", _OPEN)] if cost is Cost.OPEN else []


def schema_complaint(conditions: Conditions, event: Mapping[str, Json]) -> str | None:
    """What the schema says against the event's data, with the place; ``None`` when nothing."""
    schema = conditions.schema
    if schema is None:
        return None
    data = event.get("data")
    if schema.is_valid(data):
        return None
    error = next(schema.iter_errors(data), None)
    if error is None:
        return None
    where = "/".join(str(part) for part in error.instance_path)
    return f"The data does not fit the schema: {error.message[:400]} (at /{where})"


def filter_complaint(conditions: Conditions, event: Mapping[str, Json], variables: Mapping[str, Json]) -> str | None:
    """Which filter says no, and why; ``None`` when all say yes.

    Raises:
        Rejected: The jq filter failed on this event.
    """
    for name, pattern, matcher in conditions.match:
        if not matcher.is_valid(event.get(name)):
            return f"Its {name} does not match {pattern}"
    if conditions.cesql is not None:
        said = conditions.cesql.evaluate(_attributes(event))
        if not said.holds:
            faults = "".join(f"; {fault.detail}" for fault in said.faults[:3])
            return f"The CESQL filter said no: {conditions.cesql.text}{faults}"
    jq = conditions.jq
    if jq is not None and not truthy(jq.evaluate(dict(event), dict(variables))):
        return f"The filter said no: {jq.text}"
    return None


def _attributes(event: Mapping[str, Json]) -> dict[str, Attribute]:
    """CESQL sees attributes only; data is for jq."""
    return {name: value for name, value in event.items() if name != "data" and isinstance(value, str | int)}


def _schema(document: Json) -> jsonschema_rs.Validator:
    if not isinstance(document, dict):
        raise ValueError("a schema is an object")  # noqa: TRY004 - one kind of error for all that can be wrong with it
    try:
        return jsonschema_rs.validator_for(document, pattern_options=jsonschema_rs.RegexOptions(), retriever=_refuse)
    except jsonschema_rs.ReferencingError as error:
        raise ValueError(str(error)) from error


def _refuse(uri: str) -> dict[str, Json]:
    raise ValueError(f"'{uri}' is outside of the schema; only inline schemas are offered")
