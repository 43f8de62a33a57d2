"""Cancel, suspend, resume, override: requested, delivered, confirmed, in every order with everything else."""

from typing import Any

from tocsin_executor.domain.effects import Reply, ReportParent, Revoke
from tocsin_executor.domain.inputs import Parent, Result, Start, Verb, Wake
from unit.engine.world import World, program_of

CALL = {"c": {"call": "noop"}}


def started(tasks: list[Any], **fields: Any) -> World:
    """A world whose run has begun."""
    world = World(program_of(tasks), persist=True)
    world.start({}, **fields)
    return world


def replies(world: World) -> list[tuple[bool, str | None]]:
    """The answers to commands."""
    return [(reply.accepted, reply.reason) for reply in world.of(Reply)]


def test_cancel_is_requested_delivered_and_confirmed() -> None:
    """Nothing says cancelled while a process still runs, composites included."""
    world = started([{"d": {"do": [CALL]}}])
    world.control(Verb.CANCEL, reason="wrong order")
    assert (world.status, world.stopping) == ("cancelling", ["h:5#1"])
    assert "cancelled c" not in world.signals
    assert "cancelled d" not in world.signals
    world.confirm("h:5#1")
    assert world.status == "cancelled"
    assert world.signals[-4:] == ["workflow.cancel-requested", "cancelled c", "cancelled d", "workflow.cancelled"]


def test_cancel_without_work_outside_is_immediate() -> None:
    """Timers, backoffs and evaluations have nothing to confirm."""
    retry = {"try": [{"f": {"raise": {"error": {"type": "x", "status": 1}}}}], "catch": {"retry": {"delay": {"days": 1}}}}
    open_ = {"set": {"x": "${ [range(0; 9; 2)] }"}}
    for task in ({"wait": {"days": 1}}, retry, open_):
        world = started([{"t": task}])
        world.control(Verb.CANCEL)
        assert world.status == "cancelled"


def test_a_result_during_cancel_is_the_confirmation() -> None:
    """Its output is not used; what comes after is refused."""
    world = started([CALL, {"next": {"call": "noop"}}])
    world.control(Verb.CANCEL)
    world.send(Result, attempt="h:3#1", output=1)
    assert world.status == "cancelled"
    assert world.dispatched == ["h:3#1"]


def test_cancel_twice_and_after_the_end_is_refused_with_the_reason() -> None:
    """And changes nothing."""
    world = started([CALL])
    world.control(Verb.CANCEL)
    world.control(Verb.CANCEL)
    world.finish()
    world.control(Verb.CANCEL)
    reasons = ["the run is being cancelled already", "the run has ended"]
    assert replies(world) == [(True, None), (False, reasons[0]), (False, reasons[1])]


def test_control_before_start_is_refused() -> None:
    """There is nothing yet; a second start is refused, also for a run that has ended."""
    world = World(program_of([{"a": {"set": {}}}]))
    world.control(Verb.CANCEL)
    assert replies(world) == [(False, "there is no such run")]
    world.start({})
    world.send(Start, digest="digest", input={})
    assert world.refusals()[-1] == "the run exists"


def test_suspend_parks_results_and_resume_applies_them_in_order() -> None:
    """Nothing new is dispatched meanwhile, and nothing is lost."""
    world = started([CALL, {"d": {"call": "noop"}}])
    world.control(Verb.SUSPEND)
    assert (world.status, "suspended c" in world.signals) == ("suspended", True)
    world.answer("h:3#1")
    assert (world.status, world.dispatched) == ("suspended", ["h:3#1"])
    world.send(Result, attempt="h:3#1", output="again")
    assert world.refusals() == ["parked already"]
    world.control(Verb.RESUME)
    assert world.dispatched == ["h:3#1", "h:4#1"]
    world.finish()
    assert world.status == "completed"


def test_all_that_was_parked_is_applied() -> None:
    """And all of it counts as confirmation, when the run is cancelled instead."""
    for verb, status in ((Verb.RESUME, "completed"), (Verb.CANCEL, "cancelled")):
        world = started([{"f": {"fork": {"branches": [{"a": {"call": "noop"}}, {"b": {"call": "noop"}}]}}}])
        world.control(Verb.SUSPEND)
        for attempt in tuple(world.work):
            world.answer(attempt)
        world.control(verb)
        assert world.status == status


def test_what_is_overdue_fires_at_resume() -> None:
    """Due times do not shift: a wait is over, a timeout strikes, but results parked in time come first."""
    world = started([{"w": {"wait": {"seconds": 5}}}])
    world.control(Verb.SUSPEND)
    world.pass_time(60_000)
    world.send(Wake, cell="h", at=world.now)
    assert world.status == "suspended"
    world.control(Verb.RESUME)
    assert world.status == "completed"
    world = started([{"c": {"call": "noop", "timeout": {"after": {"seconds": 5}}}}])
    world.control(Verb.SUSPEND)
    world.answer("h:3#1")
    world.pass_time(60_000)
    world.control(Verb.RESUME)
    assert world.status == "completed"


def test_cancel_while_suspended_counts_parked_results_as_confirmations() -> None:
    """The work has ended: nobody would confirm it again."""
    world = started([CALL])
    world.control(Verb.SUSPEND)
    world.answer("h:3#1")
    world.control(Verb.CANCEL)
    assert world.status == "cancelled"
    assert world.of(Revoke)


def test_suspend_and_resume_that_do_not_apply_say_why() -> None:
    """Twice, or while the run ends."""
    world = started([CALL])
    world.control(Verb.RESUME)
    world.control(Verb.SUSPEND)
    world.control(Verb.SUSPEND)
    assert replies(world) == [
        (False, "the run is not suspended"),
        (True, None),
        (False, "the run is suspended already"),
    ]


def test_override_gives_a_task_its_output() -> None:
    """Its data flow out applies; what it was doing is revoked, and a late result is the confirmation."""
    world = started([{"d": {"do": [CALL], "output": {"as": "${ { o: . } }"}}}, {"n": {"call": "noop", "with": "${ . }"}}])
    world.control(Verb.OVERRIDE, token="h:3", output=5)
    assert replies(world) == [(True, None)]
    assert world.stopping == ["h:5#1"]
    world.send(Result, attempt="h:5#1", output="late")
    world.stopping.clear()
    world.finish()
    assert world.output == {"o": 5}
    world.control(Verb.OVERRIDE, token="h:9", output=5)
    assert replies(world)[-1] == (False, "the run has ended")


def test_a_parent_is_told_how_its_child_ended() -> None:
    """Once, whatever the end."""
    world = started([CALL], parent=Parent("p", "h:3#1"))
    world.finish()
    [told] = world.of(ReportParent)
    assert (told.parent, told.attempt, told.cancelled, told.error) == ("p", "h:3#1", False, None)
