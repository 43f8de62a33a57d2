"""`tocsin case`: what people do when something needs them."""

from collections.abc import Mapping
from typing import Annotated

import typer

from tocsin.cli import case_files, case_settings, case_talk, case_tasks
from tocsin.cli.case_screen import cases_table, clocks_table, facet_rows, history_lines, in_lines, measures_lines
from tocsin.cli.case_talk import comment_lines, results
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, json_argument, pairs, print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Record
from tocsin.errors import Invalid
from tocsin.signals import Json

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Cases.")
app.add_typer(case_settings.app, name="config")
app.add_typer(case_tasks.app, name="task")
app.add_typer(case_tasks.playbooks, name="playbook")
app.add_typer(case_files.app, name="file")
app.add_typer(case_files.observables, name="observable")
app.command()(case_talk.take)
app.command()(case_talk.comment)
app.command()(case_talk.comments)
app.command("stop-escalation")(case_talk.stop_escalation)

Case = Annotated[str, typer.Argument(metavar="CASE", help="Id of the case.")]
Priority = Annotated[str | None, typer.Option("--priority", "-p", help="low, normal, high or critical.")]
Owner = Annotated[str | None, typer.Option("--owner", metavar="NAME", help="Who has it; `-` for nobody.")]
Fields = Annotated[list[str] | None, typer.Option("--field", metavar="NAME=VALUE", help="Custom field; JSON or text.")]
Status = Annotated[str | None, typer.Option("--status", "-s", help="As the type names it: open, in-progress, ...")]
Kind = Annotated[str | None, typer.Option("--kind", help="Type of the case.")]
Team = Annotated[str | None, typer.Option("--team", help="Which team has it.")]
Tag = Annotated[str | None, typer.Option("--tag", help="Only with it.")]
Words = Annotated[str | None, typer.Option("--text", help="Words of title, description, resolution and fields.")]
View = Annotated[str | None, typer.Option("--view", help="A saved view.")]
Active = Annotated[bool, typer.Option("--active", help="Only cases that somebody has to work on.")]
Overdue = Annotated[bool, typer.Option("--overdue", help="Only cases with a broken promise.")]


_SORTS = {"changed": "updated_at", "opened": "opened_at", "due": "next_due"}


def chosen(word: str, words: Mapping[str, str], option: str) -> str:
    """What a word of an option stands for.

    Raises:
        Invalid: It is none of them.
    """
    if word not in words:
        raise Invalid(f"{option} {word!r} is none of {', '.join(words)}")
    return words[word]


@app.callback()
def case() -> None:
    """What people do when something needs them."""


def fields_of(values: list[str] | None) -> dict[str, Json]:
    """``NAME=VALUE`` options; a value that is JSON is read as such."""
    given: dict[str, Json] = {}
    for name, text in pairs(values or [], "--field").items():
        try:
            given[name] = json_argument(str(text), "field") if not str(text).startswith("@") else text
        except Invalid:
            given[name] = text
    return given


@app.command("list")
@asynchronous
async def list_(
    *,
    status: Status = None,
    priority: Priority = None,
    owner: Owner = None,
    team: Team = None,
    kind: Kind = None,
    tag: Tag = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only cases about this run.")] = None,
    field: Annotated[str | None, typer.Option("--field", metavar="NAME=VALUE", help="Only with this custom field.")] = None,
    text: Words = None,
    view: View = None,
    active: Active = False,
    overdue: Overdue = False,
    sort: Annotated[str | None, typer.Option("--sort", help="changed, opened, or due: the next promise first.")] = None,
    facets: Annotated[bool, typer.Option("--facets", help="Count values instead of listing cases.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List cases, or count them by their values."""
    where = target(url, namespace)
    filters = {
        "namespace": where.namespace,
        "status": status,
        "priority": priority,
        "owner": owner,
        "team": team,
        "kind": kind,
        "tag": tag,
        "link": run,
        "field": field,
        "text": text,
        "view": view,
        "active": "true" if active else None,
        "overdue": "true" if overdue else None,
        "sort": None if sort is None else chosen(sort, _SORTS, "--sort"),
    }
    async with connect(where.url) as client:
        if facets:
            rows = facet_rows(await client.cases.facets(filters))
            print_records(rows, ["field", "value", "cases"], as_json=as_json, empty="No cases.")
            return
        records = [item async for item in client.cases.list(filters, limit=limit)]
    if as_json:
        print_json([*records])
    else:
        cases_table(records)


@app.command("open")
@asynchronous
async def open_(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What it is about.")],
    *,
    description: Annotated[str | None, typer.Option("--description", "-d", help="In Markdown.")] = None,
    kind: Kind = None,
    template: Annotated[str | None, typer.Option("--template", help="What it looks like.")] = None,
    priority: Priority = None,
    owner: Owner = None,
    team: Team = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="To find it again.")] = None,
    fields: Fields = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="The run that it is about.")] = None,
    restricted: Annotated[bool, typer.Option("--restricted", help="Seen by its own people only.")] = False,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Open a case."""
    where = target(url, namespace)
    body: Record = {"namespace": where.namespace, "title": title, "tags": [*(tags or [])], "restricted": restricted}
    said = {"description": description, "kind": kind, "template": template, "priority": priority, "owner": owner, "team": team}
    body |= {name: value for name, value in said.items() if value is not None}
    body |= {"fields": fields_of(fields)} if fields else {}
    body |= {"links": [{"kind": "run", "target": run}]} if run else {}
    async with connect(where.url) as client:
        record = await client.cases.open(body)
    if as_json:
        print_json(record)
    say(str(record.get("id")), as_json=as_json)


@app.command()
@asynchronous
async def show(
    case_id: Case,
    *,
    at: Annotated[str | None, typer.Option("--at", metavar="INSTANT", help="As it was then, RFC 3339.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show a case with its promises and comments, now or as it was."""
    async with connect(url) as client:
        record = await client.cases.show(case_id, at)
        comments: list[Json] = [comment async for comment in client.cases.comments(case_id)]
    if as_json:
        print_json({**record, "comments": comments})
        return
    hidden = ("comments", "response", "updating", "resolving", "playbooks", "escalation", "stage")
    print_record(in_lines(record), as_json=False, hide=hidden)
    clocks_table(record)
    for one in comments if at is None else ():
        if isinstance(one, dict):
            comment_lines(one)


@app.command()
@asynchronous
async def history(case_id: Case, url: Url = None, as_json: AsJson = False) -> None:
    """Every change of a case, with every field before and after."""
    async with connect(url) as client:
        record = await client.cases.history(case_id)
    if as_json:
        print_json(record)
        return
    history_lines(record)


@app.command()
@asynchronous
async def report(
    case_id: Case,
    *,
    internal: Annotated[bool, typer.Option("--internal", help="Internal comments too.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Print a case as a report, in Markdown or JSON."""
    async with connect(url) as client:
        text = await client.cases.report(case_id, as_json=as_json, internal=internal)
    console.out(text.decode(), highlight=False, end="")


@app.command()
@asynchronous
async def metrics(
    *,
    kind: Kind = None,
    team: Team = None,
    owner: Owner = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="INSTANT", help="Of cases opened since then; 90 days.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="INSTANT", help="Of cases opened before; now.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """How soon cases are answered and solved, how often a promise is broken, how old the backlog is."""
    where = target(url, namespace)
    filters = {"namespace": where.namespace, "kind": kind, "team": team, "owner": owner}
    async with connect(where.url) as client:
        record = await client.cases.metrics({**filters, "opened_after": since, "opened_before": until})
    if as_json:
        print_json(record)
    else:
        measures_lines(record)


@app.command()
@asynchronous
async def change(
    cases: Annotated[list[str], typer.Argument(metavar="CASE...", help="One case or many.")],
    *,
    title: Annotated[str | None, typer.Option("--title", help="What it is about.")] = None,
    priority: Priority = None,
    owner: Owner = None,
    team: Team = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="All its tags from now on.")] = None,
    fields: Fields = None,
    status: Status = None,
    resolution: Annotated[str | None, typer.Option("--resolution", "-r", help="How it ended.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Change one case or many; each by itself, so that one that refuses does not stop the others."""
    changed: Record = {name: value for name, value in (("title", title), ("priority", priority), ("team", team)) if value}
    changed |= {"owner": None if owner == "-" else owner} if owner else {}
    changed |= {"tags": [*tags]} if tags else {}
    changed |= {"fields": fields_of(fields)} if fields else {}
    body: Record = {"cases": [*cases], "change": changed or None, "status": status, "resolution": resolution}
    async with connect(url) as client:
        record = await client.cases.bulk({name: value for name, value in body.items() if value is not None})
    results(record, as_json=as_json)


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
    status: Annotated[str, typer.Argument(metavar="STATUS", help="acknowledged, in-progress, on-hold, resolved, closed, ...")],
    *,
    resolution: Annotated[str | None, typer.Option("--resolution", "-r", help="How it ended.")] = None,
    fields: Fields = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Take a case to a status."""
    async with connect(url) as client:
        record = await client.cases.transition(case_id, status, resolution, fields_of(fields))
    if as_json:
        print_json(record)
    say(f"{case_id} {record.get('status')}", as_json=as_json)


@app.command()
@asynchronous
async def link(
    case_id: Case,
    thing: Annotated[str, typer.Argument(metavar="KIND:TARGET", help="Such as run:<id>, asset:<key>, case:<id>.")],
    *,
    role: Annotated[str, typer.Option("--as", help="about, caused-by, parent, related, duplicate.")] = "about",
    remove: Annotated[bool, typer.Option("--remove", help="Take it back.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Say what a case is about, or take it back."""
    kind, colon, name = thing.partition(":")
    if not colon:
        raise Invalid(f"{thing!r} is not KIND:TARGET", hint="such as run:<id> or asset:<key>")
    async with connect(url) as client:
        record = await client.cases.link(case_id, {"kind": kind, "target": name, "role": role}, remove=remove)
    if as_json:
        print_json(record)
    say("unlinked" if remove else "linked", as_json=as_json)


@app.command()
@asynchronous
async def merge(
    case_id: Case,
    others: Annotated[list[str], typer.Argument(metavar="CASE...", help="What becomes a part of it.")],
    *,
    apart: Annotated[bool, typer.Option("--undo", help="Take them out again.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make one case of several, or take them apart again."""
    async with connect(url) as client:
        record = await client.cases.merge(case_id, others, apart=apart)
    if as_json:
        print_json(record)
    say("taken apart" if apart else f"{len(others)} merged into {case_id}", as_json=as_json)


@app.command()
@asynchronous
async def split(
    case_id: Case,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="Of the new case.")],
    *,
    tasks: Annotated[list[str] | None, typer.Option("--task", help="Task that moves.")] = None,
    comments: Annotated[list[str] | None, typer.Option("--comment", help="Comment that moves.")] = None,
    observables: Annotated[list[str] | None, typer.Option("--observable", help="What was seen that moves.")] = None,
    files: Annotated[list[str] | None, typer.Option("--file", help="File that moves.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make a case of its own of a part of a case."""
    parts = {"tasks": tasks, "comments": comments, "observables": observables, "files": files}
    async with connect(url) as client:
        record = await client.cases.split(case_id, {"title": title, **{name: [*(ids or [])] for name, ids in parts.items()}})
    if as_json:
        print_json(record)
    say(str(record.get("id")), as_json=as_json)
