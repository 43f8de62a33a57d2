"""`tocsin worker list|drain|resume`: who runs tasks, how busy they are, and taking one out of service."""

import asyncio
from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_json, print_records, say
from tocsin.cli.session import AsJson, Url, asynchronous, connect, target
from tocsin.client import Client, Record

app = typer.Typer(context_settings=dict(SETTINGS), no_args_is_help=True, help="Processes that run tasks.")

Worker = Annotated[str, typer.Argument(metavar="WORKER", help="Name of the worker.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Shown to whoever wonders.")]
_EVERY = 1.0  # seconds between looks


@app.callback()
def worker() -> None:
    """Processes that run tasks."""


@app.command("list")
@asynchronous
async def list_(url: Url = None, as_json: AsJson = False) -> None:
    """List the workers that are there: their queues as busy/slots, their labels, what they have done."""
    async with connect(target(url, None).url) as client:
        records = [record async for record in client.workers.list()]
    if not as_json:
        records = [_row(record) for record in records]
    columns = ["name", "state", "queues", "labels", "completed", "since"]
    print_records(records, columns, as_json=as_json, empty="No worker is there.")


@app.command()
@asynchronous
async def drain(
    name: Worker,
    *,
    within: Annotated[
        str | None,
        typer.Option("--within", metavar="DURATION", help="Then hand back what is not finished, such as 10m; else never."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until it has nothing left to do, or is gone.")] = False,
    reason: Reason = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Let a worker take no new task; it finishes what it has. Others take over at once; `resume` undoes it."""
    async with connect(target(url, None).url) as client:
        record = await client.workers.drain(name, within=within, reason=reason)
        if wait:
            record = await _drained(client, record)
    _told(record, as_json=as_json)


@app.command()
@asynchronous
async def resume(name: Worker, *, reason: Reason = None, url: Url = None, as_json: AsJson = False) -> None:
    """Let a drained worker take tasks again."""
    async with connect(target(url, None).url) as client:
        record = await client.workers.resume(name, reason=reason)
    _told(record, as_json=as_json)


async def _drained(client: Client, record: Record) -> Record:
    """The worker when it has nothing left to do, has been told to go on, or is gone."""
    while record.get("state") == "draining":
        await asyncio.sleep(_EVERY)
        found = [one async for one in client.workers.list() if one.get("name") == record.get("name")]
        record = found[0] if found else {**record, "state": "gone", "queues": []}
    return record


def _told(record: Record, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
    queues = record.get("queues")
    busy = sum(int(str(queue["busy"])) for queue in queues if isinstance(queue, dict)) if isinstance(queues, list) else 0
    left = f"; {busy} tasks in hand" if busy and record.get("state") != "working" else ""
    say(f"{record.get('name')} is {record.get('state')}{left}", as_json=as_json)


def _row(record: Record) -> Record:
    queues, labels = record.get("queues"), record.get("labels")
    listed = [queue for queue in queues if isinstance(queue, dict)] if isinstance(queues, list) else []
    said = ", ".join(f"{queue['name']} {queue['busy']}/{queue['slots']}" for queue in listed)
    named = ", ".join(f"{name}={value}" for name, value in labels.items()) if isinstance(labels, dict) else ""
    return {**record, "queues": said, "labels": named}
