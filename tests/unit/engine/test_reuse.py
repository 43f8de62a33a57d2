"""Running again from anywhere: work that was done with the same input is not done again; everything else is."""

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tocsin_executor.domain.effects import Record, Transition
from tocsin_executor.domain.inputs import Result, Verb
from tocsin_executor.domain.reuse import NeverReached, Reuse, plan_reuse
from unit.engine.programs import scenario
from unit.engine.world import Failure, World, program_of


def call(value: Any) -> dict[str, Any]:
    """A task whose worker answers its ``with``."""
    return {"call": "noop", "with": {"v": value}}


class Ledger:
    """Workers that count what they did, and fail where they are told to."""

    def __init__(self, *failing: str) -> None:
        self.done: list[str] = []
        self.failing = set(failing)

    def __call__(self, dispatch: Any) -> Any:
        self.done.append(dispatch.name)
        if dispatch.name in self.failing:
            raise Failure({"type": "about:blank", "status": 500, "title": dispatch.name})
        return dispatch.spec


def ran(tasks: list[Any], data: Any, *failing: str) -> tuple[World, Ledger]:
    """A run that has ended."""
    ledger = Ledger(*failing)
    world = World(program_of(tasks), ledger)
    world.start(data)
    return world.finish(), ledger


def again(
    old: World, tasks: list[Any], data: Any, start: str | None = None, *, edited: bool = False
) -> tuple[World, Ledger, Reuse]:
    """A rerun of it that has ended."""
    records = [asdict(record) for record in old.of(Record)]
    program = program_of(tasks)
    reuse = plan_reuse(records, old.program, program, start, edited=edited)
    ledger = Ledger()
    world = World(program, ledger, persist=True)
    world.start(data, reuse=reuse.plan, origin="old")
    return world.finish(), ledger, reuse


CHAIN = [
    {"a": call("${ .n }")},
    {"b": {**call("${ .v + 1 }"), "output": {"as": "${ {v: (.v * 10)} }"}, "export": {"as": "${ {kept: .v} }"}}},
    {"c": call("${ .v + 1 }")},
    {"d": {"set": {"v": "${ .v }", "context": "${ $context.kept }"}}},
]


def test_what_failed_is_done_again_and_what_went_well_is_taken() -> None:
    """Outputs, exports and the order are as if all had been done; records say where the outputs come from."""
    old, _ = ran(CHAIN, {"n": 1}, "c")
    assert old.status == "faulted"
    new, ledger, reuse = again(old, CHAIN, {"n": 1})
    assert ledger.done == ["c"]
    assert (new.status, new.output) == ("completed", {"v": 21, "context": 20})
    assert reuse.kept == {"do/a", "do/b"}
    assert [record.worker for record in new.of(Record)][:2] == ["run:old", "run:old"]


def test_a_chosen_task_and_what_follows_are_done_again_though_they_went_well() -> None:
    """From ``b``, by name, reference or activation."""
    old, _ = ran(CHAIN, {"n": 1})
    token = next(record.token for record in old.of(Record) if record.name == "b")
    for start in ("b", "/do/1/b", token):
        new, ledger, reuse = again(old, CHAIN, {"n": 1}, start)
        assert ledger.done == ["b", "c"]
        assert new.output == old.output
        assert reuse.redone == {"do/b", "do/c"}


def test_an_edited_input_does_again_what_it_changes_and_nothing_else() -> None:
    """``x`` does not depend on what was edited."""
    tasks = [
        {"x": {**call("${ .same }"), "input": {"from": "${ {same: .same} }"}, "output": {"as": "${ $workflow.input }"}}},
        {"y": call("${ .n }")},
    ]
    old, _ = ran(tasks, {"same": 1, "n": 1})
    assert again(old, tasks, {"same": 1, "n": 1})[1].done == []
    changed = [tasks[0] | {}, tasks[1]]
    new, ledger, _ = again(old, changed, {"same": 2, "n": 1})
    assert ledger.done == ["x", "y"]
    assert new.status == "completed"


def test_another_version_does_again_what_it_says_differently() -> None:
    """Unchanged tasks keep their outputs wherever they now stand in the list."""
    old, _ = ran(CHAIN, {"n": 1}, "c")
    changed = [{"first": {"set": "${ . }"}}, CHAIN[0], CHAIN[1], {"c": call("${ .v + 2 }")}, CHAIN[3]]
    new, ledger, _ = again(old, changed, {"n": 1})
    assert ledger.done == ["c"]
    assert new.output == {"v": 22, "context": 20}


def test_iterations_before_are_taken_each_with_its_own_output() -> None:
    """A loop that failed in its third round goes on there."""
    body = [{"w": {**call("${ $item }"), "input": {"from": "${ {same: 1} }"}}}]
    tasks = [{"l": {"for": {"each": "item", "in": "${ .items }"}, "do": body}}]
    ledger = Ledger()
    old = World(program_of(tasks), ledger)
    old.start({"items": [1, 2, 3, 4]})
    for value in (1, 2):
        (attempt,) = old.work
        assert old.work[attempt].spec == {"v": value}
        old.answer(attempt)
    (attempt,) = old.work
    old.work.clear()
    old.send(Result, attempt=attempt, error={"type": "x", "status": 500})
    assert old.status == "faulted"
    new, done, _ = again(old, tasks, {"items": [1, 2, 3, 4]})
    assert done.done == ["w", "w"]
    assert new.output == {"v": 4}
    _, done, _ = again(old, tasks, {"items": [1, 2, 3, 4]}, "w")
    assert done.done == ["w", "w"]


def test_of_attempts_that_failed_as_a_whole_nothing_is_taken_that_the_last_one_did_anew() -> None:
    """The token that the second attempt got is the one that counts."""
    numbers = iter(range(1, 10))

    def body(dispatch: Any) -> Any:
        if dispatch.name == "use":
            raise Failure({"type": "about:blank", "status": 503})
        return next(numbers)

    retry = {"retry": {"delay": {"milliseconds": 1}, "limit": {"attempt": {"count": 1}}}}
    tasks = [{"t": {"try": [{"get": call("x")}, {"use": call("y")}], "catch": retry}}]
    old = World(program_of(tasks), body)
    old.start({})
    old.finish()
    assert old.status == "faulted"
    reuse = plan_reuse([asdict(r) for r in old.of(Record)], old.program, old.program, None)
    ((outputs,),) = [list(found.values()) for found in reuse.plan.values()]
    assert outputs == [2]


def test_a_cancelled_run_can_go_on_where_it_was() -> None:
    """The task that was cancelled is done again; waits that were over are not waited for again."""
    tasks = [{"w": {"wait": {"hours": 9}}}, {"a": call(1)}, {"b": call(2)}]
    world = World(program_of(tasks), Ledger())
    world.start({})
    world.wake()
    world.answer(next(iter(world.work)))
    world.control(Verb.CANCEL)
    world.finish()
    assert world.status == "cancelled"
    new, ledger, _ = again(world, tasks, {})
    assert ledger.done == ["b"]
    assert Transition.WORKFLOW_STATUS_CHANGED not in {effect.type for effect in new.effects if hasattr(effect, "type")}


def test_a_task_that_was_never_reached_cannot_be_started_from() -> None:
    """The refusal names what was reached."""
    old, _ = ran(CHAIN, {"n": 1}, "a")
    with pytest.raises(NeverReached) as caught:
        again(old, CHAIN, {"n": 1}, "d")
    assert "a" in str(caught.value.hint)


def timeless(value: Any) -> Any:
    """Without the time of events: one that is emitted again is emitted later."""
    if isinstance(value, dict):
        return {name: timeless(part) for name, part in value.items() if name != "time"}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def shares_context(tasks: Any) -> bool:
    """Whether a branch of a fork exports what another one reads or replaces: then which is first is a matter of time."""
    if isinstance(tasks, list):
        return any(shares_context(part) for part in tasks)
    if not isinstance(tasks, dict):
        return False
    forked = tasks.get("fork")
    if isinstance(forked, dict):
        branches = [str(branch) for branch in forked["branches"]]
        for number, branch in enumerate(branches):
            others = branches[:number] + branches[number + 1 :]
            if "'export'" in branch and any("'export'" in other or "$context" in other for other in others):
                return True
    return any(shares_context(part) for part in tasks.values())


@settings(deadline=None)
@example(1900640, 0)
@example(1359, 1)
@given(st.integers(0, 10**9), st.integers(0, 30))
def test_a_rerun_of_anything_gives_the_same_output_and_does_nothing_twice(seed: int, pick: int) -> None:
    """Whatever the program: from its end, no work is done again; from any task, the output is the same."""
    tasks, _ = scenario(seed)
    old = World(program_of(tasks), lambda dispatch: dispatch.spec)
    old.start({})
    old.finish()
    records = old.of(Record)
    if old.status != "completed" or not records:
        return
    # What was cut off, by a rival or a timeout, may be begun again and win: waits that were over are not waited for again. And
    # outputs that are taken come at once: branches that share the context through exports may do so in another order.
    raced = any(record.status == "cancelled" for record in records) or shares_context(tasks)
    new, ledger, _ = again(old, tasks, {})
    if not raced:
        assert (new.status, new.output) == (old.status, old.output)
        assert ledger.done == []
    start = records[pick % len(records)].token
    new, _, _ = again(old, tasks, {}, start)
    if not raced and "compete" not in str(tasks):  # who wins is a matter of time
        assert (new.status, timeless(new.output)) == (old.status, timeless(old.output))


def test_with_another_input_what_reads_more_than_its_own_input_is_done_again() -> None:
    """A task that looks at the run's input or context, or at its item, would otherwise answer for the earlier one."""
    items = {
        "each": {"for": {"each": "one", "in": "${ $workflow.input.items }"}, "do": [{"pay": call("${ $one }")}], "input": {}}
    }
    tasks = [
        {"same": {"set": {"x": 1}}},
        {"plain": call("${ .x }")},
        {"seen": call("${ $workflow.input.n }")},
        {"again": {"set": {"x": 1}}},
        items,
    ]
    old, _ = ran(tasks, {"n": 1, "items": ["a", "b"]})
    _, ledger, _ = again(old, tasks, {"n": 1, "items": ["a", "b"]})
    assert ledger.done == []
    _, ledger, reuse = again(old, tasks, {"n": 2, "items": ["c", "b"]}, edited=True)
    assert ledger.done == ["seen", "pay", "pay"]
    assert {key.rpartition("/")[2] for key in reuse.kept} == {"plain"}


def test_people_are_asked_again_for_what_they_were_not_asked() -> None:
    """An answer is taken for the same input; not for another, and never where four eyes are wanted."""
    for more, edited, asks in (({}, False, False), ({}, True, True), ({"fourEyes": True}, False, True)):
        tasks = [{"same": {"set": {"x": 1}}}, {"ask": {"call": "approval", "with": {"title": "Pay?", **more}}}]
        tasks += [{"fail": call("${ . }")}]
        world = World(program_of(tasks), Ledger("fail"))
        world.start({"n": 1})
        world.control(Verb.ANSWER, token="ask", output={"approved": True})
        old = world.finish()
        assert old.status == "faulted"
        records = [asdict(record) for record in old.of(Record)]
        reuse = plan_reuse(records, old.program, old.program, None, edited=edited)
        new = World(old.program, Ledger())
        new.start({"n": 2 if edited else 1}, reuse=reuse.plan, origin="old")
        assert (new.status == "waiting") is asks
