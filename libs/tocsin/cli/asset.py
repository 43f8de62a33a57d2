"""`tocsin asset`: data that runs read and write, and where it comes from."""

import enum
from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, print_json, print_record, print_records
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Assets and lineage.")

Key = Annotated[str, typer.Argument(metavar="KEY", help="Key of the asset; may hold slashes.")]


class Direction(enum.Enum):
    """Which way to look."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    BOTH = "both"


class Format(enum.Enum):
    """How the graph is drawn."""

    JSON = "json"
    DOT = "dot"
    MERMAID = "mermaid"


@app.callback()
def asset() -> None:
    """Data that runs read and write, and where it comes from."""


@app.command("list")
@asynchronous
async def list_(
    *,
    prefix: Annotated[str | None, typer.Option("--prefix", help="Beginning of the key.")] = None,
    group: Annotated[str | None, typer.Option("--group", help="Only of this group.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only with it.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List assets."""
    where = target(url, namespace)
    filters = {"namespace": where.namespace, "prefix": prefix, "group": group, "tag": tag}
    async with connect(where.url) as client:
        records = [item async for item in client.assets.list(filters, limit=limit)]
    columns = ["key", "kind", "group", "materialized", "materializations:times", "owners"]
    print_records(records, columns, as_json=as_json, empty="No assets.")


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
    print_records(
        happenings, ["at", "act", "run", "task", "version", "actor"], as_json=False, empty="Nothing happened to it yet."
    )


@app.command()
@asynchronous
async def graph(
    key: Key,
    *,
    direction: Annotated[Direction, typer.Option("--direction", help="Which way to look.")] = Direction.BOTH,
    depth: Annotated[int, typer.Option("--depth", min=1, max=20, help="How many assets away.")] = 3,
    drawn: Annotated[Format, typer.Option("--format", help="How it is drawn.")] = Format.MERMAID,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Show where an asset comes from and what depends on it."""
    where = target(url, namespace)
    query = {"asset": key, "namespace": where.namespace, "direction": direction.value, "depth": depth}
    async with connect(where.url) as client:
        picture = await client.assets.graph({**query, "format": "json" if as_json else drawn.value})
    print(picture.decode().rstrip("\n"))
