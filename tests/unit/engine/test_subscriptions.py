"""Messages of a subscription, gone through one by one by the engine."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_executor.domain.effects import Allow, Decision
from tocsin_executor.domain.explain import explain
from tocsin_executor.domain.inputs import Lost, Result, StopKind, Stopped, Streamed, Verb, Wake
from tocsin_executor.domain.ops.credit import WINDOW
from unit.engine.world import World, outcome, program_of

ECHO = {"do": [{"x": {"set": {"n": "${ .payload }"}}}]}


def subscribed(consume: dict[str, Any], foreach: dict[str, Any] | None = None, **task: Any) -> World:
    """A run that has subscribed; its worker sends when it is told to."""
    subscription = {"consume": consume, "foreach": ECHO if foreach is None else foreach}
    call = {"document": {"endpoint": "u"}, "operation": "o", "subscription": subscription}
    tasks = [{"hear": {"call": "asyncapi", "with": call, **task}}, {"end": {"set": {"got": "${ . }"}}}]
    world = World(program_of(tasks), persist=True)
    world.start()
    return world


def attempt(world: World) -> str:
    return world.dispatched[-1]


def say(world: World, *payloads: Any, first: int = 1, session: str = "w/1") -> None:
    for n, payload in enumerate(payloads, first):
        world.send(Streamed, attempt=attempt(world), session=session, n=n, value={"payload": payload})


def allowed(world: World) -> list[int]:
    return [effect.upto for effect in world.effects if isinstance(effect, Allow)]


def stop(world: World) -> None:
    world.send(Stopped, attempt=attempt(world), how=StopKind.GRACEFUL)
    while world.slices:
        world.happen("slice", str(world.slices[0]))


def tick(world: World) -> None:
    """A second passes, and nothing else happens."""
    world.pass_time(1_000)
    world.send(Wake, cell="h", at=world.now)


def heard(foreach: dict[str, Any], messages: list[Any]) -> World:
    subscription = {"consume": {"amount": 2, "for": {"seconds": 1}}, "foreach": foreach}
    call = {"document": {"endpoint": "u"}, "operation": "o", "subscription": subscription}
    tasks = [{"hear": {"call": "asyncapi", "with": call}}, {"end": {"set": {"got": "${ . }", "context": "${ $context }"}}}]
    return outcome(tasks, {"all": []}, lambda _: messages)


def test_each_message_is_replaced_by_what_its_tasks_make_of_it() -> None:
    """In order, with item and index; the output of the call is the list of the outputs."""
    second = {"set": {"n": "${ .n + $i }", "was": "${ $message.payload }"}}
    foreach = {
        "item": "message",
        "at": "i",
        "do": [{"first": {"set": {"n": "${ .payload * 10 }"}}}, {"second": second}],
        "output": {"as": "${ {made: .n, was: $message.payload, i: $i} }"},
    }
    done = heard(foreach, [{"payload": 1}, {"payload": 2}, {"payload": 3}])
    assert done.status == "completed"
    assert done.output["got"] == [{"made": 10 * n + n - 1, "was": n, "i": n - 1} for n in (1, 2, 3)]


def test_messages_can_be_exported_to_the_context() -> None:
    """One after the other."""
    foreach = {"export": {"as": "${ $context + {all: ($context.all + [$item.payload])} }"}}
    done = heard(foreach, [{"payload": 1}, {"payload": 2}])
    assert done.output == {"got": [{"payload": 1}, {"payload": 2}], "context": {"all": [1, 2]}}


def test_no_message_is_an_empty_list() -> None:
    """Nothing is gone through."""
    assert heard({"do": [{"x": {"set": {"y": 1}}}]}, []).output["got"] == []


def test_an_error_in_the_middle_points_at_its_task() -> None:
    """And ends the call."""
    done = heard({"do": [{"x": {"raise": {"error": {"type": "t", "status": 400}}}}]}, [{"payload": 1}])
    assert (done.status, done.error["instance"]) == ("faulted", "/do/0/hear/with/subscription/foreach/do/0/x")


def test_messages_are_gone_through_while_the_subscription_lives() -> None:
    """Each when it has come; a condition on what they gave ends the call, and then the subscription."""
    world = subscribed({"until": "${ length == 2 and .[1].n == 7 }"})
    say(world, 5)
    assert (world.status, explain(world.program, world.run)[0]["detail"]) == (
        "running",
        "it has gone through 1 messages, 0 more wait in line",
    )
    say(world, 7, first=2)
    assert world.stopping == [attempt(world)]
    stop(world)
    assert (world.status, world.output) == ("completed", {"got": [{"n": 5}, {"n": 7}]})


@pytest.mark.parametrize(
    ("consume", "ends_with"),
    [({"while": "${ length < 2 }"}, 2), ({"until": "${ $context.seen == [1, 2, 3] }"}, 3), ({"while": "${ .[-1].n != 1 }"}, 1)],
)
def test_conditions_are_asked_behind_the_tasks_of_each_message(consume: dict[str, Any], ends_with: int) -> None:
    """So they see the context as the message before left it."""
    export = {"export": {"as": "${ {seen: (($context.seen // []) + [.n])} }"}}
    world = subscribed(consume, {**ECHO, **export})
    say(world, *range(1, ends_with + 1))
    stop(world)
    assert (world.status, len(world.output["got"])) == ("completed", ends_with)


def test_the_end_of_the_call_is_the_end_of_its_messages() -> None:
    """Those that wait in line are gone through first."""
    world = subscribed({"amount": 3}, {"do": [{"w": {"wait": {"seconds": 1}}}]})
    say(world, 1, 2, 3)
    world.send(Result, attempt=attempt(world), output=[])
    assert world.status == "waiting"
    for _ in range(3):
        tick(world)
    assert world.output == {"got": [{"payload": 1}, {"payload": 2}, {"payload": 3}]}


def test_a_subscription_without_an_end_keeps_nothing_but_its_place() -> None:
    """Thousands of messages in a state that stays small; it ends with its timeout, or when the run is cancelled."""
    world = subscribed({"while": "${ true }"}, timeout={"after": {"hours": 1}})
    world.checked = world.persist = False
    say(world, *range(3_000))
    assert (world.status, allowed(world)[-1]) == ("running", 3_000 + WINDOW)
    world.reload()
    assert len(str(world.run.home)) < 10_000
    world.control(Verb.CANCEL)
    stop(world)
    assert world.status == "cancelled"


def test_more_messages_come_only_when_those_before_were_gone_through() -> None:
    """The line is as short as the window, whatever comes in."""
    world = subscribed({"until": "${ false }"}, {"do": [{"w": {"wait": {"seconds": 1}}}]})
    say(world, *range(WINDOW))
    assert allowed(world) == []
    for _ in range(8):
        tick(world)
    assert allowed(world) == [8 + WINDOW]


def test_an_error_of_a_task_ends_the_subscription() -> None:
    """And can be caught outside, like its timeout."""
    world = subscribed({"until": "${ false }"}, {"do": [{"x": {"raise": {"error": {"type": "t", "status": 400}}}}]})
    say(world, 1)
    assert world.stopping == [attempt(world)]
    stop(world)
    assert world.status == "faulted"


def test_a_worker_that_takes_over_counts_anew() -> None:
    """What was folded stays; what the first one sends late is not taken."""
    world = subscribed({"amount": 3})
    say(world, 1, 2)
    world.send(Lost, attempt=attempt(world), why="gone")
    assert len(world.dispatched) == 2
    say(world, 3, session="w/2")
    world.send(Streamed, attempt=world.dispatched[0], session="w/1", n=3, value={"payload": 9})
    say(world, 9, first=3, session="w/1")
    world.send(Result, attempt=attempt(world), output=[])
    assert world.output == {"got": [{"n": 1}, {"n": 2}, {"n": 3}]}
    assert [effect.kind for effect in world.effects if isinstance(effect, Decision)] == ["streamed", "streamed"]


@given(st.lists(st.sampled_from(["next", "again", "ahead", "tick", "suspend", "resume", "reload"]), max_size=40))
def test_each_message_is_gone_through_once_and_in_order(doings: list[str]) -> None:
    """Whatever is repeated, comes too early, or happens to the run meanwhile."""
    world = subscribed({"until": "${ false }", "for": {"hours": 9}}, {"do": [{"w": {"wait": {"seconds": 1}}}]})
    sent = 0
    for doing in doings:
        match doing:
            case "next":
                sent += 1
                say(world, sent, first=sent)
            case "again" if sent:
                say(world, sent, first=sent)
            case "ahead":
                say(world, 99, first=sent + 2)
            case "suspend" | "resume":
                world.control(Verb(doing))
            case "reload":
                world.reload()
            case _:
                tick(world)
    world.control(Verb.RESUME)
    world.send(Result, attempt=attempt(world), output=[])
    for _ in range(sent + 1):
        tick(world)
    assert world.output == {"got": [{"payload": n} for n in range(1, sent + 1)]}
