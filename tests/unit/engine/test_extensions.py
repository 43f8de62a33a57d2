"""Extensions: tasks before and after that an author did not write, woven around those that he did."""

from typing import Any

from tocsin_executor.domain.effects import Dispatch, Emit
from unit.engine.world import Failure, outcome


def emitting(kind: str, data: Any) -> dict[str, Any]:
    """A task that says something."""
    return {"say": {"emit": {"event": {"with": {"type": kind, "data": data}}}}}


def use(**spec: Any) -> dict[str, Any]:
    """One extension."""
    return {"extensions": [{"x": spec}]}


def said(done: Any) -> list[Any]:
    """What was emitted."""
    return [emitted.event["data"] for emitted in done.of(Emit)]


def test_tasks_before_and_after_do_not_touch_the_data() -> None:
    """They know the task they extend; it begins with its own input, and its output goes on."""
    parts = use(extend="all", before=[emitting("b", "${ $task.reference }")], after=[emitting("a", "${ [$task.name, .] }")])
    done = outcome([{"one": {"set": "${ .n + 1 }"}}, {"two": {"call": "noop", "with": "${ . * 2 }"}}], {"n": 1}, use=parts)
    assert done.output == 4
    assert said(done) == ["/do/0/one", ["one", 2], "/do/1/two", ["two", 4]]
    assert done.ran() == ["say", "say", "one", "say", "say", "two"]


def test_only_the_kinds_it_names_are_extended() -> None:
    """``composite`` is do and fork; tasks of an extension are not extended themselves."""
    parts = use(extend="composite", before=[{"d": {"do": [emitting("b", "${ $task.name }")]}}])
    done = outcome([{"a": {"set": 1}}, {"b": {"do": [{"c": {"set": 2}}]}}], use=parts)
    assert (said(done), done.output) == (["b"], 2)


def test_exit_before_replaces_the_task() -> None:
    """What it gives is the task's raw output; the list goes on."""
    parts = use(
        extend="call",
        when='$task.call == "http" and ($task.with.endpoint.uri | startswith("http://mocked"))',
        before=[{"m": {"set": {"mocked": True}, "then": "exit"}}],
        after=[emitting("a", "after")],
    )
    call = {"call": "http", "with": {"endpoint": {"uri": "http://mocked/x"}}, "output": {"as": "{ got: . }"}}
    done = outcome([{"c": call}, {"n": {"set": "${ [.] }"}}], use=parts)
    assert (done.output, done.dispatched, said(done)) == ([{"got": {"mocked": True}}], [], [])
    call["with"] = {"endpoint": {"uri": "http://real/x"}}
    done = outcome([{"c": call}], {}, lambda dispatch: "real", use=parts)
    assert (done.output, said(done)) == ({"got": "real"}, [])


def test_where_the_extended_task_goes_is_where_it_went() -> None:
    """Cases of a switch, ``catch.then``, ``then``: all outside the wrapper; two extensions nest."""
    both = {"extensions": [{"x": {"extend": "all", "after": [emitting("a", n)]}} for n in (1, 2)]}
    tasks = [
        {"s": {"switch": [{"c": {"when": "true", "then": "d"}}]}},
        {"b": {"set": "no"}},
        {"d": {"try": [{"f": {"raise": {"error": {"type": "t", "status": 1}}}}], "catch": {"then": "e"}}},
        {"g": {"set": "no"}},
        {"e": {"set": "yes", "then": "end"}},
        {"h": {"set": "no"}},
    ]
    done = outcome(tasks, {}, use=both)
    assert (done.output, said(done)) == ("yes", [2, 1, 2, 1, 2, 1])


def test_an_error_in_an_extension_points_at_it() -> None:
    """And faults the task it extends, once."""
    parts = use(extend="set", before=[{"c": {"call": "noop"}}])

    def body(dispatch: Dispatch) -> Any:
        raise Failure

    done = outcome([{"a": {"set": 1}}], {}, body, use=parts)
    assert done.error["instance"] == "/use/extensions/0/x/before/0/c"
    assert done.signals[-3:] == ["faulted c", "faulted a", "workflow.faulted"]
