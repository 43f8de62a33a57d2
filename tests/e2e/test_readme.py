"""The first page, typed in as it is printed."""

import json
import re
import time

import pytest

from e2e.machine import ROOT, awaited, console_blocks

pytestmark = pytest.mark.server

BLOCKS = console_blocks(ROOT / "README.md")


def test_the_first_page_is_true(newcomer):
    """Every command of it, in its order; an order sent as a signed webhook is fulfilled, and everything can be seen."""
    assert BLOCKS[0] == ["make up"]
    login, status, send = BLOCKS[1][1:]
    newcomer.shell(login)
    assert "down" not in newcomer.shell(status)
    sent = newcomer.shell(send)
    found = re.search(r"^run +(\w{26})$", sent, re.MULTILINE)
    assert found, sent
    run = found[1]
    listing, watch, show, tail = BLOCKS[2]
    assert run in newcomer.shell(listing)
    watched = newcomer.shell(watch.replace("RUN", run))
    for task in ("checkStock", "decide", "charge", "invoice", "announce"):
        assert re.search(rf"✓ {task} ", watched), watched
    assert "reject" not in watched
    shown = newcomer.json("run", "show", run)
    assert shown["status"] == "completed"
    assert shown["input"]["order"]["id"] == "A-1001"
    assert shown["output"]["invoice"]["total"] == 46.8
    assert '"total": 46.8' in newcomer.shell(show.replace("RUN", run))
    assert tail.startswith("tocsin signal tail")
    assert '"calls": 3' in newcomer.shell(BLOCKS[3][0])


def test_the_tail_shows_an_order_being_fulfilled(machine):
    """In a second terminal, while the order is sent in the first."""
    with machine.beside("tocsin signal tail --json") as tail:
        assert tail.stdout is not None
        # It says nothing when it is connected: something is published until it shows, and only then the order is sent.
        seen = []
        for number in range(100):
            machine.tocsin("event", "publish", f"com.example.tail.test{number}")
            if _lines(tail.stdout):
                break
        run = machine.json("trigger", "send", "orders", "--data", "@examples/inputs/order-fulfilment.json")["run"]
        awaited(lambda: seen.extend(_lines(tail.stdout)) or _ended(seen, run), what="the end of the run in the tail")
    types = [event["type"] for event in seen if event["subject"] == run]
    assert types[0].endswith("workflow.started.v1")
    assert types[-1].endswith("workflow.completed.v1")
    tasks = {event["data"]["task"] for event in seen if event["data"].get("task") and event.get("correlationid")}
    assert {"/do/0/checkStock", "/do/4/invoice"} <= tasks
    sequences = [event["sequence"] for event in seen if event["subject"] == run]
    assert sequences == sorted(sequences)


def test_who_sees_a_fulfilled_order_gets_a_greeting(machine):
    """The event that the workflow emits starts another one; both runs belong to one correlation."""
    name = f"A-{time.time_ns()}"
    order = {"order": {"id": name, "sku": "desk", "quantity": 1, "price": 300}}
    run = machine.ended(machine.json("trigger", "send", "orders", "--data", json.dumps(order))["run"])

    def greeted():
        decisions = [decision for event in machine.events(trigger="thanks") for decision in event["decisions"]]
        runs = [machine.ended(decision["run"]) for decision in decisions if decision["trigger"] == "thanks"]
        return next((run for run in runs if name in run["input"]["name"]), None)

    greeting = awaited(greeted, what="the greeting")
    assert greeting["output"] == {"greeting": f"Hello, customer of order {name}!"}
    assert greeting["correlation_id"] == run["correlation_id"]


def _ended(events, run):
    return any(event["subject"] == run and event["type"].endswith("workflow.completed.v1") for event in events)


def _lines(stream):
    """The lines that are there by now."""
    import os
    import select

    found = b""
    while select.select([stream], [], [], 0.2)[0]:
        chunk = os.read(stream.fileno(), 65536)
        if not chunk:
            break
        found += chunk
        if found.endswith(b"\n"):
            break
    return [json.loads(line) for line in found.splitlines()]
