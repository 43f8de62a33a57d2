"""`tocsin proposal create|delete|list|show|approve|decline|withdraw`: publishing that takes two people."""

import difflib
from typing import Annotated

import orjson
import typer

from tocsin.cli.definitions import media_type_of, naming, split
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_json, print_records, read_file, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Client, Record
from tocsin.errors import NotFound
from tocsin.signals import Json

app = typer.Typer(context_settings=dict(SETTINGS), no_args_is_help=True, help="Publishing that takes two people.")

Proposal = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Its id.")]
Note = Annotated[str, typer.Option("--note", help="What the reviewer should know.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Kept with the decision.")]


@app.callback()
def proposal() -> None:
    """Publishing that takes two people."""


@app.command()
@asynchronous
async def create(
    file: Annotated[str, typer.Argument(metavar="FILE", help="YAML or JSON; `-` for standard input.")],
    *,
    note: Note = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Propose to publish a definition; prints the proposal's id."""
    text = read_file(file, "the definition")
    async with connect(url) as client:
        with naming(file):
            record = await client.proposals.publish(text, note, media_type=media_type_of(text))
    print_json(record) if as_json else typer.echo(record["id"])


@app.command()
@asynchronous
async def delete(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Workflow, or namespace/workflow.")],
    *,
    version: Annotated[str | None, typer.Option("--version", help="All of it unless given.")] = None,
    note: Note = "",
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Propose to delete a version of a workflow, or all of it; prints the proposal's id."""
    where = target(url, namespace)
    owner, own = split(name, where.namespace)
    async with connect(where.url) as client:
        record = await client.proposals.delete({"namespace": owner, "name": own, "version": version, "note": note})
    print_json(record) if as_json else typer.echo(record["id"])


@app.command("list")
@asynchronous
async def list_(
    *,
    every: Annotated[bool, typer.Option("--all", help="Those that are decided, too.")] = False,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List open proposals, newest first."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        records = [one async for one in client.proposals.list(where.namespace, None if every else "open")]
    columns = ["id", "deed", "name", "version", "proposed_by:by", "proposed_at:at", "stand", "decided_by:decided by"]
    print_records(records, columns, as_json=as_json, empty="Nothing is proposed.")


@app.command()
@asynchronous
async def show(wanted: Proposal, url: Url = None, as_json: AsJson = False) -> None:
    """Show what is proposed, and what differs from the version that counts now."""
    async with connect(url) as client:
        record = await client.proposals.show(wanted)
        found = record["proposal"]
        assert isinstance(found, dict)
        present = await _present(client, found)
    if as_json:
        print_json({**record, "present": present})
        return
    print_records([found], ["deed", "namespace", "name", "version", "proposed_by:by", "note", "stand"], as_json=False, empty="")
    old, new = (_lines(one) for one in (present, record.get("document")))
    for line in difflib.unified_diff(old, new, "now", "proposed", lineterm=""):
        typer.echo(line)


async def _present(client: Client, found: Record) -> Json:
    """The document of the version that starts without a version mean now."""
    try:
        return (await client.workflows.show(str(found["namespace"]), str(found["name"]))).get("document")
    except NotFound:
        return None


def _lines(document: Json) -> list[str]:
    return [] if document is None else orjson.dumps(document, option=orjson.OPT_INDENT_2).decode().splitlines()


@app.command()
@asynchronous
async def approve(wanted: Proposal, *, reason: Reason = None, url: Url = None, as_json: AsJson = False) -> None:
    """Publish, or delete, what somebody else proposed."""
    await _decide(wanted, "approve", reason, url, as_json=as_json)


@app.command()
@asynchronous
async def decline(wanted: Proposal, *, reason: Reason = None, url: Url = None, as_json: AsJson = False) -> None:
    """Decline what somebody else proposed."""
    await _decide(wanted, "decline", reason, url, as_json=as_json)


@app.command()
@asynchronous
async def withdraw(wanted: Proposal, *, reason: Reason = None, url: Url = None, as_json: AsJson = False) -> None:
    """Take back a proposal of your own."""
    await _decide(wanted, "withdraw", reason, url, as_json=as_json)


async def _decide(wanted: str, verb: str, reason: str | None, url: str | None, *, as_json: bool) -> None:
    async with connect(url) as client:
        record = await client.proposals.decide(wanted, verb, reason)
    if as_json:
        print_json(record)
    say(f"{record.get('deed')} {record.get('name')} {record.get('version') or ''}: {record.get('stand')}", as_json=as_json)
