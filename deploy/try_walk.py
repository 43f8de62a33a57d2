"""Walks through a platform that compose started: health, login, a workflow, a run, metrics. `deploy/try-compose` runs it.

It talks to the gateway as a user would, with the standard library only, and looks into containers only for their health and for
the administrator's first password. It ends at the first thing that does not work, with one sentence.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SERVICES: Final = ("gateway", "auth", "trigger", "scheduler", "executor", "worker", "lineage", "case", "observer")
PATIENCE: Final = 120.0  # seconds for everything to be healthy
ROOT: Final = Path(__file__).parents[1]


class Failed(Exception):
    """Something does not work; the text says what."""


@dataclass(frozen=True)
class Api:
    """The gateway.

    Attributes:
        url: Base URL.
        token: Access token, once there is one.
    """

    url: str
    token: str = ""

    def call(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
        """The decoded answer.

        Raises:
            Failed: No answer, or one that is not 2xx.
        """
        headers = {"Content-Type": kind, "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Failed(f"{method} {path} answered {error.code}: {error.read(2000).decode(errors='replace')}") from error
        except (OSError, ValueError) as error:
            raise Failed(f"{method} {path}: {error}") from error


def within(seconds: float, what: str, check: Callable[[], str]) -> None:
    """Ask until ``check`` returns an empty text.

    Raises:
        Failed: It still says what is missing when the time is up.
    """
    deadline = time.monotonic() + seconds
    while missing := check():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: {missing}")
        time.sleep(0.5)


class Containers:
    """What compose runs.

    Args:
        command: How compose is called, with its environment file.
    """

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def execute(self, service: str, *command: str) -> str:
        """Output of a command in a container.

        Raises:
            Failed: It failed.
        """
        return self._output([*self._command, "exec", "-T", service, *command])

    def unwell(self) -> str:
        """Which services are not healthy, and what they say about it."""
        parts = []
        for service in SERVICES:
            name = self._output([*self._command, "ps", "-q", service]).strip()
            if not name:
                parts.append(f"{service} is not there")
                continue
            state = json.loads(self._output(["docker", "inspect", "--format", "{{json .State}}", name]))
            health = state.get("Health", {})
            if health.get("Status") != "healthy":
                said = (health.get("Log") or [{}])[-1].get("Output", "").strip()
                parts.append(f"{service} is {state['Status']}, {health.get('Status')} ({said[:300]})")
        return "; ".join(parts)

    def _output(self, command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
        if done.returncode:
            raise Failed(f"{shlex.join(command)}: {done.stderr.strip()[-500:]}")
        return done.stdout


def login(api: Api, containers: Containers) -> Api:
    """The gateway, as the administrator of the first start."""
    admin = json.loads(containers.execute("auth", "cat", "/var/lib/tocsin/admin.json"))
    body = json.dumps({"user": admin["user"], "password": admin["password"]}).encode()
    answer = api.call("POST", "/api/v1/auth/login", body)
    return Api(api.url, answer["access_token"])


def run_workflow(api: Api, file: Path, data: dict[str, object]) -> Any:
    """Apply an example and run it to its end.

    Returns:
        The run.

    Raises:
        Failed: It did not complete.
    """
    applied = api.call("POST", "/api/v1/workflows", file.read_bytes(), kind="application/yaml")
    start = {"namespace": applied["namespace"], "workflow": applied["name"], "input": data}
    run = api.call("POST", "/api/v1/runs", json.dumps(start).encode())
    latest: dict[str, Any] = {}

    def unfinished() -> str:
        latest.update(api.call("GET", f"/api/v1/runs/{run['id']}"))
        if latest["status"] in {"faulted", "cancelled"}:
            raise Failed(f"the run of {file.name} is {latest['status']}: {latest.get('error')}")
        return "" if latest["status"] == "completed" else f"the run is {latest['status']}"

    within(60, file.name, unfinished)
    return latest


def wait_for_webhook(api: Api) -> Any:
    """Send a webhook that waits for its run: the trigger service asks the executor in its own name for it.

    Returns:
        What the run made.

    Raises:
        Failed: It is not there within the time that the trigger gives it.
    """
    wanted = {
        "kind": "webhook",
        "workflow": "hello",
        "webhook": {"scheme": "bearer", "answer_within": "20s"},
        "input": {"name": "${ .data.name }"},
    }
    api.call("PUT", "/api/v1/triggers/default/compose", json.dumps(wanted).encode())
    answer = api.call("POST", "/hooks/default/compose?wait=20s", b'{"name": "webhook"}')
    if answer.get("status") != "completed":
        raise Failed(f"a webhook that waits for its run was answered {answer}")
    return answer["output"]


def unscraped(prometheus: Api) -> str:
    """Which services Prometheus does not reach."""
    targets = prometheus.call("GET", "/api/v1/targets?state=active")["data"]["activeTargets"]
    ours = {one["labels"].get("service"): one for one in targets if one["labels"]["job"] == "tocsin"}
    missing = [name for name in SERVICES if name not in ours or ours[name]["health"] != "up"]
    return ", ".join(f"{name} ({ours.get(name, {}).get('lastError', 'no target')})" for name in missing)


def main() -> int:
    """Returns 0 when everything worked, 1 with one sentence otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compose", default="docker compose")
    parser.add_argument("--env-file", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--prometheus", required=True)
    options = parser.parse_args()
    containers = Containers([*shlex.split(options.compose), "--env-file", options.env_file])
    try:
        within(PATIENCE, "not everything is healthy", containers.unwell)
        print(f"{len(SERVICES)} services are healthy")
        api = login(Api(options.url), containers)
        print("logged in through the gateway")
        walks: list[tuple[str, dict[str, object]]] = [("hello.yaml", {"name": "compose"}), ("order-fulfilment.yaml", order())]
        for name, data in walks:
            run = run_workflow(api, ROOT / "examples" / name, data)
            print(f"{name}: {run['status']}, output {json.dumps(run.get('output'))}")
        print(f"a webhook was answered with {json.dumps(wait_for_webhook(api))}")
        within(60, "Prometheus does not scrape everything", lambda: unscraped(Api(options.prometheus)))
        print(f"Prometheus scrapes {len(SERVICES)} services")
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def order() -> dict[str, object]:
    """The newcomer's order, with the gateway where the worker finds it."""
    data: dict[str, object] = json.loads((ROOT / "examples/inputs/order-fulfilment.json").read_text(encoding="utf-8"))
    return data | {"base": "http://gateway:7700"}


if __name__ == "__main__":
    sys.exit(main())
