"""`tocsin run start|list|show|watch|explain|logs|cancel`: what the platform is running and has run."""

from typing import Annotated

import typer
from rich.text import Text

from tocsin.cli.definitions import split
from tocsin.cli.exits import Exit
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, harmless, json_argument, pairs, print_json, print_record, print_records, say
from tocsin.cli.progress import TERMINAL, Progress
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.cli.signal import instant
from tocsin.cli.watch import follow, screen
from tocsin.client import Client, Record

app = typer.Typer(context_settings=dict(SETTINGS))

Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Shown to whoever wonders.")]
Full = Annotated[bool, typer.Option("--full", help="Fetch large values as well.")]
_STYLES = {"stderr": "red", "tocsin": "yellow", "progress": "cyan"}
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait until its work has really ended.")]


@app.command()
@asynchronous
async def start(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Name, or namespace/name.")],
    *,
    given: Annotated[str | None, typer.Option("--input", "-i", metavar="JSON|@FILE", help="The input.")] = None,
    version: Annotated[str | None, typer.Option("--version", metavar="X.Y.Z", help="The newest unless given.")] = None,
    labels: Annotated[list[str] | None, typer.Option("--label", "-l", metavar="KEY=VALUE", help="To find it again.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Idempotency key: the same again starts nothing twice.")] = None,
    priority: Annotated[
        int | None, typer.Option("--priority", min=-100, max=100, help="Among runs that wait for a limit.")
    ] = None,
    concurrency_key: Annotated[
        str | None, typer.Option("--concurrency-key", metavar="KEY", help="Instead of what the definition's key gives.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for its end; exit code 1 unless it completes.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Watch it live until its end.")] = False,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Start a run of a published workflow and print its id."""
    where = target(url, namespace)
    owner, name = split(workflow, where.namespace)
    body: Record = {"namespace": owner, "workflow": name}
    body |= {"input": json_argument(given, "--input")} if given is not None else {}
    body |= {"labels": pairs(labels or [], "--label")} if labels else {}
    body |= {"version": version} if version else {}
    body |= {"idempotency_key": key} if key else {}
    body |= {"priority": priority} if priority is not None else {}
    body |= {"concurrency_key": concurrency_key} if concurrency_key else {}
    async with connect(where.url) as client:
        record = await client.runs.start(body, wait_seconds=10 if wait else None)
        run = str(record["id"])
        if watch:
            await _watch(client, run, as_json=as_json)
        elif wait:
            await finish(await wait_for(client, record), as_json=as_json)
        elif as_json:
            print_json(record)
        else:
            console.print(run)


@app.command("list")
@asynchronous
async def list_(
    *,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", "-s", help="pending, running, waiting, completed, faulted, ...; any of several."),
    ] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", metavar="NAME", help="Only runs of this workflow.")] = None,
    version: Annotated[str | None, typer.Option("--version", metavar="X.Y.Z", help="Only runs of this version.")] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", metavar="KEY=VALUE", help="Only runs with it; with all of several.")
    ] = None,
    parent: Annotated[str | None, typer.Option("--parent", metavar="RUN", help="Only runs that this run started.")] = None,
    error: Annotated[str | None, typer.Option("--error", metavar="TEXT", help="Only runs whose error has this text.")] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Accepted from then on: RFC 3339, or how long ago: 10m, 2h, 7d."),
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Accepted before; as --since.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    where = target(url, namespace)
    filters = {
        "namespace": where.namespace,
        "status": status or None,
        "workflow": workflow,
        "version": version,
        "label": label or None,
        "parent": parent,
        "error": error,
        "created_after": instant(since, "--since"),
        "created_before": instant(until, "--until"),
    }
    async with connect(where.url) as client:
        records = [item async for item in client.runs.list(filters, limit=limit)]
    print_records(
        records, ["id", "workflow", "version", "status", "created_at:started", "labels"], as_json=as_json, empty="No runs."
    )


@app.command()
@asynchronous
async def show(run: Run, *, full: Full = False, url: Url = None, as_json: AsJson = False) -> None:
    """Show a run with its input, output, error and tasks. Large values are references unless asked for."""
    async with connect(url) as client:
        record = await client.runs.show(run)
        tasks = [task async for task in client.runs.tasks(run)]
        for part in (record, *tasks) if full else ():
            await client.runs.filled(part, run)
    if as_json:
        print_json({**record, "tasks": [*tasks]})
        return
    print_record(record, as_json=False)
    if tasks:
        console.print()
        progress = Progress(record)
        progress.load(tasks)
        console.print(screen(progress, heading=False))


@app.command()
@asynchronous
async def value(
    run: Run,
    ref: Annotated[str, typer.Argument(metavar="REF", help="What `dataref` says.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Print a large value of a run: text as it is, unless JSON is asked for; anything else as JSON."""
    async with connect(url) as client:
        found = await client.runs.value(run, ref)
    if isinstance(found, str) and not as_json:
        typer.echo(found)
    else:
        print_json(found)


@app.command()
@asynchronous
async def watch(run: Run, url: Url = None, as_json: AsJson = False) -> None:
    """Watch a run live, task by task, until it ends. Exit code 1 unless it completes. Ctrl-C only stops watching."""
    async with connect(url) as client:
        await _watch(client, run, as_json=as_json)


@app.command()
@asynchronous
async def logs(
    run: Run,
    *,
    task: Annotated[str | None, typer.Option("--task", "-t", metavar="NAME", help="Only of this task.")] = None,
    live: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Print what the tasks of a run printed."""
    async with connect(url) as client:
        async for line in client.logs.follow(run) if live else client.runs.logs(run):
            if task not in {None, line.get("task"), line.get("reference")}:
                continue
            if as_json:
                print_json(line, indent=False)
            else:
                stream = str(line.get("stream", ""))
                before = Text(f"{line.get('task') or line.get('reference') or ''} ", style="dim")
                text = harmless(str(line.get("line", line.get("text", ""))).rstrip("\n"))
                console.print(before + Text.from_ansi(text, style=_STYLES.get(stream, "")), soft_wrap=True)


@app.command()
@asynchronous
async def explain(run: Run, url: Url = None, as_json: AsJson = False) -> None:
    """Say what a run waits for, and since when."""
    async with connect(url) as client:
        record = await client.runs.explain(run)
    if as_json:
        print_json(record)
        return
    waits = [wait for wait in record["waits"] if isinstance(wait, dict)] if isinstance(record["waits"], list) else []
    happened = record.get("happened")
    for one in happened if isinstance(happened, list) else ():
        if isinstance(one, dict):
            console.print(_turn(one), style="dim", markup=False, soft_wrap=True)
    if not waits:
        console.print(f"It waits for nothing: it is {record['status']}.")
    for wait in waits:
        where = f"{wait.get('name')} ({wait.get('reference')}): " if wait.get("name") else ""
        console.print(Text.assemble(where, (harmless(str(wait.get("detail", ""))), "bold")))
    refused = record["refused"] if isinstance(record["refused"], list) else []
    for one in refused[-5:]:
        if isinstance(one, dict):
            console.print(f"refused: {one.get('kind')}, because {one.get('reason')}", style="dim")


def _turn(one: Record) -> str:
    """What happened to a run, in a line."""
    what = {"cancel-requested": "asked to cancel", "retried": "tried again"}.get(str(one.get("what")), str(one.get("what")))
    task = f"{one['task']} " if one.get("task") else ""
    attempt = f" (attempt {one['attempt']})" if one.get("attempt") else ""
    by = f" by {one['by']}" if one.get("by") else ""
    return f"{one.get('at')} {task}{what}{attempt}{by}" + (f": {harmless(str(one['reason']))}" if one.get("reason") else "")


@app.command()
@asynchronous
async def cancel(run: Run, *, reason: Reason = None, wait: Wait = False, url: Url = None, as_json: AsJson = False) -> None:
    """Ask for a run to be cancelled. Its status says `cancelled` when nothing of it is running any more."""
    async with connect(url) as client:
        record = await client.runs.control(run, "cancel", reason)
        if wait:
            record = await wait_for(client, record)
    if as_json:
        print_json(record)
    say(f"{run} {record.get('status')}", as_json=as_json)


@app.command()
@asynchronous
async def suspend(run: Run, *, reason: Reason = None, url: Url = None, as_json: AsJson = False) -> None:
    """Suspend a run: what is running ends, nothing new begins."""
    await _control(run, "suspend", reason, url, as_json=as_json)


@app.command()
@asynchronous
async def resume(run: Run, *, reason: Reason = None, url: Url = None, as_json: AsJson = False) -> None:
    """Let a suspended run go on."""
    await _control(run, "resume", reason, url, as_json=as_json)


async def _control(run: str, verb: str, reason: str | None, url: str | None, *, as_json: bool) -> None:
    async with connect(url) as client:
        record = await client.runs.control(run, verb, reason)
    if as_json:
        print_json(record)
    say(f"{run} {record.get('status')}", as_json=as_json)


async def wait_for(client: Client, record: Record) -> Record:
    """The run once it has ended."""
    run = str(record["id"])
    progress = Progress(record)
    if record.get("status") not in TERMINAL:
        await follow(client, run, progress)
    return await client.runs.show(run)


async def _watch(client: Client, run: str, *, as_json: bool) -> None:
    progress = Progress(await client.runs.show(run))
    live = console.is_terminal and not as_json
    await follow(client, run, progress, show="json" if as_json else "screen" if live else "lines")
    if not as_json and not live:
        console.print(screen(progress))
    await finish(progress.run, as_json=as_json)


async def finish(record: Record, *, as_json: bool) -> None:
    """Print the outcome; the exit code says whether it is the good one."""
    if as_json:
        print_json(record, indent=False)
    else:
        print_record({name: record.get(name) for name in ("id", "status", "output", "error")}, as_json=False)
    if record.get("status") != "completed":
        raise typer.Exit(Exit.NEGATIVE)
