"""When an asset is to be made anew: conditions over what it is made of, and why they hold or do not.

A condition is evaluated for one partition, from facts alone. The finding names every part with what was seen, so that people
can read why something was started and, as often, why it was not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeAlias

from tocsin.signals import Json
from tocsin_lineage.domain.freshness import State

MARGIN = timedelta(minutes=1)
ANSWERED_LIMIT = 2000  # ids; above it a writing of the last minute could be answered twice, by the same run


class Simple(Enum):
    """Conditions without parameters."""

    ANY_UPDATED = "any-updated"
    ALL_UPDATED = "all-updated"
    UPDATED_SINCE_TICK = "updated-since-tick"
    UPSTREAM_PRESENT = "upstream-present"
    UPSTREAM_FRESH = "upstream-fresh"
    CHECKS_PASSED = "checks-passed"
    MISSING = "missing"
    CODE_CHANGED = "code-changed"


@dataclass(frozen=True, slots=True)
class Tick:
    """An instant of a cron pattern has come that nothing was started for."""

    cron: str
    zone: str


@dataclass(frozen=True, slots=True)
class Both:
    """All of them hold."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of them holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """It does not hold."""

    part: "Condition"


Condition: TypeAlias = Simple | Tick | Both | Either | Negated


@dataclass(frozen=True, slots=True)
class Part:
    """An upstream partition.

    Attributes:
        key: Empty for a whole asset.
        noted: When its latest writing was recorded; ``None`` when it was never written.
        happening: Id of that writing.
    """

    key: str
    noted: datetime | None
    happening: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """An asset that it is made of, with the partitions that are meant."""

    key: str
    parts: tuple[Part, ...]
    state: State = State.UNKNOWN
    blocked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about one partition of an asset when it is decided.

    Attributes:
        partition: Its key.
        upstream: What it is made of.
        handled: Writings recorded up to then have been answered; from the beginning the instant of the declaration.
        answered: Those of the last minute before, by id: instants are compared between processes, whose clocks differ.
        written: Whether it was ever written.
        requested: Whether a run that was started for it has not ended.
        tick: The last instant of the condition's cron pattern.
        ticked: The last one that something was started for; from the beginning the instant of the declaration.
        code: The version that it was written with and that of now, where they differ.
    """

    partition: str
    upstream: tuple[Upstream, ...]
    handled: datetime
    answered: frozenset[str] | None = None
    written: bool
    requested: bool
    tick: datetime | None = None
    ticked: datetime | None = None
    code: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a condition, or a part of it, came to.

    Attributes:
        name: Of the condition.
        holds: Whether it does.
        detail: What was seen.
        parts: Findings of its parts.
    """

    name: str
    holds: bool
    detail: str
    parts: tuple["Finding", ...] = ()

    def document(self) -> dict[str, Json]:
        """As it is stored and shown."""
        found: dict[str, Json] = {"condition": self.name, "holds": self.holds, "detail": self.detail}
        if self.parts:
            found["parts"] = [part.document() for part in self.parts]
        return found


def evaluate(condition: Condition, facts: Facts) -> Finding:
    """Whether a condition holds, and why."""
    match condition:
        case Simple():
            holds, detail = _SIMPLE[condition](facts)
            return Finding(condition.value, holds, detail)
        case Tick():
            return _tick(facts)
        case Both(parts=parts):
            inner = tuple(evaluate(part, facts) for part in parts)
            missing = [one.name for one in inner if not one.holds]
            return Finding("all", not missing, f"not {', '.join(missing)}" if missing else "all of them", inner)
        case Either(parts=parts):
            inner = tuple(evaluate(part, facts) for part in parts)
            met = [one.name for one in inner if one.holds]
            return Finding("any", bool(met), ", ".join(met) if met else "none of them", inner)
        case Negated(part=part):
            found = evaluate(part, facts)
            return Finding("not", not found.holds, found.name, (found,))


def causes(condition: Condition, facts: Facts) -> tuple[str, ...]:
    """What a start would answer: the writings that are new, sorted, and the instant that has come.

    The same causes give the same run, so that nothing is started twice for them.
    """
    texts = sorted({part.happening for _, part in _parts(facts) if part.happening is not None and _is_new(part, facts)})
    if tick_of(condition) is not None and facts.tick is not None:
        texts.append(f"tick:{facts.tick.isoformat()}")
    if _asks(condition, Simple.CODE_CHANGED) and facts.code is not None:
        texts.append(f"code:{facts.code[1]}")
    return tuple(texts) or ("missing",)


def tick_of(condition: Condition) -> Tick | None:
    """The cron pattern in a condition; it has one at most."""
    return next(iter(ticks_in(condition)), None)


def ticks_in(condition: Condition) -> list[Tick]:
    """All cron patterns in a condition."""
    match condition:
        case Simple():
            return []
        case Tick():
            return [condition]
        case Negated(part=part):
            return ticks_in(part)
        case Both(parts=parts) | Either(parts=parts):
            return [tick for part in parts for tick in ticks_in(part)]


def _asks(condition: Condition, simple: Simple) -> bool:
    match condition:
        case Simple() | Tick():
            return condition is simple
        case Negated(part=part):
            return _asks(part, simple)
        case Both(parts=parts) | Either(parts=parts):
            return any(_asks(part, simple) for part in parts)


def _parts(facts: Facts) -> Iterator[tuple[Upstream, Part]]:
    return ((upstream, part) for upstream in facts.upstream for part in upstream.parts)


def _is_new(part: Part, facts: Facts) -> bool:
    if part.noted is None:
        return False
    if facts.answered is None:
        return part.noted > facts.handled
    return part.noted > facts.handled - MARGIN and part.happening not in facts.answered


def answered_by(facts: Facts) -> tuple[datetime, tuple[str, ...]]:
    """What :attr:`Facts.handled` and :attr:`Facts.answered` are after a start."""
    seen = [part for _, part in _parts(facts) if part.noted is not None]
    handled = max([facts.handled, *(part.noted for part in seen if part.noted is not None)])
    close = {part.happening for part in seen if part.noted is not None and part.noted > handled - MARGIN}
    return handled, tuple(sorted({*(one for one in close if one is not None), *(facts.answered or ())})[-ANSWERED_LIMIT:])


def _name(upstream: Upstream, part: Part) -> str:
    return f"{upstream.key} {part.key}".rstrip()


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _any_updated(facts: Facts) -> tuple[bool, str]:
    new = [_name(upstream, part) for upstream, part in _parts(facts) if _is_new(part, facts)]
    return bool(new), f"new: {_some(new)}" if new else f"nothing new since {facts.handled.isoformat()}"


def _all_updated(facts: Facts) -> tuple[bool, str]:
    parts = list(_parts(facts))
    old = [_name(upstream, part) for upstream, part in parts if not _is_new(part, facts)]
    return bool(parts) and not old, f"not new: {_some(old)}" if old else "everything is new"


def _since_tick(facts: Facts) -> tuple[bool, str]:
    if facts.tick is None:
        return False, "no instant has come"
    tick = facts.tick
    parts = list(_parts(facts))
    old = [_name(upstream, part) for upstream, part in parts if part.noted is None or part.noted < tick]
    return bool(parts) and not old, f"not written since {tick.isoformat()}: {_some(old)}" if old else "all written since then"


def _present(facts: Facts) -> tuple[bool, str]:
    missing = [_name(upstream, part) for upstream, part in _parts(facts) if part.noted is None]
    return not missing, f"never written: {_some(missing)}" if missing else "all of it was written"


def _fresh(facts: Facts) -> tuple[bool, str]:
    late = [f"{one.key} is {one.state.value}" for one in facts.upstream if one.state in {State.WARNING, State.STALE}]
    return not late, _some(late) if late else "nothing upstream is late"


def _checks(facts: Facts) -> tuple[bool, str]:
    failed = [f"{check} of {one.key}" for one in facts.upstream for check in one.blocked]
    return not failed, f"failed: {_some(failed)}" if failed else "no blocking check fails"


def _missing(facts: Facts) -> tuple[bool, str]:
    if facts.written:
        return False, "it is written"
    return (False, "a run for it is under way") if facts.requested else (True, "it was never written")


def _code(facts: Facts) -> tuple[bool, str]:
    if facts.code is None:
        return False, "it was written with the code of now, or never"
    if facts.requested:
        return False, "a run for it is under way"
    return True, f"it was written with {facts.code[0]}, the code is {facts.code[1]} now"


def _tick(facts: Facts) -> Finding:
    if facts.tick is None:
        return Finding("cron", False, "no instant has come yet")
    holds = facts.ticked is None or facts.tick > facts.ticked
    when = facts.tick.isoformat()
    return Finding("cron", holds, f"{when} has come" if holds else f"{when} was answered")


_SIMPLE: dict[Simple, Callable[[Facts], tuple[bool, str]]] = {
    Simple.ANY_UPDATED: _any_updated,
    Simple.ALL_UPDATED: _all_updated,
    Simple.UPDATED_SINCE_TICK: _since_tick,
    Simple.UPSTREAM_PRESENT: _present,
    Simple.UPSTREAM_FRESH: _fresh,
    Simple.CHECKS_PASSED: _checks,
    Simple.MISSING: _missing,
    Simple.CODE_CHANGED: _code,
}

EAGER = Both((Simple.ANY_UPDATED, Simple.UPSTREAM_PRESENT, Simple.CHECKS_PASSED))
ON_MISSING = Both((Simple.MISSING, Simple.UPSTREAM_PRESENT, Simple.CHECKS_PASSED))
PRESETS: dict[str, Condition] = {"eager": EAGER, "on-missing": ON_MISSING}
