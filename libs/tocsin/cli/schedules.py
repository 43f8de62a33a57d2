"""`tocsin schedule apply|list|show|upcoming|delete|pause|resume`: the schedules that the platform knows."""

from typing import Annotated

import typer

from tocsin.cli.definitions import split
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.manifests import read
from tocsin.cli.output import print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.signals import Json

app = typer.Typer(context_settings=dict(SETTINGS))

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name, or namespace/name.")]


@app.command()
@asynchronous
async def apply(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML or JSON; `-` for standard input.")],
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Create or change schedules."""
    where = target(url, namespace)
    applied: list[Json] = []
    async with connect(where.url) as client:
        for _, document in read(files, "schedule"):
            owner, name = str(document.pop("namespace", where.namespace)), str(document.pop("name"))
            record = await client.schedules.apply(owner, name, document)
            applied.append(record)
            say(f"{owner}/{name} applied, next at {record.get('next_at') or 'no time'}", as_json=as_json)
    if as_json:
        print_json(applied)


@app.command("list")
@asynchronous
async def list_(url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """List the schedules of a namespace."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        records = [item async for item in client.schedules.list(where.namespace)]
    columns = ["name", "workflow", "cron", "every", "timezone", "status", "next_at:next"]
    present = [c for c in columns if any(c.partition(":")[0] in record for record in records)]
    print_records(records, present or columns, as_json=as_json, empty="No schedules.")


@app.command()
@asynchronous
async def show(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Show one schedule."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        print_record(await client.schedules.show(*split(name, where.namespace)), as_json=as_json)


@app.command()
@asynchronous
async def upcoming(
    name: Name,
    *,
    count: Annotated[int, typer.Option("--count", "-c", min=1, help="How many.")] = 5,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Show when a schedule fires next."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        record = await client.schedules.upcoming(*split(name, where.namespace), count)
    decisions = record.get("decisions")
    if as_json or not isinstance(decisions, list):
        print_record(record, as_json=as_json)
        return
    found = [decision for decision in decisions if isinstance(decision, dict)]
    print_records(found, ["at", "decision", "why"], as_json=False, empty="It does not fire.")


@app.command()
@asynchronous
async def delete(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Delete a schedule. Runs that it started go on."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        answer = await client.schedules.delete(*split(name, where.namespace))
    if as_json:
        print_json(answer)
    say(f"{name} deleted", as_json=as_json)


@app.command()
@asynchronous
async def pause(
    name: Name,
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Shown to whoever wonders.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Pause a schedule: it does not fire."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        answer = await client.schedules.pause(*split(name, where.namespace), reason)
    if as_json:
        print_json(answer)
    say(f"{name} paused", as_json=as_json)


@app.command()
@asynchronous
async def resume(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Let a paused schedule fire again."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        answer = await client.schedules.resume(*split(name, where.namespace))
    if as_json:
        print_json(answer)
    say(f"{name} resumed", as_json=as_json)
