"""`tocsin backfill start|list|show|cancel`: runs for the instants of a schedule that are past."""

import asyncio
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tocsin.cli.definitions import split
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Client, Record

app = typer.Typer(context_settings=dict(SETTINGS), no_args_is_help=True, help="Runs for what is past.")

_POLL_SECONDS = 0.5
_OVER = frozenset({"completed", "cancelled"})
_COLUMNS = ["name", "schedule", "workflow", "status", "started", "total", "completed", "failed", "created_at:asked"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name, or namespace/name.")]


@app.callback()
def backfill() -> None:
    """Runs for what is past."""


@app.command()
@asynchronous
async def start(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name for the backfill; the same again starts nothing new.")],
    schedule: Annotated[str, typer.Argument(metavar="SCHEDULE", help="Whose instants are made up for.")],
    *,
    begin: Annotated[str, typer.Option("--from", metavar="INSTANT", help="The first instant that may be meant; ISO 8601.")],
    until: Annotated[str, typer.Option("--until", metavar="INSTANT", help="No instant from here on.")],
    newest_first: Annotated[bool, typer.Option("--newest-first", help="Go backwards.")] = False,
    reprocess: Annotated[
        str, typer.Option("--reprocess", help="Instants that had a run: `none` gets another, those that `failed`, or `all`.")
    ] = "none",
    version: Annotated[str | None, typer.Option("--version", help="Of the workflow, instead of the schedule's.")] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=100, help="Runs at the same time.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until it is over, with its progress.")] = False,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Start a run for each instant of a schedule in a window."""
    where = target(url, namespace)
    owner, own = split(name, where.namespace)
    body: Record = {
        "schedule": schedule,
        "from": begin,
        "until": until,
        "order": "newest-first" if newest_first else "oldest-first",
        "reprocess": reprocess,
        "version": version,
        "concurrency": concurrency,
    }
    async with connect(where.url) as client:
        if dry_run:
            print_record(await client.backfills.preview(owner, own, body), as_json=as_json)
            return
        record = await client.backfills.start(owner, own, body)
        say(f"{owner}/{own}: {record['total']} instants of {schedule}", as_json=as_json)
        if wait:
            record = await _followed(client, record, silent=as_json)
    if as_json:
        print_json(record)
    elif wait:
        say(f"{record['status']}: {record['completed']} completed, {record['failed']} failed, {record['cancelled']} cancelled")
    if wait and record["completed"] != record["total"]:
        raise typer.Exit(1)


@app.command("list")
@asynchronous
async def list_(url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """List the backfills of a namespace."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        records = [item async for item in client.backfills.list(where.namespace)]
    print_records(records, _COLUMNS, as_json=as_json, empty="No backfills.")


@app.command()
@asynchronous
async def show(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Show one backfill and how far it is."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        print_record(await client.backfills.show(*split(name, where.namespace)), as_json=as_json)


@app.command()
@asynchronous
async def cancel(
    name: Name,
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Kept with the backfill and its runs.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a backfill: nothing more starts, and its runs are told to end."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        record = await client.backfills.cancel(*split(name, where.namespace), reason)
    if as_json:
        print_json(record)
    say(f"{name} {record['status']}", as_json=as_json)


async def _followed(client: Client, record: Record, *, silent: bool) -> Record:
    """Ask until it is over; a bar for people."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=silent, transient=True) as progress:
        bar = progress.add_task(str(record["name"]), total=_number(record, "total"))
        while record["status"] not in _OVER:
            await asyncio.sleep(_POLL_SECONDS)
            record = await client.backfills.show(str(record["namespace"]), str(record["name"]))
            done = sum(_number(record, outcome) for outcome in ("completed", "failed", "cancelled"))
            progress.update(bar, completed=done)
    return record


def _number(record: Record, name: str) -> int:
    value = record.get(name)
    return value if isinstance(value, int) else 0
