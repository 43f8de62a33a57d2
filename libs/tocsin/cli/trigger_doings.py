"""What a trigger can be asked to do, beyond being there: `tocsin trigger fire`, `state`, `address`, `backtest`."""

from datetime import timedelta
from typing import Annotated

import typer

from tocsin.cli.definitions import split
from tocsin.cli.manifests import read
from tocsin.cli.output import json_argument, now, print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.errors import Invalid
from tocsin.signals import Json

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name, or namespace/name.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (fire, state, address, backtest):
        app.command()(command)


@asynchronous
async def fire(
    name: Name,
    *,
    data: Annotated[str, typer.Option("--data", "-d", metavar="JSON|@FILE", help="What its schema asks for.")] = "{}",
    request: Annotated[str | None, typer.Option("--id", help="The same again starts nothing twice.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Start a manual trigger."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        answer = await client.triggers.fire(*split(name, where.namespace), json_argument(data, "--data"), request)
    print_record(answer, as_json=as_json)


@asynchronous
async def state(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Show what a trigger holds, and how far it has read what it watches."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        answer = await client.triggers.state(*split(name, where.namespace))
    if as_json:
        print_json(answer)
        return
    watch, groups = answer.get("watch"), answer.get("groups")
    if isinstance(watch, dict):
        print_record(watch, as_json=False)
    held: list[dict[str, Json]] = [
        {**group, "events": len(events) if isinstance(events := group.get("events"), list) else 0}
        for group in (groups if isinstance(groups, list) else [])
        if isinstance(group, dict)
    ]
    print_records(held, ["key", "events", "since", "due"], as_json=False, empty="It holds no events.")


@asynchronous
async def address(
    name: Name,
    *,
    plain: Annotated[bool, typer.Option("--plain", help="Back to the plain address.")] = False,
    grace: Annotated[
        str, typer.Option("--grace", metavar="DURATION", help="How long the private one of before works on.")
    ] = "24h",
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Give a webhook a new address that nobody can guess; it is shown this once."""
    where = target(url, namespace)
    owner, plain_name = split(name, where.namespace)
    async with connect(where.url) as client:
        moved = client.triggers.move_back(owner, plain_name) if plain else client.triggers.move(owner, plain_name, grace)
        answer = await moved
    if as_json:
        print_json(answer)
    say(f"send to: {where.url}{answer['path']}", as_json=as_json)


@asynchronous
async def backtest(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A draft, YAML or JSON; `-` for standard input.")],
    *,
    hours: Annotated[int, typer.Option("--hours", min=1, max=24 * 30, help="Events of the last so many hours.")] = 24,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Try a draft on the events that came in: what it would do, beside what was done. Nothing is started."""
    where = target(url, namespace)
    documents = list(read([file], "trigger"))
    if len(documents) != 1:
        raise Invalid("a backtest is of one draft")
    draft = {"namespace": where.namespace, **documents[0][1]}
    until = now() + timedelta(seconds=1)
    async with connect(where.url) as client:
        answer = await client.triggers.backtest(draft, (until - timedelta(hours=hours)).isoformat(), until.isoformat())
    if as_json:
        print_json(answer)
        return
    counts = answer["counts"]
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) if isinstance(counts, dict) else ""
    say(f"the draft: {told or 'no events'}; then: {answer['started_then']} started something", as_json=False)
    events = answer["events"]
    rows: list[dict[str, Json]] = [
        {"event": event["event"], "type": event["type"], "draft": verdict["outcome"], "words": verdict["words"]}
        for event in (events if isinstance(events, list) else [])
        if isinstance(event, dict) and isinstance(verdict := event["draft"], dict)
    ]
    print_records(rows, ["event", "type", "draft", "words"], as_json=False, empty="No events.")
