"""`tocsin workflow apply|list|show|delete`: the definitions that the platform knows."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from ruamel.yaml import YAML

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, print_json, print_records, read_file, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Client, Record
from tocsin.errors import TocsinError
from tocsin.signals import Json

app = typer.Typer(context_settings=dict(SETTINGS))

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name, or namespace/name.")]
Version = Annotated[str | None, typer.Option("--version", metavar="X.Y.Z", help="The newest unless given.")]


@app.command()
@asynchronous
async def apply(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML or JSON; `-` for standard input.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Publish definitions. One that is already published, byte for byte, is no error."""
    published: list[Json] = []
    async with connect(url) as client:
        for name in files:
            record = await publish(client, name)
            published.append({"file": name, **record})
            say(f"{record.get('namespace')}/{record.get('name')} {record.get('version')} published", as_json=as_json)
            staying = record.get("staying")
            for version, count in staying.items() if isinstance(staying, dict) else ():
                stay = "live run stays" if count == 1 else "live runs stay"
                say(f"{count} {stay} on {version}; see `tocsin workflow migrate`", as_json=as_json, style="dim")
    if as_json:
        print_json(published)


async def publish(client: Client, file: str) -> Record:
    """Publish the definition in a file."""
    return await publish_text(client, file, read_file(file, "the definition"))


async def publish_text(client: Client, file: str, text: bytes) -> Record:
    """Publish a definition that was read from ``file``; its slips are said on standard error."""
    with naming(file):
        record = await client.workflows.apply(text, media_type=media_type_of(text))
    warnings = record.get("warnings")
    for slip in warnings if isinstance(warnings, list) else ():
        if isinstance(slip, dict):
            hint = f" {slip['hint']}" if slip.get("hint") else ""
            print(f"{file}:{slip.get('line')}:{slip.get('column')}: warning: {slip.get('detail')}.{hint}", file=sys.stderr)
    return record


def media_type_of(text: bytes) -> str:
    """How a definition is written."""
    return "application/json" if text.lstrip()[:1] == b"{" else "application/yaml"


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Say in errors which file they are about."""
    try:
        yield
    except TocsinError as error:
        place = error.detail.removeprefix("definition:")  # what the platform calls a text whose file it does not know
        error.detail = f"{file}: {error.detail}" if place == error.detail else f"{file}:{place}"
        raise


@app.command("list")
@asynchronous
async def list_(
    url: Url = None,
    namespace: Namespace = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most this many.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what is published in a namespace."""
    async with connect(url) as client:
        records = [item async for item in client.workflows.list(target(url, namespace).namespace, limit=limit)]
    print_records(
        records,
        ["namespace", "name", "version", "versions", "published_at:published"],
        as_json=as_json,
        empty="Nothing is published here.",
    )


@app.command()
@asynchronous
async def show(
    name: Name, version: Version = None, url: Url = None, namespace: Namespace = None, as_json: AsJson = False
) -> None:
    """Show one definition: its document as YAML, or with --json also its digest and versions."""
    where, plain = split(name, target(url, namespace).namespace)
    async with connect(url) as client:
        record = await client.workflows.show(where, plain, version)
    if as_json:
        print_json(record)
        return
    text = io.StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(record.get("document"), text)
    console.out(text.getvalue(), end="")


@app.command()
@asynchronous
async def delete(
    name: Name, version: Version = None, url: Url = None, namespace: Namespace = None, as_json: AsJson = False
) -> None:
    """Delete a definition with all its versions, or one version. Runs that use it go on."""
    where, plain = split(name, target(url, namespace).namespace)
    async with connect(url) as client:
        answer = await client.workflows.delete(where, plain, version)
    if as_json:
        print_json(answer)
    say(f"{where}/{plain} {version or '(all versions)'} deleted", as_json=as_json)


def split(name: str, namespace: str) -> tuple[str, str]:
    """``namespace/name`` or a name in the given namespace."""
    before, slash, after = name.partition("/")
    return (before, after) if slash else (namespace, name)
