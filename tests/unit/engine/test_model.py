"""The engine against a plain recursive interpreter, and against itself with the world's answers in another order."""

from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin_executor.domain.effects import Dispatch, Record
from unit.engine.model import FAIL, Fault, Model
from unit.engine.world import Failure, World, program_of

LIMITS = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def plain(random: Random, depth: int, *, calm: bool) -> dict[str, Any]:
    """A task without time; a calm one neither fails, ends the run nor changes the context."""
    kinds = ["set", "call", "call", "switch"] if not depth else ["set", "call", "do", "for", "fork", "try", "try", "switch"]
    kind = random.choice(kinds)
    task: dict[str, Any]
    match kind:
        case "set":
            task = {"set": random.choice(["${ [.] | length }", {"c": "${ $context }"}, {"x": 1, "y": "${ $input }"}, 7])}
        case "call":
            task = {"call": "noop", "with": {"fail": not calm and random.random() < 0.3, "v": "${ [.] | length }"}}
        case "switch":
            task = {"switch": [{"a": {"when": 'type == "object"', "then": "exit"}}, {"b": {"then": "continue"}}]}
        case "do":
            task = {"do": listed(random, depth - 1, calm=calm)}
        case "for":
            many = random.random() < 0.3
            task = {"for": {"in": f"[range({random.randint(0, 3)})]"}, "do": listed(random, depth - 1, calm=calm or many)}
            if many:
                task["metadata"] = {"concurrency": random.randint(1, 3)}
            elif random.random() < 0.3:
                task["while"] = '$index < 1 or ($item | type) == "string"'
        case "fork":
            branches = [{f"b{n}": plain(random, depth - 1, calm=True)} for n in range(random.randint(1, 3))]
            task = {"fork": {"branches": branches}}
        case _:
            catch: dict[str, Any] = {}
            if random.random() < 0.5:
                catch["retry"] = {"limit": {"attempt": {"count": random.randint(0, 2)}}}
            if random.random() < 0.5:
                catch["do"] = listed(random, depth - 1, calm=calm)
            task = {"try": listed(random, depth - 1, calm=calm), "catch": catch}
    if random.random() < 0.15:
        task["if"] = random.choice([". == 7", 'type != "array"'])
    if not calm and random.random() < 0.2:
        task["export"] = {"as": "${ [$output, $context] | length }"}
    if kind != "switch" and random.random() < 0.15:
        task["then"] = "exit" if calm else random.choice(["exit", "end"])
    return task


def listed(random: Random, depth: int, *, calm: bool = False) -> list[dict[str, Any]]:
    """A list of tasks with names; some jump over their neighbour."""
    tasks = [{f"t{n}": plain(random, depth, calm=calm)} for n in range(random.randint(1, 4))]
    for number, item in enumerate(tasks[:-2]):
        if random.random() < 0.1:
            item[f"t{number}"]["then"] = f"t{number + 2}"
    return tasks


def body(dispatch: Dispatch) -> Any:
    """Fails when it is told to."""
    if dispatch.spec["fail"]:  # type: ignore[call-overload,index]
        raise Failure(FAIL)
    return dispatch.spec


def executed(tasks: list[Any], random: Random | None = None) -> tuple[World, list[tuple[str, str]]]:
    """Run it to its end, answering in the order of dispatch or any other."""
    world = World(program_of(tasks), body=body)
    world.start({"n": 1})
    while choices := world.choices():
        world.happen(*(choices[0] if random is None else random.choice(choices)))
    return world, [(record.name, record.status) for record in world.of(Record) if record.status != "cancelled"]


@LIMITS
@given(st.integers(0, 2**32 - 1))
def test_the_engine_does_what_the_language_means(seed: int) -> None:
    """Same output or fault, same tasks in the same order (but where branches and items interleave)."""
    tasks = listed(Random(seed), 3)
    world, ran = executed(tasks)
    model = Model()
    try:
        expected: Any = model.run(tasks, {"n": 1})
    except Fault:
        assert world.status == "faulted"
    else:
        assert (world.status, world.output) == ("completed", expected)
    assert sorted(ran) == sorted(model.ran)
    if "fork" not in str(tasks) and "concurrency" not in str(tasks):
        assert ran == model.ran


@LIMITS
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_answers_does_not_matter(seed: int) -> None:
    """Without races, timeouts and parallel exports: same outcome, same set of tasks."""
    tasks = listed(Random(seed), 3)
    first, ran = executed(tasks)
    second, again = executed(tasks, Random(seed + 1))
    assert (first.status, sorted(ran)) == (second.status, sorted(again))
    assert first.output == second.output
