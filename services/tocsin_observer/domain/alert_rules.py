"""Rules that watch signals and measures, and the promises of a workflow written as such rules. Pure data and its checks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, Final

from tocsin.cesql import CesqlInvalid, parse
from tocsin.errors import Invalid
from tocsin.signals import CloudEvent, derive
from tocsin.signals.subjects import ANY
from tocsin_observer.domain.patterns import parts_of
from tocsin_observer.domain.viewing import checked_filter

MOST_MARKS: Final = 10_000  # threshold of a count; so many instants are remembered for each group
_RUN_ID: Final = 26  # characters; the name of a run is <workflow>-<run id>.<namespace>
_GROUPS: Final = frozenset({"id", "namespace", "entity", "transition", "type", "actor", "workflow", "run"})
_DATA: Final = re.compile(r"data\.[A-Za-z_][A-Za-z0-9_]*")


class AlertRuleInvalid(Invalid):
    """An alert rule cannot work like this."""

    code = "alert_rule_invalid"


class Kind(Enum):
    """What a rule looks for."""

    COUNT = "count"
    """At least ``threshold`` signals within the window."""
    ABSENCE = "absence"
    """No signal for the window."""
    RATE = "rate"
    """More than ``ratio`` of the signals within the window fit ``bad_subject``, of at least ``threshold``."""
    DEADLINE = "deadline"
    """Something began (``subject``) and did not end (``until_subject``) within the window."""
    MEASURE = "measure"
    """A measure of the platform is above ``above``, or below ``below``."""


class Severity(Enum):
    """How bad it is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """A time in which a rule does not fire; what still holds at its end fires then.

    Attributes:
        reason: Why.
        since: From then on; ``None`` with ``days``.
        until: Until then.
        days: Every week on these days (0 is Monday) in UTC instead.
        begins: Minute of the day, with ``days``.
        ends: Minute of the day; before ``begins`` it is on the next day.
    """

    reason: str
    since: datetime | None = None
    until: datetime | None = None
    days: tuple[int, ...] = ()
    begins: int = 0
    ends: int = 0

    def end(self, now: datetime) -> datetime | None:
        """When the mute that holds now is over; ``None`` when none holds."""
        if not self.days:
            if self.since is not None and self.until is not None and self.since <= now < self.until:
                return self.until
            return None
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        length = timedelta(minutes=(self.ends - self.begins) % 1440 or 1440)
        for back in (0, 1):
            day = midnight - timedelta(days=back)
            begin = day + timedelta(minutes=self.begins)
            if day.weekday() in self.days and begin <= now < begin + length:
                return begin + length
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What happens when a rule fires, beside the signal.

    Attributes:
        notify: Channels of the namespace.
        cancel_run: Whether the run that it is about is cancelled.
        start_workflow: A workflow of the namespace to start, with the alert as its input.
        open_case: Whether a case is opened; the end of the alert resolves it.
    """

    notify: tuple[str, ...] = ()
    cancel_run: bool = False
    start_workflow: str | None = None
    open_case: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """A rule.

    Attributes:
        namespace: Where it belongs.
        name: Its name there.
        kind: What it looks for.
        subject: Pattern over subjects of signals; of a deadline: what begins.
        filter: CESQL condition beside it.
        bad_subject: Of a rate: which of the signals are bad.
        until_subject: Of a deadline: what ends.
        workflow: Only runs of workflows that this shell pattern fits.
        measure: Shell pattern over the names of measures.
        above: Of a measure.
        below: Of a measure.
        window: How far it looks back; how long a deadline is.
        threshold: How many.
        ratio: Of a rate, 0 to 1.
        hold_for: How long it must hold before it fires.
        group_by: What has an alert of its own: ``workflow``, ``id``, ``run``, ``actor``, ``data.<member>`` ...
        severity: How bad it is.
        mutes: When it does not fire.
        actions: What happens when it does.
        summary: For people; ``{group}`` is what it is about.
        enabled: Whether it looks at all.
    """

    namespace: str
    name: str
    kind: Kind
    subject: str = ""
    filter: str | None = None
    bad_subject: str | None = None
    until_subject: str | None = None
    workflow: str | None = None
    measure: str | None = None
    above: float | None = None
    below: float | None = None
    window: timedelta = timedelta(minutes=5)
    threshold: int = 1
    ratio: float = 0.0
    hold_for: timedelta = timedelta(0)
    group_by: tuple[str, ...] = ()
    severity: Severity = Severity.WARNING
    mutes: tuple[Mute, ...] = ()
    actions: Actions = field(default_factory=Actions)
    summary: str = ""
    enabled: bool = True

    @property
    def id(self) -> str:
        """Its name across namespaces."""
        return f"{self.namespace}/{self.name}"

    @property
    def shape(self) -> str:
        """What it looks for and how it tells things apart; what was remembered for another shape means nothing for this."""
        looks = (self.kind.value, self.subject, self.filter, self.bad_subject, self.until_subject, self.workflow, self.measure)
        return derive("shape", *(part or "" for part in looks), *self.group_by)

    def muted_until(self, now: datetime) -> datetime | None:
        """The end of the mutes that hold now; ``None`` when none does."""
        ends = [end for mute in self.mutes if (end := mute.end(now)) is not None]
        return max(ends, default=None)

    @property
    def watches_alerts(self) -> bool:
        """Whether signals of alerts are among those that it listens to."""
        return any(parts_of(pattern)[1] in {"alert", ANY} for pattern, _ in self.patterns())

    def patterns(self) -> tuple[tuple[str, str], ...]:
        """The patterns that it listens to, each with its part: ``match``, ``bad`` or ``end``."""
        listed = (("match", self.subject), ("bad", self.bad_subject), ("end", self.until_subject))
        return tuple((pattern, part) for part, pattern in listed if pattern)


def checked_rule(rule: AlertRule) -> AlertRule:
    """``rule`` itself, if it can work.

    Raises:
        AlertRuleInvalid: It cannot; with the reason.
    """
    for mute in rule.mutes:
        if not mute.days and (mute.since is None or mute.until is None or mute.since >= mute.until):
            raise AlertRuleInvalid(
                f"the mute {mute.reason[:60]!r} is at no time", hint="once: since before until; every week: days, begins, ends"
            )
    if rule.kind is Kind.MEASURE:
        if rule.measure is None or (rule.above is None) == (rule.below is None):
            raise AlertRuleInvalid("a rule on a measure names it, and either `above` or `below`")
        return rule
    for pattern, _ in rule.patterns():
        checked_filter(pattern)
        if rule.namespace not in {pattern.split(".")[1], "system"}:
            raise AlertRuleInvalid(f"a rule of namespace {rule.namespace} watches the signals of that namespace")
    needed = {Kind.RATE: rule.bad_subject, Kind.DEADLINE: rule.until_subject}
    if not rule.subject or (rule.kind in needed and not needed[rule.kind]):
        raise AlertRuleInvalid(f"a rule of kind {rule.kind.value} lacks a pattern", hint="subject, bad_subject, until_subject")
    if rule.window <= timedelta(0) or not 1 <= rule.threshold <= MOST_MARKS or not 0 <= rule.ratio < 1:
        raise AlertRuleInvalid(f"window is above 0, threshold 1 to {MOST_MARKS}, ratio 0 to 1")
    for name in rule.group_by:
        if name not in _GROUPS and not _DATA.fullmatch(name):
            raise AlertRuleInvalid(f"{name[:60]!r} is nothing to group by", hint=f"{', '.join(sorted(_GROUPS))}, data.<member>")
    if rule.filter is not None:
        try:
            parse(rule.filter)
        except CesqlInvalid as error:
            raise AlertRuleInvalid(f"filter is not CESQL: {error.detail}", hint=error.hint) from error
    if rule.actions.cancel_run and "run" not in rule.group_by:
        raise AlertRuleInvalid("a rule that cancels runs groups by `run`")
    return rule


def workflow_of(event: CloudEvent) -> str | None:
    """The workflow that a signal is about, from the qualified name of its run; ``None`` when it is about none."""
    return workflow_named(event.type, event.payload if isinstance(event.payload, dict) else {})


def workflow_named(type_: str, data: Mapping[str, Any]) -> str | None:
    """The same, from a signal's type and data."""
    name = data.get("workflow") if "task" in data else data.get("name")
    if not isinstance(name, str):
        return None
    if not type_.startswith("io.serverlessworkflow."):
        workflow = data.get("workflow")
        return workflow if isinstance(workflow, str) else None
    return name.rpartition(".")[0][: -_RUN_ID - 1] or None


def group_of(rule: AlertRule, event: CloudEvent) -> Mapping[str, str]:
    """What a signal is about, as far as the rule tells things apart."""
    data = event.payload if isinstance(event.payload, dict) else {}
    source = event.source.split("/")
    entity, transition = event.type.split(".")[-3:-1] if event.type.count(".") >= 3 else ("", "")
    run = data.get("run") if isinstance(data.get("run"), str) else event.subject if "/runs/" in event.source else None
    known = {
        "id": event.subject,
        "namespace": event.namespace,
        "entity": source[3] if len(source) > 3 else entity,
        "transition": transition,
        "type": event.type,
        "actor": event.text("authid"),
        "workflow": workflow_of(event),
        "run": run,
    }
    found: dict[str, str] = {}
    for name in rule.group_by:
        value = data.get(name.partition(".")[2]) if name.startswith("data.") else known[name]
        found[name] = "" if value is None else str(value)[:256]
    return found


def concerns(rule: AlertRule, event: CloudEvent) -> bool:
    """Whether a signal is about a workflow that the rule looks at."""
    return rule.workflow is None or fnmatchcase(workflow_of(event) or "", rule.workflow)


class Promise(Enum):
    """What can be promised for a workflow."""

    STARTS_IN_TIME = "starts-in-time"
    """A run that its schedule asked for has started within the time."""
    ENDS_IN_TIME = "ends-in-time"
    """A run ends within the time."""
    FAILS_SELDOM = "fails-seldom"
    """No more than this share of the runs within the time fail."""
    RUNS_REGULARLY = "runs-regularly"
    """A run completes at least once in the time."""


_ENDS: Final = "signals.{ns}.run.*.*"


def promised(promise: Promise, rule: AlertRule) -> AlertRule:
    """The rule that watches a promise: its patterns and groups follow from it, everything else is the author's."""
    namespace = rule.namespace
    table: dict[Promise, dict[str, object]] = {
        Promise.STARTS_IN_TIME: {
            "kind": Kind.DEADLINE,
            "subject": f"signals.{namespace}.schedule.fired.*",
            "until_subject": _ENDS.format(ns=namespace),
            "group_by": ("run",),
        },
        Promise.ENDS_IN_TIME: {
            "kind": Kind.DEADLINE,
            "subject": f"signals.{namespace}.run.started.*",
            "until_subject": _ENDS.format(ns=namespace),
            "group_by": ("workflow", "run"),
        },
        Promise.FAILS_SELDOM: {
            "kind": Kind.RATE,
            "subject": f"signals.{namespace}.run.completed.*",
            "bad_subject": f"signals.{namespace}.run.faulted.*",
            "group_by": ("workflow",),
        },
        Promise.RUNS_REGULARLY: {
            "kind": Kind.ABSENCE,
            "subject": f"signals.{namespace}.run.completed.*",
            "group_by": (),
        },
    }
    fields = {name: getattr(rule, name) for name in AlertRule.__slots__}
    return AlertRule(**{**fields, **table[promise]})
