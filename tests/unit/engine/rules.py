"""Rules that hold after every step, whatever happened: the invariants of the state and of what is signalled."""

from collections import Counter

from tocsin_executor.domain.effects import Decision, Dispatch, Effect, Record, Revoke, Signal, StartRun, Transition
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.remembered import MapState
from tocsin_executor.domain.state import TERMINAL, Hold, RunState

ENDS = {Transition.TASK_COMPLETED, Transition.TASK_FAULTED, Transition.TASK_CANCELLED, Transition.TASK_SKIPPED}
WAITS = {Hold.SENT, Hold.CHILD, Hold.TIMER, Hold.APPROVAL, Hold.LISTEN, Hold.BACKOFF, Hold.EVALUATING}


def check(program: Program, run: RunState, effects: list[Effect]) -> None:
    """Assert all rules on a run and everything it has asked for so far."""
    if run.head is None:
        return
    structure(run)
    alarms(run)
    progress(run)
    terminal(run)
    signals(run, effects)
    attempts(run, effects)


def structure(run: RunState) -> None:
    """Tokens and scope instances know each other."""
    cell = run.home
    for token in cell.tokens.values():
        assert token.id in cell.scopes[token.scope].tokens
        for kid in token.kids or ():
            assert cell.scopes[kid].owner == token.id
        if token.hold is Hold.SCOPE:
            assert token.kids or (isinstance(token.state, MapState) and token.state.asked)
    for instance in cell.scopes.values():
        assert instance.tokens, "a scope instance without tokens is closed in the same step"
        for token_id in instance.tokens:
            assert cell.tokens[token_id].scope == instance.id
        if instance.owner is not None:
            assert instance.id in (cell.tokens[instance.owner].kids or ())


def alarms(run: RunState) -> None:
    """Alarms belong to live tokens and are sorted."""
    cell = run.home
    assert cell.timers == sorted(cell.timers)
    count = Counter(token for _, token, _ in cell.timers)
    assert set(count) <= set(cell.tokens)
    assert all(token.timers == count[token.id] for token in cell.tokens.values())


def progress(run: RunState) -> None:
    """A run that is not over waits for something outside, or has its next slice on the way."""
    head = run.head
    assert head is not None
    if head.status in TERMINAL or head.agenda or head.revoking:
        return
    assert any(
        token.hold in WAITS or (isinstance(token.state, MapState) and token.state.asked) for token in run.home.tokens.values()
    ), "stuck"
    for token in run.home.tokens.values():
        if token.hold in {Hold.TIMER, Hold.BACKOFF}:
            assert token.timers
        if token.hold is Hold.READY:
            assert head.suspended


def terminal(run: RunState) -> None:
    """Nothing is left of a run that has ended."""
    head = run.head
    assert head is not None
    if head.status in TERMINAL:
        assert not run.home.tokens
        assert not run.home.scopes
        assert not run.home.timers
        assert (head.revoking, head.dying, head.agenda, head.parked) == ({}, {}, [], [])
        assert head.ended is not None
        assert head.fin is not None


def signals(run: RunState, effects: list[Effect]) -> None:
    """The sequence is dense, and each activation begins once and ends once."""
    head = run.head
    assert head is not None
    said = [effect for effect in effects if isinstance(effect, Signal)]
    assert [signal.sequence for signal in said] == list(range(1, head.sequence + 1))
    state: dict[str, str] = {}
    for signal in said:
        if signal.token is None:
            continue
        before = state.get(signal.token)
        assert before != "ended", f"{signal.type} of {signal.token} after its end"
        if signal.type is Transition.TASK_CREATED:
            assert before is None
            state[signal.token] = "created"
        elif signal.type is Transition.TASK_SKIPPED:
            assert before in {None, "created"}  # by its condition, or by hand
            state[signal.token] = "ended"
        else:
            assert before == "created"
            if signal.type in ENDS:
                state[signal.token] = "ended"
    if head.status in TERMINAL:
        assert set(state.values()) <= {"ended"}, "a task's end was never said"
    records = Counter(effect.token for effect in effects if isinstance(effect, Record))
    assert all(number == 1 for number in records.values())
    assert set(records) == {token for token, where in state.items() if where == "ended"}


def attempts(run: RunState, effects: list[Effect]) -> None:
    """No effect is made twice, and only what was sent is revoked."""
    head = run.head
    assert head is not None
    made = Counter((type(effect), effect.id) for effect in effects if not isinstance(effect, Decision))
    assert [key for key, number in made.items() if number > 1] == []
    sent = {effect.attempt for effect in effects if isinstance(effect, Dispatch | StartRun)}
    assert {effect.attempt for effect in effects if isinstance(effect, Revoke)} <= sent
    assert set(head.revoking) <= sent
