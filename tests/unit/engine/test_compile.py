"""What the compiler makes of documents, and what it refuses: all at once, each with its place."""

from importlib.metadata import version
from typing import Any

import pytest

from tocsin.errors import Invalid
from tocsin_executor.domain.compile import Offered, compile_workflow
from tocsin_executor.domain.durations import BadDuration, parse_duration
from tocsin_executor.domain.program import END, EXIT, Op, TaskSpec
from unit.engine.world import program_of

ABOUT = {"dsl": "1.0.3", "namespace": "test", "name": "flow", "version": "1.0.0"}


def violations(tasks: list[Any], offered: Offered | None = None, **parts: Any) -> list[tuple[str, str]]:
    """Pointers and details of what is refused."""
    with pytest.raises(Invalid) as refusal:
        compile_workflow({"document": ABOUT, "do": tasks, **parts}, "digest", offered)
    return [(violation.pointer, violation.detail) for violation in refusal.value.violations]


def test_nodes_know_where_they_are_and_where_they_lead() -> None:
    """References have list indexes, keys have not; targets are numbers."""
    program = program_of(
        [
            {"a": {"do": [{"x": {"set": 1}}, {"y": {"set": 2, "then": "exit"}}], "then": "c"}},
            {"b": {"try": [{"t": {"set": 1}}], "catch": {"do": [{"h": {"set": 1}}]}, "then": "end"}},
            {"c": {"fork": {"branches": [{"p": {"set": 1}}, {"q": {"set": 1}}]}, "then": "b"}},
        ]
    )
    named = {node.name: node for node in program.nodes[1:]}
    assert program.nodes[0].silent
    assert [named[name].ref for name in "axhq"] == [
        "/do/0/a",
        "/do/0/a/do/0/x",
        "/do/1/b/catch/do/0/h",
        "/do/2/c/fork/branches/1/q",
    ]
    assert [named[name].key for name in "axhq"] == ["do/a", "do/a/do/x", "do/b/catch/do/h", "do/c/fork/branches/q"]
    assert [named[name].out[0] for name in "abcxy"] == [named["c"].index, END, named["b"].index, named["y"].index, EXIT]
    assert (named["a"].op, named["b"].op, named["c"].op) == (Op.SEQ, Op.TRY, Op.FORK)


def test_everything_wrong_is_said_at_once() -> None:
    """With a pointer for each."""
    tasks = [
        {"a": {"set": "${ . | }", "then": "nowhere"}},
        {"b": {"wait": "soon"}},
        {"c": {"set": {"x": ["${ $oops }"]}}},
        {"d": {"raise": {"error": "missing"}}},
        {"e": {"call": "http", "with": {}, "input": {"schema": {"document": {"type": 5}}}}},
    ]
    found = violations(tasks)
    assert [pointer for pointer, _ in found] == [
        "/do/0/a/set",
        "/do/0/a/then",
        "/do/1/b/wait",
        "/do/2/c/set/x/0",
        "/do/3/d/raise/error",
        "/do/4/e/input/schema/document",
    ]
    assert "is not defined under use.errors" in found[4][1]


@pytest.mark.parametrize(
    ("task", "what"),
    [
        ({"call": "soap", "with": {}}, "calling 'soap'"),
        ({"run": {"script": {"language": "ruby", "code": "x"}}}, "scripts in 'ruby'"),
        (
            {"call": "http", "with": {"endpoint": {"uri": "u", "authentication": {"ntlm": {}}}}},
            "authentication by ntlm",
        ),
        (
            {"call": "http", "with": {"endpoint": {"uri": "u", "authentication": {"oidc": {"grant": "authorization_code"}}}}},
            "the grant 'authorization_code'",
        ),
        ({"set": 1, "input": {"schema": {"resource": {"endpoint": "u"}}}}, "schemas that are fetched"),
    ],
)
def test_what_the_runtime_lacks_is_refused_by_name(task: dict[str, Any], what: str) -> None:
    """When the definition is published, not when it runs."""
    [(_, detail)] = violations([{"t": task}])
    assert detail == f"not offered yet: {what}"


def test_sections_that_are_not_offered_are_refused() -> None:
    """Never ignored."""
    found = violations([{"t": {"set": 1}}], schedule={"cron": "* * * * *", "on": {}}, evaluate={"language": "cel"})
    assert [pointer for pointer, _ in found] == ["/evaluate/language", "/schedule/on"]  # of the second: it names no events


def test_secrets_are_left_to_the_runner() -> None:
    """Where it can resolve them; nowhere else may they be named."""
    offered = Offered(secrets=True)
    tasks = [{"t": {"call": "http", "with": {"headers": {"x": "${ $secrets.a }"}}}}]
    program = compile_workflow({"document": ABOUT, "do": tasks}, "digest", offered)
    assert isinstance(program.nodes[1].spec, TaskSpec)
    assert program.nodes[1].spec.deferred
    assert violations(tasks, Offered(secrets=False))[0][1] == "not offered yet: '$secrets'"
    for task in ({"set": "${ $secrets.a }"}, {"if": "$secrets.a", "set": 1}, {"set": 1, "input": {"from": "$secrets.a"}}):
        assert "'$secrets' is not a variable here" in violations([{"t": task}], offered)[0][1]
    for part in ("output", "export"):
        task = {"call": "http", "with": {}, part: {"as": "${ $secrets.a }"}}
        assert "'$secrets' is not a variable here" in violations([{"t": task}], offered)[0][1]


def test_a_function_may_not_call_itself() -> None:
    """Directly or through others."""
    use = {"functions": {"f": {"do": [{"g": {"call": "g"}}]}, "g": {"call": "f"}}}
    assert violations([{"t": {"call": "f"}}], use=use)[0][1] == "the function 'f' calls itself"


def test_authentication_is_taken_from_its_name() -> None:
    """So that the runner reads one thing only."""
    use = {"authentications": {"me": {"basic": {"username": "u", "password": "p"}}}}
    with_ = {"endpoint": {"uri": "http://h", "authentication": {"use": "me"}}}
    spec = program_of([{"t": {"call": "http", "with": with_}}], use=use).nodes[1].spec
    assert isinstance(spec, TaskSpec)
    assert spec.source["endpoint"]["authentication"] == use["authentications"]["me"]  # type: ignore[index,call-overload]


def test_queues_come_from_metadata() -> None:
    """Of the task, else of the document."""
    about = {**ABOUT, "metadata": {"queue": "slow"}}
    tasks = [{"a": {"call": "noop"}}, {"b": {"call": "noop", "metadata": {"queue": "gpu"}}}]
    assert compile_workflow({"document": about, "do": tasks}, "digest").queues == {"slow", "gpu"}


@pytest.mark.parametrize("queue", ["", "a b", "gpu.>", "*", "x" * 65, "q\r\nPUB signals.default.run.faulted.x 0", 5, ["gpu"]])
def test_a_queue_has_a_name_that_can_be_part_of_a_subject(queue: Any) -> None:
    """Whatever else would stand in the name is a command to the bus."""
    script = {"a": {"call": "noop", "metadata": {"queue": queue}}}
    for document in ({"do": [script]}, {"document": {"metadata": {"queue": queue}}, "do": [{"a": {"call": "noop"}}]}):
        with pytest.raises(Invalid) as refused:
            compile_workflow(document, "digest")
        assert [violation.pointer.rpartition("/")[2] for violation in refused.value.violations] == ["queue"]


def test_labels_that_make_too_long_a_name_are_refused() -> None:
    """A subject has a limit."""
    script = {"a": {"call": "noop", "metadata": {"worker": {"zone": "é" * 64}}}}
    with pytest.raises(Invalid, match="cannot be run") as refused:
        compile_workflow({"do": [script]}, "digest")
    assert "the limit is 200" in refused.value.violations[0].detail


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("PT15M", 900_000),
        ("P1Y", 31_536_000_000),
        ("P1M2DT3,5S", 2_764_803_500),
        ("P1DT2H", 93_600_000),
        ("PT0.5S", 500),
        ("P2W", 1_209_600_000),
        ({"seconds": 1, "hours": 1}, 3_601_000),
    ],
)
def test_durations(text: Any, millis: int) -> None:
    """Of fixed length."""
    assert parse_duration(text) == millis


@pytest.mark.parametrize(
    "wrong",
    [
        "P1MT",
        "P1S",
        "PT",
        "P",
        "P200Y",
        {"days": 10**400},
        "",
        "1s",
        {},
        {"years": 1},
        {"seconds": -1},
        {"seconds": True},
        5,
        None,
    ],
)
def test_what_is_no_duration(wrong: Any) -> None:
    """Neither ISO 8601 nor an object of units, or longer than a century."""
    with pytest.raises(BadDuration):
        parse_duration(wrong)


def test_the_runtime_tells_its_own_version() -> None:
    """``$runtime`` is what is installed, with what the deployment says of itself."""
    runtime = compile_workflow({"document": ABOUT, "do": []}, "digest", Offered(metadata={"gateway": "http://g"})).runtime
    assert runtime == {"name": "tocsin", "version": version("tocsin"), "metadata": {"gateway": "http://g"}}


def test_conditions_over_messages_are_left_to_the_runner() -> None:
    """They are compiled here, with the message's variables, and evaluated for each message."""
    subscription = {
        "filter": "${ .payload.id == $workflow.input.id }",
        "consume": {"until": "${ length == 2 }", "for": {"seconds": 1}},
        "foreach": {"item": "message", "output": {"as": "${ $message.payload }"}},
    }
    call = {"document": {"endpoint": "u"}, "operation": "o", "subscription": subscription}
    spec = compile_workflow({"document": ABOUT, "do": [{"t": {"call": "asyncapi", "with": call}}]}, "d").nodes[1].spec
    assert isinstance(spec, TaskSpec)
    assert isinstance(spec.source, dict)
    assert set(spec.source["later"]) == {"filter", "until", "as"}  # type: ignore[arg-type]
    assert spec.template.names >= {"workflow"}
    assert "unknown" not in str(spec.source["template"])


def test_more_messages_than_a_run_goes_through_are_refused() -> None:
    """With the limit, before anything is lost; and conditions over what messages gave are the run's: no secrets in them."""
    subscription: dict[str, Any] = {"consume": {"amount": 1_001}, "foreach": {"do": []}}
    call = {"document": {"endpoint": "u"}, "operation": "o", "subscription": subscription}
    (found,) = violations([{"t": {"call": "asyncapi", "with": call}}])
    assert found[0] == "/do/0/t/with/subscription/consume/amount"
    assert "1000 messages" in found[1]
    subscription["consume"] = {"until": "${ . == $secrets.x }"}
    assert violations([{"t": {"call": "asyncapi", "with": call}}])[0][0] == "/do/0/t/with/subscription/consume/until"
