"""`up` as a person runs it: a process of its own, with a demonstration service installed beside it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tocsin_kit.config import EmbeddedSection
from tocsin_kit.embedded import PortTaken, require_free
from tocsin_kit.platform.options import choose_ports, parse, require_all_free
from tocsin_kit.testing import eventually

SERVICE = '''
from pydantic import Field
from tocsin_kit.chassis import Part, ServiceDefinition
from tocsin_kit.config import Secret, Section

class Settings(Section):
    """A demonstration."""
    section = "observer"
    key: Secret = Field(description="A secret that nobody gave.")

class Counting(Part):
    """Counts the starts."""
    def __init__(self, context):
        super().__init__("counting")
        self.context = context
    async def start(self):
        assert len(self.context.settings.key.reveal()) == 43
        await self.context.bus.announce("_INBOX_observer.hello", b"")
        collection = self.context.database.collection("starts")
        await collection.insert_one({})
        print("starts:", await collection.count_documents({}), flush=True)

SERVICE = ServiceDefinition(name="observer", settings=Settings, build=lambda context: [Counting(context)])
'''

Up = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """Starts the platform in a folder of the test's own; ends it afterwards."""
    site = tmp_path / "site"
    (site / "demo-1.dist-info").mkdir(parents=True)
    (site / "demo_service.py").write_text(SERVICE)
    (site / "demo-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1\n")
    (site / "demo-1.dist-info" / "entry_points.txt").write_text("[tocsin.services]\ndemo = demo_service:SERVICE\n")
    libs = [path for path in sys.path if path.rstrip("/").endswith(("libs", "services"))]
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(site), *libs])}
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, through: str = "", **more: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tocsin_kit.platform", "up", "--only", "demo", *arguments]
        if through:
            command = [sys.executable, "-c", through, *command]
        process = subprocess.Popen(
            command, cwd=tmp_path, env={**environment, **more}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ready(process: "subprocess.Popen[str]") -> tuple[int, dict[str, str]]:
    """How often the data was started on, and the line that says that the platform is ready."""
    assert process.stdout is not None
    starts, line = 0, "{}"
    for line in process.stdout:
        if line.startswith("{"):
            return starts, json.loads(line)
        starts = int(line.removeprefix("starts:"))
    assert process.stderr is not None
    raise AssertionError(f"it ended: {process.stderr.read()}")


def readiness(line: dict[str, str]) -> dict[str, object]:
    """The components, when all are ready; nothing otherwise."""
    try:
        with urlopen(f"{line['ops']}/readyz") as answer:
            components: dict[str, object] = json.load(answer)["components"]
            return components
    except OSError:
        return {}


def pid_in(note: Path) -> int | None:
    """The process id in the note of an embedded server."""
    try:
        return int(json.loads(note.read_text())["pid"])
    except (OSError, ValueError):
        return None


def first_port() -> int:
    """A port with the others behind it free, below the range from which the system gives ports to connections."""
    for port in range(12_000 + os.getpid() % 100 * 100, 30_000, 100):
        ports = choose_ports(parse(["up", "--port", str(port)]), EmbeddedSection())
        with contextlib.suppress(PortTaken):
            require_all_free(ports)
            for other in (ports.nats, ports.monitor, ports.mongo):
                require_free(other, purpose="a test", change="")
            return port
    raise AssertionError("no free ports")


def stop(process: "subprocess.Popen[str]", number: signal.Signals = signal.SIGINT) -> str:
    """End it, and give what it wrote to standard error."""
    process.send_signal(number)
    errors = process.communicate(timeout=30)[1]
    assert process.returncode == 0, errors
    return errors


async def test_a_second_start_finds_the_data_again(up: Up, tmp_path: Path) -> None:
    """With the same secrets; readiness is asked on the operations port."""
    port = first_port()
    for turn in (1, 2):
        process = up("--data", "data", "--port", str(port), "--json-ready")
        starts, line = ready(process)
        assert starts == turn
        assert line["url"] == f"http://127.0.0.1:{port}"
        components = readiness(line)
        assert {"nats.nats", "mongo.mongo", "observer.bus", "observer.store", "observer.counting"} <= components.keys()
        stop(process)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "data" / "secrets").iterdir()} == {0o600}


async def test_an_ephemeral_platform_leaves_nothing(up: Up) -> None:
    """Neither its folder nor its servers; two can run side by side."""
    first, second = up("--ephemeral"), up("--ephemeral")
    lines = [ready(process)[1] for process in (first, second)]
    assert lines[0]["nats"] != lines[1]["nats"]
    for process in (first, second):
        stop(process, signal.SIGTERM)
    assert not any(os.path.exists(line["data"]) for line in lines)  # noqa: ASYNC240 - a local folder


FOR_ITSELF = """
import os, subprocess, sys
platform = subprocess.Popen([*sys.argv[1:], "--parent", str(os.getpid())])
print(platform.pid, flush=True)
platform.wait()
"""


async def test_a_platform_that_a_program_started_for_itself_ends_with_it(up: Up) -> None:
    """Though it is killed, and nobody reads any more what the platform says."""
    process = up("--ephemeral", "--logs", through=FOR_ITSELF)
    assert process.stdout is not None
    assert process.stderr is not None
    pid = int(process.stdout.readline())
    _, line = ready(process)
    process.kill()
    process.stdout.close()
    process.stderr.close()
    await eventually(lambda: not alive(pid), within=60)
    await eventually(lambda: not Path(line["data"]).exists())


def alive(pid: int) -> bool:
    """Whether a process runs that is no child of ours."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def test_a_server_that_dies_is_started_again(up: Up) -> None:
    """And readiness comes back without anybody's help."""
    process = up("--ephemeral")
    line = ready(process)[1]
    note = Path(line["data"]) / "nats" / "process.json"
    before = pid_in(note)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    await eventually(lambda: pid_in(note) not in {None, before}, what="a new process")

    await eventually(lambda: readiness(line), within=15)
    stop(process)


async def test_a_taken_port_is_one_sentence(up: Up) -> None:
    """Which port, for what, and what to do."""
    port = first_port()
    first = up("--data", "a", "--port", str(port), "--json-ready")
    ready(first)
    # The operations port is the one that the demonstration takes: it is the only service here.
    second = up("--data", "b", "--port", str(port))
    errors = second.communicate(timeout=30)[1]
    assert second.returncode == 1
    assert errors == (
        f"tocsin: Port {port + 90}, wanted for operations (/readyz, /metrics), is taken by another program. "
        "End that program, or move all ports with --port.\n"
    )
    stop(first)


async def test_a_folder_in_use_is_one_sentence(up: Up) -> None:
    """Rather than two platforms on one set of data."""
    first = up("--data", "a", "--port", str(first_port()), "--json-ready")
    ready(first)
    second = up("--data", "a", "--port", str(first_port()))
    errors = second.communicate(timeout=30)[1]
    assert (second.returncode, errors.count("\n")) == (1, 1)
    assert f"Another Tocsin (process {first.pid}) already runs on the data folder" in errors
    stop(first)


async def test_a_wrong_setting_is_one_sentence(up: Up) -> None:
    """With the nearest name that exists."""
    process = up(TOCSIN_EMBEDDED_NATS_PORTT="1")
    errors = process.communicate(timeout=30)[1]
    assert process.returncode == 2
    assert errors == (
        "tocsin: TOCSIN_EMBEDDED_NATS_PORTT: the section embedded has no such setting "
        "(did you mean TOCSIN_EMBEDDED_NATS_PORT?)\n"
    )


async def test_a_person_sees_progress_and_what_to_try(up: Up) -> None:
    """Plain lines when it is no terminal."""
    process = up("--port", str(first_port()))
    assert process.stderr is not None
    seen: list[str] = []
    for line in process.stderr:
        seen.append(line)
        if "Ctrl-C stops" in line:
            break
    stop(process)
    text = "".join(seen)
    for expected in ("MongoDB", "NATS JetStream", "observer service", "Tocsin is ready in", "login --local", "run start hello"):
        assert expected in text
