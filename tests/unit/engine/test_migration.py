"""Moving live runs to another version: exactly where the position exists, and as if it had always been there."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_executor.domain.effects import Reply, Signal, Transition
from tocsin_executor.domain.inputs import Control, Verb
from tocsin_executor.domain.migration import migrate, plan
from unit.engine.programs import scenario
from unit.engine.rules import check
from unit.engine.world import World, program_of

CALL = {"call": "noop"}


def move(world: World, tasks: list[Any], version: str = "2.0.0") -> Reply:
    """Ask for the run to be moved to these tasks; checks the rules of the state afterwards."""
    new = program_of(tasks)
    new.digest, new.version = "new", version
    position = len(world.log) + 1
    message = Control("r", position, world.now, f"m{position}", Verb.MIGRATE, id=f"m{position}", actor="user:ada")
    world.log.append(message)
    made = migrate(world.run, world.program, new, message)
    world.effects += made
    (reply,) = [effect for effect in made if isinstance(effect, Reply)]
    if reply.accepted:
        world.program = new
    check(world.program, world.run, world.effects)
    world.reload()
    return reply


def started(tasks: list[Any]) -> World:
    """A world whose run has begun."""
    world = World(program_of(tasks), persist=True)
    world.start({"n": 1})
    return world


def test_a_run_goes_on_in_the_new_version_with_its_attempt() -> None:
    """Tasks put before and inside; the attempt on its way keeps its id; what follows is the new version's."""
    world = started([{"d": {"do": [{"a": CALL}]}}, {"b": {"set": {"old": True}}}])
    answer = move(world, [{"zero": CALL}, {"d": {"do": [{"before": CALL}, {"a": CALL}]}}, {"b": {"set": {"new": True}}}])
    assert answer.accepted
    (signal,) = [s for s in world.of(Signal) if s.type is Transition.WORKFLOW_MIGRATED]
    assert signal.data is not None
    assert (signal.data["previous"], signal.data["version"]) == ("1.0.0", "2.0.0")
    world.finish()
    assert (world.status, world.output) == ("completed", {"new": True})


def test_a_position_that_does_not_exist_blocks_and_says_which() -> None:
    """The task is gone; it is of another kind; the branches differ. Nothing is changed."""
    world = started([{"a": CALL}])
    for tasks in ([{"b": CALL}], [{"a": {"wait": {"hours": 1}}}]):
        answer = move(world, tasks)
        assert not answer.accepted
        assert "task 'a' (/do/0/a)" in str(answer.reason)
    fork = [{"f": {"fork": {"branches": [{"x": CALL}, {"y": CALL}]}}}]
    other = [{"f": {"fork": {"branches": [{"x": CALL}, {"y": CALL}, {"z": CALL}]}}}]
    world = started(fork)
    assert "other branches" in str(move(world, other).reason)
    world.finish()
    assert world.status == "completed"


def test_timers_loops_retries_and_questions_are_kept() -> None:
    """The loop goes on at its item, the backoff at its time."""
    retry = {"retry": {"delay": {"hours": 1}, "limit": {"attempt": {"count": 2}}}}
    body = [{"t": {"try": [{"c": CALL}], "catch": retry}}]
    tasks = [
        {"l": {"for": {"each": "item", "in": "${ [1, 2] }"}, "do": body}},
        {"ask": {"call": "approval", "with": {"title": "ok?"}}},
    ]
    world = started(tasks)
    world.answer(next(iter(world.work)))
    changed = [{"first": {"set": "${ . }"}}, *tasks, {"last": {"set": {"end": True}}}]
    assert move(world, changed).accepted
    world.finish()
    assert world.status == "waiting"
    assert move(world, changed).accepted
    world.control(Verb.ANSWER, token="ask", output=1)
    assert (world.status, world.output) == ("completed", {"end": True})


def test_an_ended_run_is_not_moved() -> None:
    """It stays what it was."""
    world = started([{"a": {"set": 1}}])
    assert not move(world, [{"a": {"set": 2}}]).accepted


@settings(deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 40))
def test_moving_to_the_same_definition_changes_nothing(seed: int, after: int) -> None:
    """At any moment of any program: nothing is blocked but what is in the middle of a step, and the output is the same."""
    tasks, _ = scenario(seed)
    calm = World(program_of(tasks), persist=False)
    calm.start({})
    calm.finish()
    world = World(program_of(tasks))
    world.start({})
    for _ in range(after):
        choices = world.choices()
        if not choices:
            break
        world.happen(*choices[0])
    if not world.run.terminal:
        found = plan(world.run, world.program, world.program)
        assert all("in the middle of a step" in reason for reason in found.blocked)
        if not found.blocked:
            assert move(world, tasks, "1.0.0").accepted  # events say of which version they are
    world.finish()
    assert (world.status, world.output, world.error) == (calm.status, calm.output, calm.error)
