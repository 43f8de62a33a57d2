"""Every wait is explained."""

from hypothesis import given

from tocsin_executor.domain.explain import explain, with_queues
from tocsin_executor.domain.inputs import Claimed, Verb
from tocsin_executor.domain.state import RunState
from tocsin_executor.domain.step import step
from unit.engine.programs import SCENARIOS
from unit.engine.test_interleavings import LIMITS, Scenario, play
from unit.engine.world import World, program_of


def reasons(world: World) -> list[object]:
    """What the run waits for."""
    return [entry["for"] for entry in explain(world.program, world.run)]


def test_each_kind_of_wait_is_named() -> None:
    """With what it takes to end it."""
    branches = [
        {"a": {"call": "noop", "metadata": {"queue": "gpu"}, "timeout": {"after": "PT1H"}}},
        {"b": {"wait": {"minutes": 1}}},
        {"c": {"run": {"workflow": {"namespace": "n", "name": "w", "version": "1.0.0"}}}},
        {"d": {"set": "${ [range(0; 4; 2)] }"}},
        {"e": {"try": [{"x": {"raise": {"error": {"type": "t", "status": 1}}}}], "catch": {"retry": {"delay": "PT5S"}}}},
    ]
    world = World(program_of([{"f": {"fork": {"branches": branches}}}]))
    world.start({})
    found = {entry["name"]: entry for entry in explain(world.program, world.run)}
    assert {name: entry["for"] for name, entry in found.items()} == {
        "a": "worker",
        "b": "time",
        "c": "child",
        "d": "evaluation",
        "e": "retry",
    }
    assert (found["a"]["queue"], found["a"]["until"]) == ("gpu", "2023-11-14T23:13:20.000Z")
    assert found["b"]["until"] == "2023-11-14T22:14:20.000Z"
    world.send(Claimed, attempt="h:5#1", worker="w1", at=world.now)
    assert explain(world.program, world.run)[0]["worker"] == "w1"
    world.control(Verb.SUSPEND)
    assert reasons(world)[0] == "resume"
    world.control(Verb.CANCEL)
    assert reasons(world) == ["confirmation", "confirmation"]
    world.finish()
    assert reasons(world) == []


@LIMITS
@given(SCENARIOS)
def test_a_run_that_is_not_over_always_waits_for_something(scenario: Scenario) -> None:
    """In every state it can get into."""
    tasks, moves = scenario
    program = program_of(tasks)
    world = play(program, moves, persist=False)
    run = RunState("r")
    for message in world.log:
        step(program, run, message)
        assert bool(explain(program, run)) is not run.terminal


def test_a_queue_that_nobody_serves_is_named() -> None:
    """Only where no worker has the task, and only where that is known."""
    waits = [{"for": "worker", "queue": "gpu", "detail": "sent"}, {"for": "worker", "queue": "cpu", "detail": "sent"}]
    waits.append({"for": "worker", "queue": "gpu", "worker": "w", "detail": "held"})
    waits.append({"for": "worker", "queue": "tpu", "detail": "sent"})
    waits.append({"for": "worker", "queue": "cpu", "worker": "v", "detail": "held"})
    waits.append({"for": "worker", "queue": "gpu", "worker": "v", "detail": "held"})
    found = with_queues(waits, {"cpu": ["w"], "tpu": []}, {"w"})
    assert [wait["detail"] for wait in found] == [
        "it was sent to queue 'gpu', which no worker serves now",
        "sent",
        "held",
        "it was sent to queue 'tpu', all workers of which drain and take nothing new",
        "worker v had it and is not heard of any more; it goes to queue 'cpu'",
        "worker v had it and is not heard of any more; it goes to queue 'gpu', which no worker serves now",
    ]
