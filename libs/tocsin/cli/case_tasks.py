"""`tocsin case task` and `tocsin case playbook`: what there is to do, and the workflows that do it."""

from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import json_argument, print_json, print_records, say
from tocsin.cli.session import AsJson, Url, asynchronous, connect
from tocsin.client import Record
from tocsin.errors import Invalid

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Tasks of a case.")
playbooks = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Workflows started from a case.")

Case = Annotated[str, typer.Argument(metavar="CASE", help="Id of the case.")]
Owner = Annotated[str | None, typer.Option("--owner", metavar="NAME", help="Who does it.")]
Due = Annotated[str | None, typer.Option("--due", metavar="INSTANT", help="Until when, RFC 3339.")]


@app.command("list")
@asynchronous
async def list_(case_id: Case, url: Url = None, as_json: AsJson = False) -> None:
    """Tasks of a case."""
    async with connect(url) as client:
        records = [item async for item in client.cases.tasks(case_id)]
    print_records(
        records, ["id", "status", "title", "owner", "due", "after", "playbook"], as_json=as_json, empty="Nothing to do."
    )


@app.command()
@asynchronous
async def add(
    case_id: Case,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What there is to do.")],
    *,
    owner: Owner = None,
    due: Due = None,
    after: Annotated[list[str] | None, typer.Option("--after", metavar="TASK", help="Has to be over first.")] = None,
    playbook: Annotated[str | None, typer.Option("--playbook", help="The playbook that does it.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Add a task to a case."""
    body: Record = {"title": title, "owner": owner, "due": due, "after": [*(after or [])], "playbook": playbook}
    async with connect(url) as client:
        record = await client.cases.add_task(case_id, body)
    if as_json:
        print_json(record)
    say(str(record.get("id")), as_json=as_json)


@app.command()
@asynchronous
async def change(
    case_id: Case,
    task: Annotated[str, typer.Argument(metavar="TASK", help="Id of the task.")],
    *,
    status: Annotated[str | None, typer.Option("--status", "-s", help="todo, doing, done or skipped.")] = None,
    owner: Owner = None,
    due: Due = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Change a task of a case."""
    body: Record = {name: value for name, value in (("status", status), ("owner", owner), ("due", due)) if value}
    async with connect(url) as client:
        record = await client.cases.change_task(case_id, task, body)
    if as_json:
        print_json(record)
    say(f"{record.get('title')}: {record.get('status')}", as_json=as_json)


@playbooks.command("list")
@asynchronous
async def playbook_list(case_id: Case, url: Url = None, as_json: AsJson = False) -> None:
    """What can be started from a case."""
    async with connect(url) as client:
        record = await client.cases.playbooks(case_id)
    if as_json:
        print_json(record)
        return
    found = record.get("playbooks")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    print_records(rows, ["name", "workflow", "on", "summary"], as_json=False, empty="The type of the case has no playbooks.")


@playbooks.command()
@asynchronous
async def start(
    case_id: Case,
    name: Annotated[str, typer.Argument(metavar="PLAYBOOK", help="Its name.")],
    *,
    input_: Annotated[str | None, typer.Option("--input", metavar="JSON|@FILE", help="Beside what is filled in.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="The task that it does.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Start a workflow from a case."""
    given = json_argument(input_, "--input") or {}
    if not isinstance(given, dict):
        raise Invalid("--input is a JSON object")
    body: Record = {"input": given, **({"task": task} if task else {})}
    async with connect(url) as client:
        record = await client.cases.start_playbook(case_id, name, body)
    if as_json:
        print_json(record)
    say(f"started run {record.get('run')}", as_json=as_json)
