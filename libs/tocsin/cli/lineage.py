"""`tocsin lineage`: where data comes from, what depends on it, and which columns go where."""

import enum
from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_json, print_records
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Where data comes from, and what depends on it.")

Key = Annotated[str, typer.Argument(metavar="KEY", help="Key of the asset; may hold slashes.")]
Depth = Annotated[int, typer.Option("--depth", min=1, max=20, help="How many assets away.")]
Kind = Annotated[str | None, typer.Option("--kind", help="Only assets of these kinds, with commas between.")]
Since = Annotated[str | None, typer.Option("--since", help="Only what was seen since this instant.")]

Until = Annotated[str | None, typer.Option("--until", help="Only what was seen before this instant.")]


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
def lineage() -> None:
    """Where data comes from, and what depends on it."""


@app.command()
@asynchronous
async def graph(
    key: Key,
    *,
    direction: Annotated[Direction, typer.Option("--direction", help="Which way to look.")] = Direction.BOTH,
    depth: Depth = 3,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    drawn: Annotated[Format, typer.Option("--format", help="How it is drawn.")] = Format.MERMAID,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Draw where an asset comes from and what depends on it."""
    where = target(url, namespace)
    query = {
        "asset": key,
        "namespace": where.namespace,
        "direction": direction.value,
        "depth": depth,
        "kind": kind,
        "since": since,
        "until": until,
        "format": "json" if as_json else drawn.value,
    }
    async with connect(where.url) as client:
        picture = await client.assets.graph(query)
    print(picture.decode().rstrip("\n"))


async def _around(
    key: str, direction: Direction, depth: int, kind: str | None, where: tuple[str | None, str | None, bool]
) -> None:
    url, namespace, as_json = where
    place = target(url, namespace)
    query = {"asset": key, "namespace": place.namespace, "direction": direction.value, "depth": depth, "kind": kind}
    async with connect(place.url) as client:
        picture = await client.assets.picture(query)
    if as_json:
        print_json(picture)
        return
    nodes = picture["nodes"]
    found = sorted(nodes.items(), key=lambda item: (item[1], item[0])) if isinstance(nodes, dict) else []
    rows = [
        {"away": depth_of, "kind": name.partition(":")[0], "name": name.partition(":")[2]}
        for name, depth_of in found
        if name != picture["start"]
    ]
    print_records(rows, ["away", "kind", "name"], as_json=False, empty="Nothing.")


@app.command()
@asynchronous
async def upstream(
    key: Key, *, depth: Depth = 10, kind: Kind = None, url: Url = None, namespace: Namespace = None, as_json: AsJson = False
) -> None:
    """List what an asset is made of, the nearest first."""
    await _around(key, Direction.UPSTREAM, depth, kind, (url, namespace, as_json))


@app.command()
@asynchronous
async def impact(
    key: Key, *, depth: Depth = 10, kind: Kind = None, url: Url = None, namespace: Namespace = None, as_json: AsJson = False
) -> None:
    """List what a change of an asset would touch, the nearest first."""
    await _around(key, Direction.DOWNSTREAM, depth, kind, (url, namespace, as_json))


@app.command()
@asynchronous
async def column(
    key: Key,
    name: Annotated[str, typer.Argument(metavar="COLUMN", help="Name of the column.")],
    *,
    direction: Annotated[Direction, typer.Option("--direction", help="Which way to look.")] = Direction.UPSTREAM,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List where a column comes from or goes to, and by which transformations."""
    where = target(url, namespace)
    query = {"asset": key, "column": name, "namespace": where.namespace, "direction": direction.value}
    async with connect(where.url) as client:
        paths = await client.assets.columns(query)
    edges = paths["edges"]
    rows = [edge for edge in edges if isinstance(edge, dict)] if isinstance(edges, list) else []
    if as_json:
        print_json(paths)
        return
    columns = ["source", "target", "type", "subtype", "masking", "description"]
    print_records(rows, columns, as_json=False, empty="Nothing is known about it.")


@app.command()
@asynchronous
async def events(
    *,
    job: Annotated[str | None, typer.Option("--job", help="Only of this job, `<namespace>/<name>`.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Only of this run, as its sender named it.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Only what happened since this instant.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List OpenLineage events as they came, newest first; with --json everything that they hold."""
    where = target(url, namespace)
    filters = {"namespace": where.namespace, "job": job, "run": run, "since": since}
    async with connect(where.url) as client:
        records = [item async for item in client.assets.events(filters, limit=limit)]
    print_records(records, ["time", "stage", "job", "run", "parent"], as_json=as_json, empty="No events.")
