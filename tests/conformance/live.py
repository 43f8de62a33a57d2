"""Scenarios on the real platform: a process of its own with its bus, database and workers, asked over its API as by anybody.

Many scenarios run at once, each in a namespace of its own, so that none hears another's events.
"""

import asyncio
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from ruamel.yaml import YAML
from tests.conformance.features import Ran, Scenario, judge, load, parse
from tests.conformance.methods import greeter
from tests.conformance.stub import stub
from tests.conformance.suites import ROOT, Outcome

from tocsin.cli.session import PasswordLogin, connect
from tocsin.cli.surroundings import Planned, feed
from tocsin.client import Client
from tocsin.errors import NotFound, Rejected
from tocsin.signals import decode

FEATURES = pathlib.Path(__file__).parent / "scenarios"
AT_ONCE = 12
_PATIENCE = 60.0  # seconds a scenario may take, on a machine that others use as well
_ORIGINS = re.compile(r"https://(?:petstore\.swagger\.io|httpbin\.org)")


@asynccontextmanager
async def platform() -> AsyncIterator[Client]:
    """A client of a whole platform that ends with this block."""
    libraries = os.pathsep.join(str(ROOT / top) for top in ("libs", "services"))
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tocsin_kit.platform", "up", "--ephemeral", "--no-examples"),
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=folder,
            env={"PATH": os.defpath, "HOME": folder, "PYTHONPATH": libraries, "TMPDIR": folder},
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                line = await process.stdout.readline()
            if not line:
                said.seek(0)
                raise AssertionError(f"the platform did not start: {said.read().decode()[-2000:]}")
            ready = json.loads(line)
            admin = _admin(ready["admin_file"])
            async with connect(ready["url"], PasswordLogin(admin["user"], admin["password"])) as client:
                await client.auth.me()  # one login, and not one for each of those that begin at once
                yield client
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _admin(path: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    return found


def kit(folder: pathlib.Path) -> Outcome:
    """The specification's conformance kit on the real platform."""
    paths = sorted((folder / "open-workflow" / "ctk" / "features").glob("*.feature"))
    return asyncio.run(run_all("ctk-platform", read(paths)))


def own(folder: pathlib.Path) -> Outcome:
    """Our own scenarios."""
    return asyncio.run(run_all("scenarios", read(sorted(FEATURES.glob("*.feature")))))


def read(paths: Iterable[pathlib.Path]) -> list[Scenario]:
    """All scenarios of these files."""
    return [scenario for path in paths for scenario in parse(path.read_text(encoding="utf-8"), path.name)]


async def run_all(name: str, scenarios: list[Scenario]) -> Outcome:
    """Every scenario, some at a time."""
    outcome = Outcome(name)
    turn = asyncio.Semaphore(AT_ONCE)
    with stub() as origin, greeter() as port:
        places = {"{stub}": origin, "{grpc}": str(port)}
        async with platform() as client:

            async def one(number: int, scenario: Scenario) -> None:
                async with turn:
                    wrong = await _try(client, scenario, f"s{number}", places)
                if wrong:
                    outcome.failed.append(f"{scenario.place}: {scenario.name}: {'; '.join(wrong)}")
                else:
                    outcome.passed += 1

            async with asyncio.TaskGroup() as group:
                for number, scenario in enumerate(scenarios):
                    group.create_task(one(number, scenario))
    return outcome


async def _try(client: Client, scenario: Scenario, namespace: str, places: Mapping[str, str]) -> list[str]:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _judge(client, scenario, namespace, places)
    except TimeoutError:
        waits = [await client.runs.explain(str(run["id"])) async for run in client.runs.list({"namespace": namespace})]
        return [f"not finished after {_PATIENCE:g} s: {waits}"]
    except Exception as error:  # noqa: BLE001 - one broken scenario must not end the others
        return [f"{type(error).__name__}: {error}"]


async def _judge(client: Client, scenario: Scenario, namespace: str, places: Mapping[str, str]) -> list[str]:
    def filled(text: str | None) -> str | None:
        if text is None:
            return None
        for name, place in places.items():
            text = text.replace(name, place)
        return _ORIGINS.sub(places["{stub}"], text).replace("{ns}", namespace)

    for step in scenario.steps:
        step.document = filled(step.document)
        if match := re.match(r".*workflow '([\w-]+)' with definition:$", step.text):
            await client.workflows.apply(_placed(step.document, namespace, match[1]), media_type="application/json")
        if match := re.match(r".*a secret '(\w+)':$", step.text):
            await client.secrets.put(match[1], {"namespace": namespace, "value": load(step.document)})
    refused = next((step for step in scenario.steps if "should be refused" in step.text), None)
    try:
        await client.workflows.apply(
            _placed(scenario.document("a workflow with definition:"), namespace, "main"), media_type="application/json"
        )
    except Rejected as error:
        told = [*(f"{v.pointer}: {v.detail}" for v in error.violations), error.detail]
        if refused is None:
            return [f"refused: {told}"]
        wanted = re.findall(r"'([^']+)'", refused.text)
        missing = [words for words in wanted if not any(words in line for line in told)]
        return [f"{refused.text} - but it says {told}"] if missing else []
    if refused is not None:
        return [f"{refused.text} - but it is accepted"]
    return judge(scenario, await _ran(client, scenario, namespace))


def _placed(text: str | None, namespace: str, name: str) -> bytes:
    """The definition in the scenario's namespace, with a head if it has none."""
    document: Any = YAML(typ="safe", pure=True).load(io.StringIO(text or ""))
    head = {"dsl": "1.0.3", "version": "1.0.0", **document.get("document", {}), "namespace": namespace, "name": name}
    return orjson.dumps({**document, "document": head})


async def _ran(client: Client, scenario: Scenario, namespace: str) -> Ran:
    given = load(scenario.document("input is:"))
    body = {"namespace": namespace, "workflow": "main", **({} if given is None else {"input": given})}
    planned = [_planned(each, number) for number, each in enumerate(load(scenario.document("events are published:")) or [])]
    cancel = any(step.text.endswith("the run is cancelled while it waits") for step in scenario.steps)
    # One request where nothing has to happen meanwhile: hundreds of scenarios that ask again and again are a load of their own.
    run = await client.runs.start(body, wait_seconds=None if planned or cancel else 10)
    async with asyncio.TaskGroup() as group:
        feeding = group.create_task(feed(client, str(run["id"]), namespace, planned))
        if cancel:
            group.create_task(_cancel(client, str(run["id"])))
        while run["status"] not in ("completed", "faulted", "cancelled"):
            run = await client.runs.show(str(run["id"]))
            await asyncio.sleep(0.1)  # noqa: TID251 - a client asks again and again
        feeding.cancel()
    tasks = [task async for task in client.runs.tasks(str(run["id"]))]
    tasks.sort(key=lambda task: str(task.get("started_at") or task.get("created_at") or "~"))
    error = run.get("error")
    return Ran(
        str(run["status"]),
        run.get("output"),
        error if isinstance(error, dict) else None,
        [(str(task["name"]), str(task["status"])) for task in tasks],
    )


async def _cancel(client: Client, run: str) -> None:
    while True:
        try:
            if (await client.runs.explain(run))["waits"]:
                await client.runs.control(run, "cancel", "the scenario says so")
                return
        except NotFound:
            pass
        await asyncio.sleep(0.03)  # noqa: TID251 - a client asks again and again


def _planned(each: Any, number: int) -> Planned:
    """An event of the table: ``when`` and the event's attributes beside it."""
    when = each.pop("when", "waiting")
    event = {"specversion": "1.0", "id": f"e{number}", "source": "/scenario", **each}
    return Planned(when if isinstance(when, str) else float(when), decode(orjson.dumps(event)))
