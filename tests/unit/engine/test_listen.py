"""``listen``: strategies, filters, correlation, bodies, and the order of deliveries."""

import itertools
from typing import Any

import pytest

from tocsin_executor.domain.compile import Offered, compile_workflow
from tocsin_executor.domain.effects import Subscribe, Unsubscribe
from tocsin_executor.domain.inputs import Evaluated, Event, Verb
from unit.engine.world import EPOCH, World

IDS = itertools.count()


def listening(to: dict[str, Any], foreach: dict[str, Any] | None = None, read: str = "data", **more: Any) -> World:
    """A run that listens, as its second task (subscription ``h:4``)."""
    task = {"listen": {"to": to, "read": read}, **more}
    if foreach is not None:
        task["foreach"] = foreach
    about = {"dsl": "1.0.3", "namespace": "test", "name": "flow", "version": "1.0.0"}
    document = {"document": about, "do": [{"s": {"set": "${ . }"}}, {"l": task}]}
    world = World(compile_workflow(document, "digest", Offered(listen=True)), persist=True)
    world.start({"order": 7})
    return world


def of(kind: str, data: Any = None, **attributes: Any) -> dict[str, Any]:
    """An event, with an id of its own."""
    return {"specversion": "1.0", "id": str(next(IDS)), "source": "/test", "type": kind, "data": data, **attributes}


def test_one_event_gives_an_array_of_one() -> None:
    """Subscribed from the activation on; unsubscribed when it is met."""
    world = listening({"one": {"with": {"type": "a"}}})
    [asked] = world.of(Subscribe)
    assert (asked.subscription, asked.node, asked.since, asked.expected) == ("h:4", 2, EPOCH, {})
    assert world.status == "waiting"
    world.deliver("h:4", of("b", 1))
    assert world.status == "waiting"
    world.deliver("h:4", of("a", 2))
    assert (world.status, world.output) == ("completed", [2])
    assert len(world.of(Unsubscribe)) == 1
    assert world.signals.index("workflow.correlation-started") < world.signals.index("workflow.correlation-completed")


def test_deliveries_are_numbered_and_a_repeat_is_refused() -> None:
    """The cursor plus one, or nothing."""
    world = listening({"all": [{"with": {"type": "a"}}, {"with": {"type": "b"}}]})
    world.deliver("h:4", of("a", 1))
    world.send(Event, subscription="h:4", n=1, filter=0, event=of("b", 1))
    world.send(Event, subscription="h:4", n=3, filter=0, event=of("b", 1))
    world.send(Event, subscription="h:9", n=1, filter=0, event=of("b", 1))
    assert len(world.refusals()) == 3
    world.deliver("h:4", of("b", 2))
    assert world.output == [1, 2]


def test_all_takes_one_event_for_each_filter() -> None:
    """One event meets at most one filter, the first that is open."""
    world = listening({"all": [{"with": {"type": "a"}}, {"with": {"type": "a|b"}}]})
    for kind, data in (("a", 1), ("c", 0), ("a", 2)):
        world.deliver("h:4", of(kind, data))
    assert world.output == [1, 2]


def test_any_with_until_goes_on_until_the_condition_holds() -> None:
    """On the array so far."""
    world = listening({"any": [{"with": {"type": "a"}}, {"with": {"type": "b"}}], "until": "length == 3"})
    for number, kind in enumerate("abxa"):
        world.deliver("h:4", of(kind, number))
    assert world.output == [0, 1, 3]


def test_until_events_are_not_part_of_the_output() -> None:
    """A strategy may end it; an empty any takes everything else."""
    world = listening({"any": [], "until": {"one": {"with": {"type": "end"}}}})
    for number, kind in enumerate(["a", "b", "end"]):
        world.deliver("h:4", of(kind, number))
    assert world.output == [0, 1]


def test_filters_take_constants_patterns_and_expressions() -> None:
    """An expression sees its attribute; true, or equal to it."""
    filters = {"type": "a.*", "data": "${ .n > 3 }", "subject": "${ $input.order | tostring }"}
    world = listening({"one": {"with": filters}})
    assert world.of(Subscribe)[0].variables == {"input": {"order": 7}}
    world.deliver("h:4", of("xa", {"n": 9}, subject="7"))
    world.deliver("h:4", of("ab", {"n": 1}, subject="7"))
    world.deliver("h:4", of("ab", {"n": 9}, subject="8"))
    assert world.status == "waiting"
    world.deliver("h:4", of("ab", {"n": 9}, subject="7"))
    assert world.output == [{"n": 9}]


def test_the_first_value_sets_the_correlation() -> None:
    """Unless the definition expects one; later events must agree."""
    correlate = {"room": {"from": ".roomid"}}
    world = listening({"all": [{"with": {"type": k}, "correlate": correlate} for k in "ab"]})
    world.deliver("h:4", of("a", 1, roomid="x"))
    world.deliver("h:4", of("b", 2, roomid="y"))
    assert world.status == "waiting"
    world.deliver("h:4", of("b", 3, roomid="x"))
    assert world.output == [1, 3]
    world = listening({"one": {"with": {"type": "a"}, "correlate": {"o": {"from": ".data.o", "expect": "${ .order }"}}}})
    world.deliver("h:4", of("a", {"o": 8}))
    world.deliver("h:4", of("a", {"o": 7}))
    assert world.output == [{"o": 7}]


def test_foreach_runs_its_body_one_event_after_the_other() -> None:
    """Events wait in line meanwhile; the outputs are the items'."""
    body = {
        "item": "e",
        "at": "i",
        "do": [{"c": {"call": "noop", "with": ["${ $i }", "${ $e }"]}}],
        "output": {"as": "[.[1], $e, $i]"},
    }
    world = listening({"any": [{"with": {"type": "a"}}], "until": "length == 2"}, body)
    world.deliver("h:4", of("a", "x"))
    world.deliver("h:4", of("a", "y"))
    assert len(world.work) == 1
    world.finish()
    assert (world.output, len(world.dispatched)) == ([["x", "x", 0], ["y", "y", 1]], 2)


def test_events_during_a_suspend_are_kept() -> None:
    """They are consumed at resume, in order."""
    world = listening({"all": [{"with": {"type": "a"}}, {"with": {"type": "a"}}]}, read="envelope")
    world.control(Verb.SUSPEND)
    world.deliver("h:4", of("a", 1))
    world.deliver("h:4", of("a", 2))
    world.control(Verb.RESUME)
    assert [found["data"] for found in world.output] == [1, 2]


def test_a_timeout_ends_the_subscription() -> None:
    """And events after it are refused."""
    world = listening({"one": {"with": {"type": "a"}}}, timeout={"after": "PT1S"})
    world.wake()
    assert (world.status, world.subscriptions) == ("faulted", {})


def test_data_that_lies_elsewhere_is_read_as_its_address() -> None:
    """Nothing would look as if the event had none; whoever wants the data knows where to ask."""
    world = listening({"one": {"with": {"type": "a"}}})
    event = {name: value for name, value in of("a", dataref="/api/v1/runs/r/values/d").items() if name != "data"}
    world.deliver("h:4", event)
    assert world.output == [{"dataref": "/api/v1/runs/r/values/d"}]


REF = f"/api/v1/runs/{'r' * 26}/values/{'0' * 64}"


def carrying(**event: Any) -> World:
    """A listener that is given an event whose data lies elsewhere."""
    world = listening({"any": [{"with": {"type": "a"}}], "until": "length == 2"})
    world.deliver("h:4", {"specversion": "1.0", "id": "1", "source": "/s", "type": "a", **event})
    return world


def test_data_that_was_too_large_for_its_event_is_looked_for() -> None:
    """It is the namespace's, or only its address is given; events that come meanwhile wait in line."""
    for answer, given in (({"dataref": REF}, {"dataref": REF}), ({"big": 1}, {"big": 1})):
        world = carrying(dataref=REF)
        (ticket,) = world.asked
        assert world.asked[ticket].carried
        world.deliver("h:4", of("a", 2))
        world.send(Evaluated, ticket=ticket, value=answer)
        assert world.output == [given, 2]


@pytest.mark.parametrize("event", [{"dataref": "https://elsewhere.example/x"}, {"dataref": REF + "/x"}, {"dataref": 7}])
def test_data_of_others_is_told_by_its_address(event: dict[str, Any]) -> None:
    """Nothing is fetched because an event says so."""
    world = carrying(**event)
    assert not world.asked
    world.deliver("h:4", of("a", 2))
    assert world.output == [event, 2]


def test_whole_events_are_whole() -> None:
    """With the address as it came."""
    world = listening({"one": {"with": {"type": "a"}}}, read="envelope")
    world.deliver("h:4", {"specversion": "1.0", "id": "1", "source": "/s", "type": "a", "dataref": REF})
    assert world.output[0]["dataref"] == REF
