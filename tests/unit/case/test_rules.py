"""What signals mean to cases, and which rule speaks."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tocsin.errors import Invalid
from tocsin.signals import CloudEvent
from tocsin_case.domain.causes import Meaning, Occurrence, read_occurrence
from tocsin_case.domain.rules import Rule, asked_for, checked_rule, dedupe_of, matching, open_case, recovered
from tocsin_case.domain.types import standard
from tocsin_case.domain.words import asked, fact, facts_of, words_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def read(entity: str, transition: str, data: dict[str, object], subject: str = "s") -> Occurrence:
    event = CloudEvent(id="1", source="/x", type="t", time=NOW, subject=subject, data=data, extensions={"namespace": "default"})
    return read_occurrence(event, namespace="default", entity=entity, transition=transition, subject=subject, position=7)


RUN = "0" * 26
FAILURE = read("run", "faulted", {"name": f"orders-{RUN}.default", "error": {"type": "t", "status": 500, "title": "boom"}}, RUN)


@pytest.mark.parametrize(
    ("signal", "data", "family", "name", "meaning"),
    [
        ("run.completed", {"name": f"orders-{RUN}.default"}, "run", "orders", Meaning.WELL),
        ("run.refused", {"workflow": "orders", "detail": "no such version"}, "run", "orders", Meaning.BROKEN),
        ("schedule.missed", {"name": "nightly"}, "schedule", "nightly", Meaning.BROKEN),
        ("schedule.fired", {"name": "nightly"}, "schedule", "nightly", Meaning.WELL),
        ("asset.freshness-changed", {"name": "a/b", "before": "fresh", "state": "stale"}, "asset", "a/b", Meaning.BROKEN),
        ("asset.freshness-changed", {"name": "a/b", "before": "stale", "state": "fresh"}, "asset", "a/b", Meaning.WELL),
        ("asset.freshness-changed", {"name": "a/b", "before": "fresh", "state": "warning"}, "asset", "a/b", None),
        ("asset.check-evaluated", {"name": "a", "check": "rows", "passed": False}, "asset-check", "a/rows", Meaning.BROKEN),
        ("alert.resolved", {"rule": "cpu"}, "alert", "cpu", Meaning.WELL),
        ("webhook.disabled", {"name": "out"}, "webhook", "out", Meaning.BROKEN),
        ("user.created", {"name": "ada"}, "user", "ada", None),
    ],
)
def test_a_signal_means_that_something_broke_or_is_well_again(signal, data, family, name, meaning):
    """Pairs of signals are about one thing, by one key."""
    found = read(*signal.split("."), data)
    assert (found.family, found.name, found.meaning) == (family, name, meaning)
    assert found.key == f"default/{family}/{name}"


def test_an_alert_whose_rule_asks_for_a_case_gets_one_without_rules_of_cases():
    """Only a firing asks, and the alert's severity is the case's."""
    asked = read("alert", "fired", {"rule": "late", "summary": "late", "severity": "critical", "open_case": True})
    rule = asked_for(asked)
    assert rule is not None
    assert (matching([rule], asked), rule.severity) == (rule, 1)
    assert asked_for(read("alert", "fired", {"rule": "late", "summary": "late", "severity": "critical"})) is None
    assert asked_for(read("alert", "resolved", {"rule": "late", "open_case": True})) is None


def test_what_a_signal_says_is_behind_it_is_linked():
    """The run that failed under a stale asset; a partition is a thing of its own."""
    causes = [{"kind": "failed-run", "detail": "run x failed", "subject": "x"}, {"kind": "paused-schedule", "subject": "n"}]
    stale = read("asset", "freshness-changed", {"name": "a", "partition": "2026-01-01", "state": "stale", "causes": causes})
    assert (stale.key, stale.detail) == ("default/asset/a#2026-01-01", "run x failed")
    assert stale.because == (("run", "x"), ("schedule", "n"))
    case = open_case(Rule(namespace="default", name="r"), stale, standard("default", "x"), case_id="1" * 26, now=NOW)
    assert [(link.kind, link.target) for link in case.links] == [("asset", "a"), ("run", "x"), ("schedule", "n")]


def test_the_most_specific_rule_opens_the_case():
    """``orders`` beats ``ord*`` beats ``*``, a filter beats none; disabled ones and other namespaces do not count."""
    rules = [
        Rule(namespace="default", name="all"),
        Rule(namespace="default", name="off", subject="orders", enabled=False),
        Rule(namespace="other", name="there", subject="orders"),
        Rule(namespace="default", name="some", subject="ord*"),
        Rule(namespace="default", name="strict", subject="ord*", filter="datanone = 'x'"),
        Rule(namespace="default", name="any", signal="*"),
    ]
    assert matching(rules, FAILURE).name == "some"
    assert matching([rules[-1]], FAILURE).name == "any"


def test_a_signal_of_no_family_opens_a_case_only_where_it_is_named():
    """A rule over everything that is broken does not open cases for every user that is created."""
    created = read("user", "created", {"name": "ada"})
    assert matching([Rule(namespace="default", name="any", signal="*")], created) is None
    assert matching([Rule(namespace="default", name="named", signal="user.created")], created) is not None


def test_a_filter_sees_attributes_and_plain_data():
    """CESQL over both; what is missing makes a filter say no."""
    rule = Rule(namespace="default", name="r", signal="alert.fired", filter="dataseverity = 'page' AND namespace = 'default'")
    assert matching([rule], read("alert", "fired", {"name": "cpu", "severity": "page"})) is rule
    assert matching([rule], read("alert", "fired", {"name": "cpu"})) is None
    with pytest.raises(Invalid):
        checked_rule(replace(rule, filter="nonsense ="))


def test_what_belongs_together_is_chosen_by_the_rule():
    """All workflows of one error in one case, for example."""
    rule = Rule(namespace="default", name="r", dedupe="{detail}", title="{name} says {detail}")
    assert dedupe_of(rule, FAILURE) == "default/r/boom"
    case = open_case(rule, FAILURE, standard("default", "incident"), case_id="1" * 26, now=NOW)
    assert (case.title, case.dedupes, case.links[0].role) == ("orders says boom", ("default/r/boom",), "caused-by")


def test_only_a_success_after_the_last_failure_is_a_recovery():
    """A run that completed before the failure proves nothing."""
    case = open_case(Rule(namespace="default", name="all"), FAILURE, standard("default", "x"), case_id="1" * 26, now=NOW)
    assert not recovered(case, position=6)
    assert recovered(case, position=8)
    assert not recovered(replace(case, auto_resolve=False), position=8)


def test_words_and_fields_are_found_however_they_are_written():
    """Case does not matter, numbers are numbers, and a star begins a word."""
    assert words_of("Größe: API-Key failed", "failed again") == ["grösse", "api", "key", "failed", "again"]
    assert asked("API-key Fail*") == (["api", "key"], ["fail"])
    assert facts_of({"floor": 3, "ok": True, "list": ("a", "b"), "none": None}) == ["floor=3", "ok=true", "list=a", "list=b"]
    assert fact("floor", "3.0") == fact("floor", 3)
