"""What was accepted survives: an orderly end, and a kill of the whole platform right after an answer."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.machine import Machine, Platform, awaited, first_port
from e2e.partner import signed

pytestmark = [pytest.mark.server, pytest.mark.slow]


class Installation:
    """A data folder, and whichever platform runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.running = folder, first_port(), None
        self.data = folder / "data"

    def up(self) -> Platform:
        """Start it."""
        self.running = Platform(self.folder, "--data", str(self.data), "--port", str(self.port))
        return self.running.wait()

    def down(self, number: int = signal.SIGINT) -> int:
        """End it, one way or another."""
        assert self.running is not None
        return self.running.stop(number)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    yield made
    if made.running is not None:
        made.running.stop(signal.SIGTERM)


def test_a_restart_and_a_kill_lose_nothing(installation, tmp_path):
    """One story, because starts are dear: run, Ctrl-C, look; webhook, SIGKILL, look."""
    first = installation.up()
    (tmp_path / "machine").mkdir()
    machine = Machine(tmp_path / "machine", first.url, installation.data)
    machine.shell("tocsin login --local")
    machine.token = machine.json("auth", "api-key", "create", "e2e")["api_key"]
    before = machine.json("run", "start", "hello", "--input", '{"name": "Ada"}', "--wait")
    assert installation.down() == 0

    second = installation.up()
    assert second.url == first.url
    machine.tocsin("whoami")  # the login of before
    assert machine.ended(before["id"])["output"] == before["output"]
    assert len(machine.get("workflows?namespace=default")["items"]) == 5
    assert [trigger["name"] for trigger in machine.json("trigger", "list")] == ["greetings", "orders", "thanks"]

    secret = json.loads((installation.data / "hooks.json").read_text())["default/orders"]
    body = (machine.folder / "examples" / "inputs" / "order-fulfilment.json").read_bytes()
    answer = machine.ask("POST", "/hooks/default/orders", body, headers=signed(secret, body, message="msg_kill"))
    assert installation.down(signal.SIGKILL) == -signal.SIGKILL
    assert answer.status == 202, answer

    installation.up()
    run = machine.ended(answer.json["run"])
    assert (run["status"], run["output"]["status"]) == ("completed", "fulfilled"), run
    listed = awaited(lambda: machine.get("runs?workflow=order-fulfilment")["items"], what="the run in the list")
    assert [item["id"] for item in listed] == [run["id"]]

    def completions():
        items = machine.get(f"signals?id={run['id']}&limit=100")["items"]
        return [item["event"]["id"] for item in items if item["event"]["type"].endswith("workflow.completed.v1")]

    assert len(awaited(completions, what="the signal of the end")) == 1
    again = machine.ask("POST", "/hooks/default/orders", body, headers=signed(secret, body, message="msg_kill"))
    assert (again.status, again.json["duplicate"], again.json["run"]) == (200, True, run["id"])
