"""`tocsin case`: what people do when something needs them."""

from typing import Annotated

import typer
from rich.text import Text

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import ago, console, moment, now, print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Record
from tocsin.signals import Json

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Cases.")

Case = Annotated[str, typer.Argument(metavar="CASE", help="Id of the case.")]
Priority = Annotated[str | None, typer.Option("--priority", "-p", help="low, normal, high or urgent.")]
Owner = Annotated[str | None, typer.Option("--owner", metavar="NAME", help="Who has it.")]


@app.callback()
def case() -> None:
    """What people do when something needs them."""


@app.command("list")
@asynchronous
async def list_(
    *,
    status: Annotated[
        str | None, typer.Option("--status", "-s", help="open, acknowledged, in-progress, on-hold, resolved, closed.")
    ] = None,
    priority: Priority = None,
    owner: Owner = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only cases with it.")] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only cases about this run.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Words in title and description.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List cases."""
    where = target(url, namespace)
    filters = {
        "namespace": where.namespace,
        "status": status,
        "priority": priority,
        "owner": owner,
        "tag": tag,
        "link": run,
        "text": text,
    }
    async with connect(where.url) as client:
        records = [item async for item in client.cases.list(filters, limit=limit)]
    columns = ["id", "status", "priority", "title", "owner", "occurrences:times", "opened_at:opened"]
    print_records(records, columns, as_json=as_json, empty="No cases.")


@app.command("open")
@asynchronous
async def open_(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What it is about.")],
    *,
    description: Annotated[str, typer.Option("--description", "-d", help="In Markdown.")] = "",
    priority: Priority = None,
    owner: Owner = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="To find it again.")] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="The run that it is about.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Open a case."""
    where = target(url, namespace)
    body: Record = {"namespace": where.namespace, "title": title, "description": description, "tags": [*(tags or [])]}
    body |= {"priority": priority} if priority else {}
    body |= {"owner": owner} if owner else {}
    body |= {"links": [{"kind": "run", "target": run}]} if run else {}
    async with connect(where.url) as client:
        record = await client.cases.open(body)
    if as_json:
        print_json(record)
    say(str(record.get("id")), as_json=as_json)


@app.command()
@asynchronous
async def show(case_id: Case, url: Url = None, as_json: AsJson = False) -> None:
    """Show a case with its comments."""
    async with connect(url) as client:
        record = await client.cases.show(case_id)
        comments: list[Json] = [comment async for comment in client.cases.comments(case_id)]
    if as_json:
        print_json({**record, "comments": comments})
        return
    print_record(record, as_json=False, hide=("comments",))
    for comment in comments:
        if isinstance(comment, dict):
            at = moment(comment.get("at"))
            heading = Text.assemble("\n", (str(comment.get("author")), "bold"), (f"  {ago(at, now())}" if at else "", "dim"))
            console.print(heading, Text(str(comment.get("text"))), sep="\n")


@app.command()
@asynchronous
async def comment(
    case_id: Case,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="In Markdown.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Comment on a case."""
    async with connect(url) as client:
        record = await client.cases.comment(case_id, text)
    if as_json:
        print_json(record)
    say("commented", as_json=as_json)


@app.command()
@asynchronous
async def assign(
    case_id: Case,
    owner: Annotated[str | None, typer.Argument(metavar="NAME", help="Nobody, unless given.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Give a case to somebody, or to nobody."""
    async with connect(url) as client:
        record = await client.cases.change(case_id, {"owner": owner})
    if as_json:
        print_json(record)
    say(f"{case_id} belongs to {owner or 'nobody'}", as_json=as_json)


@app.command()
@asynchronous
async def move(
    case_id: Case,
    status: Annotated[
        str, typer.Argument(metavar="STATUS", help="acknowledged, in-progress, on-hold, resolved, closed, open.")
    ],
    *,
    resolution: Annotated[str | None, typer.Option("--resolution", "-r", help="How it ended.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Take a case to a status."""
    async with connect(url) as client:
        record = await client.cases.transition(case_id, status, resolution)
    if as_json:
        print_json(record)
    say(f"{case_id} {record.get('status')}", as_json=as_json)
