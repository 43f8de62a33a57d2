"""Conditions with a memory, in virtual time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_trigger.domain.gathering import End, Ending, Fate, Group, Held, due_of, elapse, take
from tocsin_trigger.domain.rules import MOST_BYTES, Absence, Batch, Collect, Correlate, Debounce, Rule, Threshold, Throttle
from tocsin_trigger.domain.sources import Role

START = datetime(2026, 3, 2, tzinfo=UTC)
CLAUSES = (("a", Role.PART), ("b", Role.PART), ("c", Role.PART), ("x", Role.RESET))
AFTER = (("p", Role.AFTER), ("q", Role.EXPECTED))
ONE = (("", Role.PART),)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


class Line:
    """Feeds a group, and keeps the accounts."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.group = rule, Group()
        self.fates: dict[str, Fate] = {}
        self.endings: list[Ending] = []

    def come(self, name: str, seconds: float, clause: str = "", role: Role = Role.PART, size: int = 10) -> Fate:
        taken = take(self.rule, self.group, Held(name, at(seconds), size, clause), role)
        self.group, self.fates[name] = taken.group, taken.fate
        self.endings += taken.endings
        return taken.fate

    def wait(self, seconds: float) -> list[tuple[End, list[str]]]:
        self.group, endings = elapse(self.rule, self.group, at(seconds))
        self.endings += endings
        return self.ended()

    def ended(self) -> list[tuple[End, list[str]]]:
        return [(ending.end, [held.event for held in ending.held]) for ending in self.endings]


def test_all_of_several_events_fire_when_the_last_has_come() -> None:
    """Whatever their order; every payload is kept, also when one came twice; then it begins anew."""
    line = Line(Correlate(2, s(60)))
    assert line.come("1", 0, "a") is Fate.HELD
    assert line.come("2", 5, "a") is Fate.HELD
    assert line.come("3", 6, "b") is Fate.FIRED
    assert line.come("4", 7, "b") is Fate.HELD
    assert line.ended() == [(End.FIRED, ["1", "2", "3"])]


def test_what_is_outside_of_the_window_lapses_alone() -> None:
    """The window slides: a younger event of the same kind still counts."""
    line = Line(Correlate(2, s(60)))
    line.come("1", 0, "a")
    line.come("2", 50, "a")
    assert line.come("3", 60, "b") is Fate.FIRED
    assert line.ended() == [(End.LAPSED, ["1"]), (End.FIRED, ["2", "3"])]


def test_what_is_collected_fires_when_all_that_end_it_have_come() -> None:
    """An end before anything has come is not awaited; the ends leave with what they end, and a second round begins anew."""
    line = Line(Collect(s(60), ("x", "y"), 2))
    assert line.come("0", 0, "x", Role.END) is Fate.NOT_AWAITED
    assert [line.come("1", 1, "a"), line.come("2", 2, "a"), line.come("3", 3, "x", Role.END)] == [Fate.HELD] * 3
    assert line.come("4", 4, "x", Role.END) is Fate.HELD
    assert line.come("5", 5, "y", Role.END) is Fate.FIRED
    assert line.ended() == [(End.FIRED, ["1", "2", "3", "4", "5"])]
    assert line.come("6", 6, "y", Role.END) is Fate.NOT_AWAITED


def test_what_is_collected_fires_when_it_is_enough() -> None:
    """Asked about what is collected and not about what ends it; what is held too long lapses."""
    seen: list[list[str]] = []

    def enough(held: Sequence[Held]) -> bool:
        seen.append([each.event for each in held])
        return len(held) == 2

    rule, group = Collect(s(60), ("x", "y"), 2, "length == 2"), Group()
    fates = []
    for name, seconds, clause in (("1", 0, "a"), ("2", 60, "a"), ("3", 61, "x"), ("4", 62, "b")):
        role = Role.END if clause == "x" else Role.PART
        taken = take(rule, group, Held(name, at(seconds), 10, clause), role, enough)
        group = taken.group
        fates.append(taken.fate)
    assert fates == [Fate.HELD, Fate.HELD, Fate.HELD, Fate.FIRED]
    assert seen == [["1"], ["2"], ["2", "4"]]


def test_a_reset_empties_what_has_come() -> None:
    """And says so of the events it ended."""
    line = Line(Correlate(2, s(60)))
    assert line.come("0", 0, "x", Role.RESET) is Fate.NOT_AWAITED
    line.come("1", 0, "a")
    assert line.come("2", 1, "x", Role.RESET) is Fate.CLEARED
    assert line.come("3", 2, "b") is Fate.HELD
    assert line.ended() == [(End.CLEARED, ["1"])]


def test_a_threshold_counts_within_a_sliding_window() -> None:
    """Three within ten seconds, not three within any ten seconds that begin with the first."""
    line = Line(Threshold(3, s(10)))
    for name, seconds in (("1", 0), ("2", 8), ("3", 11)):
        assert line.come(name, seconds) is Fate.HELD
    assert line.come("4", 12) is Fate.FIRED
    assert line.ended() == [(End.LAPSED, ["1"]), (End.FIRED, ["2", "3", "4"])]


def test_an_absence_is_noticed_once_and_never_before_the_first_event() -> None:
    """No false alarm at the start; one for each silence."""
    line = Line(Absence(s(10)))
    assert line.wait(1000) == []
    assert line.come("1", 1000) is Fate.NOTED
    assert line.come("2", 1009) is Fate.NOTED
    assert line.wait(1018) == []
    assert line.wait(1019) == [(End.FIRED, ["2"])]
    assert line.wait(9999) == [(End.FIRED, ["2"])]
    line.come("3", 10_000)
    assert line.wait(10_010) == [(End.FIRED, ["2"]), (End.FIRED, ["3"])]


def test_an_event_that_was_in_time_prevents_the_alarm_however_late_anybody_looks() -> None:
    """After a night's downtime the events of the night are decided first, by their own time."""
    line = Line(Absence(s(10)))
    line.come("order", 0, "p", Role.AFTER)
    assert line.come("payment", 9, "q", Role.EXPECTED) is Fate.CLEARED
    assert line.wait(99_999) == [(End.CLEARED, ["order"])]
    line.come("order2", 100_000, "p", Role.AFTER)
    assert line.come("late", 100_010, "q", Role.EXPECTED) is Fate.NOT_AWAITED
    assert line.ended()[1:] == [(End.FIRED, ["order2"])]


def test_further_events_do_not_put_the_deadline_off() -> None:
    """The first one's counts, and all that waited are in the alarm."""
    line = Line(Absence(s(10)))
    line.come("1", 0, "p", Role.AFTER)
    line.come("2", 9, "p", Role.AFTER)
    assert line.wait(10) == [(End.FIRED, ["1", "2"])]


def test_a_debounce_keeps_every_payload() -> None:
    """Quiet ends it, or the longest time that the first may wait."""
    line = Line(Debounce(s(5), s(12)))
    for name, seconds in (("1", 0), ("2", 4), ("3", 8)):
        line.come(name, seconds)
    assert line.wait(12) == [(End.FIRED, ["1", "2", "3"])]
    line.come("4", 20)
    assert line.wait(25)[1:] == [(End.FIRED, ["4"])]


def test_a_throttle_drops_or_holds_what_is_too_much() -> None:
    """At most so many within any period."""
    drop, hold = Line(Throttle(2, s(10))), Line(Throttle(2, s(10), hold=True))
    fates = [drop.come(str(n), n) for n in range(4)]
    assert fates == [Fate.FIRED, Fate.FIRED, Fate.LIMITED, Fate.LIMITED]
    assert drop.come("5", 10) is Fate.FIRED
    assert [hold.come(str(n), n) for n in range(4)] == [Fate.FIRED, Fate.FIRED, Fate.HELD, Fate.HELD]
    assert due_of(hold.rule, hold.group) == at(10)
    assert hold.wait(10) == [(End.FIRED, ["2"])]
    assert hold.wait(11) == [(End.FIRED, ["2"]), (End.FIRED, ["3"])]


def test_a_batch_is_full_by_number_by_time_or_by_size() -> None:
    """And loses nothing in any case."""
    line = Line(Batch(2, s(30)))
    line.come("1", 0)
    assert line.come("2", 1) is Fate.FIRED
    line.come("3", 2)
    assert line.wait(32) == [(End.FIRED, ["1", "2"]), (End.FIRED, ["3"])]
    large = Line(Batch(100, s(30)))
    large.come("1", 0, size=MOST_BYTES - 5)
    large.come("2", 1)
    assert large.ended() == [(End.FIRED, ["1"])]


RULES = st.one_of(
    st.builds(Correlate, st.integers(1, 3), st.integers(1, 20).map(s)),
    st.builds(Threshold, st.integers(2, 4), st.integers(1, 20).map(s)),
    st.builds(Absence, st.integers(1, 20).map(s)),
    st.builds(Debounce, st.integers(1, 10).map(s), st.none() | st.integers(1, 20).map(s)),
    st.builds(Throttle, st.integers(1, 3), st.integers(1, 20).map(s), st.booleans()),
    st.builds(Batch, st.integers(1, 4), st.integers(1, 20).map(s)),
    st.builds(Collect, st.integers(1, 20).map(s), st.just(("x",)), st.integers(1, 1)),
)
MOVES = st.lists(st.tuples(st.integers(-3, 9), st.integers(0, 99), st.booleans(), st.sampled_from([10, MOST_BYTES // 2])))


def clause_of(rule: Rule, number: int, *, paired: bool) -> tuple[str, Role]:
    if isinstance(rule, Correlate):
        return CLAUSES[number % 4]
    if isinstance(rule, Collect):
        name, role = CLAUSES[number % 4]
        return name, Role.END if role is Role.RESET else role
    return AFTER[number % 2] if isinstance(rule, Absence) and paired else ONE[0]


@given(RULES, MOVES, st.booleans())
def test_every_event_is_accounted_for_exactly_once(rule: Rule, moves: list[tuple[int, int, bool, int]], paired: bool) -> None:
    """Each has one fate; a held one leaves in one ending; a heartbeat ends where it was the last before a silence."""
    line, clock = Line(rule), 0
    for number, (forward, pick, looked, size) in enumerate(moves):
        clock = max(0, clock + forward)
        if looked:
            line.wait(clock)
        clause, role = clause_of(rule, pick, paired=paired)
        line.come(f"e{number}", clock, clause, role, size)
    line.wait(clock + 10_000)
    left = [held.event for ending in line.endings for held in ending.held]
    assert len(left) == len(set(left))
    assert line.group.held == ()
    alone = isinstance(rule, Throttle)
    for name, fate in line.fates.items():
        if fate is Fate.HELD or (fate is Fate.FIRED and not alone):
            assert left.count(name) == 1
        elif fate is not Fate.NOTED:
            assert name not in left


@given(RULES, MOVES, st.booleans())
def test_looking_often_or_late_decides_the_same(rule: Rule, moves: list[tuple[int, int, bool, int]], paired: bool) -> None:
    """So downtime, the number of replicas and the grain of timers change nothing."""
    lazy, busy, clock = Line(rule), Line(rule), 0
    for number, (forward, pick, _, size) in enumerate(moves):
        clause, role = clause_of(rule, pick, paired=paired)
        for second in range(clock, clock + max(0, forward) + 1):
            busy.wait(second)
        clock += max(0, forward)
        lazy.come(f"e{number}", clock, clause, role, size)
        busy.come(f"e{number}", clock, clause, role, size)
    for second in range(clock, clock + 50):
        busy.wait(second)
    lazy.wait(clock + 49)
    assert (lazy.fates, lazy.endings, lazy.group) == (busy.fates, busy.endings, busy.group)


@given(st.integers(1, 4), st.integers(1, 30), st.booleans(), st.lists(st.integers(0, 7), max_size=40))
def test_a_throttle_never_lets_more_pass_than_it_says(runs: int, per: int, hold: bool, gaps: list[int]) -> None:
    """In any window, held ones included."""
    rule = Throttle(runs, s(per), hold)
    line, clock, passed = Line(rule), 0, []
    for number, gap in enumerate(gaps):
        clock += gap
        if line.come(str(number), clock) is Fate.FIRED:
            passed.append(at(clock))
    line.wait(clock + 10_000)
    passed = sorted([*passed, *(ending.at for ending in line.endings)])
    for first in passed:
        assert sum(first <= each < first + s(per) for each in passed) <= runs


@pytest.mark.parametrize("rule", [Batch(5, s(9)), Threshold(5, s(9)), Absence(s(9))])
def test_a_group_that_saw_a_later_time_never_goes_back(rule: Rule) -> None:
    """An event that comes out of order counts as coming when it is seen."""
    line = Line(rule)
    line.come("1", 10)
    line.come("0", 3)
    assert [held.at for held in line.group.held] in ([at(10), at(10)], [at(10)])
    assert replace(line.group, held=()).at == at(10)
