"""A newcomer's machine: a platform in a process of its own, a shell with the real command line, and plain HTTP."""

import atexit
import contextlib
import functools
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tocsin_kit.clock import SystemClock
from tocsin_kit.config import EmbeddedSection
from tocsin_kit.embedded import PortTaken, require_free
from tocsin_kit.platform.options import choose_ports, parse, require_all_free

ROOT = Path(__file__).parents[2]
READY_WITHIN = 60.0  # seconds; a start takes two to seven, a machine may be busy
PREFORK = Path(__file__).with_name("prefork.py")
LIBRARIES = os.pathsep.join(str(ROOT / top) for top in ("libs", "services"))

EASY_PASSWORDS = {"TOCSIN_AUTH_PASSWORD_MEMORY": "1024", "TOCSIN_AUTH_PASSWORD_ROUNDS": "1"}
"""A hash as it should be takes a fifth of a second of a core, and many tests log in; platforms of other tests have it so."""

Seen = TypeVar("Seen")
_clock = SystemClock()


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body decoded."""
        return json.loads(self.body)


class Platform:
    """`python -m tocsin_kit.platform up` in a process of its own.

    Args:
        folder: Where it runs.
        arguments: Further arguments.
        environment: Further settings.
    """

    def __init__(self, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tocsin_kit.platform", "up", "--json-ready", *arguments],
            cwd=folder,
            env={
                "PATH": os.defpath,
                "HOME": str(folder),
                "PYTHONPATH": LIBRARIES,
                "TMPDIR": str(folder),
                **(environment or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.ready: dict[str, Any] = {}

    def wait(self) -> "Platform":
        """Until the line that says that it is ready."""
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], READY_WITHIN)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            self._process.kill()
            raise AssertionError(f"the platform was not ready: {self._process.communicate()[1]}")
        self.ready = json.loads(line)
        return self

    @property
    def url(self) -> str:
        """Of the gateway."""
        return str(self.ready["url"])

    def stop(self, number: int = signal.SIGINT) -> int:
        """End it; its exit code. Nothing happens when it has ended."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            self._process.communicate(timeout=40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise AssertionError("the platform did not stop within 40 s") from None
        return self._process.returncode


@functools.cache
def _forks() -> Path:
    """Where the process listens that has imported the command line; it ends with this one."""
    folder = Path(tempfile.mkdtemp(prefix="cli"))
    path = folder / "s"
    process = subprocess.Popen([sys.executable, PREFORK, path, "serve"], env={"PATH": os.defpath, "PYTHONPATH": LIBRARIES})

    def end() -> None:
        process.kill()
        process.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    until = _clock.monotonic() + READY_WITHIN
    while not path.exists() and process.poll() is None and _clock.monotonic() < until:
        select.select([], [], [], 0.02)
    return path


class Machine:
    """A shell in a folder of its own, which looks like a checkout: ``examples`` is there, ``tocsin`` is on the path.

    Args:
        folder: Empty.
        url: Of the platform; ``.tocsin`` is its data folder.
        data: The data folder of the platform.
    """

    def __init__(self, folder: Path, url: str, data: Path) -> None:
        self.folder, self.url, self.token = folder, url, ""
        (folder / "bin").mkdir()
        tocsin = folder / "bin" / "tocsin"
        tocsin.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {PREFORK} {_forks()} type "$@"\n')
        tocsin.chmod(0o755)
        (folder / "examples").symlink_to(ROOT / "examples")
        (folder / ".tocsin").symlink_to(data)
        self.environment = {
            "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.defpath}",
            "HOME": str(folder),
            "PYTHONPATH": LIBRARIES,
        }

    def shell(self, command: str, *, expect: int = 0, **more: str) -> str:
        """Type a command, as a person would; what it printed."""
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expect, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + ("" if expect == 0 else done.stderr)

    def tocsin(self, *arguments: str, expect: int = 0, **more: str) -> str:
        """Run the command line; what it printed."""
        return self.shell("tocsin " + " ".join(map(_quoted, arguments)), expect=expect, **more)

    def json(self, *arguments: str, **more: Any) -> Any:
        """Run the command line with ``--json``; what it printed, decoded."""
        return json.loads(self.tocsin(*arguments, "--json", **more))

    @contextlib.contextmanager
    def beside(self, command: str) -> Iterator["subprocess.Popen[str]"]:
        """A command in a second terminal, ended with Ctrl-C."""
        process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> Answer:
        """Send one request; bytes go as they are, anything else as JSON."""
        given = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            given.setdefault("Content-Type", "application/json")
        request = urllib.request.Request((url or self.url) + path, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def get(self, path: str) -> Any:
        """Read something as whoever is logged in; a command for each look would cost half a second of work."""
        answer = self.ask("GET", f"/api/v1/{path}", token=self.token)
        assert answer.status == 200, (path, answer)
        return answer.json

    def ended(self, run: str) -> dict[str, Any]:
        """The run with its tasks, once it has ended."""

        def look() -> dict[str, Any] | None:
            answer = self.ask("GET", f"/api/v1/runs/{run}", token=self.token)
            assert answer.status in {200, 404}, answer  # 404: the command to start it is still on its way
            return answer.json if answer.status == 200 and answer.json["ended_at"] else None

        found = awaited(look, what=f"the end of run {run}")
        return {**found, "tasks": self.get(f"runs/{run}/tasks?limit=100")["items"]}

    def events(self, **filters: str) -> list[dict[str, Any]]:
        """What came in and what was decided, newest first."""
        return list(self.get("events?" + urllib.parse.urlencode({"limit": 100, **filters}))["items"])


def awaited(look: Callable[[], Seen | None], *, within: float = 20.0, what: str = "it") -> Seen:
    """What ``look`` gives, once it gives something; each look asks another process, which is pause enough.

    Raises:
        AssertionError: It gave nothing in time.
    """
    deadline = _clock.monotonic() + within
    while True:
        if seen := look():
            return seen
        assert _clock.monotonic() < deadline, f"{what} did not happen within {within:g} s"


def first_port() -> int:
    """A port with the platform's others behind it free, below the range from which the system gives ports to connections."""
    for port in range(12_000 + os.getpid() % 150 * 100, 30_000, 100):
        ports = choose_ports(parse(["up", "--port", str(port)]), EmbeddedSection())
        with contextlib.suppress(PortTaken):
            require_all_free(ports)
            for other in (ports.nats, ports.monitor, ports.mongo):
                require_free(other, purpose="a test", change="")
            return port
    raise AssertionError("no free ports")


def console_blocks(page: Path) -> list[list[str]]:
    """The commands of every ``console`` block of a page, without prompts and without what they print.

    A command goes on behind a backslash at the end of a line, in quotes, and until the end of a here-document.
    """
    blocks = []
    for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        commands: list[str] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append(line[2:])
            elif commands and _goes_on(commands[-1]):
                commands[-1] += "\n" + line
        blocks.append(commands)
    return blocks


def _goes_on(command: str) -> bool:
    here = re.search(r"<<'(\w+)'\n?", command)
    if here:
        return not command.endswith(f"\n{here[1]}")
    return command.endswith("\\") or command.count("'") % 2 == 1


def _quoted(argument: str) -> str:
    return "'" + argument.replace("'", "'\\''") + "'"
