"""The README's walk with the real command line against the real platform: every command is a process of its own."""

import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator

import jsonschema
import pytest

from tocsin.signals.asyncapi import document
from tocsin.signals.make import signal_id

pytestmark = [pytest.mark.server, pytest.mark.slow]

ROOT = pathlib.Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
TOCSIN = [sys.executable, "-c", "from tocsin.cli import main; main()"]


class Terminal:
    """A shell on a machine where the platform runs."""

    def __init__(self, folder: pathlib.Path) -> None:
        libs = os.pathsep.join(str(ROOT / top) for top in ("libs", "services"))
        self.folder = folder
        self.environment = {"PATH": os.defpath, "HOME": str(folder), "PYTHONPATH": libs}
        self.url = ""

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Begin a command."""
        return subprocess.Popen(
            [*TOCSIN, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Run a command to its end; what it printed."""
        done = subprocess.run(
            [*TOCSIN, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if expect == 0 else done.stdout + done.stderr

    def json(self, *arguments: str, expect: int = 0):
        """Run a command and read its JSON."""
        return json.loads(self.run(*arguments, "--json", expect=expect))

    def json_lines(self, *arguments: str):
        """Run a command and read its JSON lines."""
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """After `tocsin up` and `tocsin login --local`."""
    made = Terminal(tmp_path_factory.mktemp("walk"))
    platform = subprocess.Popen(
        [sys.executable, "-m", "tocsin_kit.platform", "up", "--ephemeral"],
        cwd=made.folder,
        env=made.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert platform.stdout is not None
    try:
        readable, _, _ = select.select([platform.stdout], [], [], 60)
        ready = (
            json.loads(platform.stdout.readline()) if readable else pytest.fail("the platform was not ready within a minute")
        )
        made.url = ready["url"]
        made.run("login", "--local", "--data", str(pathlib.Path(ready["admin_file"]).parent), "--url", made.url)
        yield made
    finally:
        platform.send_signal(signal.SIGTERM)
        try:
            platform.wait(30)
        except subprocess.TimeoutExpired:
            platform.kill()
            platform.wait()
        platform.stdout.close()


def publish(terminal: Terminal, name: str) -> None:
    """Publish an example; that the platform has published it itself is no error."""
    terminal.run("workflow", "apply", str(EXAMPLES / name))


def test_everything_is_ready_and_says_so(terminal):
    """`status` lists every service; `whoami` knows the administrator."""
    services = {service["name"]: service for service in terminal.json("status")["services"]}
    assert {"auth", "trigger", "scheduler", "executor", "lineage", "case", "observer"} <= services.keys()
    assert terminal.json("whoami")["subject"] == "user:admin"


def test_a_run_is_started_watched_and_listed(terminal):
    """The outcome on standard output, the exit code for scripts."""
    publish(terminal, "hello.yaml")
    run = terminal.run("run", "start", "hello", "--input", '{"name": "Ada"}').strip()
    watched = terminal.run("run", "watch", run)
    assert "Hello, Ada!" in watched
    assert "greet" in watched
    assert run in [record["id"] for record in terminal.json("run", "list")]
    assert terminal.json("run", "show", run)["tasks"][0]["reference"] == "/do/0/greet"
    assert terminal.json("run", "start", "hello", "--wait")["status"] == "completed"


def test_a_run_that_fails_ends_the_command_with_1(terminal):
    """And prints the error as the language defines it."""
    publish(terminal, "hello.yaml")
    answer = terminal.json("run", "start", "hello", "--input", '{"name": 5}', "--wait", expect=1)
    assert answer["status"] == "faulted"
    assert answer["error"]["type"].endswith("/errors/validation")


def test_a_signed_webhook_starts_the_example(terminal, tmp_path):
    """Trigger from a file, secret kept, run completed, decision visible; a wrong signature is refused and starts nothing."""
    publish(terminal, "order-fulfilment.yaml")
    file = tmp_path / "trigger.yaml"
    file.write_text(
        f"name: walk\nkind: webhook\nworkflow: order-fulfilment\ninput: '${{ .data + {{base: \"{terminal.url}\"}} }}'\n"
    )
    terminal.run("trigger", "apply", str(file))
    answer = terminal.json("trigger", "send", "walk", "--data", f"@{EXAMPLES / 'inputs' / 'order-fulfilment.json'}")
    watched = terminal.json_lines("run", "watch", answer["run"])
    assert watched[-1]["status"] == "completed"
    refused = terminal.run("trigger", "send", "walk", "--secret", "whsec_AAAA", expect=4)
    assert "signature" in refused
    events = terminal.json("event", "list", "--trigger", "walk")
    assert {event["status"] for event in events} == {"accepted", "refused"}


def test_signals_are_seen_as_they_happen(terminal):
    """`signal tail` in one terminal, a run in another."""
    publish(terminal, "hello.yaml")
    tail = terminal.start("signal", "tail", "--filter", "signals.default.run.*.*", "--count", "2", "--json")
    try:
        deadline = time.monotonic() + 30
        # It says nothing when it is connected, so runs are started until it has seen one.
        while tail.poll() is None and time.monotonic() < deadline:
            terminal.run("run", "start", "hello")
        out, err = tail.communicate(timeout=5)
    finally:
        tail.kill()
    assert tail.returncode == 0, err
    assert all(json.loads(line)["type"].startswith("io.serverlessworkflow.workflow.") for line in out.splitlines())


def test_a_changed_file_is_tried_without_a_new_version(terminal, tmp_path):
    """`run exec` means the file."""
    text = (EXAMPLES / "hello.yaml").read_text()
    for greeting in ("Hello", "Good day"):
        file = tmp_path / "hello.yaml"
        file.write_text(text.replace("Hello, ", f"{greeting}, "))
        result = terminal.json("run", "exec", str(file), "--input", '{"name": "Eve"}')
        assert result["output"] == {"greeting": f"{greeting}, Eve!"}
        assert [task["name"] for task in result["tasks"]] == ["greet"]


def test_a_key_can_do_what_it_was_given_and_no_more(terminal):
    """An API key in the environment is somebody else."""
    key = terminal.json("auth", "api-key", "create", "ci", "--grant", "event:publish@default")["api_key"]
    other = Terminal(terminal.folder)
    other.environment |= {"TOCSIN_TOKEN": key, "TOCSIN_URL": terminal.url}
    other.run("event", "publish", "com.example.walked", "--data", "{}")
    refused = other.run("run", "list", expect=4)
    assert "run:read" in refused or "permit" in refused


def test_nothing_is_left_of_an_ephemeral_run(tmp_path):
    """One command: servers, run, outcome, and nothing afterwards."""
    terminal = Terminal(tmp_path)
    terminal.environment["TMPDIR"] = str(tmp_path)
    result = terminal.json("run", "exec", str(EXAMPLES / "hello.yaml"), "--input", '{"name": "Eve"}', "--ephemeral")
    assert result["status"] == "completed"
    assert result["error"] is None
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("tocsin")] == []


def test_every_signal_is_as_the_document_says(terminal):
    """Whatever the walk above published: valid by the AsyncAPI document, ids from their place, no gap in any sequence."""
    signals = [
        s
        for namespace in ("default", "system")
        for s in terminal.json_lines("signal", "list", "-n", namespace, "--limit", "500")
    ]
    described = document()
    components = described["components"]
    schemas = {message["name"]: message["payload"] for message in components["messages"].values()}
    places = defaultdict(list)
    for signal_ in signals:
        schema = {**schemas[signal_["type"]], "components": components}
        jsonschema.Draft202012Validator(schema).validate(signal_)
        assert signal_["id"] == signal_id(signal_["source"], int(signal_["sequence"]))
        places[signal_["source"]].append(int(signal_["sequence"]))
    assert places
    assert [source for source, found in places.items() if found != list(range(found[0], found[0] + len(found)))] == []
