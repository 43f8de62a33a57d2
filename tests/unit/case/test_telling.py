"""What the audit trail is told of a changed case; of a restricted one which fields changed, and no value."""

from dataclasses import replace

from tocsin.signals.catalogue import case as words
from tocsin_case.application.announcing import Said, audited, of_task, told
from tocsin_case.domain.cases import Case, Link
from tocsin_case.domain.tasks import CaseTask
from tocsin_case.domain.types import Stage
from unit.case.samples import NOW, new_case

CASE = new_case(title="Payments fail")


def said(before: Case | None, after: Case, *, by_person: bool = True) -> dict[str, dict[str, tuple[object, object]]]:
    """By signal: the fields that it tells."""
    found: list[Said] = audited(told(before, after), before, after, by_person=by_person)
    return {
        kind.transition: {one.field: (one.before, one.after) for one in getattr(payload, "changes", [])}
        for kind, payload in found
    }


def test_a_change_is_told_once_with_what_was_before_and_after():
    """In the first signal of the change; the others of the same write do not repeat it."""
    after = replace(CASE, title="Payments fail again", owner="user:bob")
    assert said(CASE, after) == {
        "updated": {"title": ("Payments fail", "Payments fail again"), "owner": (None, "user:bob")},
        "assigned": {},
    }


def test_of_a_restricted_case_no_value_is_told():
    """Signals are read by people who may not see the case; also when the change is that it is restricted from now on."""
    for before in (CASE, replace(CASE, restricted=True)):
        found = said(before, replace(before, restricted=True, title="The director", tags=("fraud",)))
        assert set(found["updated"]) >= {"title", "tags"}
        assert {value for pair in found["updated"].values() for value in pair} == {"**hidden**"}
    task = CaseTask(id="t", case="c", namespace="default", title="Ask her", created_at=NOW)
    _, payload = of_task(words.CASE_TASK_CHANGED, replace(CASE, restricted=True), replace(task, title="Ask him"), before=task)
    assert "Ask" not in payload.model_dump_json()


def test_what_only_counts_is_told_if_a_person_did_it():
    """Something is not seen any more; the platform's own counting is no news."""
    after = replace(CASE, observables=1)
    assert said(after, CASE) == {"updated": {"observables": (1, 0)}}
    assert said(after, CASE, by_person=False) == {}
    assert said(CASE, replace(CASE, updated_at=NOW.replace(hour=3))) == {}


def test_what_a_restricted_case_is_about_is_told_to_nobody():
    """Neither when it opens nor when it is linked, recurs or ends: its links, like its title, are for those who see it."""
    link, other = Link("asset", "payroll/director", "caused-by"), Link("run", "01secret", "about")
    opened = replace(CASE, title="payroll", restricted=True, links=(link,))
    linked = replace(opened, links=(link, other))
    again = replace(linked, occurrences=2)
    ended = replace(linked, status="closed", stage=Stage.CLOSED, resolution="payroll is right again", links=())
    for before, after in ((None, opened), (opened, linked), (linked, again), (linked, ended)):
        told_of = audited(told(before, after), before, after, by_person=True)
        assert told_of
        for _, payload in told_of:
            assert "payroll" not in payload.model_dump_json()
            assert "secret" not in payload.model_dump_json()
