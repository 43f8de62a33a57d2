"""Task lists, data flow and targets, by the questions of the language that are easy to get wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.signals import subjects
from tocsin_executor.domain.effects import Dispatch, Emit, Evaluate, Signal, Transition
from tocsin_executor.domain.inputs import Claimed, Result
from unit.engine.world import World, outcome, program_of


def test_each_output_is_the_next_input() -> None:
    """A list hands its data on; ``set`` replaces and never merges."""
    done = outcome([{"a": {"set": {"x": "${ .n + 1 }"}}}, {"b": {"set": {"y": "${ . }"}}}], {"n": 1})
    assert (done.status, done.output) == ("completed", {"y": {"x": 2}})


def test_data_flows_through_a_task_in_the_order_of_the_language() -> None:
    """From sees the raw input, as the raw output with $input transformed, export the transformed output as . and $output."""
    task = {
        "call": "noop",
        "with": {"got": "${ . }"},
        "input": {"from": "${ .a }"},
        "output": {"as": "${ { raw: ., input: $input } }"},
        "export": {"as": "${ { was: $context, out: $output, dot: . } }"},
    }
    done = outcome([{"t": task}, {"u": {"set": "${ $context }"}}], {"a": 7})
    transformed = {"raw": {"got": 7}, "input": 7}
    assert done.output == {"was": {"a": 7}, "out": transformed, "dot": transformed}


def test_the_first_context_is_the_transformed_workflow_input() -> None:
    """And $workflow.input stays raw."""
    done = outcome(
        [{"t": {"set": {"c": "${ $context }", "raw": "${ $workflow.input }", "id": "${ $workflow.id }"}}}],
        {"a": 1},
        input={"from": "${ { b: .a } }"},
    )
    assert done.output == {"c": {"b": 1}, "raw": {"a": 1}, "id": "r"}


def test_only_whole_strings_in_braces_are_expressions() -> None:
    """Everything else is text, and data is never evaluated."""
    done = outcome([{"t": {"set": {"a": "$input", "b": "say ${ .x }", "c": "${ .x }"}}}], {"x": "${ 1 + 1 }"})
    assert done.output == {"a": "$input", "b": "say ${ .x }", "c": "${ 1 + 1 }"}


def test_a_skipped_task_passes_its_raw_input_and_ignores_its_then() -> None:
    """``if`` is false: no output.as, no export, and the next in line follows."""
    skipped = {"if": ".n > 5", "set": {"no": 1}, "output": {"as": "${ 9 }"}, "export": {"as": "${ 9 }"}, "then": "end"}
    done = outcome([{"a": skipped}, {"b": {"set": {"c": "${ $context }", "i": "${ . }"}}}], {"n": 1})
    assert done.output == {"c": {"n": 1}, "i": {"n": 1}}
    assert (done.ran("skipped"), done.ran()) == (["a"], ["b"])
    assert "skipped a" in done.signals
    assert "created a" not in done.signals


def test_then_names_a_task_of_the_same_list() -> None:
    """Jumps forward and back."""
    done = outcome(
        [
            {"a": {"set": {"s": "${ .s + [1] }"}, "then": "c"}},
            {"b": {"set": {"s": "${ .s + [2] }"}, "then": "end"}},
            {"c": {"set": {"s": "${ .s + [3] }"}, "then": "b"}},
        ],
        {"s": []},
    )
    assert done.output == {"s": [1, 3, 2]}


def test_exit_completes_the_composite_and_end_the_run() -> None:
    """After exit the composite's own ``then`` follows; end completes each enclosing task, innermost first."""
    inner = [{"x": {"set": {"v": 1}, "then": "exit"}}, {"y": {"set": {"v": 2}}}]
    done = outcome([{"a": {"do": inner}}, {"b": {"set": {"w": "${ .v }"}}}])
    assert done.output == {"w": 1}
    inner[0]["x"]["then"] = "end"
    composite = {"do": inner, "output": {"as": "${ { out: .v } }"}, "export": {"as": "${ . }"}}
    done = outcome([{"a": composite}, {"b": {"set": {"w": 3}}}], output={"as": "${ [., $context] }"})
    assert done.output == [{"out": 1}, {"out": 1}]
    assert done.ran() == ["x", "a"]


def test_end_in_one_branch_cancels_the_others() -> None:
    """Live siblings are cancelled and their attempts confirm before the run is over."""
    branches = [{"slow": {"call": "noop"}}, {"quick": {"set": {"done": True}, "then": "end"}}]
    world = World(program_of([{"f": {"fork": {"branches": branches}}}, {"after": {"set": {}}}]), persist=True)
    world.start({})
    assert world.status == "running"
    assert world.stopping == ["h:5#1"]
    world.finish()
    assert (world.status, world.output, world.ran("cancelled")) == ("completed", {"done": True}, ["slow"])


def test_switch_takes_the_first_case_that_holds() -> None:
    """Without one and without a default, the task's own then applies; the output is the input."""

    def flow(data: object) -> object:
        cases = [{"one": {"when": ".n == 1", "then": "a"}}, {"rest": {"then": "b"}}]
        return outcome(
            [{"s": {"switch": cases}}, {"a": {"set": "a", "then": "end"}}, {"b": {"set": {"b": "${ . }"}}}], data
        ).output

    assert flow({"n": 1}) == "a"
    assert flow({"n": 2}) == {"b": {"n": 2}}
    cases = [{"one": {"when": ".n == 1", "then": "a"}}]
    done = outcome([{"s": {"switch": cases, "then": "end"}}, {"a": {"set": "a"}}], {"n": 2})
    assert done.output == {"n": 2}


def test_for_hands_each_output_to_the_next_iteration() -> None:
    """Items are evaluated once; item and index are variables; no items means the output is the input."""
    loop = {"for": {"each": "x", "at": "i", "in": ".xs"}, "do": [{"t": {"set": {"xs": [], "s": "${ .s + [[$i, $x]] }"}}}]}
    done = outcome([{"l": loop}], {"xs": ["a", "b"], "s": []})
    assert done.output["s"] == [[0, "a"], [1, "b"]]
    assert outcome([{"l": loop}], {"xs": [], "s": 1}).output == {"xs": [], "s": 1}


def test_while_is_asked_before_each_item_on_the_last_output() -> None:
    """With item and index set."""
    loop = {
        "for": {"in": "[10, 20, 30]"},
        "while": "$index < 2 and .n < 100",
        "do": [{"t": {"set": {"n": "${ .n + $item }"}}}],
    }
    assert outcome([{"l": loop}], {"n": 0}).output == {"n": 30}


def test_exit_in_a_loop_ends_the_iteration_only() -> None:
    """To break there is while."""
    body = [{"a": {"set": {"n": "${ .n + 1 }"}, "then": "exit"}}, {"b": {"set": {"n": 100}}}]
    assert outcome([{"l": {"for": {"in": "[1, 2, 3]"}, "do": body}}], {"n": 0}).output == {"n": 3}


def test_a_call_gets_its_with_evaluated_and_its_uri_expanded() -> None:
    """Only top-level fields of the input are names in a URI; a missing one is empty; an expression is not a template."""
    with_ = {"method": "get", "endpoint": {"uri": "http://h/{id}/{gone}?q={q}"}, "headers": {"x": "${ .id }"}}
    world = World(program_of([{"c": {"call": "http", "with": with_}}]))
    world.start({"id": 7, "q": "a b/ü"})
    [sent] = world.of(Dispatch)
    assert sent.spec["endpoint"] == {"uri": "http://h/7/?q=a%20b%2F%C3%BC"}
    assert sent.spec["headers"] == {"x": 7}
    world = World(program_of([{"c": {"call": "http", "with": {"endpoint": "${ .u }"}}}]))
    world.start({"u": "http://h/{id}", "id": 1})
    assert world.of(Dispatch)[0].spec == {"endpoint": "http://h/{id}"}


def test_a_uri_made_of_an_object_is_an_expression_error() -> None:
    """Only simple values can be part of a URI."""
    done = outcome([{"c": {"call": "http", "with": {"endpoint": "http://h/{o}"}}}], {"o": {}})
    assert (done.status, done.error["status"], done.error["instance"]) == ("faulted", 400, "/do/0/c")
    assert done.error["type"].endswith("/expression")


def test_emit_publishes_once_and_outputs_the_event() -> None:
    """With id, time and source filled in; the id is the activation's."""
    task = {"emit": {"event": {"with": {"type": "a.b", "data": {"n": "${ .n }"}}}}}
    done = outcome([{"e": task}], {"n": 1})
    [emitted] = done.of(Emit)
    assert done.output == emitted.event
    assert emitted.event == {
        "specversion": "1.0",
        "id": "r/h:3",
        "source": "/test/flow/1.0.0",
        "time": "2023-11-14T22:13:20.000Z",
        "type": "a.b",
        "data": {"n": 1},
        "datacontenttype": "application/json",
    }


def test_a_function_is_inlined_under_its_callers_reference() -> None:
    """``with`` becomes its input, and its errors point at the caller."""
    use = {"functions": {"greet": {"set": {"hi": "${ .who }"}}, "bad": {"raise": {"error": {"type": "x", "status": 1}}}}}
    done = outcome([{"c": {"call": "greet", "with": {"who": "${ .name }"}}}], {"name": "Ada"}, use=use)
    assert done.output == {"hi": "Ada"}
    assert done.signals.count("started c") == 1
    assert outcome([{"c": {"call": "bad"}}], {}, use=use).error["instance"] == "/do/0/c"


def test_fork_gives_outputs_in_the_order_of_declaration() -> None:
    """Whatever the order of completion."""
    branches = [{"a": {"call": "noop", "with": {"v": 1}}}, {"b": {"call": "noop", "with": {"v": 2}}}]
    world = World(program_of([{"f": {"fork": {"branches": branches}}}]), persist=True)
    world.start({})
    for attempt in reversed(list(world.work)):
        world.answer(attempt)
    assert world.output == [{"v": 1}, {"v": 2}]


def test_a_result_is_applied_once() -> None:
    """The second one changes nothing, and says why."""
    world = World(program_of([{"a": {"call": "noop"}}, {"b": {"call": "noop"}}]))
    world.start({})
    [attempt] = world.work
    world.answer(attempt)
    before = world.run.head
    world.send(Result, attempt=attempt, output="other")
    assert world.refusals() == ["stale attempt"]
    assert world.run.head is before


def test_a_schema_is_checked_where_the_language_says() -> None:
    """Input before its transformation, output and context after theirs."""
    number = {"schema": {"format": "json", "document": {"type": "object", "required": ["n"]}}}
    done = outcome([{"t": {"set": {}, "input": {**number, "from": "${ { n: 1 } }"}}}], {})
    assert done.error["type"].endswith("/validation")
    done = outcome([{"t": {"set": {}, "output": {**number, "as": "${ { n: 1 } }"}}}], {})
    assert done.output == {"n": 1}
    done = outcome([{"t": {"set": {"n": 1}, "export": {**number, "as": "${ {} }"}}}], {})
    assert done.error["detail"].startswith("the context is not valid")


def test_an_open_expression_is_answered_from_outside() -> None:
    """The token waits, and the phase is run again with the answer."""
    done = outcome([{"t": {"set": {"x": "${ [range(0; .n; 2)] }"}}}], {"n": 5})
    assert done.output == {"x": [0, 2, 4]}
    done = outcome(
        [{"t": {"if": "[range(0; .n; 2)] | length > 1", "set": {"ok": True}, "output": {"as": "[limit(1; .[])]"}}}], {"n": 5}
    )
    assert done.output == [True]
    assert done.signals.count("created t") == 1


def test_two_open_expressions_of_one_phase_are_asked_once_each() -> None:
    """The first answer is remembered while the second is awaited."""
    task = {"input": {"from": "[range(0; 6; 2)]"}, "set": "${ [range(0; .[2]; 3)] }", "timeout": {"after": "PT9S"}}
    world = World(program_of([{"t": task}]), persist=True)
    world.start({})
    world.evaluate(next(iter(world.asked)))
    assert len(world.run.home.timers) == 1
    world.finish()
    assert (world.output, len(world.of(Evaluate))) == ([0, 3], 2)


def test_a_switch_goes_where_it_chose_after_its_output_is_known() -> None:
    """Also when that has to be asked for."""
    choose = {"switch": [{"c": {"when": "true", "then": "b"}}], "output": {"as": "[range(0; 4; 2)]"}}
    done = outcome([{"s": choose}, {"a": {"set": "a"}}, {"b": {"set": {"b": "${ . }"}}}])
    assert done.output == {"b": [0, 2]}


def test_a_condition_that_fails_faults_the_task() -> None:
    """It is created first, so that its end has a beginning."""
    done = outcome([{"t": {"if": 'error("no")', "set": 1}}])
    assert done.error["type"].endswith("/expression")
    assert done.signals == ["workflow.started", "created t", "faulted t", "workflow.faulted"]


def test_a_claim_starts_the_task_once() -> None:
    """The result does not say so again; a second claim and a late one are refused."""
    world = World(program_of([{"c": {"call": "noop"}}]), persist=True)
    world.start({})
    world.send(Claimed, attempt="h:3#1", worker="w1", at=5)
    world.send(Claimed, attempt="h:3#1", worker="w1", at=5)
    world.finish()
    world.send(Claimed, attempt="h:3#1", worker="w2", at=7)
    assert world.signals.count("started c") == 1
    assert world.refusals() == ["started already", "the run has ended"]
    [started] = [signal for signal in world.of(Signal) if signal.type is Transition.TASK_STARTED]
    assert started.at == 5


def test_a_claim_by_another_worker_says_that_the_first_is_gone() -> None:
    """A killed attempt is visible as such, though the attempt that is delivered again has the same number."""
    world = World(program_of([{"c": {"call": "noop"}}]), persist=True)
    world.start({})
    world.send(Claimed, attempt="h:3#1", worker="w1", at=5)
    world.send(Claimed, attempt="h:3#1", worker="w2", at=4)
    world.send(Claimed, attempt="h:3#1", worker="w2", at=6)
    told = [(signal.type, signal.data) for signal in world.of(Signal) if signal.type.value in {"task.started", "task.retried"}]
    reason = "worker w1 gave no sign of life, and worker w2 took it over"  # whatever their clocks say
    again = "worker w2 gave no sign of life, was started anew, and took it again"
    assert told == [
        (Transition.TASK_STARTED, None),
        (Transition.TASK_RETRIED, {"attempt": 1, "reason": reason}),
        (Transition.TASK_STARTED, None),
        (Transition.TASK_RETRIED, {"attempt": 1, "reason": again}),
        (Transition.TASK_STARTED, None),
    ]
    assert world.run.home.tokens["h:3"].worker == "w2"


@pytest.mark.parametrize(
    "attributes",
    [
        {"type": ""},
        {"type": "x" * 5000},
        {"type": "é" * 400},
        {"type": "a\r\nPUB signals.default.run.faulted.x 0"},
        {"type": "com.example.x", "Order_Number": "1"},
        {"type": "com.example.x", "order": {"id": 1}},
        {"type": "com.example.x", "time": "yesterday"},
        {"type": "com.example.x", "specversion": "0.3"},
    ],
)
def test_only_what_is_an_event_and_has_a_subject_is_emitted(attributes: dict[str, Any]) -> None:
    """Others could not read it; and a subject above the server's line limit ends the connection of the whole engine."""
    done = outcome([{"a": {"emit": {"event": {"with": {"type": "${ .type }", **attributes}}}}}], attributes)
    assert (done.status, done.output["title"] if done.status == "completed" else done.error["title"]) == (
        "faulted",
        "Invalid Event",
    )
    assert done.of(Emit) == []


@given(st.text(max_size=300))
def test_whatever_type_an_event_has_its_subject_is_one_word(kind: str) -> None:
    """Or it is not emitted: nothing that a run computes can say something to the bus beside it."""
    for emitted in outcome([{"a": {"emit": {"event": {"with": {"type": "${ .type }"}}}}}], {"type": kind}).of(Emit):
        subject = subjects.event("default", str(emitted.event["type"]))
        assert len(subject.split()) == 1
        assert subject.isprintable()
        assert len(subject.encode()) <= subjects.LONGEST
