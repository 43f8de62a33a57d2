"""Rules that open cases by themselves: which signals, what the case looks like, and when two of them are the same thing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from tocsin.cesql import CesqlInvalid, parse
from tocsin.errors import Invalid, Violation
from tocsin_case.domain.cases import PLATFORM, Case, Link
from tocsin_case.domain.causes import Meaning, Occurrence
from tocsin_case.domain.types import CaseType, FieldValue, Priority, Stage, Targets

_SEVERITIES: Final = {"critical": 1, "error": 2, "warning": 3, "info": 4}  # of alerts


@dataclass(frozen=True, slots=True)
class Quiet:
    """A time in which a rule opens nothing: maintenance, for example."""

    start: datetime
    end: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        namespace: The namespace it looks at.
        name: Its name there.
        signal: Shell pattern over ``<entity>.<transition>``: ``run.faulted``, ``asset.*``.
        subject: Shell pattern over the name of what the signal is about: workflow, schedule, asset, alert ...
        filter: CESQL condition over the signal's attributes and, as ``data<name>``, the plain members of its data.
        recovery: Signal that resolves a case whose signal has no counterpart of its own.
        dedupe: What occurrences of one case have in common, with ``{namespace}``, ``{family}``, ``{name}``, ``{signal}`` and
            the attributes of filters in braces; ``None`` for namespace, family and name.
        kind: Type of the case.
        template: Template of the case.
        title: Of the case, with the same braces and ``{detail}``; ``None`` for a sentence of ours.
        priority: Of the case.
        severity: Of the case, 1 (worst) to 5.
        owner: Of the case.
        team: Of the case.
        queue: Of the case.
        tags: Of the case.
        fields: Custom fields of the case.
        auto_resolve: Resolve the case when its cause is well again.
        append: Count and link further occurrences while the case is active; otherwise they are passed over.
        suppress: After a case has ended, open no other about the same thing for so long.
        quiet: Times in which nothing is opened.
        promise: What is promised for the case, instead of what its type promises.
        enabled: Whether it applies.
    """

    namespace: str
    name: str
    signal: str = "run.faulted"
    subject: str = "*"
    filter: str | None = None
    recovery: str | None = None
    dedupe: str | None = None
    kind: str = "incident"
    template: str | None = None
    title: str | None = None
    priority: Priority = Priority.NORMAL
    severity: int = 3
    owner: str | None = None
    team: str | None = None
    queue: str | None = None
    tags: tuple[str, ...] = ()
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    auto_resolve: bool = True
    append: bool = True
    suppress: timedelta = timedelta(0)
    quiet: tuple[Quiet, ...] = ()
    promise: Targets = field(default_factory=Targets)
    enabled: bool = True

    @property
    def key(self) -> str:
        """Its name across namespaces."""
        return f"{self.namespace}/{self.name}"


def asked_for(occurrence: Occurrence) -> Rule | None:
    """The rule that applies where no other matches, because the alert rule asks for a case; ``None`` when it does not."""
    if occurrence.signal != "alert.fired" or occurrence.attributes.get("dataopencase") is not True:
        return None
    severity = _SEVERITIES.get(str(occurrence.attributes.get("dataseverity")), 3)
    return Rule(namespace=occurrence.namespace, name="alerts", signal="alert.fired", title="{detail}", severity=severity)


def matching(rules: Iterable[Rule], occurrence: Occurrence) -> Rule | None:
    """The rule that opens a case for something broken: the most specific patterns that match, then the first by name."""
    fitting = [rule for rule in rules if matches(rule, occurrence)]
    return min(fitting, key=lambda rule: (-_specific(rule), rule.name), default=None)


def matches(rule: Rule, occurrence: Occurrence) -> bool:
    """Whether a signal is one of those that a rule opens cases for."""
    if not rule.enabled or rule.namespace != occurrence.namespace or occurrence.meaning is Meaning.WELL:
        return False
    if occurrence.meaning is None and any(c in rule.signal for c in "*?["):
        return False  # a pattern means what is broken; any other signal has to be named
    if not fnmatchcase(occurrence.signal, rule.signal) or not fnmatchcase(occurrence.name, rule.subject):
        return False
    return rule.filter is None or parse(rule.filter).evaluate(occurrence.attributes).holds


def quiet(rule: Rule, now: datetime) -> Quiet | None:
    """The time of quiet that a rule is in."""
    return next((one for one in rule.quiet if one.start <= now < one.end), None)


def dedupe_of(rule: Rule, occurrence: Occurrence) -> str:
    """What further occurrences of the same thing have in common."""
    return occurrence.key if rule.dedupe is None else f"{rule.key}/{filled(rule.dedupe, occurrence)}"[:512]


def filled(text: str, occurrence: Occurrence) -> str:
    """A text with its braces filled in; unknown ones stay as they are."""
    known: dict[str, object] = {
        **occurrence.attributes,
        "namespace": occurrence.namespace,
        "family": occurrence.family,
        "name": occurrence.name,
        "signal": occurrence.signal,
        "detail": occurrence.detail,
        "target": occurrence.target,
    }
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def open_case(rule: Rule, occurrence: Occurrence, kind: CaseType, *, case_id: str, now: datetime) -> Case:
    """The case that a rule opens; its clocks are not started yet."""
    title = filled(rule.title, occurrence) if rule.title else _title(occurrence)
    initial = kind.status(kind.initial)
    return Case(
        id=case_id,
        namespace=occurrence.namespace,
        kind=rule.kind,
        title=title[:200],
        description=_description(occurrence),
        status=kind.initial,
        stage=initial.stage if initial else Stage.NEW,
        priority=rule.priority,
        severity=rule.severity,
        owner=rule.owner,
        team=rule.team or kind.team,
        queue=rule.queue or kind.queue,
        tags=rule.tags,
        fields=dict(rule.fields),
        links=links_of(occurrence),
        opened_at=now,
        opened_by=PLATFORM,
        updated_at=now,
        rule=rule.key,
        template=rule.template,
        dedupes=(dedupe_of(rule, occurrence),),
        last_position=occurrence.position,
        auto_resolve=rule.auto_resolve,
    )


def links_of(occurrence: Occurrence) -> tuple[Link, ...]:
    """What a case is about because of a signal: the thing itself, and what the signal says is behind it."""
    own = Link(occurrence.kind, occurrence.target, "caused-by")
    behind = (
        Link(kind, target, "caused-by") for kind, target in occurrence.because if (kind, target) != (own.kind, own.target)
    )
    return (own, *behind)


def recovered(case: Case, *, position: int) -> bool:
    """Whether a signal that its cause is well again resolves a case.

    Args:
        case: A case about the same thing.
        position: Place of the signal; one from before the last failure proves nothing.
    """
    return case.auto_resolve and case.stage.is_active and position > case.last_position


def checked_rule(rule: Rule) -> Rule:
    """A rule as it may be stored.

    Raises:
        Invalid: Its filter is no CESQL, or a time of quiet ends before it begins.
    """
    if rule.filter is not None:
        try:
            parse(rule.filter)
        except CesqlInvalid as error:
            raise Invalid(f"the filter of rule {rule.name} is no CESQL: {error.detail}", hint=error.hint) from error
    for number, one in enumerate(rule.quiet):
        if one.end <= one.start:
            raise Invalid("a time of quiet ends before it begins", violations=[Violation(f"/quiet/{number}/end", "too early")])
    return rule


_SENTENCES: Mapping[str, str] = {
    "run.faulted": "{name} failed: {detail}",
    "run.refused": "{name} could not be started: {detail}",
    "approval.expired": "nobody answered {name} in time",
    "schedule.missed": "{name} was missed: {detail}",
    "asset.freshness-changed": "{name} is not fresh: {detail}",
    "asset.check-evaluated": "{name} does not hold: {detail}",
    "alert.fired": "{name}: {detail}",
    "webhook.disabled": "webhook {name} was disabled: {detail}",
}


def _title(occurrence: Occurrence) -> str:
    return filled(_SENTENCES.get(occurrence.signal, "{signal} of {name}: {detail}"), occurrence)


def _description(occurrence: Occurrence) -> str:
    what = f"Signal `{occurrence.signal}` about `{occurrence.name}` in namespace `{occurrence.namespace}`"
    if occurrence.kind == "run":
        what = f"Run `{occurrence.target}` of workflow `{occurrence.name}` ended with an error"
    return f"{what}:\n\n> {occurrence.detail}\n"


def _specific(rule: Rule) -> int:
    """How much of its patterns is not a wildcard; a filter makes a rule more specific than one without."""
    return len(rule.signal.replace("*", "")) * 100 + len(rule.subject.replace("*", "")) * 2 + (1 if rule.filter else 0)
