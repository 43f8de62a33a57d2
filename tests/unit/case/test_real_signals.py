"""What opens cases, read from the signals as their owners make them: a field that is called otherwise there fails here."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from tocsin.signals import decode, encode, root
from tocsin.signals.catalogue import approvals, executor, lineage, observer, scheduler
from tocsin.signals.kinds import ErrorObject, Payload, SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin.signals.subjects import parse_signal
from tocsin_case.domain.causes import Meaning, Occurrence, read_occurrence
from tocsin_case.domain.rules import Rule, matching, open_case, recovered
from tocsin_case.domain.types import standard

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RUN, LATER = "0" * 26, "1" * 26
ORDERS = f"orders-{RUN}.default"
ALERT = {"rule": "cpu", "severity": "error", "summary": "too hot", "group": {"host": "a1"}, "fired_at": NOW}
HOOK = {"name": "partner", "url": "https://example.com/in", "reason": "410 for three days"}
FAILED = lineage.FreshnessCause(kind="failed-run", detail="run failed", subject=RUN)
CODE = lineage.FreshnessCause(kind="code-changed", detail="the code changed", subject="1.0.1")


def heard(kind: SignalType[Payload], payload: Payload, *, entity: str, position: int) -> Occurrence:
    """The signal over the wire, as the service reads it."""
    made = make_signal(kind, namespace="default", entity_id=entity, sequence=1, time=NOW, payload=payload, cause=root("t"))
    place, event = parse_signal(subject_of(made)), decode(encode(made))
    return read_occurrence(
        event,
        namespace=place.namespace,
        entity=place.entity,
        transition=place.transition,
        subject=place.id,
        position=position,
    )


def fresh(state: str, *causes: lineage.FreshnessCause) -> lineage.AssetFreshnessChanged:
    return lineage.AssetFreshnessChanged(name="shop/sales", before="unknown", state=state, causes=list(causes))


def check(*, passed: bool) -> lineage.AssetCheckEvaluated:
    return lineage.AssetCheckEvaluated(
        name="shop/sales", check="rows", passed=passed, severity="error", blocking=True, detail="0 rows"
    )


BOOM = ErrorObject(type="https://example.com/boom", status=500, title="boom")
MISSED = scheduler.ScheduleMissed(name="nightly", first_at=NOW, last_at=NOW, count=3, action="skipped")
STORIES: Mapping[
    str, tuple[tuple[SignalType, Payload, str], tuple[SignalType, Payload, str] | None, str, set[tuple[str, str]]]
] = {
    "a failed run": (
        (executor.WORKFLOW_FAULTED, executor.WorkflowFaulted(name=ORDERS, faulted_at=NOW, error=BOOM), RUN),
        (executor.WORKFLOW_COMPLETED, executor.WorkflowCompleted(name=f"orders-{LATER}.default", completed_at=NOW), LATER),
        "orders failed: boom",
        {("run", RUN)},
    ),
    "a refused run": (
        (
            executor.RUN_REFUSED,
            executor.RunRefused(run=RUN, workflow="orders", code="not_found", detail="no such version"),
            RUN,
        ),
        (executor.WORKFLOW_COMPLETED, executor.WorkflowCompleted(name=f"orders-{LATER}.default", completed_at=NOW), LATER),
        "orders could not be started: no such version",
        {("run", RUN)},
    ),
    "a stale asset": (
        (lineage.ASSET_FRESHNESS_CHANGED, fresh("stale", FAILED, CODE), "shop/sales"),
        (lineage.ASSET_FRESHNESS_CHANGED, fresh("fresh"), "shop/sales"),
        "shop/sales is not fresh: run failed",
        {("asset", "shop/sales"), ("run", RUN)},
    ),
    "a failed check": (
        (lineage.ASSET_CHECK_EVALUATED, check(passed=False), "shop/sales"),
        (lineage.ASSET_CHECK_EVALUATED, check(passed=True), "shop/sales"),
        "shop/sales/rows does not hold: 0 rows",
        {("asset", "shop/sales")},
    ),
    "a missed schedule": (
        (scheduler.SCHEDULE_MISSED, MISSED, "nightly"),
        (scheduler.SCHEDULE_FIRED, scheduler.ScheduleFired(name="nightly", due_at=NOW, run=RUN), "nightly"),
        "nightly was missed: 3 instants since 2026-03-02T09:00:00Z",
        {("schedule", "nightly")},
    ),
    "a deadline that passed": (
        (
            approvals.APPROVAL_EXPIRED,
            approvals.ApprovalExpired(workflow="orders", task="/do/0/ask", approval="q", expired_at=NOW, defaulted=False),
            RUN,
        ),
        None,
        "nobody answered orders in time",
        {("approval", RUN)},
    ),
    "a disabled webhook": (
        (observer.WEBHOOK_DISABLED, observer.WebhookChanged(**HOOK), "partner"),
        (observer.WEBHOOK_RESUMED, observer.WebhookChanged(**HOOK), "partner"),
        "webhook partner was disabled: 410 for three days",
        {("webhook", "partner")},
    ),
    "an alert": (
        (observer.ALERT_FIRED, observer.AlertChanged(**ALERT), RUN),
        (observer.ALERT_RESOLVED, observer.AlertChanged(**ALERT), RUN),
        "cpu: too hot",
        {("alert", RUN)},
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_what_breaks_anywhere_opens_a_case_and_what_is_well_again_is_about_the_same(story: str) -> None:
    """One rule over everything broken; one key for both ends; links to what is behind it and to nothing else."""
    (kind, payload, entity), end, title, links = STORIES[story]
    broken = heard(kind, payload, entity=entity, position=7)
    rule = Rule(namespace="default", name="all", signal="*")
    assert broken.meaning is Meaning.BROKEN
    assert matching([rule], broken) is rule
    case = open_case(rule, broken, standard("default", "incident"), case_id="2" * 26, now=NOW)
    assert case.title == title
    assert {(link.kind, link.target) for link in case.links} == links
    if end is None:
        return
    well = heard(end[0], end[1], entity=end[2], position=8)
    assert (well.meaning, well.key) == (Meaning.WELL, broken.key)
    assert recovered(case, position=well.position)
