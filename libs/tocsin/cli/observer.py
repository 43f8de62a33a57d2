"""`tocsin observer`: what can be learnt from many runs, and its projections made anew."""

from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import Record, print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.cli.signal import instant

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Statistics of runs.")

Workflow = Annotated[str | None, typer.Option("--workflow", "-w", help="Only runs of this workflow.")]
Since = Annotated[str, typer.Option("--since", metavar="TIME", help="RFC 3339, or how long ago: 30m, 2h, 7d.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most this many.")]


@app.callback()
def observer() -> None:
    """What can be learnt from many runs."""


@app.command()
@asynchronous
async def runs(
    *, workflow: Workflow = None, since: Since = "1d", url: Url = None, namespace: Namespace = None, as_json: AsJson = False
) -> None:
    """Show how long runs took, work apart from waiting."""
    where = target(url, namespace)
    filters = {"namespace": where.namespace, "workflow": workflow, "since": instant(since)}
    async with connect(where.url) as client:
        record = await client.analytics.ask("runs", filters)
    if as_json:
        print_json(record)
        return
    print_record({name: record[name] for name in ("runs", "by_status", "failure_rate")}, as_json=False)
    if record.get("partial"):
        say("There were more: these are the newest. Ask for a shorter period to see them all.")
    rows = [_seconds(name, record.get(name)) for name in ("duration", "work", "waiting")]
    print_records(rows, ["what", "p50", "p90", "p99", "longest", "mean"], as_json=False, empty="")


@app.command()
@asynchronous
async def tasks(
    *,
    flakiest: Annotated[bool, typer.Option("--flakiest", help="Those that are tried again most often first.")] = False,
    workflow: Workflow = None,
    since: Since = "1d",
    limit: Limit = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List the slowest or flakiest tasks."""
    where = target(url, namespace)
    filters = {"namespace": where.namespace, "workflow": workflow, "since": instant(since), "limit": limit}
    async with connect(where.url) as client:
        record = await client.analytics.ask("tasks", {**filters, "order": "flakiest" if flakiest else "slowest"})
    items = record.get("items")
    found = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    if not as_json:
        found = [{**item, "p90": _seconds("work", item.get("work"))["p90"]} for item in found]
    columns = ["workflow", "task", "runs", "p90:work p90", "retries", "faulted", "flaky"]
    print_records(found, columns, as_json=as_json, empty="No task was tried again." if flakiest else "No tasks.")


@app.command()
@asynchronous
async def failures(
    *,
    workflow: Workflow = None,
    since: Since = "1d",
    limit: Limit = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List failures that are the same, the most frequent first."""
    where = target(url, namespace)
    filters = {"namespace": where.namespace, "workflow": workflow, "since": instant(since), "limit": limit}
    async with connect(where.url) as client:
        record = await client.analytics.ask("failures", filters)
    items = record.get("items")
    found = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    print_records(found, ["count", "cluster", "workflows", "last_at", "runs"], as_json=as_json, empty="No failures.")


@app.command()
@asynchronous
async def compare(
    one: Annotated[str, typer.Argument(metavar="RUN")],
    other: Annotated[str, typer.Argument(metavar="RUN")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs, task by task."""
    async with connect(url) as client:
        record = await client.analytics.ask("compare", {"one": one, "other": other})
    if as_json:
        print_json(record)
        return
    rows: list[Record] = []
    for name in ("duration", "work", "waiting"):
        row: Record = {"what": name}
        for side in ("one", "other"):
            facts = record.get(side)
            row[side] = facts.get(name) if isinstance(facts, dict) else None
        rows.append(row)
    print_records(rows, ["what", "one", "other"], as_json=False, empty="")
    tasks_ = record.get("tasks")
    found = [task for task in tasks_ if isinstance(task, dict)] if isinstance(tasks_, list) else []
    print_records(found, ["task", "slower"], as_json=False, empty="No tasks.")


@app.command()
@asynchronous
async def rebuild(
    since: Annotated[str | None, typer.Option("--since", help="Runs that ended from then on; all unless given.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Have the statistics of all runs made anew from the signals that are kept."""
    async with connect(url) as client:
        record = await client.analytics.rebuild(instant(since))
    if as_json:
        print_json(record)
    say(f"the facts of {record.get('runs')} runs are made anew", as_json=as_json)


@app.command()
@asynchronous
async def health(url: Url = None, as_json: AsJson = False) -> None:
    """Show how every part and replica is, with degraded modes in words."""
    async with connect(url) as client:
        record = await client.analytics.health()
    if as_json:
        print_json(record)
        return
    replicas = record.get("replicas")
    found = [one for one in replicas if isinstance(one, dict)] if isinstance(replicas, list) else []
    print_records(found, ["service", "instance", "state", "version", "heard", "modes"], as_json=False, empty="Nobody.")
    absent = record.get("absent")
    if isinstance(absent, list) and absent:
        say(f"nobody is heard of: {', '.join(map(str, absent))}", style="red")
    if record.get("deaf"):
        say(str(record.get("deaf")), style="yellow")


@app.command()
@asynchronous
async def signals(url: Url = None, as_json: AsJson = False) -> None:
    """List all kinds of signals: who says them, who listens, how often, when last."""
    async with connect(url) as client:
        found = [record async for record in client.analytics.kinds()]
    print_records(found, ["type", "owner", "listeners", "last_hour", "last_seen:seen"], as_json=as_json, empty="None.")


def _seconds(name: str, spread: object) -> Record:
    row: Record = {"what": name}
    for key, value in (spread if isinstance(spread, dict) else {}).items():
        row[str(key)] = f"{value:.3f} s"
    return row
