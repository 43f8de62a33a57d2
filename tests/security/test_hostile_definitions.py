"""Definitions and data that want too much: each is stopped by a stated limit with a clear error, and the platform goes on."""

import threading
import time
from typing import Any

import pytest

from security.world import Answer, World

pytestmark = pytest.mark.server

NAMESPACE = "hostile"
ENDED = {"completed", "faulted", "cancelled"}
MOMENT = threading.Event()  # never set: a wait between two questions


def document(name: str, tasks: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    head = {"dsl": "1.0.3", "namespace": NAMESPACE, "name": name, "version": "1.0.0"}
    return {"document": head, **more, "do": tasks}


def publish(world: World, body: object, media: str = "application/json") -> Answer:
    """As a person who may publish."""
    return world.ask("POST", "/api/v1/workflows", body, token=world.root, headers={"Content-Type": media})


def ended(world: World, run: str, within: float = 60) -> dict[str, Any]:
    """The run, once it has ended."""
    until = time.monotonic() + within
    while True:
        view: dict[str, Any] = world.good("GET", f"/api/v1/runs/{run}")
        if view["status"] in ENDED:
            return view
        assert time.monotonic() < until, f"{run} still goes on: {view}"
        MOMENT.wait(0.1)


def tried(world: World, name: str, tasks: list[dict[str, Any]], given: object = None, **more: Any) -> dict[str, Any]:
    """A definition is accepted, and a run of it has ended."""
    answer = publish(world, document(name, tasks, **more))
    assert answer.status == 201, answer
    started = world.good("POST", "/api/v1/runs", {"namespace": NAMESPACE, "workflow": name, "input": given})
    return ended(world, started["id"])


@pytest.fixture(autouse=True)
def unharmed(world: World) -> Any:
    """After each of them an honest run is as quick as ever, within its deadline."""
    yield
    view = tried(world, "honest", [{"say": {"set": {"n": "${ 1 + 1 }"}}}]) if not _published(world) else _honest(world)
    assert view["output"] == {"n": 2}


def _published(world: World) -> bool:
    return world.ask("GET", f"/api/v1/workflows/{NAMESPACE}/honest", token=world.root).status == 200


def _honest(world: World) -> dict[str, Any]:
    return ended(world, world.good("POST", "/api/v1/runs", {"namespace": NAMESPACE, "workflow": "honest"})["id"], within=20)


# -- refused before anything runs ------------------------------------------------------------------------------------------

LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
REFUSED: dict[str, tuple[bytes, str]] = {
    "a thousand laughs": (b"a0: &a0 [lol]\n" + LAUGHS.encode() + b"do: *a11\n", "application/yaml"),
    "ten thousand levels of YAML": (b"do: " + b"[" * 10_000 + b"]" * 10_000, "application/yaml"),
    "ten thousand levels of JSON": (b'{"do":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "application/json"),
    "a cycle": (b"do: &a [*a]\n", "application/yaml"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_document_that_only_wants_memory_is_refused(world: World, what: str) -> None:
    """At once, as the sender's mistake."""
    body, media = REFUSED[what]
    began = time.monotonic()
    answer = publish(world, body, media)
    assert (400 <= answer.status < 500, answer.code != "") == (True, True), answer
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "expression",
    ["$ENV", "env", "env.PATH", "input", "inputs", 'include "a"; 1', 'import "a" as a; 1', "$__loc__", "debug", "halt"],
)
def test_an_expression_that_reaches_outside_is_refused_at_publication(world: World, expression: str) -> None:
    """The environment, files, other inputs, the program itself: with the place in the document."""
    answer = publish(world, document("outside", [{"a": {"set": {"x": f"${{ {expression} }}"}}}]))
    if answer.status == 201:  # then it must mean nothing outside
        view = world.good("POST", "/api/v1/runs", {"namespace": NAMESPACE, "workflow": "outside"})
        found = ended(world, view["id"])
        world.good("DELETE", f"/api/v1/workflows/{NAMESPACE}/outside/1.0.0")
        assert "PATH" not in str(found["output"]), found
        assert expression == "$__loc__", found
    else:
        assert 400 <= answer.status < 500, answer
        assert answer.json["errors"][0]["pointer"], answer.json


# -- stopped while they run --------------------------------------------------------------------------------------------------


GREEDY = {
    "for-ever": "def f: f; f",
    "counting": "[range(1e12)] | length",
    "until-never": "0 | until(false; . + 1)",
    "a-long-text": '[range(20000) | "x" * 8000] | join("")',
    "a-big-list": "[range(20000000)]",
    "deep": "reduce range(100000) as $i (0; [.])",
}


def test_expressions_that_want_too_much_fault_their_runs_alone(world: World) -> None:
    """All at once: each within its deadline, with an error of the language that says which limit it was."""
    runs = {}
    for name, expression in GREEDY.items():
        answer = publish(world, document(name, [{"a": {"set": {"x": f"${{ {expression} }}"}}}]))
        assert answer.status == 201, answer
        runs[name] = world.good("POST", "/api/v1/runs", {"namespace": NAMESPACE, "workflow": name})["id"]
    for name, run in runs.items():
        view = ended(world, run)
        assert view["status"] == "faulted", (name, view)
        assert view["error"]["type"].partition("/errors/")[2] in {"expression", "validation"}, (name, view["error"])
        assert any(word in view["error"]["detail"] for word in ("longer than", "too much", "limit")), (name, view["error"])


def test_a_program_that_prints_without_end_is_stopped_at_the_limit(world: World) -> None:
    """A hundred megabytes on standard output."""
    view = tried(world, "loud", [{"a": {"run": {"shell": {"command": "head -c 100000000 /dev/zero | tr '\\0' x"}}}}])
    assert len(str(view["output"])) < 2_000_000, len(str(view["output"]))


def test_a_program_finds_nothing_of_the_platform_in_its_environment(world: World) -> None:
    """Neither settings nor secrets."""
    view = tried(world, "curious", [{"a": {"run": {"shell": {"command": "env; cat /proc/self/environ | tr '\\0' '\\n'"}}}}])
    assert "TOCSIN" not in str(view["output"]), view["output"]


def test_forks_of_forks_meet_a_limit(world: World) -> None:
    """Thirty times thirty times thirty branches: refused when published, or the run faults or gets through; never stuck."""
    inner: list[dict[str, Any]] = [{"leaf": {"set": {"x": 1}}}]
    for level in range(3):
        inner = [{f"fork{level}": {"fork": {"branches": [{f"b{level}-{n}": {"do": inner}} for n in range(30)]}}}]
    answer = publish(world, document("forks", inner))
    if answer.status == 201:
        run = world.good("POST", "/api/v1/runs", {"namespace": NAMESPACE, "workflow": "forks"})
        assert ended(world, run["id"], 90)["status"] in {"faulted", "completed"}
    else:
        assert 400 <= answer.status < 500, answer


def test_a_workflow_that_calls_itself_is_stopped(world: World) -> None:
    """At a depth that is told."""
    again = {"run": {"workflow": {"namespace": NAMESPACE, "name": "mirror", "version": "1.0.0", "input": {}}}}
    view = tried(world, "mirror", [{"again": again}])
    assert view["status"] == "faulted", view
    listed = world.good("GET", f"/api/v1/runs?namespace={NAMESPACE}&workflow=mirror&limit=200")["items"]
    assert len(listed) < 100


def test_a_loop_without_end_does_not_stop_others(world: World) -> None:
    """A task that jumps to itself: the run meets a limit or goes on alone, and can be cancelled."""
    answer = publish(world, document("wheel", [{"a": {"set": {"x": 1}}}, {"b": {"set": {"x": 2}, "then": "a"}}]))
    if answer.status != 201:
        assert 400 <= answer.status < 500, answer
        return
    run = world.good("POST", "/api/v1/runs", {"namespace": NAMESPACE, "workflow": "wheel"})["id"]
    assert _honest(world)["output"] == {"n": 2}
    answer = world.ask("POST", f"/api/v1/runs/{run}/cancel", {}, token=world.root)
    assert answer.status < 300 or answer.code == "run_already_done", answer
    assert ended(world, run)["status"] in {"cancelled", "faulted"}


def test_an_event_that_starts_what_publishes_it_is_stopped_with_a_signal(world: World) -> None:
    """A trigger whose workflow emits the event that it listens to: a chain of bounded length, and somebody is told."""
    kind = "com.example.echo"
    emit = {"emit": {"event": {"with": {"source": "https://example.com/echo", "type": kind, "data": {}}}}}
    answer = publish(world, document("echo", [{"say": emit}]))
    assert answer.status == 201, answer
    world.good("PUT", f"/api/v1/triggers/{NAMESPACE}/echo", {"kind": "event", "workflow": "echo", "event": {"type": kind}})
    event = {"specversion": "1.0", "id": "first", "source": "/outside", "type": kind, "data": {}}
    path = f"/api/v1/events?namespace={NAMESPACE}"
    given = world.ask("POST", path, event, token=world.root, headers={"Content-Type": "application/cloudevents+json"})
    assert given.status < 300, given
    until, before = time.monotonic() + 60, -1
    while time.monotonic() < until:
        count = len(world.good("GET", f"/api/v1/runs?namespace={NAMESPACE}&workflow=echo&limit=200")["items"])
        if count == before and count:
            break
        before = count
        MOMENT.wait(2)
    assert 1 < count < 100, count
    world.good("DELETE", f"/api/v1/triggers/{NAMESPACE}/echo")
