"""What the API takes and shows about conditions with a memory, and about signals."""

from datetime import timedelta
from typing import Annotated, Literal, assert_never

from pydantic import Field

from tocsin.errors import Violation
from tocsin.signals.catalogue import CATALOGUE
from tocsin_kit.config.durations import Duration
from tocsin_kit.web import Input
from tocsin_trigger.domain.errors import TriggerInvalid
from tocsin_trigger.domain.rules import (
    LONGEST,
    MOST_HELD,
    Absence,
    Batch,
    Collect,
    Correlate,
    Debounce,
    Gather,
    Rule,
    Threshold,
    Throttle,
)
from tocsin_trigger.domain.sources import Clause, CorrelationSource, EventSource, Role, SignalSource
from tocsin_trigger.domain.triggers import Source

Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
TriggerName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^(definition\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
TypePattern = Annotated[
    str,
    Field(
        min_length=1,
        max_length=256,
        pattern=r"^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$",
        description="A CloudEvents type, or `com.example.*` for all below it, or `*` for all.",
    ),
]
Jq = Annotated[str, Field(max_length=8192)]
Window = Annotated[Duration, Field(gt=timedelta(0), le=LONGEST)]


class EventBody(Input):
    """Which custom events."""

    type: TypePattern
    source: str | None = Field(None, max_length=512, description="Only events with this source.")

    def to_source(self) -> EventSource:
        """The domain's value."""
        return EventSource(self.type, self.source)


class SignalBody(Input):
    """Which signals of the platform."""

    on: str = Field(
        pattern=r"^[a-z0-9-]+\.([a-z0-9-]+|\*)$", max_length=128, description="`run.failed`, or `run.*` for all of the entity."
    )
    namespace: Name | None = Field(None, description="Whose; the trigger's own without. Needs `signal:read` there.")

    def to_source(self) -> SignalSource:
        """The domain's value.

        Raises:
            TriggerInvalid: There is no such signal.
        """
        entity, _, transition = self.on.partition(".")
        known = {(kind.entity, kind.transition) for kind in CATALOGUE.values()}
        if (entity, transition) not in known and not (transition == "*" and entity in {each for each, _ in known}):
            near = ", ".join(sorted(f"{e}.{t}" for e, t in known if entity in {e, "*"})[:12]) or "see the reference of signals"
            raise TriggerInvalid(
                f"There is no signal {self.on}.",
                hint=f"There is: {near}.",
                violations=[Violation("/signal/on", "unknown signal")],
            )
        return SignalSource(entity, transition, self.namespace)


class ClauseBody(Input):
    """One kind of events of a correlation."""

    name: Name
    event: EventBody | None = None
    signal: SignalBody | None = None
    filter: Jq | None = Field(None, description="jq condition over the event.")
    cesql: Jq | None = Field(None, description="CESQL condition over its attributes.")
    key: Jq | None = Field(None, description="jq path to what this kind has in common with the others; that of `when` without.")
    match: dict[str, str] = Field(
        default_factory=dict, max_length=16, description="Attributes with the regular expressions that they match whole."
    )

    def to_clause(self, role: Role) -> Clause:
        """The domain's value."""
        if (self.event is None) == (self.signal is None):
            raise TriggerInvalid(f"The clause {self.name} needs either event or signal.")
        chosen = self.event or self.signal
        assert chosen is not None
        return Clause(self.name, role, chosen.to_source(), self.filter, self.cesql, self.key, tuple(self.match.items()))


class Keyed(Input):
    """What every condition may say."""

    key: Jq | None = Field(None, description="jq path to what the events of one group have in common; without: one group.")


class CorrelateBody(Keyed):
    """Several kinds of events within a window: all of them, any, or N. Of kind `correlation`."""

    mode: Literal["correlate"]
    of: list[ClauseBody] = Field(min_length=1, max_length=20)
    need: Literal["all", "any"] | int = "all"
    within: Window
    reset: ClauseBody | None = Field(None, description="An event that empties what has come so far.")


class ThresholdBody(Keyed):
    """N events within a window."""

    mode: Literal["threshold"]
    count: int = Field(ge=2, le=MOST_HELD)
    within: Window


class AbsenceBody(Keyed):
    """An expected event that does not come in time. With `after` and `expect` of kind `correlation`; else the next one."""

    mode: Literal["absence"]
    within: Window
    after: ClauseBody | None = None
    expect: ClauseBody | None = None


class DebounceBody(Keyed):
    """One run, with all events, when it has become quiet."""

    mode: Literal["debounce"]
    quiet: Window
    at_most: Window | None = Field(None, description="But at the latest so long after the first.")


class ThrottleBody(Keyed):
    """One run for each event, but not too many."""

    mode: Literal["throttle"]
    runs: int = Field(ge=1, le=1000)
    per: Window
    excess: Literal["drop", "hold"] = Field("drop", description="`hold`: further events wait for their turn.")


class BatchBody(Keyed):
    """One run for several events, with all of them."""

    mode: Literal["batch"]
    most: int = Field(ge=1, le=MOST_HELD)
    within: Window


class CollectBody(Keyed):
    """One run with all events that came until something says that it is enough. Of kind `correlation`."""

    mode: Literal["collect"]
    of: list[ClauseBody] = Field(min_length=1, max_length=20)
    ends: list[ClauseBody] = Field(default_factory=list, max_length=20, description="Events that say so.")
    need: Literal["all", "any"] = Field("any", description="Of `ends`.")
    until: Jq | None = Field(None, description="jq condition over the list of events so far.")
    within: Window = Field(description="How long an event is held at most.")


GatherBody = Annotated[
    CorrelateBody | ThresholdBody | AbsenceBody | DebounceBody | ThrottleBody | BatchBody | CollectBody,
    Field(discriminator="mode"),
]


def to_gather(body: GatherBody) -> Gather:
    """The domain's value."""
    return Gather(_rule(body), body.key)


def _rule(body: GatherBody) -> Rule:
    match body:
        case CorrelateBody():
            need = {"all": len(body.of), "any": 1}.get(str(body.need), body.need)
            if not isinstance(need, int) or not 1 <= need <= len(body.of):
                raise TriggerInvalid(
                    "need is all, any, or a number of the clauses.", violations=[Violation("/when/need", "wrong")]
                )
            return Correlate(need, body.within)
        case ThresholdBody():
            return Threshold(body.count, body.within)
        case AbsenceBody():
            return Absence(body.within)
        case DebounceBody():
            return Debounce(body.quiet, body.at_most)
        case ThrottleBody():
            return Throttle(body.runs, body.per, body.excess == "hold")
        case BatchBody():
            return Batch(body.most, body.within)
        case CollectBody():
            if not body.ends and body.until is None:
                raise TriggerInvalid("Nothing says when it is enough.", hint="Give ends, or until, or both.")
            return Collect(
                body.within, tuple(end.name for end in body.ends), len(body.ends) if body.need == "all" else 1, body.until
            )
        case _:
            assert_never(body)


def to_correlation(body: GatherBody | None) -> CorrelationSource:
    """The clauses of a trigger of kind `correlation`.

    Raises:
        TriggerInvalid: The condition has none, or their names are not unique.
    """
    if isinstance(body, CorrelateBody):
        clauses = [each.to_clause(Role.PART) for each in body.of]
        clauses += [body.reset.to_clause(Role.RESET)] if body.reset else []
    elif isinstance(body, CollectBody):
        clauses = [each.to_clause(Role.PART) for each in body.of] + [each.to_clause(Role.END) for each in body.ends]
    elif isinstance(body, AbsenceBody) and body.after is not None and body.expect is not None:
        clauses = [body.after.to_clause(Role.AFTER), body.expect.to_clause(Role.EXPECTED)]
    else:
        hint = "when: {mode: correlate, of: [...]}, {mode: collect, of: [...]}, or {mode: absence, after: ..., expect: ...}"
        raise TriggerInvalid("A trigger of kind correlation says what belongs together.", hint=hint)
    if len({clause.name for clause in clauses}) < len(clauses):
        raise TriggerInvalid("The names of clauses must differ.", violations=[Violation("/when/of", "names must differ")])
    return CorrelationSource(tuple(clauses))


def refuse_clauses(kind: str, body: GatherBody | None) -> None:
    """Of a trigger that is no correlation.

    Raises:
        TriggerInvalid: Its condition has clauses.
    """
    if isinstance(body, CorrelateBody | CollectBody) or (isinstance(body, AbsenceBody) and (body.after or body.expect)):
        raise TriggerInvalid(f"A trigger of kind {kind} has one kind of events.", hint="kind: correlation has several.")


def gather_view(gather: Gather | None, source: Source) -> dict[str, object] | None:
    """A condition as it was written; ``None`` when each event starts a run by itself."""
    clauses: dict[Role, list[dict[str, object]]] = {}
    for clause in source.clauses if isinstance(source, CorrelationSource) else ():
        clauses.setdefault(clause.role, []).append(_clause_view(clause))
    if gather is None:
        return {"mode": "each", "of": clauses[Role.PART]} if clauses else None
    key = {"key": gather.key} if gather.key is not None else {}
    return key | _rule_view(gather.rule, clauses)


def _rule_view(rule: Rule, clauses: dict[Role, list[dict[str, object]]]) -> dict[str, object]:
    match rule:
        case Correlate():
            view: dict[str, object] = {"mode": "correlate", "of": clauses.get(Role.PART, []), "need": rule.need}
            reset = {"reset": clauses[Role.RESET][0]} if Role.RESET in clauses else {}
            return {**view, "within": _text(rule.within), **reset}
        case Threshold():
            return {"mode": "threshold", "count": rule.count, "within": _text(rule.within)}
        case Absence():
            pair = {"after": clauses[Role.AFTER][0], "expect": clauses[Role.EXPECTED][0]} if clauses else {}
            return {"mode": "absence", "within": _text(rule.within), **pair}
        case Debounce():
            at_most = {} if rule.at_most is None else {"at_most": _text(rule.at_most)}
            return {"mode": "debounce", "quiet": _text(rule.quiet), **at_most}
        case Throttle():
            excess = "hold" if rule.hold else "drop"
            return {"mode": "throttle", "runs": rule.runs, "per": _text(rule.per), "excess": excess}
        case Collect():
            ends = {"ends": clauses[Role.END], "need": "any" if rule.need == 1 else "all"} if rule.ends else {}
            until = {} if rule.until is None else {"until": rule.until}
            return {"mode": "collect", "of": clauses.get(Role.PART, []), **ends, **until, "within": _text(rule.within)}
        case Batch():
            return {"mode": "batch", "most": rule.most, "within": _text(rule.within)}
        case _:
            assert_never(rule)


def _clause_view(clause: Clause) -> dict[str, object]:
    source = clause.source
    if isinstance(source, SignalSource):
        of: dict[str, object] = {"signal": signal_view(source)}
    else:
        of = {"event": {"type": source.type} | ({} if source.source is None else {"source": source.source})}
    optional = {"filter": clause.filter, "cesql": clause.cesql, "key": clause.key, "match": dict(clause.match) or None}
    return {"name": clause.name, **of, **{name: value for name, value in optional.items() if value is not None}}


def signal_view(source: SignalSource) -> dict[str, object]:
    """Which signals."""
    of = {"on": f"{source.entity}.{source.transition}"}
    return {**of, **({} if source.namespace is None else {"namespace": source.namespace})}


def _text(duration: timedelta) -> str:
    return f"{duration.total_seconds():g}s"
