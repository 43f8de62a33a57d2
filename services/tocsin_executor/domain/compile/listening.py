"""``listen``: consumption strategies and event filters."""

import re
from collections.abc import Mapping

from tocsin.expressions import Template, expression_text
from tocsin_executor.domain.compile.builder import Builder, Place
from tocsin_executor.domain.program import Correlation, Filter, ListenSpec
from tocsin_executor.domain.schemas import BadSchema, Schema, compile_schema
from tocsin_executor.domain.values import Json, Millis

MAX_LOOKBACK = 24 * 3_600_000
"""Milliseconds; every event of that time is read again when a task looks back."""

_READS = ("data", "envelope", "raw")
_SPECIAL = re.compile(r"[\\^$*+?()\[\]{}|]")  # a dot alone makes no pattern: the types of events are full of them


def compile_listen(builder: Builder, task: Mapping[str, Json], place: Place, body: int | None) -> ListenSpec:
    """Which events, until when, and what is done with each."""
    listen = task["listen"]
    to = listen.get("to") if isinstance(listen, Mapping) else None
    here = place.at("listen", "to")
    mode, filters = _strategy(builder, to, here)
    until_from, until_all, until = len(filters), False, None
    if isinstance(to, Mapping) and "until" in to and mode == "any":
        given = to["until"]
        if isinstance(given, Mapping):
            until_mode, more = _strategy(builder, given, here.at("until"))
            until_all = until_mode == "all"
            filters += more
        elif isinstance(given, str):
            until = builder.expression(given, here.at("until"))
    read = str(listen.get("read", "data")) if isinstance(listen, Mapping) else "data"
    if read not in _READS:
        builder.wrong(place.at("listen", "read"), f"'{read}' is not one of {', '.join(_READS)}")
    each = task.get("foreach")
    options = each if isinstance(each, Mapping) else {}
    item, at = str(options.get("item", "item")), str(options.get("at", "index"))
    post = builder.post(options, place.at("foreach").inside(item, at))
    lookback = _lookback(builder, task.get("metadata"), place.at("metadata", "lookback"))
    return ListenSpec(mode, tuple(filters), until_from, until_all, until, read, body, item, at, post, lookback)


def _lookback(builder: Builder, metadata: Json, place: Place) -> Millis:
    """``metadata.lookback``: events that came so long before the task began count as well."""
    if not isinstance(metadata, Mapping) or "lookback" not in metadata:
        return 0
    found = builder.duration(metadata["lookback"], place).constant
    if found is None or not 0 <= found <= MAX_LOOKBACK:
        builder.wrong(place, "events are looked for at most a day back, and the duration is constant", "Write PT10M, say.")
        return 0
    return found


def _strategy(builder: Builder, strategy: Json, place: Place) -> tuple[str, list[Filter]]:
    """``one``, ``any`` or ``all``, with its filters; no filters under ``any`` means all events."""
    modes = [mode for mode in ("one", "any", "all") if isinstance(strategy, Mapping) and mode in strategy]
    if not isinstance(strategy, Mapping) or len(modes) != 1:
        builder.wrong(place, "exactly one of one, any and all is needed")
        return "one", []
    mode = modes[0]
    listed = [strategy[mode]] if mode == "one" else strategy[mode]
    if not isinstance(listed, list):
        builder.wrong(place.at(mode), "a list of filters is expected")
        return mode, []
    places = [place.at(mode)] if mode == "one" else [place.at(mode, index) for index in range(len(listed))]
    return mode, [_filter(builder, given, where) for given, where in zip(listed, places, strict=True)]


def _filter(builder: Builder, given: Json, place: Place) -> Filter:
    wanted = given.get("with") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or not isinstance(wanted, Mapping):
        builder.wrong(place, "a filter needs 'with'")
        return Filter({}, {}, (), (), ())
    constants: dict[str, Json] = {}
    exact: dict[str, Json] = {}
    patterns, conditions = [], []
    for name, given_value in wanted.items():
        here = place.at("with", name)
        value = builder.evaluated(given_value, here) if name == "data" else given_value
        if isinstance(value, str) and expression_text(value) is not None:
            conditions.append((name, builder.expression(value, here)))
        else:
            constants[name] = value
            pattern = _pattern(value)
            if pattern is None:
                exact[name] = value
            else:
                patterns.append((name, pattern))
    correlate = given.get("correlate")
    correlations = []
    for name, rule in correlate.items() if isinstance(correlate, Mapping) else ():
        here = place.at("correlate", name)
        if not isinstance(rule, Mapping) or "from" not in rule:
            builder.wrong(here, "a correlation needs 'from'")
            continue
        expect = _expected(builder, rule["expect"], here.at("expect")) if "expect" in rule else None
        correlations.append(Correlation(name, builder.expression(rule["from"], here.at("from")), expect))
    return Filter(constants, exact, tuple(patterns), tuple(conditions), tuple(correlations))


def _expected(builder: Builder, value: Json, place: Place) -> Template:
    return builder.template(builder.evaluated(value, place), place)


def _pattern(value: Json) -> Schema | None:
    """A value that is a pattern, for a full match by a matcher that takes linear time; ``None`` if it is a plain value."""
    if isinstance(value, str) and _SPECIAL.search(value):
        try:
            return compile_schema({"anyOf": [{"const": value}, {"type": "string", "pattern": f"^(?:{value})$"}]})
        except BadSchema:
            return None
    return None
