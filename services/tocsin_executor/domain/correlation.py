"""Which subscriptions an event may meet: an index over all that wait, so that those it cannot meet cost nothing.

The correlator asks here, many times a second; the run's own fold decides (``ops/listening.py``). So whatever is hard to say in
advance - an expression of unknown cost, a value that only the run knows - counts as "may". What counts is deterministic: the
number of an event's delivery is counted again from the stream after a crash, and has to come out the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import orjson

from tocsin.expressions import EvaluateElsewhere, Expression, ExpressionFailed
from tocsin.signals.catalogue import CATALOGUE
from tocsin_executor.domain.program import Filter, ListenSpec
from tocsin_executor.domain.values import Json, Millis

EVENTS: Final = "events"
SIGNALS: Final = "signals"
"""The channels: custom events, and what the platform says of itself (a filter that names such a type reads it)."""

_Place: TypeAlias = tuple[str, str | None, int, str | None, str]
"""Where an entry stands: channel, type, number of the filter, and by which value of what."""


def same(one: Json, two: Json) -> bool:
    """Whether two JSON values are equal; numbers by value, and no boolean is a number."""
    return canonical(one) == canonical(two)


def canonical(value: Json) -> str:
    """A value as something that can be looked up; text, since what the JSON library makes keeps its whole buffer."""
    if isinstance(value, str):
        return '"' + value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return orjson.dumps(value, None, orjson.OPT_SORT_KEYS).decode()


@dataclass(slots=True)
class Subscription:
    """A run that listens.

    Attributes:
        run: Its id.
        token: The activation of the ``listen``.
        node: Index of that task in its program.
        namespace: Events of this namespace only.
        since: Events older than this are not meant.
        expected: Correlation values by ``<filter>/<name>``.
        variables: What conditions may use, or ``None`` when that is unknown.
        after: Position of the last event it was given or need not look at, by channel.
        sent: Number of the last delivery, by channel.
        places: Where the index has it.
    """

    run: str
    token: str
    node: int
    namespace: str
    since: Millis
    expected: dict[str, Json]
    variables: dict[str, Json] | None
    after: dict[str, int] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    places: list[_Place] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """Run and token."""
        return self.run, self.token


@dataclass(slots=True)
class _Entry:
    """One filter of one subscription."""

    subscription: Subscription
    filter: Filter | None
    index: int


_SCANNED = 50  # types that are looked for in a message's bytes before it is read; more cost as much as reading it

_Entries: TypeAlias = dict[tuple[str, str, int], _Entry]


@dataclass(slots=True)
class _Shelf:
    """The entries of one type of events (or of no certain one): by a value that tells them apart, or in a row."""

    word: bytes = b""
    row: _Entries = field(default_factory=dict)
    by: dict[str, dict[str, _Entries]] = field(default_factory=dict)
    readers: dict[str, Expression | str] = field(default_factory=dict)


def channels_of(spec: ListenSpec) -> frozenset[str]:
    """Which channels a ``listen`` reads."""
    return frozenset(_channel(found) for found in spec.filters) | ({EVENTS} if _takes_all(spec) else frozenset())


def _channel(wanted: Filter) -> str:
    kind = wanted.exact.get("type")
    return SIGNALS if isinstance(kind, str) and kind in CATALOGUE else EVENTS


def _takes_all(spec: ListenSpec) -> bool:
    return spec.mode == "any" and not spec.until_from


class Index:
    """All subscriptions of an owner, by channel, namespace and type."""

    def __init__(self) -> None:
        self._shelves: dict[tuple[str, str], dict[str | None, _Shelf]] = {}
        self._all: dict[tuple[str, str], Subscription] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(tuple(self._all.values()))

    def get(self, run: str, token: str) -> Subscription | None:
        """The subscription, if it is there."""
        return self._all.get((run, token))

    def add(self, subscription: Subscription, spec: ListenSpec) -> None:
        """Look for events for this one from now on."""
        self._all[subscription.key] = subscription
        for index, wanted in enumerate(spec.filters):
            self._put(_Entry(subscription, wanted, index), _channel(wanted))
        if _takes_all(spec):
            self._put(_Entry(subscription, None, -1), EVENTS)

    def remove(self, run: str, token: str) -> Subscription | None:
        """Nobody listens there any more."""
        subscription = self._all.pop((run, token), None)
        if subscription is not None:
            for place in subscription.places:
                self._take(subscription, place)
        return subscription

    def reads(self, channel: str) -> bool:
        """Whether anybody listens to this channel."""
        return any(known == channel for known, _ in self._shelves)

    def may_meet(self, channel: str, namespace: str, payload: bytes, headers: bytes) -> bool:
        """Whether it is worth reading this message: not if no type that somebody waits for occurs in its bytes.

        A type stands in an event as it is, unless something in it is escaped.
        """
        shelves = self._shelves.get((channel, namespace))
        if shelves is None:
            return False
        if None in shelves or len(shelves) > _SCANNED or b"\\" in payload or b"%" in headers:
            return True
        return any(shelf.word in payload or shelf.word in headers for shelf in shelves.values())

    def matching(self, channel: str, namespace: str, event: Mapping[str, Json]) -> list[Subscription]:
        """The subscriptions that the event may meet, each once."""
        shelves = self._shelves.get((channel, namespace))
        if shelves is None:
            return []
        found: dict[tuple[str, str], Subscription] = {}
        asked: dict[str, Json] = {}
        kind = event.get("type")
        for shelf in (shelves.get(kind if isinstance(kind, str) else ""), shelves.get(None)):
            if shelf is None:
                continue
            for entry in _candidates(shelf, event, asked):
                subscription = entry.subscription
                if subscription.key not in found and _may_meet(entry, event, asked):
                    found[subscription.key] = subscription
        return list(found.values())

    def _put(self, entry: _Entry, channel: str) -> None:
        subscription, wanted = entry.subscription, entry.filter
        kind = wanted.exact.get("type") if wanted is not None else None
        word = kind if isinstance(kind, str) else None
        shelf = self._shelves.setdefault((channel, subscription.namespace), {}).setdefault(word, _Shelf((word or "").encode()))
        key = (subscription.run, subscription.token, entry.index)
        told = None if wanted is None else _telling(wanted, entry)
        if told is None:
            shelf.row[key] = entry
            subscription.places.append((channel, word, entry.index, None, ""))
        else:
            name, reader, value = told
            shelf.readers[name] = reader
            shelf.by.setdefault(name, {}).setdefault(canonical(value), {})[key] = entry
            subscription.places.append((channel, word, entry.index, name, canonical(value)))

    def _take(self, subscription: Subscription, place: _Place) -> None:
        channel, kind, index, name, value = place
        shelves = self._shelves[(channel, subscription.namespace)]
        shelf = shelves[kind]
        key = (subscription.run, subscription.token, index)
        if name is not None:
            entries = shelf.by[name][value]
            del entries[key]
            if not entries:
                del shelf.by[name][value]
            if not shelf.by[name]:
                del shelf.by[name], shelf.readers[name]
        else:
            del shelf.row[key]
        if not shelf.row and not shelf.by:
            del shelves[kind]
        if not shelves:
            del self._shelves[(channel, subscription.namespace)]


def _telling(wanted: Filter, entry: _Entry) -> tuple[str, Expression | str, Json] | None:
    """What tells this filter's events apart best: a correlation whose value is known, or else an attribute."""
    for rule in wanted.correlations:
        known = entry.subscription.expected.get(f"{entry.index}/{rule.name}")
        if known is not None and not rule.source.names:
            return "from " + rule.source.text, rule.source, known
    others = [name for name in wanted.exact if name not in ("type", "specversion", "datacontenttype")]
    if not others:
        return None
    name = min(others, key=lambda name: (name == "source", name))
    return "is " + name, name, wanted.exact[name]


def _candidates(shelf: _Shelf, event: Mapping[str, Json], asked: dict[str, Json]) -> Iterator[_Entry]:
    yield from shelf.row.values()
    for name, values in shelf.by.items():
        reader = shelf.readers[name]
        if isinstance(reader, str):
            yield from values.get(canonical(event.get(reader)), {}).values()
            continue
        try:
            found = _ask(reader, event, asked)
        except EvaluateElsewhere:
            for entries in values.values():
                yield from entries.values()
        else:
            yield from values.get(canonical(found), {}).values()


def _ask(expression: Expression, event: Mapping[str, Json], asked: dict[str, Json]) -> Json:
    """An expression on the event, once however many ask; one that fails gives nothing.

    Raises:
        EvaluateElsewhere: It cannot be said here.
    """
    if expression.text not in asked:
        try:
            asked[expression.text] = expression.evaluate(dict(event), {})
        except ExpressionFailed:
            asked[expression.text] = None
    return asked[expression.text]


def _may_meet(entry: _Entry, event: Mapping[str, Json], asked: dict[str, Json]) -> bool:
    wanted, subscription = entry.filter, entry.subscription
    if wanted is None:
        return True
    if not all(same(event.get(name), value) for name, value in wanted.exact.items()):
        return False
    if not all(pattern.complaint(event.get(name)) is None for name, pattern in wanted.patterns):
        return False
    for rule in wanted.correlations:
        if rule.source.names:
            continue
        known = subscription.expected.get(f"{entry.index}/{rule.name}")
        try:
            found = _ask(rule.source, event, asked)
        except EvaluateElsewhere:
            continue
        if found is None or (known is not None and not same(found, known)):
            return False
    return all(_holds(subscription, expression, event.get(name)) for name, expression in wanted.conditions)


def _holds(subscription: Subscription, expression: Expression, attribute: Json) -> bool:
    """Whether a condition holds, as far as that can be said here."""
    if expression.names and (subscription.variables is None or not expression.names <= set(subscription.variables)):
        return True
    try:
        answer = expression.evaluate(attribute, subscription.variables or {})
    except EvaluateElsewhere:
        return True
    except ExpressionFailed:
        return False
    return agrees(answer, attribute)


def agrees(answer: Json, attribute: Json) -> bool:
    """What an expression on an attribute has to give: true, or the attribute itself."""
    return answer is True or (not isinstance(answer, bool) and answer is not None and same(answer, attribute))
