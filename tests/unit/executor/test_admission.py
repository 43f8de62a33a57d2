"""Who may begin: limits are never exceeded, nobody who could begin waits, and policies do what they say."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin_executor.domain.admission import Admit, Candidate, Displace, Holder, Refuse, Situation, decide, next_look, standings
from tocsin_executor.domain.limits import Gate, Policy, Rate

KEYS = ["w", "p", "q"]


def candidate(run: str, *gates: Gate, priority: int = 0, since: int = 0) -> Candidate:
    """One that waits."""
    return Candidate(run, gates, priority, since)


def test_the_greatest_priority_begins_first_and_then_the_oldest() -> None:
    """Of four that wait for two places the urgent one and the oldest of the others are let in."""
    gate = Gate("w", 2)
    waiting = [candidate("c", gate, since=1), candidate("a", gate, since=3), candidate("u", gate, priority=5, since=9)]
    assert decide(Situation(10, waiting, {})) == [Admit("u"), Admit("c")]


def test_who_waits_elsewhere_does_not_hold_back_those_behind() -> None:
    """A run whose workflow is full leaves the pool to one of another workflow."""
    full, pool = Gate("w", 1), Gate("p", 1)
    waiting = [candidate("a", full, pool, since=1), candidate("b", pool, since=2)]
    assert decide(Situation(10, waiting, {"w": [Holder("h", 0)]})) == [Admit("b")]


def test_policies_that_do_not_wait_refuse_the_newcomer() -> None:
    """``skip`` leaves nothing behind; ``cancel-newest`` leaves a cancelled run to be seen."""
    for policy, keep in ((Policy.SKIP, False), (Policy.CANCEL_NEWEST, True)):
        gate = Gate("w", 1, None, policy)
        assert decide(Situation(10, [candidate("a", gate)], {"w": [Holder("h", 0)]})) == [Refuse("a", "w", keep)]
        assert decide(Situation(10, [candidate("a", gate)], {})) == [Admit("a")]


def test_cancel_oldest_makes_room_from_the_oldest_on() -> None:
    """Of a holder, two that wait and a limit of one, only the newest stays; the holder is asked once."""
    gate = Gate("w", 1, None, Policy.CANCEL_OLDEST)
    waiting = [candidate("b", gate, since=2), candidate("c", gate, since=3)]
    verdicts = decide(Situation(10, waiting, {"w": [Holder("a", 1)]}))
    assert verdicts == [Displace("a", "w"), Refuse("b", "w", keep=True)]
    assert decide(Situation(10, waiting[1:], {"w": [Holder("a", 1, leaving=True)]})) == []
    assert decide(Situation(10, waiting[1:], {})) == [Admit("c")]


def test_a_rate_counts_what_began_lately_and_says_when_it_opens() -> None:
    """Two starts in a hundred milliseconds; the third waits until the first is that old."""
    gate = Gate("w", None, Rate(2, 100))
    situation = Situation(150, [candidate("a", gate)], {}, {"w": [60, 140]})
    assert decide(situation) == []
    assert next_look(situation) == 160
    assert decide(Situation(160, [candidate("a", gate)], {}, {"w": [60, 140]})) == [Admit("a")]


def test_each_gate_says_how_it_stands() -> None:
    """Full, closed by its rate until then, or open: so that an explanation names what is really in the way."""
    waiting = [candidate("a", Gate("w", 1), Gate("p", None, Rate(2, 100)), Gate("q", 2))]
    situation = Situation(150, waiting, {"w": [Holder("h", 0)], "q": [Holder("h", 0)]}, {"p": [60, 140]})
    found = standings(situation, "a")
    assert [(gate.key, gate.full, gate.opens, gate.open) for gate in found] == [
        ("w", True, None, False),
        ("p", False, 160, False),
        ("q", False, None, True),
    ]
    assert standings(situation, "b") == []


@given(
    st.lists(st.tuples(st.sets(st.sampled_from(KEYS), min_size=1), st.integers(-2, 2), st.integers(0, 9)), max_size=12),
    st.dictionaries(st.sampled_from(KEYS), st.integers(0, 4)),
    st.dictionaries(st.sampled_from(KEYS), st.integers(1, 4)),
)
def test_no_limit_is_exceeded_and_no_place_stays_free(wanted, holding, limits) -> None:
    """Whatever waits and whatever is held: afterwards each limit holds, and nobody is left who could have begun."""
    gates = {key: Gate(key, limits.get(key, 1)) for key in KEYS}
    waiting = [
        Candidate(f"r{n:02d}", tuple(gates[key] for key in sorted(keys)), priority, since)
        for n, (keys, priority, since) in enumerate(wanted)
    ]
    held = {key: [Holder(f"h{key}{n}", 0) for n in range(count)] for key, count in holding.items()}
    admitted = {verdict.run for verdict in decide(Situation(100, waiting, held)) if isinstance(verdict, Admit)}
    after = {
        key: len(held.get(key, ())) + sum(1 for c in waiting if c.run in admitted and gates[key] in c.gates) for key in KEYS
    }
    for key in KEYS:
        assert after[key] <= max(gates[key].limit or 0, len(held.get(key, ())))
    for c in waiting:
        if c.run not in admitted:
            assert any(after[gate.key] >= (gate.limit or 0) for gate in c.gates)
