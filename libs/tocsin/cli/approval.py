"""`tocsin approval list|show|answer|delegate`: what runs ask people."""

from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import json_argument, print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Record

app = typer.Typer(context_settings=dict(SETTINGS), no_args_is_help=True, help="Questions of runs to people.")

Approval = Annotated[str, typer.Argument(metavar="APPROVAL", help="Id of the question.")]


@app.callback()
def approval() -> None:
    """Questions of runs to people."""


@app.command("list")
@asynchronous
async def list_(
    *,
    mine: Annotated[bool, typer.Option("--mine", help="Only those that you may answer.")] = False,
    assignee: Annotated[str | None, typer.Option("--assignee", metavar="NAME", help="Only those asked of them.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List open questions, newest first."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        records = [record async for record in client.approvals.list(where.namespace, assignee)]
    shown = [record for record in records if record.get("mine") or not mine]
    columns = ["id", "title", "workflow", "assignees", "roles", "given:approvals", "asked_at:asked", "deadline"]
    if not as_json:
        shown = [{**record, "given": _given(record)} for record in shown]
    print_records(shown, columns, as_json=as_json, empty="Nobody is asked anything.")


@app.command()
@asynchronous
async def show(question: Approval, url: Url = None, as_json: AsJson = False) -> None:
    """Show an open question, with the form of its answer."""
    async with connect(url) as client:
        record = await client.approvals.show(question)
    print_record(record, as_json=as_json)


@app.command()
@asynchronous
async def answer(
    question: Approval,
    value: Annotated[str, typer.Argument(metavar="JSON|@FILE", help="The answer, as the form says.")],
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Shown to whoever wonders.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question; the run goes on with the answer."""
    async with connect(url) as client:
        record = await client.approvals.answer(question, json_argument(value, "the answer"), reason)
    if as_json:
        print_json(record)
    say(f"answered; run {record.get('id')} is {record.get('status')}", as_json=as_json)


@app.command()
@asynchronous
async def delegate(
    question: Approval,
    to: Annotated[str, typer.Argument(metavar="USER", help="Who is to be asked instead.")],
    *,
    instead_of: Annotated[
        str | None, typer.Option("--instead-of", metavar="USER", help="Whose place it is; your own unless given.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Shown to whoever wonders.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Hand a question over: somebody else is asked instead."""
    async with connect(url) as client:
        record = await client.approvals.delegate(question, to, instead_of, reason)
    if as_json:
        print_json(record)
    names = record.get("assignees")
    say(f"asked by now: {', '.join(map(str, names)) if isinstance(names, list) else ''}", as_json=as_json)


def _given(record: Record) -> str:
    """How many of the approvals that are wanted there are."""
    answers, wanted = record.get("answers"), record.get("approvals")
    if wanted is None or not isinstance(answers, list):
        return ""
    return f"{sum(1 for one in answers if isinstance(one, dict) and one.get('approved'))} of {wanted}"
