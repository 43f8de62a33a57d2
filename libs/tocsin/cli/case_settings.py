"""`tocsin case config`: types, calendars, escalations, rotations, teams, templates, views and rules."""

import enum
from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.manifests import read
from tocsin.cli.output import print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.errors import Invalid
from tocsin.signals import Json

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="What is configured about cases.")


class Kind(enum.Enum):
    """What can be configured."""

    TYPES = "types"
    CALENDARS = "calendars"
    ESCALATIONS = "escalations"
    ROTATIONS = "rotations"
    TEAMS = "teams"
    TEMPLATES = "templates"
    VIEWS = "views"
    RULES = "rules"


_WORDS = {kind.value.removesuffix("s"): kind for kind in Kind}
KindArgument = Annotated[Kind, typer.Argument(metavar="KIND", help=", ".join(kind.value for kind in Kind) + ".")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]


@app.command()
@asynchronous
async def apply(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML or JSON; `-` for standard input.")],
    *,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Make or change what the files describe; each document says what it is: `case: type`, `case: rule` ..."""
    where = target(url, namespace)
    done: list[Json] = []
    async with connect(where.url) as client:
        for file, document in read(files, "document"):
            body = dict(document)
            kind = _WORDS.get(str(body.pop("case", "")))
            if kind is None:
                raise Invalid(f"{file}: `case` says what it is", hint=f"one of {', '.join(_WORDS)}")
            name, place = str(body.pop("name")), str(body.pop("namespace", where.namespace))
            record = await client.cases.put_setting(kind.value, place, name, body)
            done.append(record)
            say(f"{kind.value.removesuffix('s')} {place}/{name}", as_json=as_json)
    if as_json:
        print_json(done)


@app.command("list")
@asynchronous
async def list_(kind: KindArgument, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """List what is configured of a kind."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        records = [item async for item in client.cases.settings(kind.value, where.namespace)]
    columns = ["name", *_COLUMNS[kind]]
    print_records(records, columns, as_json=as_json, empty=f"No {kind.value}.")


@app.command()
@asynchronous
async def show(kind: KindArgument, name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Show something configured."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        record = await client.cases.setting(kind.value, where.namespace, name)
    print_record(record, as_json=as_json)


@app.command()
@asynchronous
async def delete(kind: KindArgument, name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Delete something configured; cases stay as they are."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        await client.cases.delete_setting(kind.value, where.namespace, name)
    if as_json:
        print_json({"deleted": name})
    say(f"{kind.value.removesuffix('s')} {name} deleted", as_json=as_json)


@app.command("on-call")
@asynchronous
async def on_call(
    rotation: Annotated[str, typer.Argument(metavar="ROTATION", help="Its name.")],
    *,
    since: Annotated[str | None, typer.Option("--since", metavar="INSTANT", help="From now unless given.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="INSTANT", help="For a week unless given.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Who is on call, now and later."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        record = await client.cases.on_call(where.namespace, rotation, since, until)
    if as_json:
        print_json(record)
        return
    say(f"now: {record.get('now') or 'nobody'}")
    shifts = record.get("shifts")
    rows = [row for row in shifts if isinstance(row, dict)] if isinstance(shifts, list) else []
    print_records(rows, ["start", "end", "who"], as_json=False, empty="Nobody.")


_COLUMNS = {
    Kind.TYPES: ("title", "initial", "calendar", "escalation", "assign", "team"),
    Kind.CALENDARS: ("timezone", "holidays"),
    Kind.ESCALATIONS: ("begins", "until", "repeat"),
    Kind.ROTATIONS: ("timezone",),
    Kind.TEAMS: ("members", "restricted"),
    Kind.TEMPLATES: ("kind", "title", "priority"),
    Kind.VIEWS: ("title", "query"),
    Kind.RULES: ("signal", "subject", "kind", "priority", "auto_resolve", "enabled"),
}
