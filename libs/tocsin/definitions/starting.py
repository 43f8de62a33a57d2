"""``schedule.on``: which events start a workflow, as a value that the executor judges and the trigger service carries out.

What the language allows and a trigger cannot promise is refused here, with the place: patterns in types, several correlations,
``until``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.errors import Violation
from tocsin.expressions import Json, expression_text

_TYPE: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?|\*")
_ATTRIBUTE: Final = re.compile(r"[a-z][a-z0-9]*")
_MODES: Final = ("one", "any", "all")
MOST_FILTERS: Final = 20


@dataclass(frozen=True, slots=True)
class StartFilter:
    """One kind of events.

    Attributes:
        type: CloudEvents type.
        source: CloudEvents source, or ``None`` for any.
        condition: jq condition over the event for everything else; ``None``: there is nothing else.
        key: jq path to what it has in common with the others, or ``None``.
    """

    type: str
    source: str | None
    condition: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class StartEvents:
    """The events that start a workflow.

    Attributes:
        every: All kinds must have come; otherwise each event starts a run.
        filters: The kinds.
        whole: The run's input has whole events, not only their data.
    """

    every: bool
    filters: tuple[StartFilter, ...]
    whole: bool


def start_events(schedule: Json) -> tuple[StartEvents | None, list[Violation]]:
    """Read the ``on`` of a ``schedule`` block.

    Args:
        schedule: The block.

    Returns:
        The events, or ``None`` when there is no ``on`` or it is wrong; and everything that is wrong.
    """
    if not isinstance(schedule, Mapping) or "on" not in schedule:
        return None, []
    on = schedule["on"]
    modes = [mode for mode in _MODES if isinstance(on, Mapping) and mode in on]
    if not isinstance(on, Mapping) or len(modes) != 1:
        return None, [Violation("/schedule/on", "exactly one of one, any and all is needed")]
    mode = modes[0]
    listed = [on[mode]] if mode == "one" else on[mode]
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not 1 <= len(listed) <= MOST_FILTERS:
        return None, [Violation(f"/schedule/on/{mode}", f"a list of 1 to {MOST_FILTERS} filters is expected")]
    violations: list[Violation] = []
    if "until" in on:
        violations.append(Violation("/schedule/on/until", "a workflow is started by events as long as it is published"))
    filters = []
    for at, given in enumerate(listed):
        place = f"/schedule/on/{mode}" if mode == "one" else f"/schedule/on/{mode}/{at}"
        found = _filter(given, place, violations)
        if found is not None:
            filters.append(found)
    if violations:
        return None, violations
    return StartEvents(mode == "all", tuple(filters), schedule.get("read", "data") != "data"), []


def _filter(given: Json, place: str, violations: list[Violation]) -> StartFilter | None:
    wanted = given.get("with") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or not isinstance(wanted, Mapping):
        violations.append(Violation(place, "a filter needs 'with'"))
        return None
    kind, source = wanted.get("type"), wanted.get("source")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        hint = "Write com.example.order.placed, or com.example.* for all below it."
        violations.append(Violation(f"{place}/with/type", "events that start a workflow are named by their type", hint))
        return None
    conditions = []
    for name, value in wanted.items():
        if name == "type" or (name == "source" and isinstance(source, str) and expression_text(source) is None):
            continue
        if not _ATTRIBUTE.fullmatch(name):
            violations.append(Violation(f"{place}/with/{name}", "this is no attribute of an event"))
        else:
            conditions.append(_condition(name, value))
    plain = source if isinstance(source, str) and expression_text(source) is None else None
    return StartFilter(kind, plain, " and ".join(conditions) or None, _key(given, place, violations))


def _condition(name: str, value: Json) -> str:
    text = expression_text(value) if isinstance(value, str) else None
    return f"(.{name} == {json.dumps(value)})" if text is None else f"(.{name} | ({text.strip()}))"


def _key(given: Mapping[str, Json], place: str, violations: list[Violation]) -> str | None:
    rules = given.get("correlate")
    if rules is None:
        return None
    if not isinstance(rules, Mapping) or len(rules) != 1:
        violations.append(Violation(f"{place}/correlate", "events that start a workflow have one thing in common"))
        return None
    name, rule = next(iter(rules.items()))
    start = rule.get("from") if isinstance(rule, Mapping) else None
    if not isinstance(start, str) or (isinstance(rule, Mapping) and "expect" in rule):
        violations.append(
            Violation(f"{place}/correlate/{name}", "a correlation that starts a workflow has 'from' and nothing else")
        )
        return None
    return start
