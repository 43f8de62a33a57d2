"""Random programs in random worlds: whatever is answered, in whatever order, however often, the rules hold after every step.

The world answers in any order, repeats itself, answers for attempts that are over, confirms and forgets to, lets time pass and
jump, and asks for cancel, suspend and resume. ``rules.check`` runs after every input.
"""

import copy
from typing import Any, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin_executor.domain.codec import decode_run, encode_cell
from tocsin_executor.domain.effects import Dispatch, Effect
from tocsin_executor.domain.inputs import Event, Input, Lost, Result, StopKind, Stopped, Verb
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.state import HEAD, RunState
from tocsin_executor.domain.step import step
from unit.engine.programs import ERROR, LISTENING, SCENARIOS
from unit.engine.world import Failure, World, program_of

Scenario: TypeAlias = tuple[list[Any], list[tuple[int, int]]]
FEWER = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
LIMITS = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def wild(dispatch: Dispatch) -> Any:
    """A body whose answer depends on what was sent only, so that a world can be played again; it fails now and then."""
    if (sum(dispatch.attempt.encode()) + dispatch.node) % 4 == 0:
        raise Failure(ERROR)
    return dispatch.node


def play(program: Program, moves: list[tuple[int, int]], *, persist: bool) -> World:
    """A world that does what the moves say, then answers everything that is left."""
    world = World(program, body=wild, persist=persist)
    world.start({"n": 1}, seed=7)
    for kind, which in moves:
        move(world, kind, which)
        if world.run.terminal:
            break
    if world.run.head is not None and world.run.head.suspended:
        world.control(Verb.RESUME)
    return world.finish()


def move(world: World, kind: int, which: int) -> None:
    """One thing happens."""
    choices = world.choices()
    if kind <= 5 and choices:
        world.happen(*choices[which % len(choices)])
    elif kind == 6 and world.dispatched:
        attempt = world.dispatched[which % len(world.dispatched)]
        world.send(Result, attempt=attempt, output="again")
        world.work.pop(attempt, None)
        world.stopping = [key for key in world.stopping if key in _revoking(world)]
    elif kind == 7 and world.dispatched:
        attempt = world.dispatched[which % len(world.dispatched)]
        world.send(Lost, attempt=attempt, why="gone")
        if attempt not in _live(world):
            world.work.pop(attempt, None)
        world.stopping = [key for key in world.stopping if key in _revoking(world)]
    elif kind == 8:
        world.now += (which - 20) * 100
    elif kind == 9 and which < 30:
        world.control([Verb.CANCEL, Verb.SUSPEND, Verb.RESUME][which % 3])
    elif kind == 10 and world.dispatched:
        world.send(Stopped, attempt=world.dispatched[which % len(world.dispatched)], how=StopKind.NEVER_STARTED)
        world.stopping = [key for key in world.stopping if key in _revoking(world)]
    elif kind == 11 and world.run.head is not None and which < 10:
        world.control(Verb.OVERRIDE, token=f"h:{which}", output=which)
        world.work = {key: sent for key, sent in world.work.items() if key in _live(world)}

    elif kind == 12 and world.delivered:
        key = sorted(world.delivered)[which % len(world.delivered)]  # perhaps closed by now
        for number in (world.delivered[key] + 2, world.delivered[key], which):  # out of order, repeated, any
            if number != world.delivered[key] + 1:
                world.send(Event, subscription=key, n=number, filter=0, event=world.event(which))


def _revoking(world: World) -> set[str]:
    return set() if world.run.head is None else set(world.run.head.revoking)


def _live(world: World) -> set[str]:
    return {f"{token.id}#{token.attempt}" for token in world.run.home.tokens.values()}


def replay(program: Program, log: list[Input], run: RunState) -> list[Effect]:
    """Fold a log again."""
    return [effect for message in log for effect in step(program, run, message)]


@LIMITS
@given(SCENARIOS)
def test_the_rules_hold_whatever_happens(scenario: Scenario) -> None:
    """And every run ends."""
    tasks, moves = scenario
    assert play(program_of(tasks), moves, persist=False).run.terminal


@LIMITS
@given(SCENARIOS)
def test_a_state_that_was_saved_after_every_step_does_the_same(scenario: Scenario) -> None:
    """Nothing lives outside the cells."""
    tasks, moves = scenario
    program = program_of(tasks)
    kept = play(program, moves, persist=False)
    saved = play(program, moves, persist=True)
    assert saved.effects == kept.effects


@LIMITS
@given(SCENARIOS)
def test_folding_the_log_again_gives_the_same_effects(scenario: Scenario) -> None:
    """Ids and contents, from the beginning or from a save in the middle."""
    tasks, moves = scenario
    program = program_of(tasks)
    world = play(program, moves, persist=False)
    again = RunState("r")
    assert replay(program, copy.deepcopy(world.log), again) == world.effects
    assert again.head == world.run.head


@LIMITS
@given(SCENARIOS, st.integers(0, 1000))
def test_a_new_owner_goes_on_from_any_save(scenario: Scenario, cut: int) -> None:
    """What was folded after the save is folded again, with the same effects, down to the last id."""
    tasks, moves = scenario
    program = program_of(tasks)
    world = play(program, moves, persist=False)
    cut %= len(world.log)
    run = RunState("r")
    before = replay(program, world.log[: cut + 1], run)
    saved = encode_cell(run, HEAD)
    loaded = decode_run("r", [saved.body], saved.values)
    assert before + replay(program, world.log[cut + 1 :], loaded) == world.effects
    assert loaded.head == world.run.head


@LIMITS
@given(SCENARIOS)
def test_an_input_that_comes_twice_in_a_row_changes_nothing(scenario: Scenario) -> None:
    """The second is refused, and the state is as it was."""
    tasks, moves = scenario
    program = program_of(tasks)
    world = play(program, moves, persist=False)
    run = RunState("r")
    for message in world.log:
        step(program, run, message)
        before = copy.deepcopy((run.head, run.home))
        step(program, run, message)
        assert (run.head, run.home) == before


@LIMITS
@given(SCENARIOS)
def test_the_rules_hold_with_extensions_around_everything(scenario: Scenario) -> None:
    """Two of them, with work of their own before and after."""
    tasks, moves = scenario
    aside = [{"x": {"call": "noop"}}]
    extensions = [
        {"one": {"extend": "all", "before": aside, "after": aside}},
        {"two": {"extend": "composite", "when": "$task.fork == null", "before": aside, "after": aside}},
    ]
    assert play(program_of(tasks, use={"extensions": extensions}), moves, persist=True).run.terminal


@FEWER
@given(LISTENING)
def test_runs_that_listen_keep_the_rules_whatever_is_delivered(scenario: Scenario) -> None:
    """Deliveries repeated, out of order, to subscriptions that a timeout or a cancel has closed; and every run ends."""
    tasks, moves = scenario
    program = program_of(tasks)
    kept = play(program, moves, persist=False)
    assert kept.run.terminal
    assert not kept.subscriptions, "nobody listens in a run that has ended"
    saved = play(program, moves, persist=True)
    assert saved.effects == kept.effects


@FEWER
@given(LISTENING, st.integers(0, 1000))
def test_a_new_owner_of_a_run_that_listens_goes_on_from_any_save(scenario: Scenario, cut: int) -> None:
    """The same effects, subscriptions included, down to the last id."""
    tasks, moves = scenario
    program = program_of(tasks)
    world = play(program, moves, persist=False)
    cut %= len(world.log)
    run = RunState("r")
    before = replay(program, world.log[: cut + 1], run)
    saved = encode_cell(run, HEAD)
    loaded = decode_run("r", [saved.body], saved.values)
    assert before + replay(program, world.log[cut + 1 :], loaded) == world.effects
    assert loaded.head == world.run.head
