"""Messages of a subscription, gone through one by one by the engine."""

from typing import Any

from unit.engine.world import World, outcome


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
        "output": {"as": "${ {made: .n, was: .was} }"},
    }
    done = heard(foreach, [{"payload": 1}, {"payload": 2}, {"payload": 3}])
    assert done.status == "completed"
    assert done.output["got"] == [{"made": 10, "was": 1}, {"made": 21, "was": 2}, {"made": 32, "was": 3}]


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
