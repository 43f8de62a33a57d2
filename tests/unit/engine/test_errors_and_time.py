"""Errors, retries, timeouts, forks that compete: who wins, what is caught, how often, and when."""

from typing import Any

import pytest

from tocsin_executor.domain.effects import Dispatch, Revoke, StartRun, StopRun
from tocsin_executor.domain.inputs import Lost, Result, StopKind, Stopped, Wake
from unit.engine.world import EPOCH, Failure, World, outcome, program_of

BROKEN = {"type": "https://example.com/broken", "status": 503, "title": "Broken"}
CALL = {"c": {"call": "noop"}}


def trying(catch: dict[str, Any], body: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """A ``try`` around a call."""
    return {"t": {"try": body or [CALL], "catch": catch, **more}}


def failing(times: int, error: dict[str, Any] | None = None) -> Any:
    """A body that fails so many times."""
    left = [times]

    def body(dispatch: Dispatch) -> Any:
        if left[0]:
            left[0] -= 1
            raise Failure(error or BROKEN)
        return "done"

    return body


def test_an_error_points_into_the_definition_and_goes_up() -> None:
    """Once per level it passes, innermost first; the author's instance is replaced."""
    done = outcome([{"d": {"do": [{"e": {"raise": {"error": {**BROKEN, "instance": "/else"}}}}]}}])
    assert done.error == {**BROKEN, "instance": "/do/0/d/do/0/e"}
    assert done.signals[-3:] == ["faulted e", "faulted d", "workflow.faulted"]


@pytest.mark.parametrize(
    ("task", "pointer"),
    [
        ({"t": {"try": [CALL], "catch": {"errors": {"with": {"status": 1}}}}}, "/do/0/t/try/0/c"),
        ({"l": {"for": {"in": "[1]"}, "do": [CALL]}}, "/do/0/l/do/0/c"),
        ({"f": {"fork": {"branches": [CALL]}}}, "/do/0/f/fork/branches/0/c"),
        ({"t": {"try": [CALL], "catch": {"do": [{"h": {"raise": {"error": BROKEN}}}]}}}, "/do/0/t/catch/do/0/h"),
    ],
)
def test_instances_have_no_iteration_indexes(task: dict[str, Any], pointer: str) -> None:
    """They are pointers into the document."""
    assert outcome([task], {}, failing(9)).error["instance"] == pointer


def test_standard_types_match_by_their_last_segment() -> None:
    """On the specification's hosts; others as they are written."""
    for path in ("open-workflow-specification.org/dsl/errors/types/timeout", "serverlessworkflow.io/spec/1.0.0/errors/timeout"):
        wanted = {"errors": {"with": {"type": f"https://{path}"}}}
        error = {"type": "https://open-workflow-specification.org/spec/1.0.0/errors/timeout", "status": 408}
        assert outcome([trying(wanted)], {}, failing(1, error)).status == "completed"
    wanted = {"errors": {"with": {"type": "https://example.com/other/broken"}}}
    assert outcome([trying(wanted)], {}, failing(1)).status == "faulted"


def test_catch_without_retry_or_do_swallows_and_takes_its_then() -> None:
    """It completes with the transformed input."""
    tasks = [trying({"then": "b"}, input={"from": ".x"}), {"a": {"set": "a"}}, {"b": {"set": {"b": "${ . }"}}}]
    assert outcome(tasks, {"x": 1}, failing(1)).output == {"b": 1}


def test_catch_sees_the_error_under_its_name() -> None:
    """In when, exceptWhen and do."""
    catch = {"as": "e", "when": "$e.status == 503", "do": [{"h": {"set": {"was": "${ $e.title }"}}}]}
    assert outcome([trying(catch)], {}, failing(1)).output == {"was": "Broken"}
    assert outcome([trying({**catch, "exceptWhen": "$e.status == 503"})], {}, failing(1)).status == "faulted"
    assert outcome([trying({**catch, "when": "$e.status == 404"})], {}, failing(1)).status == "faulted"


def test_retry_counts_the_attempts_after_the_first() -> None:
    """Five means six runs; then catch.do, and without one the error is raised again."""
    policy = {"retry": {"delay": {"seconds": 1}, "limit": {"attempt": {"count": 5}}}}
    done = outcome([trying(policy)], {}, failing(5))
    assert (done.status, done.output, len(done.dispatched)) == ("completed", "done", 6)
    done = outcome([trying(policy)], {}, failing(9))
    assert (done.status, len(done.dispatched)) == ("faulted", 6)
    done = outcome([trying({**policy, "do": [{"h": {"set": "handled"}}]})], {}, failing(9))
    assert (done.output, len(done.dispatched), done.signals.count("retried t")) == ("handled", 6, 5)


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [({}, [3, 3, 3, 3]), ({"linear": {}}, [3, 6, 9, 12]), ({"exponential": {}}, [3, 6, 12, 24]), ({"constant": {}}, [3] * 4)],
)
def test_backoff_grows_as_it_is_named(backoff: dict[str, Any], delays: list[int]) -> None:
    """d, d times n, d times two to the n minus one; linear and exponential start at the delay itself."""
    policy = {"retry": {"delay": "PT3S", "backoff": backoff, "limit": {"attempt": {"count": 4}}}}
    world = World(program_of([trying(policy)]), body=failing(9))
    world.start({})
    seen = []
    while world.status != "faulted":
        before = world.now
        world.happen(*world.choices()[0])
        if world.now > before:
            seen.append((world.now - before) // 1000)
    assert seen == delays


def test_jitter_is_added_and_repeats() -> None:
    """The same seed gives the same delays, another seed others; always within the range."""
    jitter = {"from": {"milliseconds": 100}, "to": {"milliseconds": 900}}
    policy = {"retry": {"delay": {"seconds": 1}, "jitter": jitter, "limit": {"attempt": {"count": 9}}}}

    def delays(seed: int) -> list[int]:
        world = World(program_of([trying(policy)]), body=failing(9))
        world.start({}, seed=seed)
        found = []
        while world.status not in {"faulted", "completed"}:
            before = world.now
            world.happen(*world.choices()[0])
            found.append(world.now - before)
        return [delay for delay in found if delay]

    assert delays(1) == delays(1) != delays(2)
    assert all(1100 <= delay <= 1900 for delay in delays(1))


def test_no_retry_is_planned_beyond_the_total_limit() -> None:
    """Counted from the first attempt, delays included."""
    policy = {"retry": {"delay": {"seconds": 4}, "limit": {"duration": {"seconds": 10}}}}
    done = outcome([trying(policy)], {}, failing(9))
    assert len(done.dispatched) == 3


def test_an_attempt_that_takes_too_long_is_caught_and_retried() -> None:
    """attempt.duration bounds each one; its work is revoked."""
    policy = {"retry": {"limit": {"attempt": {"count": 1, "duration": {"seconds": 5}}}}}
    world = World(program_of([trying(policy)]), persist=True)
    world.start({})
    world.wake()
    assert world.stopping == ["h:5#1"]
    assert list(world.work) == ["h:7#1"]
    world.wake()
    assert world.status == "running", "two attempts have not confirmed"
    world.finish()
    assert (world.status, world.error["status"]) == ("faulted", 408)


def test_retries_see_the_context_as_it_is_now() -> None:
    """The list is run again from its start with the same input."""
    body = [{"s": {"set": "${ . }", "export": {"as": "${ ($context.n // 0) | { n: (. + 1) } }"}}}, CALL]
    policy = {"retry": {"limit": {"attempt": {"count": 2}}}}
    done = outcome([trying(policy, body), {"after": {"set": "${ $context }"}}], {}, failing(2))
    assert done.output == {"n": 3}


def test_a_timeout_inside_try_is_caught_there_and_of_the_try_is_not() -> None:
    """The task's own catch does not see its own timeout."""
    late = {"c": {"call": "noop", "timeout": {"after": {"seconds": 1}}}}
    world = World(program_of([trying({"do": [{"h": {"set": "late"}}]}, [late])]), persist=True)
    world.start({})
    world.wake()
    world.finish()
    assert world.output == "late"
    world = World(program_of([trying({"do": [{"h": {"set": "late"}}]}, timeout={"after": "PT1S"})]), persist=True)
    world.start({})
    world.wake()
    assert world.status == "running"
    world.finish()
    assert (world.status, world.error["instance"]) == ("faulted", "/do/0/t")


@pytest.mark.parametrize(("offset", "status"), [(-1, "completed"), (0, "faulted"), (1, "faulted")])
def test_what_is_due_comes_before_the_result(offset: int, status: str) -> None:
    """At the same instant the timeout wins; the position in the log decides, however late the alarm clock is."""
    world = World(program_of([{"c": {"call": "noop", "timeout": {"after": {"seconds": 1}}}}]))
    world.start({})
    world.now = EPOCH + 1000 + offset
    [attempt] = world.work
    world.send(Result, attempt=attempt, output=1)
    assert world.status == status
    if status == "faulted":
        assert world.of(Revoke)
        assert world.run.head is not None
        assert not world.run.head.revoking, "the late result is its confirmation"


def test_time_never_goes_back() -> None:
    """Timestamps that jump back a minute do not move alarms."""
    world = World(program_of([{"w": {"wait": {"seconds": 30}}}]))
    world.start({})
    world.now -= 60_000
    world.send(Wake, cell="h", at=world.now)
    assert world.status == "waiting"
    assert world.run.head is not None
    assert world.run.head.now == EPOCH
    world.finish()
    assert world.run.head.ended == EPOCH + 30_000


def test_an_attempts_bound_does_not_strike_its_handler() -> None:
    """It is over with the attempt."""
    policy = {"retry": {"limit": {"attempt": {"count": 0, "duration": {"seconds": 5}}}}}
    done = outcome([trying({**policy, "do": [{"w": {"wait": {"seconds": 10}}}, {"h": {"set": "handled"}}]})], {}, failing(1))
    assert (done.output, done.ran("cancelled")) == ("handled", [])


def test_a_result_with_an_earlier_timestamp_does_not_turn_back_the_clock() -> None:
    """A broker's fail-over may do that."""
    world = World(program_of([CALL, {"d": {"call": "noop"}}]), persist=True)
    world.start({})
    world.now -= 60_000
    world.answer("h:3#1")
    assert world.run.head is not None
    assert world.run.head.now == EPOCH


def test_the_workflows_timeout_ends_everything() -> None:
    """It faults the run once what runs has stopped."""
    world = World(program_of([CALL], timeout={"after": {"seconds": 9}}), persist=True)
    world.start({})
    world.wake()
    assert world.status == "running"
    world.finish()
    assert (world.status, world.error["status"], world.error["instance"]) == ("faulted", 408, "")


def test_durations_may_be_expressions() -> None:
    """Evaluated when used; a bad one is an error of the task."""
    done = outcome([{"w": {"wait": "${ .d }"}}], {"d": "PT7S"})
    assert done.now == EPOCH + 7000
    assert outcome([{"w": {"wait": "${ .d }"}}], {"d": "soon"}).error["type"].endswith("/expression")


def test_the_first_branch_to_complete_wins() -> None:
    """Losers are revoked; flow goes on at once, the run ends when they have confirmed."""
    branches = [{"a": {"call": "noop", "with": {"v": 1}}}, {"b": {"call": "noop", "with": {"v": 2}}}]
    world = World(program_of([{"f": {"fork": {"compete": True, "branches": branches}}}]), persist=True)
    world.start({})
    loser, winner = world.work
    world.answer(winner)
    assert (world.status, world.stopping) == ("running", [loser])
    assert "completed f" in world.signals
    world.send(Result, attempt=loser, output="too late")
    world.send(Stopped, attempt=loser, how=StopKind.GRACEFUL)
    assert (world.status, world.output) == ("completed", {"v": 2})
    assert world.ran("cancelled") == ["a"]
    assert world.refusals() == ["the run has ended"]


def test_a_failing_branch_does_not_win() -> None:
    """Where branches compete, the fork faults only when the last one has."""
    branches = [{"a": {"raise": {"error": BROKEN}}}, {"b": {"call": "noop", "with": 2}}]
    assert outcome([{"f": {"fork": {"compete": True, "branches": branches}}}]).output == 2
    done = outcome([{"f": {"fork": {"compete": True, "branches": branches}}}], {}, failing(1))
    assert done.error["instance"] == "/do/0/f/fork/branches/1/b"


def test_a_failing_branch_cancels_the_others() -> None:
    """Where they do not compete."""
    branches = [{"a": {"call": "noop"}}, {"b": {"do": [{"x": {"wait": {"days": 1}}}]}}]
    world = World(program_of([trying({}, [{"f": {"fork": {"branches": branches}}}])]), body=failing(1), persist=True)
    world.start({})
    world.answer(next(iter(world.work)))
    assert (world.status, world.ran("cancelled"), world.ran("faulted")) == ("completed", ["x", "b"], ["a", "f"])


def test_a_lost_attempt_is_sent_again_under_a_new_number() -> None:
    """The old attempt's late result is stale; a task that kills its workers faults in the end."""
    world = World(program_of([CALL]), persist=True)
    world.start({})
    world.send(Lost, attempt="h:3#1", why="lease ran out")
    assert world.dispatched == ["h:3#1", "h:3#2"]
    world.send(Result, attempt="h:3#1", output="late")
    assert world.refusals() == ["stale attempt"]
    for number in range(2, 11):
        world.send(Lost, attempt=f"h:3#{number}", why="lease ran out")
    assert (world.status, len(world.dispatched)) == ("faulted", 10)


def test_a_loop_that_gets_nowhere_faults() -> None:
    """In slices, so that other runs get their turn; one that waits goes on for ever."""
    world = World(program_of([{"a": {"set": {}}}, {"b": {"set": {}, "then": "a"}}]), checked=False, persist=True)
    world.start({})
    world.finish()
    assert world.error["detail"].startswith("no progress")
    assert len(world.log) > 10


def test_a_child_run_is_started_once_and_its_end_comes_back() -> None:
    """Its id is derived from the attempt; its error is the task's."""
    call = {"r": {"run": {"workflow": {"namespace": "n", "name": "w", "version": "1.0.0", "input": {"x": "${ .x }"}}}}}
    world = World(program_of([call]), persist=True)
    world.start({"x": 1}, depth=2)
    [started] = world.of(StartRun)
    assert (started.input, started.depth, len(started.child)) == ({"x": 1}, 3, 26)
    world.child("h:3#1", output={"y": 2})
    assert world.output == {"y": 2}
    world = World(program_of([call]))
    world.start({})
    world.child("h:3#1", error={**BROKEN, "instance": "/do/9/x"})
    assert world.error == {**BROKEN, "instance": "/do/0/r"}


def test_a_cancelled_child_is_told_and_confirms() -> None:
    """The parent is not over before the child is."""
    call = {"r": {"run": {"workflow": {"namespace": "n", "name": "w", "version": "1.0.0"}}, "timeout": {"after": "PT1S"}}}
    world = World(program_of([call]))
    world.start({})
    world.wake()
    assert world.of(StopRun)[0].child == world.of(StartRun)[0].child
    assert world.status == "running"
    world.finish()
    assert world.status == "faulted"
