"""``schedule.on``: which events start a workflow, as a value that the executor judges and the trigger service carries out.

What no trigger could promise is refused here, with the place.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.errors import Violation
from tocsin.expressions import Cost, ExpressionInvalid, Json, compile_condition, expression_text

_TYPE: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?|\*")
_SPECIAL: Final = re.compile(r"[\\^$*+?()\[\]{}|]")  # a dot alone makes no pattern: the types of events are full of them
_ATTRIBUTE: Final = re.compile(r"[a-z][a-z0-9]*")
_MODES: Final = ("one", "any", "all")
MOST_FILTERS: Final = 20


@dataclass(frozen=True, slots=True)
class StartFilter:
    """One kind of events.

    Attributes:
        type: CloudEvents type, a prefix that ends with ``.*``, or ``*``.
        source: CloudEvents source, or ``None`` for any.
        condition: jq condition over the event for everything else; ``None``: there is nothing else.
        key: jq path to what it has in common with the others, or ``None``.
        match: Attributes and the regular expressions that all of them must match.
    """

    type: str
    source: str | None
    condition: str | None
    key: str | None
    match: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StartEvents:
    """The events that start a workflow.

    Attributes:
        every: All kinds must have come; otherwise each event starts a run, or is collected where ``until`` says so.
        filters: The kinds.
        whole: The run's input has whole events, not only their data.
        until: Kinds of events that end the collecting.
        until_every: All of them must have come, not only one.
        until_condition: jq condition over the list so far that ends it; the list is what the run gets.
    """

    every: bool
    filters: tuple[StartFilter, ...]
    whole: bool
    until: tuple[StartFilter, ...] = ()
    until_every: bool = False
    until_condition: str | None = None

    @property
    def collects(self) -> bool:
        """Whether events wait until something else says that it is enough."""
        return bool(self.until) or self.until_condition is not None


def start_events(schedule: Json) -> tuple[StartEvents | None, list[Violation]]:
    """Read the ``on`` of a ``schedule`` block.

    Args:
        schedule: The block.

    Returns:
        The events, or ``None`` when there is no ``on`` or it is wrong; and everything that is wrong.
    """
    if not isinstance(schedule, Mapping) or "on" not in schedule:
        return None, []
    violations: list[Violation] = []
    on = schedule["on"]
    mode, filters = _strategy(on, "/schedule/on", violations)
    until: tuple[StartFilter, ...] = ()
    until_mode, condition = "any", None
    if isinstance(on, Mapping) and mode == "any" and "until" in on:  # of the others the reference ignores it
        if isinstance(on["until"], Mapping):
            until_mode, until = _strategy(on["until"], "/schedule/on/until", violations)
        else:
            condition = _until(on["until"], violations)
    found = StartEvents(
        mode == "all", filters, schedule.get("read", "data") == "envelope", until, until_mode == "all", condition
    )
    if found.every or found.collects:
        _same_names(on, violations)
    return (None, violations) if violations else (found, [])


def _strategy(given: Json, place: str, violations: list[Violation]) -> tuple[str, tuple[StartFilter, ...]]:
    modes = [mode for mode in _MODES if isinstance(given, Mapping) and mode in given]
    if not isinstance(given, Mapping) or len(modes) != 1:
        violations.append(Violation(place, "exactly one of one, any and all is needed"))
        return "one", ()
    mode = modes[0]
    listed = [given[mode]] if mode == "one" else given[mode]
    if mode == "any" and listed == []:
        return mode, (StartFilter("*", None, None, None),)  # all events that come in
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not 1 <= len(listed) <= MOST_FILTERS:
        violations.append(Violation(f"{place}/{mode}", f"a list of 1 to {MOST_FILTERS} filters is expected"))
        return mode, ()
    places = [f"{place}/{mode}" if mode == "one" else f"{place}/{mode}/{at}" for at in range(len(listed))]
    read = [_filter(each, where, violations) for each, where in zip(listed, places, strict=True)]
    return mode, tuple(each for each in read if each is not None)


def _until(given: Json, violations: list[Violation]) -> str | None:
    """The condition on the list so far."""
    if not isinstance(given, str):
        return json.dumps(bool(given))
    return _judged(expression_text(given) or given, "/schedule/on/until", violations)


def _judged(text: str, place: str, violations: list[Violation]) -> str | None:
    """An expression that can be evaluated for every event that comes."""
    try:
        cost = compile_condition(text, frozenset({"trigger"})).cost
    except ExpressionInvalid as error:
        violations.append(Violation(place, error.detail, error.hint))
        return None
    if cost is Cost.OPEN:
        violations.append(Violation(place, "this expression may take arbitrarily long"))
        return None
    return text


def _filter(given: Json, place: str, violations: list[Violation]) -> StartFilter | None:
    wanted = given.get("with") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or not isinstance(wanted, Mapping) or not wanted:
        violations.append(Violation(place, "a filter needs 'with'"))
        return None
    kind, source, conditions, match = "*", None, [], []
    for name, value in wanted.items():
        if not _ATTRIBUTE.fullmatch(name):
            violations.append(Violation(f"{place}/with/{name}", "this is no attribute of an event"))
        elif isinstance(value, str) and (text := expression_text(value)) is not None:
            conditions.append(f"(.{name} | ({text.strip()}))")
        elif name == "type" and isinstance(value, str) and _TYPE.fullmatch(value):
            kind = value
        elif isinstance(value, str) and name != "data" and _is_pattern(value):
            match.append((name, value))
        elif name == "type" and (not isinstance(value, str) or _SPECIAL.search(value)):
            violations.append(Violation(f"{place}/with/type", "a type is text, or a regular expression"))
        elif name == "source" and isinstance(value, str):
            source = value
        else:
            conditions.append(f"(.{name} == {json.dumps(value)})")
    key = _correlation(given.get("correlate"), f"{place}/correlate", conditions, violations)
    condition = _judged(" and ".join(conditions), f"{place}/with", violations) if conditions else None
    return StartFilter(kind, source, condition, key, tuple(match))


def _is_pattern(value: str) -> bool:
    if not _SPECIAL.search(value):
        return False
    try:
        re.compile(value)
    except re.error:
        return False
    return True


def _correlation(rules: Json, place: str, conditions: list[str], violations: list[Violation]) -> str | None:
    """The path to what the event has in common with others: with several correlations the list of all, by their names."""
    if rules is None:
        return None
    paths: dict[str, str] = {}
    for name, rule in rules.items() if isinstance(rules, Mapping) else ():
        start = rule.get("from") if isinstance(rule, Mapping) else None
        if not isinstance(rule, Mapping) or not isinstance(start, str):
            violations.append(Violation(f"{place}/{name}", "a correlation needs 'from'"))
            continue
        judged = _judged(expression_text(start) or start, f"{place}/{name}", violations)
        if judged is None:
            continue
        paths[name] = judged
        if "expect" in rule:
            expected = rule["expect"]
            text = expression_text(expected) if isinstance(expected, str) else None
            conditions.append(f"(({paths[name]}) == ({json.dumps(expected) if text is None else text}))")
    if not isinstance(rules, Mapping) or not rules:
        violations.append(Violation(place, "a name and 'from' are needed"))
        return None
    ordered = [paths[name] for name in sorted(paths)]
    if not ordered:
        return None
    return ordered[0] if len(ordered) == 1 else f"[{', '.join(f'({path})' for path in ordered)}]"


def _same_names(on: Json, violations: list[Violation]) -> None:
    """Events can only be told to belong together by what all of them have."""
    wanted: frozenset[str] | None = None
    for place, each in _filters_of(on, "/schedule/on"):
        rules = each.get("correlate") if isinstance(each, Mapping) else None
        names = frozenset(rules) if isinstance(rules, Mapping) else frozenset()
        wanted = names if wanted is None else wanted
        if names != wanted:
            told = ", ".join(sorted(wanted)) or "nothing"
            violations.append(Violation(f"{place}/correlate", f"the others are correlated by {told}; all must be by the same"))


def _filters_of(strategy: Json, place: str) -> list[tuple[str, Json]]:
    found: list[tuple[str, Json]] = []
    if not isinstance(strategy, Mapping):
        return found
    for mode in _MODES:
        given = strategy.get(mode)
        if mode == "one" and given is not None:
            found.append((f"{place}/one", given))
        elif isinstance(given, list):
            found += [(f"{place}/{mode}/{at}", each) for at, each in enumerate(given)]
    return [*found, *_filters_of(strategy.get("until"), f"{place}/until")]
