"""`tocsin asset`: data that runs read and write: what is promised, what is late and why, what is missing."""

import enum
from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.manifests import read
from tocsin.cli.output import console, now, pairs, print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Record

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Data that runs read and write.")

Key = Annotated[str, typer.Argument(metavar="KEY", help="Key of the asset; may hold slashes.")]


class Condition(enum.Enum):
    """What became of a partition."""

    MISSING = "missing"
    REQUESTED = "requested"
    FAILED = "failed"
    MATERIALIZED = "materialized"


class State(enum.Enum):
    """How fresh an asset is."""

    UNKNOWN = "unknown"
    FRESH = "fresh"
    WARNING = "warning"
    STALE = "stale"


@app.callback()
def asset() -> None:
    """Data that runs read and write."""


@app.command("list")
@asynchronous
async def list_(
    *,
    prefix: Annotated[str | None, typer.Option("--prefix", help="Beginning of the key.")] = None,
    group: Annotated[str | None, typer.Option("--group", help="Only of this group.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only with it.")] = None,
    state: Annotated[State | None, typer.Option("--state", help="Only as fresh as this.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List assets."""
    where = target(url, namespace)
    filters = {
        "namespace": where.namespace,
        "prefix": prefix,
        "group": group,
        "tag": tag,
        "state": state.value if state is not None else None,
    }
    async with connect(where.url) as client:
        records = [item async for item in client.assets.list(filters, limit=limit)]
    shown = records if as_json else [{**record, "status": _fresh(record)} for record in records]
    columns = ["key", "kind", "group", "status", "materialized", "materializations:times", "owners"]
    print_records(shown, columns, as_json=as_json, empty="No assets.")


@app.command()
@asynchronous
async def show(key: Key, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Show an asset and what happened to it last."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        record = await client.assets.show(where.namespace, key)
        happenings = [item async for item in client.assets.happenings(where.namespace, key, limit=10)]
    if as_json:
        print_json({**record, "happenings": [*happenings]})
        return
    print_record(record, as_json=False)
    console.print()
    columns = ["at", "act", "partition", "run", "task", "version", "actor"]
    print_records(happenings, columns, as_json=False, empty="Nothing happened to it yet.")


@app.command()
@asynchronous
async def apply(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML or JSON; - for standard input.")],
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Describe assets: owners, partitions, upstream, freshness, checks, automation. `name` is the key."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        for _, document in read(files, "asset"):
            body: Record = dict(document)
            key, place = str(body.pop("name")), str(body.pop("namespace", where.namespace))
            record = await client.assets.put(place, key, body)
            if as_json:
                print_json(record)
            else:
                say(f"{place}/{key} is described.")


@app.command()
@asynchronous
async def freshness(key: Key, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Show how fresh an asset is, and why."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        record = await client.assets.freshness(where.namespace, key)
    if as_json:
        print_json(record)
        return
    print_record(_object(record, "freshness"), as_json=False)
    console.print()
    causes = record["causes"]
    rows = [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []
    print_records(rows, ["kind:why", "detail", "subject"], as_json=False, empty="No cause is known.")


@app.command()
@asynchronous
async def partitions(
    key: Key,
    *,
    condition: Annotated[Condition | None, typer.Option("--only", help="Only those like this.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Show the partitions of an asset and what became of each."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        record = await client.assets.partitions(where.namespace, key, condition.value if condition is not None else None)
    if as_json:
        print_json(record)
        return
    items = record["items"]
    rows = [{**one, "status": one["condition"]} for one in items if isinstance(one, dict)] if isinstance(items, list) else []
    columns = ["partition", "status", "freshness", "written", "run", "times", "failed_run:failed run"]
    print_records(rows, columns, as_json=False, empty="No partitions.")
    say(", ".join(f"{count} {name}" for name, count in sorted(_object(record, "counts").items())))


@app.command()
@asynchronous
async def backfill(
    key: Key,
    *,
    names: Annotated[list[str] | None, typer.Option("--partition", help="One to make; repeat it for more.")] = None,
    which: Annotated[
        str, typer.Option("--which", help="missing, failed or missing-or-failed, where no partition is named.")
    ] = "missing-or-failed",
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=100, help="Runs at the same time.")] = 1,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Make missing or failed partitions, by runs of the asset's maker."""
    where = target(url, namespace)
    body: Record = {
        "namespace": where.namespace,
        "key": key,
        "partitions": [*names] if names else which,
        "concurrency": concurrency,
    }
    async with connect(where.url) as client:
        record = await client.assets.backfill(body)
    if as_json:
        print_json(record)
        return
    made = record["partitions"]
    say(f"{len(made) if isinstance(made, list) else 0} partitions in backfill {record['backfill']}, {record['left']} left.")


@app.command()
@asynchronous
async def checks(
    key: Key,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List the results of the checks of an asset, newest first."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        records = [item async for item in client.assets.checks(where.namespace, key, limit=limit)]
    columns = ["at", "check", "partition", "passed", "severity", "blocking", "detail", "run"]
    print_records(records, columns, as_json=as_json, empty="No check was evaluated yet.")


@app.command("as-of")
@asynchronous
async def as_of(
    key: Key,
    *,
    at: Annotated[str | None, typer.Option("--at", help="An ISO 8601 instant with its zone; now unless given.")] = None,
    partition: Annotated[str | None, typer.Option("--partition", help="Of which partition.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Show which run had written an asset at an instant, which had read that, its columns and checks then."""
    where = target(url, namespace)
    query = {"namespace": where.namespace, "key": key, "partition": partition, "at": at}
    async with connect(where.url) as client:
        record = await client.assets.moment(query)
    if as_json:
        print_json(record)
        return
    readers, results = record.get("readers"), record.get("checks")
    rows = [{"what": "written", **_object(record, "written")}] if record.get("written") else []
    rows += [{"what": "read", **one} for one in readers if isinstance(one, dict)] if isinstance(readers, list) else []
    print_records(
        rows, ["what", "at", "run", "job", "version", "actor"], as_json=False, empty="It had not been written by then."
    )
    found = [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []
    if found:
        console.print()
        print_records(found, ["check", "partition", "passed", "severity", "at"], as_json=False, empty="")


@app.command()
@asynchronous
async def schemas(
    key: Key,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of an asset's columns, newest first, with what changed."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        records = [item async for item in client.assets.schemas(where.namespace, key, limit=limit)]
    shown = records if as_json else [{**one, **_changes(one)} for one in records]
    print_records(
        shown, ["at", "columns:columns", "added", "removed", "changed", "run"], as_json=as_json, empty="No columns are known."
    )


@app.command()
@asynchronous
async def why(
    key: Key,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many looks.")] = 10,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Show why an asset's automation started something, or did not."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        records = [item async for item in client.assets.evaluations(where.namespace, key, limit=limit)]
    shown = records if as_json else [{**one, **_told(_object(one, "finding"))} for one in records]
    columns = ["at", "partition", "holds", "seen", "run"]
    print_records(shown, columns, as_json=as_json, empty="Its condition was not looked at yet.")


@app.command()
@asynchronous
async def report(
    key: Key,
    *,
    act: Annotated[str, typer.Option("--act", help="materialized, observed or read.")] = "materialized",
    partition: Annotated[str | None, typer.Option("--partition", help="Of which partition.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="By which run.")] = None,
    metadata: Annotated[list[str] | None, typer.Option("--metadata", metavar="NAME=VALUE", help="What is known.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Report that an asset was written, looked at, or read."""
    where = target(url, namespace)
    given = {"partition": partition, "run": run}
    body: Record = {
        "namespace": where.namespace,
        "key": key,
        "act": act,
        "at": now().isoformat(),
        "metadata": pairs(metadata or [], "--metadata"),
        **{name: value for name, value in given.items() if value is not None},
    }
    async with connect(where.url) as client:
        record = await client.assets.report(body)
    if as_json:
        print_json(record)
    else:
        say(f"{key} {act}.")


def _object(record: Record, name: str) -> Record:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _changes(record: Record) -> Record:
    """The version of columns as one line."""
    columns, changed = record.get("columns"), record.get("changed")
    triples = [one for one in changed if isinstance(one, list)] if isinstance(changed, list) else []
    return {
        "columns": len(columns) if isinstance(columns, list) else 0,
        "changed": [f"{name}: {before} -> {after}" for name, before, after in triples],
    }


def _fresh(record: Record) -> str:
    return str(_object(record, "freshness").get("state", ""))


def _told(finding: Record) -> Record:
    """What was seen, of the parts that decided."""
    parts = finding.get("parts")
    inner = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    deciding = [part for part in inner if part.get("holds") == finding.get("holds")] or [finding]
    return {
        "holds": finding.get("holds"),
        "seen": "; ".join(f"{part.get('condition')}: {part.get('detail')}" for part in deciding),
    }
