"""Alerts in virtual time: counts, absences, rates, deadlines, measures; how long they must hold; mutes; bounded memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Invalid
from tocsin.signals import derive, root
from tocsin.signals.catalogue import executor as run_words
from tocsin.signals.catalogue import scheduler as schedule_words
from tocsin.signals.ids import DEPTH_LIMIT
from tocsin.signals.kinds import ErrorObject
from tocsin.signals.make import make_signal
from tocsin_observer.application.acting import commands_of
from tocsin_observer.domain.alert_rules import (
    Actions,
    AlertRule,
    Kind,
    Mute,
    Promise,
    checked_rule,
    concerns,
    group_of,
    promised,
    workflow_of,
)
from tocsin_observer.domain.alerts import fired
from tocsin_observer.domain.tracking import Phase, Tracker, Turn, dealt_with, holds, measured, next_look, observed, turned

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def rule(kind=Kind.COUNT, **more):
    return AlertRule(**{"namespace": "default", "name": "r", "kind": kind, "subject": "signals.default.run.faulted.*", **more})


class Watch:
    """One tracker through time, as the engine would lead it: it looks when told to, and at each signal."""

    def __init__(self, one):
        self.rule, self.now, self.position, self.turns = one, AT, 0, []
        self.tracker = Tracker(rule="default/r", group={}, watched_since=AT)

    def look(self):
        self.tracker, turn = turned(self.tracker, self.rule, self.now)
        if turn is not None:
            self.turns.append((turn, self.now - AT))

    def signal(self, part="match", transition="faulted"):
        self.position += 1
        self.tracker = observed(self.tracker, self.rule, part, transition=transition, at=self.now, position=self.position)
        self.look()

    def go(self, span):
        """Time goes by; looks happen when the tracker asks for them."""
        end = self.now + span
        while (due := next_look(self.tracker, self.rule, self.now)) is not None and due <= end:
            self.now = due
            self.look()
        self.now = end
        self.look()


def test_so_many_within_a_window_fire_once_and_resolve_when_the_window_is_past_them():
    """Three in five minutes; a fourth is the same alert; five minutes after the third last it is over."""
    watch = Watch(rule(threshold=3, window=5 * MINUTE))
    for _ in range(4):
        watch.signal()
        watch.go(MINUTE)
    watch.go(HOUR)
    assert watch.turns == [(Turn.FIRED, 2 * MINUTE), (Turn.RESOLVED, 6 * MINUTE)]
    assert watch.tracker.idle


def test_what_comes_after_somebody_has_resolved_an_alert_fires_anew():
    """Not what came before; an absence waits for another window, and a measure for a reading that is well."""
    watch = Watch(rule(threshold=2, window=HOUR))
    watch.signal()
    watch.signal()
    watch.tracker = dealt_with(watch.tracker, watch.rule, watch.now)
    assert watch.tracker.idle
    watch.signal()
    watch.go(MINUTE)
    watch.signal()
    assert watch.turns == [(Turn.FIRED, timedelta(0)), (Turn.FIRED, MINUTE)]
    silent = Watch(rule(Kind.ABSENCE, window=HOUR))
    silent.go(HOUR)
    silent.tracker = dealt_with(silent.tracker, silent.rule, silent.now)
    silent.go(HOUR)
    assert silent.turns == [(Turn.FIRED, HOUR), (Turn.FIRED, 2 * HOUR)]
    high = Watch(rule(Kind.MEASURE, subject="", measure="x", above=1.0))
    high.tracker = measured(high.tracker, 2.0)
    high.look()
    assert dealt_with(high.tracker, high.rule, high.now) is high.tracker


def test_it_must_hold_for_a_while_before_it_fires():
    """What goes away earlier never was an alert."""
    watch = Watch(rule(Kind.MEASURE, measure="x", above=10.0, hold_for=5 * MINUTE))
    watch.tracker = measured(watch.tracker, 11)
    watch.look()
    watch.go(4 * MINUTE)
    watch.tracker = measured(watch.tracker, 9)
    watch.look()
    watch.go(HOUR)
    assert watch.turns == []
    watch.tracker = measured(watch.tracker, 12)
    watch.look()
    watch.go(HOUR)
    assert watch.turns == [(Turn.FIRED, HOUR + 9 * MINUTE)]


def test_what_does_not_come_fires_and_what_comes_resolves():
    """An hour without a run that completed, counted from when the rule was made."""
    watch = Watch(rule(Kind.ABSENCE, window=HOUR))
    watch.go(30 * MINUTE)
    watch.signal()
    watch.go(2 * HOUR)
    watch.signal()
    assert watch.turns == [(Turn.FIRED, 90 * MINUTE), (Turn.RESOLVED, 150 * MINUTE)]


def test_a_share_of_failures_fires_only_among_enough_runs():
    """Two of two is nothing yet; three of ten is more than a fifth."""
    watch = Watch(rule(Kind.RATE, bad_subject="signals.default.run.faulted.*", threshold=10, ratio=0.2, window=HOUR))
    for part in ["bad", "bad", *["match"] * 7]:
        watch.signal(part)
        watch.go(MINUTE)
    assert watch.turns == []
    watch.signal("bad")
    assert watch.turns[0][0] is Turn.FIRED
    watch.go(2 * HOUR)
    assert watch.turns[-1][0] is Turn.RESOLVED
    assert watch.tracker.idle


def test_a_run_that_takes_too_long_fires_at_its_deadline_and_resolves_when_it_ends():
    """Steps on the way are not the end."""
    watch = Watch(promised(Promise.ENDS_IN_TIME, rule(window=10 * MINUTE)))
    watch.signal("match", "started")
    watch.go(5 * MINUTE)
    watch.signal("end", "status-changed")
    watch.go(10 * MINUTE)
    watch.signal("end", "completed")
    assert watch.turns == [(Turn.FIRED, 10 * MINUTE), (Turn.RESOLVED, 15 * MINUTE)]
    assert watch.tracker.idle
    watch.signal("match", "started")
    watch.signal("end", "faulted")
    watch.go(DAY)
    assert len(watch.turns) == 2


def test_during_a_mute_nothing_fires_and_what_still_holds_fires_at_its_end():
    """A window of maintenance hides what it causes, not what it leaves behind."""
    mute = Mute(reason="update", since=AT, until=AT + HOUR)
    watch = Watch(rule(threshold=1, window=2 * HOUR, mutes=(mute,)))
    watch.signal()
    watch.go(90 * MINUTE)
    assert watch.turns == [(Turn.FIRED, HOUR)]


def test_a_weekly_mute_may_go_over_midnight():
    """Mondays from 22 to 6 o'clock."""
    mute = Mute(reason="night", days=(0,), begins=22 * 60, ends=6 * 60)
    assert mute.end(AT) is None
    assert mute.end(AT + timedelta(hours=11)) == AT + timedelta(hours=18)
    assert mute.end(AT + timedelta(hours=17)) == AT + timedelta(hours=18)
    assert mute.end(AT + timedelta(hours=18)) is None
    assert mute.end(AT + DAY + timedelta(hours=11)) is None


@given(
    st.sampled_from([Kind.COUNT, Kind.ABSENCE, Kind.RATE, Kind.DEADLINE]),
    st.lists(st.tuples(st.integers(0, 600), st.sampled_from(["match", "bad", "end"])), max_size=60),
)
def test_whatever_comes_an_alert_fires_and_resolves_in_turns_and_what_is_remembered_is_bounded(kind, plan):
    """Never two firings without a resolution; looking only when asked to misses nothing that looking often would see."""
    one = rule(kind, threshold=4, ratio=0.5, window=5 * MINUTE, bad_subject="signals.default.run.faulted.*")
    one = replace(one, until_subject="signals.default.run.completed.*")
    seldom, often = Watch(one), Watch(one)
    for seconds, part in plan:
        seldom.go(timedelta(seconds=seconds))
        for _ in range(seconds):
            often.now += timedelta(seconds=1)
            often.look()
        seldom.signal(part)
        often.signal(part)
        assert len(seldom.tracker.marks) <= 4
        assert len(seldom.tracker.buckets) <= 62
        assert (seldom.tracker.phase is Phase.FIRING) == (often.tracker.phase is Phase.FIRING)
    turns = [turn for turn, _ in seldom.turns]
    assert all(turn is (Turn.FIRED if n % 2 == 0 else Turn.RESOLVED) for n, turn in enumerate(turns))


def test_a_signal_that_comes_again_changes_nothing():
    """After a crash the same signals are folded once more."""
    one = rule(threshold=2)
    tracker = Tracker(rule="default/r", group={}, watched_since=AT)
    once = observed(tracker, one, "match", transition="faulted", at=AT, position=7)
    assert observed(once, one, "match", transition="faulted", at=AT, position=7) is once
    assert not holds(once, one, AT)


def faulted(workflow="orders", run="1"):
    name = f"{workflow}-{derive('run', run)}.default"
    error = ErrorObject(type="https://example.com/boom", status=500)
    return make_signal(
        run_words.WORKFLOW_FAULTED,
        namespace="default",
        entity_id=derive("run", run),
        sequence=1,
        time=AT,
        payload=run_words.WorkflowFaulted(name=name, faulted_at=AT, error=error),
        cause=root("r"),
    )


def test_signals_are_grouped_by_what_they_are_about():
    """The workflow comes from the qualified name of the run, whatever dashes it has."""
    event = faulted("order-intake")
    assert workflow_of(event) == "order-intake"
    assert concerns(rule(workflow="order-*"), event)
    assert not concerns(rule(workflow="invoice-*"), event)
    grouped = group_of(rule(group_by=("workflow", "run", "data.name", "data.nothing")), event)
    assert grouped["workflow"] == "order-intake"
    assert grouped["run"] == derive("run", "1")
    assert grouped["data.nothing"] == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": ""},
        {"subject": "signals.other.>"},
        {"kind": Kind.RATE},
        {"kind": Kind.DEADLINE},
        {"kind": Kind.MEASURE},
        {"kind": Kind.MEASURE, "measure": "x", "above": 1.0, "below": 2.0},
        {"group_by": ("nonsense",)},
        {"filter": "="},
        {"threshold": 0},
        {"window": timedelta(0)},
        {"actions": Actions(cancel_run=True)},
    ],
    ids=str,
)
def test_a_rule_that_cannot_work_is_refused(wrong):
    """With the reason."""
    with pytest.raises(Invalid):
        checked_rule(rule(**wrong))


def test_a_promise_to_start_in_time_is_kept_for_the_workflow_that_it_names():
    """A firing says what it starts, from its due time on; those of other workflows are somebody else's."""
    one = promised(Promise.STARTS_IN_TIME, rule(workflow="night*", window=MINUTE))
    words = {"name": "s", "due_at": AT, "run": derive("run", 1)}

    def firing(workflow):
        return make_signal(
            schedule_words.SCHEDULE_FIRED,
            namespace="default",
            entity_id="s",
            sequence=1,
            time=AT,
            payload=schedule_words.ScheduleFired(**words, workflow=workflow),
            cause=root("clock"),
        )

    assert concerns(one, firing("nightly"))
    assert not concerns(one, firing("hourly"))
    assert group_of(one, firing("nightly")) == {"run": derive("run", 1)}


@pytest.mark.parametrize(
    "wrong", [{}, {"since": AT}, {"until": AT}, {"since": AT, "until": AT}, {"since": AT, "until": AT - HOUR}]
)
def test_a_mute_that_is_at_no_time_is_refused(wrong):
    """Or somebody would rely on silence that does not come."""
    with pytest.raises(Invalid, match="at no time"):
        checked_rule(rule(mutes=(Mute(reason="works", **wrong),)))


def test_what_a_rule_looks_for_has_a_shape_and_how_much_of_it_has_none():
    """Another pattern, group or condition begins anew; another threshold, window or severity goes on."""
    same = [{"threshold": 9}, {"window": HOUR}, {"hold_for": HOUR}, {"summary": "x"}, {"mutes": (Mute(reason="m", days=(1,)),)}]
    assert {rule(**more).shape for more in same} == {rule().shape}
    other = [{"subject": "signals.default.>"}, {"filter": "type = 'x'"}, {"workflow": "w"}, {"group_by": ("run",)}]
    assert len({rule(**more).shape for more in [{}, *other]}) == 5


def test_what_an_alert_starts_does_not_start_it_again_for_ever():
    """A workflow that is started because runs fail, and fails: at the limit of the chain nothing more is started."""
    one = rule(actions=Actions(start_workflow="cleanup", cancel_run=True), group_by=("run",))
    tracker = Tracker(rule="default/r", group={"run": derive("run", 1)}, watched_since=AT, times=1)
    alert = fired(one, tracker, now=AT)

    def asked(depth):
        commands = commands_of(one, alert, now=AT, cause=replace(root("r"), depth=depth))
        return [command.subject.split(".")[2] for command in commands]

    assert asked(DEPTH_LIMIT - 1) == ["cancel", "start"]
    assert asked(DEPTH_LIMIT) == ["cancel"]


@pytest.mark.parametrize(("transition", "turns"), [("started", 0), ("cancelled", 0), ("status-changed", 1)])
def test_a_run_that_a_clock_asked_for_is_awaited_until_it_starts_or_is_cancelled(transition, turns):
    """Waiting at a limit is no start."""
    one = promised(Promise.STARTS_IN_TIME, rule(window=MINUTE))
    watch = Watch(one)
    watch.signal(transition="fired")
    watch.go(MINUTE / 2)
    watch.signal("end", transition)
    watch.go(HOUR)
    assert len(watch.turns) == turns
