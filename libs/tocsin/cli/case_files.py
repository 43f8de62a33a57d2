"""`tocsin case file` and `tocsin case observable`: what was found, who held it, and where else it was seen."""

import pathlib
import sys
from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_json, print_record, print_records, read_file, say
from tocsin.cli.session import AsJson, Url, asynchronous, connect

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Files of a case, with their chain of custody.")
observables = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Things seen in cases.")

Case = Annotated[str, typer.Argument(metavar="CASE", help="Id of the case.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="Id of the file.")]
Note = Annotated[str, typer.Option("--note", help="Where it comes from.")]


@app.command("list")
@asynchronous
async def list_(case_id: Case, url: Url = None, as_json: AsJson = False) -> None:
    """Files of a case."""
    async with connect(url) as client:
        records = [item async for item in client.cases.attachments(case_id)]
    print_records(
        records,
        ["id", "name", "size", "sha256", "added_at:added", "evidence", "deleted_at:deleted"],
        as_json=as_json,
        empty="No files.",
    )


@app.command()
@asynchronous
async def add(
    case_id: Case,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The file; `-` for standard input.")],
    *,
    name: Annotated[str | None, typer.Option("--name", help="Its name; that of the path unless given.")] = None,
    evidence: Annotated[bool, typer.Option("--evidence", help="It counts as evidence.")] = False,
    note: Note = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Put a file to a case."""
    content = read_file(path, "the file")
    called = name or (pathlib.PurePath(path).name if path != "-" else "stdin")
    async with connect(url) as client:
        record = await client.cases.attach(case_id, content, name=called, evidence=evidence, note=note)
    if as_json:
        print_json(record)
    say(f"{record.get('id')}  sha256 {record.get('sha256')}", as_json=as_json)


@app.command()
@asynchronous
async def read(
    case_id: Case,
    file: File,
    *,
    to: Annotated[
        str | None, typer.Option("--to", metavar="PATH", help="Where to put it; standard output unless given.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Read a file; that it was read is in its chain of custody."""
    async with connect(url) as client:
        content = await client.cases.read(case_id, file)
    if to is None:
        sys.stdout.buffer.write(content)
        return
    _write(to, content)
    if as_json:
        print_json({"path": to, "size": len(content)})
    say(f"{len(content)} bytes in {to}", as_json=as_json)


@app.command()
@asynchronous
async def custody(
    case_id: Case,
    file: File,
    *,
    hand_over: Annotated[
        str | None, typer.Option("--hand-over", metavar="NOTE", help="Note that it was given to somebody.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Who held a file, and whether its chain and its content are whole."""
    async with connect(url) as client:
        record = await client.cases.custody(case_id, file, hand_over)
    if as_json:
        print_json(record)
        return
    items = record.get("items")
    rows = [row for row in items if isinstance(row, dict)] if isinstance(items, list) else []
    print_records(rows, ["number", "at", "actor", "action", "note"], as_json=False, empty="Nobody.")
    whole = record.get("unbroken") is True and record.get("intact") is True
    say(
        "chain and content are whole" if whole else "THE CHAIN OR THE CONTENT WAS CHANGED",
        style="green" if whole else "bold red",
    )


@app.command()
@asynchronous
async def delete(
    case_id: Case,
    file: File,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it is in its chain of custody.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Delete the content of a file that is no evidence; name, hash and chain of custody stay."""
    async with connect(url) as client:
        await client.cases.delete_file(case_id, file, reason)
    if as_json:
        print_json({"deleted": file})
    say(f"{file} deleted", as_json=as_json)


@observables.command("list")
@asynchronous
async def sightings(case_id: Case, url: Url = None, as_json: AsJson = False) -> None:
    """What was seen in a case."""
    async with connect(url) as client:
        records = [item async for item in client.cases.sightings(case_id)]
    print_records(records, ["observable", "type", "value", "at", "by", "times"], as_json=as_json, empty="Nothing.")


@observables.command("add")
@asynchronous
async def see(
    case_id: Case,
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="ip, domain, url, email, hash, file, user, host, other.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="What was seen.")],
    *,
    note: Note = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Note that something was seen in a case."""
    async with connect(url) as client:
        record = await client.cases.see(case_id, kind, value, note)
    if as_json:
        print_json(record)
    say(f"{record.get('id')}  in {record.get('cases')} cases", as_json=as_json)


@observables.command("show")
@asynchronous
async def observable(
    observable_id: Annotated[str, typer.Argument(metavar="OBSERVABLE", help="Its id.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Something that was seen, and in which cases."""
    async with connect(url) as client:
        record = await client.cases.observable(observable_id)
    print_record(record, as_json=as_json)


def _write(path: str, content: bytes) -> None:
    pathlib.Path(path).write_bytes(content)
