"""Cases as they are stored, also by the first version."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin_case.adapters.documents import case_document, plain, read_case, read_rule, reader
from tocsin_case.domain.calendars import ALWAYS
from tocsin_case.domain.cases import Escalation, Link, Merged, PlaybookRun, Sla
from tocsin_case.domain.flow import with_promise
from tocsin_case.domain.rules import Rule
from tocsin_case.domain.types import CaseType, FieldSpec, Playbook, Stage, StatusSpec, Step, Targets

from .test_escalation import NOW, new_case

HOUR = timedelta(hours=1)


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=5) | st.booleans() | st.integers(-9, 9) | st.none()))
def test_what_is_stored_is_read_back(fields):
    """Every part of a case, and fields as they were: a number stays a number, a truth a truth."""
    case = replace(
        with_promise(new_case(), Sla(targets=Targets(response=HOUR), warn_at=0.5), NOW, ALWAYS),
        fields=fields,
        links=(Link("run", "r", "caused-by"),),
        escalation=Escalation(policy="p", since=NOW, left=HOUR),
        playbooks=(PlaybookRun(name="p", workflow="w", run="r", started_at=NOW, started_by="user:ada"),),
        merges=(Merged(case="c", at=NOW, status="open", links=(Link("a", "b"),)),),
    )
    back = read_case(case_document(case))
    assert back == case
    assert {name: type(value) for name, value in back.fields.items()} == {n: type(v) for n, v in fields.items()}


def test_types_and_rules_are_read_back():
    """With their steps, promises and inputs."""
    kind = CaseType(
        namespace="d",
        name="n",
        statuses=(StatusSpec("a", Stage.NEW, (Step("b", ("owner",)),)),),
        fields=(FieldSpec(name="f"),),
        sla={"*": Targets(update=HOUR)},
        playbooks=(Playbook(name="p", workflow="w", input={"x": ["${ .case.id }", 1]}, on=("opened",)),),
    )
    assert reader(CaseType)(plain(kind)) == kind
    rule = Rule(namespace="d", name="r", suppress=HOUR, promise=Targets(response=HOUR), fields={"a": 1})
    assert read_rule(plain(rule)) == rule


def test_what_the_first_version_stored_is_still_read():
    """Two clocks around the clock, one key, a fixed set of statuses; rules over runs."""
    first = {
        "id": "0" * 26,
        "namespace": "default",
        "kind": "incident",
        "title": "t",
        "description": "",
        "status": "on-hold",
        "priority": "high",
        "severity": 2,
        "owner": None,
        "tags": [],
        "links": [{"kind": "run", "target": "r"}],
        "opened_at": NOW,
        "opened_by": "service:case",
        "updated_at": NOW,
        "resolution": None,
        "rule": "default/all",
        "dedupe": "default/run/orders",
        "active": True,
        "occurrences": 2,
        "last_position": 7,
        "auto_resolve": True,
        "promise": {"response_s": 3600.0, "resolution_s": 7200.0},
        "response": {"due": None, "left_s": 60.0, "met": None, "breached": None},
        "resolving": {"due": NOW, "left_s": None, "met": None, "breached": NOW},
        "next_due": None,
        "comments": 1,
    }
    case = read_case(first)
    assert (case.stage, case.dedupes, case.links[0].role) == (Stage.PAUSED, ("default/run/orders",), "about")
    assert (case.clocks["response"].left, case.clocks["resolution"].breaches) == (timedelta(minutes=1), 1)
    assert case.sla.targets == Targets(response=HOUR, resolution=2 * HOUR)
    old = {**plain(Rule(namespace="d", name="r")), "workflow": "ord*", "promise": {"response_s": 60.0, "resolution_s": None}}
    for name in ("signal", "subject"):
        del old[name]
    rule = read_rule(old)
    assert (rule.signal, rule.subject, rule.promise.response) == ("run.faulted", "ord*", timedelta(minutes=1))
