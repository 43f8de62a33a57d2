"""What a task says about data that it reads and writes."""

from typing import Any

import pytest

from tocsin.errors import Invalid
from tocsin_executor.application.mentions import assets_of
from tocsin_executor.domain.compile import compile_workflow
from tocsin_executor.domain.effects import Signal, Transition
from unit.engine.world import World

ABOUT = {"dsl": "1.0.3", "namespace": "test", "name": "flow", "version": "1.0.0"}


def ran(metadata: dict[str, Any], **task: Any) -> World:
    """A run of one ``set`` with this metadata, over ``{"day": "2026-03-01"}``."""
    document = {"document": ABOUT, "do": [{"load": {"set": {"rows": 7, "files": ["a", "b"]}, "metadata": metadata, **task}}]}
    world = World(compile_workflow(document, "digest"), persist=True)
    world.start({"day": "2026-03-01"})
    return world


def reported(world: World) -> list[dict[str, Any]]:
    return [one.data for one in world.of(Signal) if one.type is Transition.TASK_ASSETS_REPORTED]


def test_keys_and_partitions_are_made_from_input_and_output() -> None:
    """Strings, objects, expressions over ``$input`` and the output; said once, before the task is complete."""
    world = ran(
        {
            "consumes": ["raw/orders", {"asset": '${ "raw/" + $input.day }'}],
            "produces": {"asset": "orders", "partition": "${ $input.day }", "metadata": {"rows": "${ .rows }"}},
        }
    )
    assert reported(world) == [
        {
            "consumed": [{"asset": "raw/orders"}, {"asset": "raw/2026-03-01"}],
            "produced": [{"asset": "orders", "partition": "2026-03-01", "metadata": {"rows": 7}}],
        }
    ]
    order = [one.type for one in world.of(Signal)]
    assert order.index(Transition.TASK_ASSETS_REPORTED) < order.index(Transition.TASK_COMPLETED)


def test_a_task_can_say_at_run_time_what_it_wrote() -> None:
    """One expression may make the whole list."""
    world = ran({"produces": '${ .files | map({asset: ("part/" + .), version: "1"}) }'})
    assert [item["asset"] for item in reported(world)[0]["produced"]] == ["part/a", "part/b"]


@pytest.mark.parametrize(
    "wrong",
    [
        [7],
        [{"asset": ""}],
        [{"asset": "a", "colour": "red"}],
        "${ 1 }",
        [{"asset": "a", "metadata": 1}],
        [{"asset": "a", "metadata": {"x": "y" * 70_000}}],
    ],
)
def test_what_names_no_asset_is_an_expression_error_and_exports_nothing(wrong: Any) -> None:
    """The task faults as it does when its output cannot be made; the context stays as it was."""
    world = ran({"produces": wrong}, export={"as": "{seen: true}"})
    assert world.status == "faulted"
    assert reported(world) == []


def test_an_expression_that_cannot_be_parsed_is_refused_when_published() -> None:
    """With its place."""
    with pytest.raises(Invalid) as refused:
        ran({"produces": ["${ .[ }"]})
    assert refused.value.violations[0].pointer.startswith("/do/0/load/metadata")


def test_what_is_known_before_a_run_is_found_in_nested_tasks() -> None:
    """Constant keys only, with the pointer of the task."""
    inner = {"call": "noop", "metadata": {"produces": ["a", "${ .b }"], "consumes": {"asset": "c", "kind": "table"}}}
    document = {"do": [{"all": {"fork": {"branches": [{"one": {"for": {"in": "."}, "do": [{"in": inner}]}}]}}}]}
    [found] = assets_of(document) or []
    assert found.task == "/do/0/all/fork/branches/0/one/do/0/in"
    assert [item.asset for item in found.produces] == ["a"]
    assert [(item.asset, item.kind) for item in found.consumes] == [("c", "table")]
    assert assets_of({"do": [{"x": {"set": {"metadata": {"produces": "a"}}}}]}) is None
