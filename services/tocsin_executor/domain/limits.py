"""How many runs of a workflow may go on at once, as its definition says under ``document.metadata.tocsin``.

The language has no word for it, so the terms stand in the metadata that it leaves to runtimes::

    document:
      metadata:
        tocsin:
          concurrency: {limit: 2, key: "${ .customer }", policy: queue}
          rate: {limit: 100, every: {minutes: 1}}
          pools: [payments]
          priority: 10

Everything here is a function of the definition and the input of one start. Who holds a limit is decided elsewhere.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import orjson

from tocsin.errors import Invalid, Violation
from tocsin.expressions import Cost, Expression, ExpressionFailed, ExpressionInvalid, compile_condition
from tocsin.expressions.failures import EvaluateElsewhere
from tocsin_executor.domain.durations import BadDuration, parse_duration
from tocsin_executor.domain.values import Json, Millis

PRIORITY = 100
"""Priorities go from minus this to plus this; 0 unless something says otherwise, and the greater is first."""

LIMIT = 100_000
"""Runs at once, or starts in a while, that a limit may name."""

POOLS = 8
"""Pools that a workflow may use."""

_POINTER = "/document/metadata/tocsin"
_KEY = 96  # characters of a key's value that stay readable; longer ones are known by their digest
_POLICIES = "queue, skip, cancel-oldest, cancel-newest"


class Policy(Enum):
    """What becomes of a run that finds its limit reached."""

    QUEUE = "queue"
    """It waits for its turn."""
    SKIP = "skip"
    """It is refused; there is no such run."""
    CANCEL_OLDEST = "cancel-oldest"
    """The oldest run is cancelled, and the new one begins when that has really ended."""
    CANCEL_NEWEST = "cancel-newest"
    """The new run itself is cancelled, and stays to be seen."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``limit`` starts in any ``every`` milliseconds."""

    limit: int
    every: Millis


@dataclass(frozen=True, slots=True)
class Gate:
    """Something that lets only so many through.

    Attributes:
        key: ``workflow:<namespace>/<name>``, with ``#<value>`` behind it where a key expression divides the runs, or
            ``pool:<namespace>/<name>``.
        limit: Runs at once, or ``None``.
        rate: Starts in a while, or ``None``.
        policy: What becomes of those who find it closed.
    """

    key: str
    limit: int | None = None
    rate: Rate | None = None
    policy: Policy = Policy.QUEUE


@dataclass(frozen=True, slots=True)
class Terms:
    """What a start has to pass.

    Attributes:
        gate: The workflow's own, or ``None``.
        pools: Keys of the pools it takes a slot of.
        priority: Among those who wait.
    """

    gate: Gate | None
    pools: tuple[str, ...]
    priority: int

    @property
    def keys(self) -> tuple[str, ...]:
        """All of them."""
        return (*(() if self.gate is None else (self.gate.key,)), *self.pools)


@dataclass(frozen=True, slots=True)
class Rule:
    """The terms as a definition states them, compiled."""

    limit: int | None
    key: Expression | None
    policy: Policy
    rate: Rate | None
    pools: tuple[str, ...]
    priority: int


def rule_of(document: Json) -> Rule | None:
    """What a definition says about its runs, or ``None`` if it says nothing.

    Raises:
        Invalid: With a violation for each thing that makes no sense.
    """
    about = document.get("document") if isinstance(document, Mapping) else None
    metadata = about.get("metadata") if isinstance(about, Mapping) else None
    stated = metadata.get("tocsin") if isinstance(metadata, Mapping) else None
    if stated is None:
        return None
    wrong: list[Violation] = []
    rule = _Reader(wrong).rule(stated)
    if wrong:
        raise Invalid("the definition's limits make no sense", violations=wrong)
    return rule


class _Reader:
    """Reads the metadata and notes what is wrong with it."""

    def __init__(self, wrong: list[Violation]) -> None:
        self._wrong = wrong

    def rule(self, stated: Json) -> Rule | None:
        if not isinstance(stated, Mapping):
            self._note("", "an object is expected")
            return None
        self._known(stated, "", {"concurrency", "rate", "pools", "priority"})
        concurrency = stated.get("concurrency", {})
        if not isinstance(concurrency, Mapping):
            self._note("/concurrency", "an object with 'limit' is expected")
            concurrency = {}
        elif "concurrency" in stated and "limit" not in concurrency:
            self._note("/concurrency", "'limit' is missing")
        self._known(concurrency, "/concurrency", {"limit", "key", "policy"})
        rate = stated.get("rate")
        return Rule(
            self._count(concurrency["limit"], "/concurrency/limit") if "limit" in concurrency else None,
            self._key(concurrency["key"]) if "key" in concurrency else None,
            self._policy(concurrency.get("policy", Policy.QUEUE.value)),
            self._rate(rate) if rate is not None else None,
            self._pools(stated.get("pools", [])),
            self._priority(stated.get("priority", 0)),
        )

    def _known(self, stated: Mapping[str, Json], where: str, names: set[str]) -> None:
        for name in stated:
            if name not in names:
                self._note(f"{where}/{name}", f"'{name}' is not known here", f"Known are {', '.join(sorted(names))}.")

    def _count(self, value: Json, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LIMIT:
            self._note(where, f"a whole number from 1 to {LIMIT} is expected")
            return 1
        return value

    def _key(self, text: Json) -> Expression | None:
        if not isinstance(text, str):
            self._note("/concurrency/key", "an expression over the run's input is expected")
            return None
        try:
            expression = compile_condition(text, frozenset())
        except ExpressionInvalid as error:
            self._note("/concurrency/key", f"expression: {error.detail}", error.hint)
            return None
        if expression.cost is Cost.OPEN:
            self._note("/concurrency/key", "the expression may take long; a key is looked up at each start")
        return expression

    def _policy(self, value: Json) -> Policy:
        try:
            return Policy(value)
        except ValueError:
            self._note("/concurrency/policy", f"one of {_POLICIES} is expected")
            return Policy.QUEUE

    def _rate(self, value: Json) -> Rate | None:
        if not isinstance(value, Mapping) or set(value) != {"limit", "every"}:
            self._note("/rate", "'limit' and 'every' are expected, and nothing else")
            return None
        try:
            every = parse_duration(value["every"])
        except BadDuration as error:
            self._note("/rate/every", str(error))
            return None
        if every < 1:
            self._note("/rate/every", "a duration above zero is expected")
        return Rate(self._count(value["limit"], "/rate/limit"), every)

    def _pools(self, value: Json) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value) or len(value) > POOLS:
            self._note("/pools", f"a list of at most {POOLS} names of pools is expected")
            return ()
        return tuple(dict.fromkeys(str(name) for name in value))

    def _priority(self, value: Json) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not -PRIORITY <= value <= PRIORITY:
            self._note("/priority", f"a whole number from -{PRIORITY} to {PRIORITY} is expected")
            return 0
        return value

    def _note(self, where: str, detail: str, hint: str | None = None) -> None:
        self._wrong.append(Violation(_POINTER + where, detail, hint))


def pool_key(namespace: str, name: str) -> str:
    """The key of a named pool."""
    return f"pool:{namespace}/{name}"


def terms_of(
    rule: Rule, namespace: str, name: str, given: Json, *, priority: int | None = None, key: str | None = None
) -> Terms:
    """What one start has to pass.

    Args:
        rule: The definition's.
        namespace: The workflow's.
        name: The workflow's.
        given: The run's raw input.
        priority: What the start says instead of the definition.
        key: What the start says instead of the key expression.

    Raises:
        Invalid: The key expression fails on this input.
    """
    gate = None
    if rule.limit is not None or rule.rate is not None:
        part = "" if rule.key is None and key is None else f"#{key if key is not None else _value(rule, given)}"
        gate = Gate(f"workflow:{namespace}/{name}{part}", rule.limit, rule.rate, rule.policy)
    pools = tuple(pool_key(namespace, pool) for pool in rule.pools)
    return Terms(gate, pools, rule.priority if priority is None else max(-PRIORITY, min(PRIORITY, priority)))


def _value(rule: Rule, given: Json) -> str:
    assert rule.key is not None
    try:
        value = rule.key.evaluate(given, {})
    except (ExpressionFailed, EvaluateElsewhere) as error:
        raise Invalid(
            f"The key of the concurrency limit cannot be told from the input: {error}",
            violations=[Violation("/input", f"'{rule.key.text}' does not work on it")],
        ) from error
    return _short(value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode())


@lru_cache(maxsize=1024)
def _short(text: str) -> str:
    return text if len(text) <= _KEY else hashlib.sha256(text.encode()).hexdigest()[:40]
