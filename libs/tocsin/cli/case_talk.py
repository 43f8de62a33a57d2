"""What is said and decided about a case in one word: comments, edits, taking it, letting it escalate no further."""

from typing import Annotated

import typer
from rich.text import Text

from tocsin.cli.output import ago, console, moment, now, print_json, print_records, say
from tocsin.cli.session import AsJson, Url, asynchronous, connect
from tocsin.client import Record
from tocsin.signals import Json

Case = Annotated[str, typer.Argument(metavar="CASE", help="Id of the case.")]


@asynchronous
async def comment(
    case_id: Case,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="In Markdown; `@name` mentions somebody.")],
    *,
    internal: Annotated[bool, typer.Option("--internal", help="For those who may work on the case.")] = False,
    answer: Annotated[str | None, typer.Option("--answer", metavar="COMMENT", help="The comment that it answers.")] = None,
    edit: Annotated[
        str | None, typer.Option("--edit", metavar="COMMENT", help="Your comment that says this instead from now on.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Comment on a case, or change what you said."""
    async with connect(url) as client:
        if edit is not None:
            record = await client.cases.edit_comment(case_id, edit, text)
        else:
            record = await client.cases.comment(case_id, text, internal=internal, parent=answer)
    if as_json:
        print_json(record)
    say(f"{'changed' if edit else 'commented'} {record.get('id')}", as_json=as_json)


@asynchronous
async def comments(
    case_id: Case,
    *,
    history: Annotated[bool, typer.Option("--history", help="What they said before, too.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """What was said about a case, with the ids of the comments."""
    async with connect(url) as client:
        found: list[Json] = [one async for one in client.cases.comments(case_id)]
    if as_json:
        print_json(found)
        return
    if not found:
        say("Nobody has said anything.", style="dim")
    for one in found:
        if isinstance(one, dict):
            comment_lines(one, with_id=True, history=history)


@asynchronous
async def take(
    cases: Annotated[list[str], typer.Argument(metavar="CASE...", help="One case or many.")],
    *,
    status: Annotated[str, typer.Option("--status", "-s", help="Where you take it.")] = "acknowledged",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Take cases: they are yours, and acknowledged, which stops escalations that wait for that."""
    async with connect(url) as client:
        me = await client.auth.me()
        body: Record = {"cases": [*cases], "change": {"owner": me.get("subject")}, "status": status}
        record = await client.cases.bulk(body)
    results(record, as_json=as_json)


@asynchronous
async def stop_escalation(case_id: Case, url: Url = None, as_json: AsJson = False) -> None:
    """Let a case escalate no further; its promises go on."""
    async with connect(url) as client:
        record = await client.cases.stop_escalation(case_id)
    if as_json:
        print_json(record)
        return
    chain = record.get("escalation")
    ended = chain.get("ended") if isinstance(chain, dict) else None
    say(f"{case_id} escalates no further ({ended})" if ended else f"{case_id} does not escalate")


def results(record: Record, *, as_json: bool) -> None:
    """What became of many cases; a failure for the shell if one refused."""
    found = record.get("results")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    if as_json:
        print_json(record)
    else:
        print_records(rows, ["case", "status", "error", "detail"], as_json=False, empty="Nothing changed.")
    if record.get("refused"):
        raise typer.Exit(1)


def comment_lines(one: Record, *, with_id: bool = False, history: bool = False) -> None:
    """A comment, below whom it is of and how old it is."""
    said = moment(one.get("at"))
    when = f"  {ago(said, now())}" if said else ""
    marks = [
        *(["internal"] if one.get("visibility") == "internal" else []),
        *([f"answers {one.get('parent')}"] if one.get("parent") and with_id else []),
        *(["edited"] if one.get("edited_at") else []),
    ]
    mark = f" ({', '.join(marks)})" if marks else ""
    head = ("\n", (str(one.get("author")), "bold"), (f"{when}{mark}", "dim"))
    console.print(Text.assemble(*head, (f"  {one.get('id')}" if with_id else "", "dim")))
    console.print(Text(str(one.get("text"))))
    edits = one.get("edits")
    for edit in edits if history and isinstance(edits, list) else ():
        if isinstance(edit, dict):
            console.print(Text(f"  until {edit.get('until')}: {edit.get('text')}", style="dim"), soft_wrap=True)
