"""`tocsin pool set|list|show|delete`: how many runs go on at once, over all workflows that name a pool."""

import re
from typing import Annotated

import typer

from tocsin.cli.definitions import split
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Record
from tocsin.errors import Invalid

app = typer.Typer(context_settings=dict(SETTINGS), no_args_is_help=True, help="Pools that runs share.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name, or namespace/name.")]


@app.callback()
def pool() -> None:
    """How many runs go on at once, over all workflows that name a pool."""


@app.command("set")
@asynchronous
async def set_(
    name: Name,
    *,
    limit: Annotated[int | None, typer.Option("--limit", min=0, help="Runs at once; 0 lets nobody begin.")] = None,
    rate: Annotated[str | None, typer.Option("--rate", metavar="N/TIME", help="Starts in a while, such as 100/1m.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Make a pool, or change what it lets through; that counts at once."""
    where = target(url, namespace)
    owner, own = split(name, where.namespace)
    body: Record = {"limit": limit} if limit is not None else {}
    if rate is not None:
        match = re.fullmatch(r"(\d+)/(\S+)", rate)
        if match is None:
            raise Invalid(f"--rate {rate} is not a number and a time", hint="for example --rate 100/1m")
        body["rate"] = {"limit": int(match[1]), "every": match[2]}
    async with connect(where.url) as client:
        record = await client.pools.put(owner, own, body)
    if as_json:
        print_json(record)
    say(f"{owner}/{own} set", as_json=as_json)


@app.command("list")
@asynchronous
async def list_(url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """List the pools of a namespace."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        records = [record async for record in client.pools.list(where.namespace)]
    print_records(records, ["name", "limit", "holding", "waiting"], as_json=as_json, empty="No pools.")


@app.command()
@asynchronous
async def show(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Show a pool, and which runs are in it."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        record = await client.pools.show(*split(name, where.namespace))
    print_record(record, as_json=as_json)


@app.command()
@asynchronous
async def delete(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Delete a pool that nobody waits for."""
    where = target(url, namespace)
    owner, own = split(name, where.namespace)
    async with connect(where.url) as client:
        await client.pools.delete(owner, own)
    say(f"{owner}/{own} deleted", as_json=as_json)
