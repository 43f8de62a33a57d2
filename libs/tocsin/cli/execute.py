"""`tocsin run exec`: one definition file to its end, on the running platform or on throw-away servers.

Prints one JSON object: ``status``, ``output``, ``error`` (RFC 7807) and ``tasks``; nothing else goes to standard output.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import AsyncIterator
from typing import Annotated, Final

import orjson
import typer

from tocsin.cli.context import VARIABLES
from tocsin.cli.definitions import publish_text
from tocsin.cli.exits import Exit
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import json_argument, print_json, read_file
from tocsin.cli.runs import wait_for
from tocsin.cli.session import AsJson, PasswordLogin, Url, asynchronous, connect
from tocsin.cli.surroundings import Planned, feed, lent, read_events, read_secrets, renewed
from tocsin.client import Client, Record
from tocsin.definitions import load
from tocsin.errors import Conflict, Unavailable
from tocsin.signals import Json

app = typer.Typer(context_settings=dict(SETTINGS))

_READY_SECONDS: Final = 60.0
_END_SECONDS: Final = 20.0
_SILENT_SECONDS: Final = 10.0


@app.command("exec")
@asynchronous
async def execute(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The definition, YAML or JSON; `-` for standard input.")],
    *,
    given: Annotated[str | None, typer.Option("--input", "-i", metavar="JSON|@FILE", help="The input.")] = None,
    also: Annotated[
        list[str] | None, typer.Option("--also", metavar="FILE", help="A further definition, for sub-workflows.")
    ] = None,
    secrets: Annotated[
        str | None, typer.Option("--secrets", metavar="FILE", help="Secrets for the time of the run: a JSON object.")
    ] = None,
    events: Annotated[
        str | None,
        typer.Option("--events", metavar="FILE", help='Events to publish: JSON lines {"when": "waiting", "event": {}}.'),
    ] = None,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="On throw-away servers that are gone afterwards.")] = False,
    seconds: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="Cancel it after this time.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run one definition file to its end and print the outcome as one JSON object. Exit code 1 unless it completes."""
    value = json_argument(given, "--input")
    planned = read_events(events) if events is not None else []
    known = read_secrets(secrets) if secrets is not None else {}
    async with _throwaway() if ephemeral else connect(url) as client:
        for other in also or []:
            await _publish(client, other)
        definition = await _publish(client, file)
        body: Record = {name: definition[name] for name in ("namespace", "version")}
        body |= {"workflow": definition["name"], **({"input": value} if given is not None else {})}
        async with lent(client, str(definition["namespace"]), known):
            outcome = await _outcome(client, body, seconds, planned)
    print_json(outcome, indent=False if as_json else None)
    if outcome["status"] != "completed":
        raise typer.Exit(Exit.NEGATIVE)


async def _publish(client: Client, file: str) -> Record:
    """Publish a file to try it. One that was edited since its version was published goes under a version of its own.

    Published versions never change; but who tries a file again after a change means the file, not the version.
    """
    text = read_file(file, "the definition")
    try:
        return await publish_text(client, file, text)
    except Conflict:
        definition = load(text, file)
        separator = "." if "+" in definition.version else "+"
        version = f"{definition.version}{separator}{definition.digest[:12]}"
        head = definition.document["document"]
        assert isinstance(head, dict)  # or it would not have been valid
        document = {**definition.document, "document": {**head, "version": version}}
        return await publish_text(client, file, orjson.dumps(document))


async def _outcome(client: Client, body: Record, seconds: float | None, planned: list[Planned]) -> Record:
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    # Short runs end within the first request; the others are followed.
    patience = None if planned else min(10.0 if seconds is None else seconds, 10.0)
    run = await client.runs.start(body, wait_seconds=patience)
    try:
        async with asyncio.timeout_at(deadline):
            run = await _fed(client, run, planned)
    except TimeoutError:
        await client.runs.control(str(run["id"]), "cancel", f"not finished after {seconds:g} s")
        run = await wait_for(client, run)
    tasks = [task async for task in client.runs.tasks(str(run["id"]))]
    tasks.sort(key=lambda task: str(task.get("started_at") or task.get("created_at") or "~"))
    return {
        "run": run["id"],
        "status": run.get("status"),
        "output": run.get("output"),
        "error": run.get("error"),
        "tasks": [_task(task) for task in tasks],
    }


async def _fed(client: Client, run: Record, planned: list[Planned]) -> Record:
    """The run once it has ended, with its events published meanwhile."""
    identity, namespace = str(run["id"]), str(run.get("namespace") or "default")
    planned = await renewed(client, identity, namespace, planned)
    async with _one_error(), asyncio.TaskGroup() as group:
        feeding = group.create_task(_surrounded(client, identity, namespace, planned))
        run = await wait_for(client, run)
        feeding.cancel()
    return run


async def _surrounded(client: Client, run: str, namespace: str, planned: list[Planned]) -> None:
    """Publish the events; should the run still wait long after the last of them, say for what."""
    await feed(client, run, namespace, planned)
    await asyncio.sleep(_SILENT_SECONDS)
    waits = (await client.runs.explain(run)).get("waits")
    said = [str(wait.get("summary")) for wait in waits if isinstance(wait, dict)] if isinstance(waits, list) else []
    for line in said:
        print(f"still waiting: {line}", file=sys.stderr)


def _task(task: Record) -> Json:
    """A task with the members that issue and documentation name."""
    return {
        "name": task.get("name"),
        "reference": task.get("reference"),
        "status": task.get("status"),
        "startedAt": task.get("started_at"),
        "endedAt": task.get("ended_at"),
    }


@contextlib.asynccontextmanager
async def _throwaway() -> AsyncIterator[Client]:
    """A client of a platform of its own, on free ports and in a temporary folder, that ends with this block."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tocsin_kit.platform", "up", "--ephemeral", "--no-examples", "--parent", str(os.getpid())),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C is ours; the platform is told to end, so that it cleans up
    )
    last: deque[str] = deque(maxlen=20)
    async with _one_error(), asyncio.TaskGroup() as group:
        reading = group.create_task(_keep(process, last))
        try:
            ready = await _ready(process, last)
            with open(str(ready["admin_file"]), encoding="utf-8") as file:  # noqa: ASYNC230 - a small local file
                admin = json.load(file)
            login = PasswordLogin(str(admin["user"]), str(admin["password"]))
            async with connect(str(ready["url"]), login) as client:
                yield client
        finally:
            await _end(process)
            reading.cancel()


@contextlib.asynccontextmanager
async def _one_error() -> AsyncIterator[None]:
    """What happened, instead of a group with one error in it, which nobody can read."""
    try:
        yield
    except ExceptionGroup as group:
        first = group.exceptions[0]
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        raise first from None


async def _ready(process: Process, last: deque[str]) -> dict[str, object]:
    """The line that says where it is."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_READY_SECONDS):
            async for line in process.stdout:
                with contextlib.suppress(ValueError):
                    found = json.loads(line)
                    if isinstance(found, dict) and "url" in found:
                        return found
            await process.wait()
    except TimeoutError:
        raise Unavailable(
            f"the throw-away platform was not ready within {_READY_SECONDS:g} s", hint="".join(last) or None
        ) from None
    raise Unavailable("the throw-away platform did not start", hint="".join(last).strip() or f"exit code {process.returncode}")


async def _keep(process: Process, last: deque[str]) -> None:
    """Drain its log, and remember the end of it for the case that it does not start."""
    assert process.stderr is not None
    async for line in process.stderr:
        last.append(line.decode(errors="replace"))


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_END_SECONDS):
            assert process.stdout is not None
            await asyncio.gather(process.wait(), process.stdout.read())
    except TimeoutError:
        process.kill()
        await process.wait()
