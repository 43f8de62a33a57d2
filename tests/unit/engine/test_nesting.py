"""What is nested so deep that nobody could write it again never gets into a run, and never stops one without a word."""

from typing import Any

import orjson
import pytest

from tocsin.signals import InvalidEvent, decode
from tocsin.signals.nesting import DEEPEST, DEEPEST_MESSAGE, too_deep
from tocsin_executor.domain.inputs import Streamed
from tocsin_kit.web.problems import Malformed
from tocsin_kit.web.reading import json_body
from unit.engine.world import World, outcome, program_of


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"x": value}
    return value


@pytest.mark.parametrize("limit", [DEEPEST, DEEPEST_MESSAGE, 254])
@pytest.mark.parametrize("more", [{}, {"wide": [[]] * 500}])
def test_the_limit_is_exact(limit: int, more: dict[str, Any]) -> None:
    """Whatever else is in the value, and however far it goes beyond what can be written at all."""
    assert not too_deep({**more, "v": nested(limit - 1)}, limit=limit)
    for levels in (limit, 255, 900, 5_000):
        assert too_deep({**more, "v": nested(levels)}, limit=limit)


def test_messages_and_requests_are_refused_at_the_door() -> None:
    """With room for what is around a value."""
    event = {"specversion": "1.0", "id": "1", "source": "/x", "type": "t"}
    decode(orjson.dumps({**event, "data": nested(DEEPEST)}))
    deep = b'{"data": ' + b"[" * 500 + b"]" * 500 + b"}"
    with pytest.raises(InvalidEvent, match="deeper"):
        decode(orjson.dumps(event)[:-1] + b"," + deep[1:])
    with pytest.raises(Malformed, match="deeper"):
        json_body(deep)


def test_a_run_whose_input_is_too_deep_ends_at_once() -> None:
    """Also when it did not come through a door that refuses it."""
    world = World(program_of([{"a": {"set": {"x": 1}}}]), persist=True)
    world.start(nested(DEEPEST + 1))
    assert (world.status, world.error["status"]) == ("faulted", 400)
    assert "deeper than 100" in world.error["detail"]


@pytest.mark.parametrize("expression", ["[.]", "{x: .}", "[., 1]", ". as $x | [$x]"])
def test_an_expression_that_nests_again_and_again_meets_the_limit(expression: str) -> None:
    """As an error that can be caught."""
    loop = {"for": {"in": "${ [range(150)] }"}, "do": [{"s": {"set": f"${{ {expression} }}"}}]}
    done = outcome([{"t": {"try": [{"l": loop}], "catch": {"do": [{"c": {"set": "${ $error.detail }"}}]}}}], 1)
    assert (done.status, "deeper than 100" in done.output) == ("completed", True)


def test_what_is_put_together_of_deep_parts_meets_it_too() -> None:
    """An array of outputs is one level more than they are."""
    made = "[" * DEEPEST + "1" + "]" * DEEPEST
    one = {"s": {"set": f"${{ {made} }}"}}
    fork = {"fork": {"branches": [one, {"b": {"set": "${ 1 }"}}]}}
    assert outcome([one]).status == "completed"
    done = outcome([{"f": fork}])
    assert (done.status, done.error["instance"]) == ("faulted", "/do/0/f")


def test_what_a_worker_gives_is_judged_as_well() -> None:
    """Its output, its error, and the messages that it sends."""
    call = [{"c": {"call": "noop", "with": {}}}]
    assert outcome(call, None, lambda _: nested(DEEPEST)).status == "completed"
    assert "deeper" in outcome(call, None, lambda _: nested(DEEPEST + 1)).error["detail"]
    subscription = {"consume": {"until": "${ false }"}, "foreach": {"do": []}}
    hear = {"call": "asyncapi", "with": {"document": {"endpoint": "u"}, "operation": "o", "subscription": subscription}}
    world = World(program_of([{"hear": hear}]))
    world.start()
    world.send(Streamed, attempt=world.dispatched[-1], session="s", n=1, value=nested(DEEPEST + 1))
    assert "deeper" in world.finish().error["detail"]


def test_an_event_that_is_too_deep_is_not_consumed() -> None:
    """The next one is."""
    world = World(program_of([{"l": {"listen": {"to": {"one": {"with": {"type": "a"}}}}}}]), persist=True)
    world.start()
    (subscription,) = world.subscriptions
    world.deliver(subscription, {**World.event(0), "type": "a", "data": nested(300)})
    assert world.status == "waiting"
    world.deliver(subscription, {**World.event(1), "type": "a", "data": 7})
    assert world.output == [7]
