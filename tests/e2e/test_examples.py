"""Every example runs to the end that it promises."""

import json
import time

import pytest

from e2e.machine import ROOT, awaited

pytestmark = pytest.mark.server

OUTPUTS = {
    "fan-out": {"asked": 3, "available": ["lamp", "desk", "chair"]},
    "for-each": {
        "lines": [{"position": 1, "sku": "lamp", "sum": 39}, {"position": 2, "sku": "desk", "sum": 120}],
        "total": 159,
    },
    "hello": {"greeting": "Hello, Ada!"},
    "order-fulfilment": {"status": "fulfilled", "invoice": {"order": "A-1001", "net": 39, "tax": 7.8, "total": 46.8}},
    "retry-flaky": {"answered": True, "answer": {"ok": True, "calls": 3}},
}


def started(machine, name: str, given: dict) -> dict:
    """The run of an example, once it has ended."""
    answer = machine.ask("POST", "/api/v1/runs", {"workflow": name, "input": given}, token=machine.token)
    assert answer.status in {200, 201, 202}, answer
    return machine.ended(answer.json["id"])


def test_every_example_is_known_here():
    """A new example comes with its output."""
    assert {file.stem for file in (ROOT / "examples").glob("*.yaml")} == OUTPUTS.keys()
    assert {file.stem for file in (ROOT / "examples" / "inputs").glob("*.json")} == OUTPUTS.keys()


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_example_gives_what_it_promises(machine, name):
    """With the input that lies beside it."""
    given = json.loads((ROOT / "examples" / "inputs" / f"{name}.json").read_text())
    if name == "retry-flaky":
        given["key"] = f"e2e-{time.time_ns()}"  # the service counts its failures by key
    run = started(machine, name, given)
    assert run["status"] == "completed", run["error"]
    assert run["output"] == OUTPUTS[name]


def test_the_flaky_service_is_really_asked_again(machine):
    """Three attempts of one task, two of which the service refused."""
    run = started(machine, "retry-flaky", {"key": f"again-{time.time_ns()}", "fail": 2})

    def types():  # the observer reads behind the engine
        found = [item["event"]["type"] for item in machine.get(f"signals?id={run['id']}&limit=100")["items"]]
        return found if any(kind.endswith("workflow.completed.v1") for kind in found) else None

    seen = awaited(types, what="the end of the run among the signals")
    assert len([kind for kind in seen if kind.endswith("task.retried.v1")]) == 2, seen


@pytest.mark.slow
def test_a_service_that_never_answers_has_its_fallback(machine):
    """Five attempts, then the plan for that."""
    run = started(machine, "retry-flaky", {"key": f"never-{time.time_ns()}", "fail": 20})
    assert run["status"] == "completed", run["error"]
    assert run["output"]["answered"] is False


def test_an_order_that_the_bank_refuses_is_rejected(machine):
    """Nothing is fulfilled that nobody pays for."""
    run = started(machine, "order-fulfilment", {"order": {"id": "A-3", "sku": "lamp", "quantity": 1, "price": 5000}})
    assert run["status"] == "completed", run["error"]
    assert run["output"] == {"status": "rejected", "reason": "the bank refused the payment, above the limit of 1,000"}
    assert "invoice" not in {task["name"] for task in run["tasks"]}


def test_an_order_beyond_the_stock_is_rejected(machine):
    """The other branch of the switch."""
    run = started(machine, "order-fulfilment", {"order": {"id": "A-2", "sku": "lamp", "quantity": 100_000, "price": 1}})
    assert run["status"] == "completed", run["error"]
    assert run["output"]["status"] == "rejected"
    assert "charge" not in {task["name"] for task in run["tasks"]}


def test_an_order_that_is_none_faults_with_the_reason(machine):
    """The input schema refuses it; the error says where."""
    run = started(machine, "order-fulfilment", {"order": {"id": "A-3"}})
    assert run["status"] == "faulted"
    assert run["error"]["type"].endswith("/validation")
