"""Rules that open cases by themselves: which failures, what the case looks like, and when two failures are the same one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

from tocsin_case.domain.cases import Case, Link, Priority, Promise, Status, with_promise

PLATFORM = "service:case"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        namespace: The namespace it looks at.
        name: Its name there.
        workflow: Shell pattern over workflow names: ``order-*``.
        kind: Of the case.
        priority: Of the case.
        severity: Of the case, 1 (worst) to 5.
        owner: Of the case.
        tags: Of the case.
        auto_resolve: Resolve the case when the same workflow completes again.
        promise: What is promised for the case.
        enabled: Whether it applies.
    """

    namespace: str
    name: str
    workflow: str = "*"
    kind: str = "incident"
    priority: Priority = Priority.NORMAL
    severity: int = 3
    owner: str | None = None
    tags: tuple[str, ...] = ()
    auto_resolve: bool = True
    promise: Promise = field(default_factory=Promise)
    enabled: bool = True

    @property
    def key(self) -> str:
        """Its name across namespaces."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A run that faulted.

    Attributes:
        namespace: Of the run.
        workflow: Its workflow.
        run: Its id.
        error: What went wrong, one line.
        position: Place of the signal in the stream of signals.
    """

    namespace: str
    workflow: str
    run: str
    error: str
    position: int


def rule_for(rules: Iterable[Rule], failure: Failure) -> Rule | None:
    """The rule that opens a case for a failure: the most specific pattern that matches, then the first by name."""
    matching = [
        rule
        for rule in rules
        if rule.enabled and rule.namespace == failure.namespace and fnmatchcase(failure.workflow, rule.workflow)
    ]
    return min(matching, key=lambda rule: (-len(rule.workflow.replace("*", "")), rule.name), default=None)


def dedupe_key(namespace: str, workflow: str) -> str:
    """What failures that belong into one case have in common."""
    return f"{namespace}/run/{workflow}"


def open_case(rule: Rule, failure: Failure, *, case_id: str, now: datetime) -> Case:
    """The case that a rule opens for a failure."""
    case = Case(
        id=case_id,
        namespace=failure.namespace,
        kind=rule.kind,
        title=f"{failure.workflow} failed: {failure.error}"[:200],
        description=f"Run `{failure.run}` of workflow `{failure.workflow}` ended with an error:\n\n> {failure.error}\n",
        status=Status.OPEN,
        priority=rule.priority,
        severity=rule.severity,
        owner=rule.owner,
        tags=rule.tags,
        links=(Link("run", failure.run),),
        opened_at=now,
        opened_by=PLATFORM,
        updated_at=now,
        rule=rule.key,
        dedupe=dedupe_key(failure.namespace, failure.workflow),
        last_position=failure.position,
        auto_resolve=rule.auto_resolve,
    )
    return with_promise(case, rule.promise, now)


def recovered(case: Case, *, position: int) -> bool:
    """Whether a completed run of the same workflow means that the cause of ``case`` is gone.

    Args:
        case: A case of the same workflow.
        position: Place of the run's signal; one from before the last failure proves nothing.
    """
    return case.auto_resolve and case.status.is_active and position > case.last_position
