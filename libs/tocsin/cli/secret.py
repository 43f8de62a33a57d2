"""`tocsin secret`: passwords, tokens and keys of workflows. A value is asked for or read, never an argument on the screen."""

import json
import sys
from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Record
from tocsin.errors import Invalid

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Passwords, tokens and keys of workflows.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the secret.")]
Everywhere = Annotated[bool, typer.Option("--global", help="For all namespaces; a secret of a namespace goes before it.")]
FromStdin = Annotated[bool, typer.Option("--stdin", help="Read the value from standard input; asked for otherwise.")]
AsObject = Annotated[bool, typer.Option("--object", help="The value is a JSON object.")]
COLUMNS = ["name", "namespace", "provider", "version", "workflows", "changed_at:changed", "last_used_at:last used"]


@app.callback()
def secret() -> None:
    """Passwords, tokens and keys of workflows."""


@app.command("set")
@asynchronous
async def set_secret(
    name: Name,
    *,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    stdin: FromStdin = False,
    as_object: AsObject = False,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="PROVIDER:REFERENCE", help="Where the value is: environment:NAME, file:PATH or vault:PATH#MEMBER."
        ),
    ] = None,
    workflows: Annotated[
        list[str] | None,
        typer.Option("--workflow", "-w", metavar="PATTERN", help="Only for these, such as billing-*; repeatable."),
    ] = None,
    summary: Annotated[str | None, typer.Option("--summary", help="What it is for.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Store a secret, or say where its value is. Values go in and are never shown again."""
    where = "*" if everywhere else target(url, namespace).namespace
    body: Record = {"namespace": where}
    if source is not None:
        provider, _, reference = source.partition(":")
        body |= {"provider": provider, "reference": reference}
    else:
        body["value"] = _value(stdin=stdin, as_object=as_object)
    body |= {"workflows": [*workflows]} if workflows is not None else {}
    body |= {"summary": summary} if summary is not None else {}
    async with connect(url) as client:
        print_record(_short(await client.secrets.put(name, body)), as_json=as_json)


@app.command("list")
@asynchronous
async def list_secrets(
    namespace: Namespace = None, *, everywhere: Everywhere = False, url: Url = None, as_json: AsJson = False
) -> None:
    """List secrets, never their values; all that you may see unless a namespace is given."""
    where = "*" if everywhere else target(url, namespace).namespace if namespace else None
    async with connect(url) as client:
        records = [item async for item in client.secrets.list(where)]
    print_records(records if as_json else [_short(item) for item in records], COLUMNS, as_json=as_json, empty="No secrets.")


@app.command("show")
@asynchronous
async def show_secret(
    name: Name, *, namespace: Namespace = None, everywhere: Everywhere = False, url: Url = None, as_json: AsJson = False
) -> None:
    """Show a secret: where it is, its versions, who may use it; never its value."""
    where = "*" if everywhere else target(url, namespace).namespace
    async with connect(url) as client:
        print_record(await client.secrets.show(where, name), as_json=as_json)


@app.command("rotate")
@asynchronous
async def rotate_secret(
    name: Name,
    *,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    stdin: FromStdin = False,
    as_object: AsObject = False,
    restore: Annotated[
        int | None, typer.Option("--restore", metavar="VERSION", min=1, help="Give out this earlier value again instead.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Give a secret that exists another value; what runs next gets it."""
    where = "*" if everywhere else target(url, namespace).namespace
    async with connect(url) as client:
        if restore is not None:
            record = await client.secrets.restore(where, name, restore)
        else:
            record = await client.secrets.rotate(where, name, _value(stdin=stdin, as_object=as_object))
    print_record(_short(record), as_json=as_json)


@app.command("delete")
@asynchronous
async def delete_secret(
    name: Name, *, namespace: Namespace = None, everywhere: Everywhere = False, url: Url = None, as_json: AsJson = False
) -> None:
    """Delete a secret with all its versions."""
    where = "*" if everywhere else target(url, namespace).namespace
    async with connect(url) as client:
        await client.secrets.delete(where, name)
    if as_json:
        print_json({"name": name, "namespace": where})
    say(f"{name} deleted", as_json=as_json)


@app.command("rotate-key")
@asynchronous
async def rotate_key(
    *,
    rewrap: Annotated[
        bool,
        typer.Option("--rewrap", help="Wrap all keys with the present key-encryption key instead, so that the old one can go."),
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Seal all secrets under a new data key; nothing stops meanwhile."""
    async with connect(url) as client:
        record = await (client.secrets.rewrap() if rewrap else client.secrets.rotate_data_key())
    print_record(record, as_json=as_json)


def _value(*, stdin: bool, as_object: bool) -> str | Record:
    text = sys.stdin.read().rstrip("\r\n") if stdin else str(typer.prompt("Value", hide_input=True, err=True))
    if not as_object:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        raise Invalid("the value is no JSON") from None  # its text is a secret: not in an error
    if not isinstance(value, dict):
        raise Invalid("the value is no JSON object")
    return value


def _short(record: Record) -> Record:
    """Without the list of versions."""
    return {name: value for name, value in record.items() if name != "versions"}
