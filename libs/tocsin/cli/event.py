"""`tocsin event`: custom events, which triggers and waiting runs listen to."""

import uuid
from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import json_argument, now, pairs, print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Record
from tocsin.errors import Invalid, NotFound
from tocsin.signals import ABSENT, CloudEvent

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Custom events.")


@app.callback()
def event() -> None:
    """Publish custom events."""


@app.command()
@asynchronous
async def publish(
    event_type: Annotated[str, typer.Argument(metavar="TYPE", help="CloudEvents type, such as com.example.order.placed.")],
    *,
    data: Annotated[str | None, typer.Option("--data", "-d", metavar="JSON|@FILE", help="The payload.")] = None,
    source: Annotated[str, typer.Option("--source", metavar="URI", help="Where it happened.")] = "/cli",
    subject: Annotated[str | None, typer.Option("--subject", help="What it happened to.")] = None,
    event_id: Annotated[
        str | None, typer.Option("--id", help="The same id again is the same event; a new one unless given.")
    ] = None,
    extensions: Annotated[list[str] | None, typer.Option("--ext", metavar="NAME=VALUE", help="An extension attribute.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Publish a custom event. When this returns, it is on disk."""
    where = target(url, namespace)
    made = CloudEvent(
        id=event_id or str(uuid.uuid4()),
        source=source,
        type=event_type,
        time=now(),
        subject=subject,
        datacontenttype="application/json" if data is not None else None,
        data=json_argument(data, "--data") if data is not None else ABSENT,
        extensions={name: str(value) for name, value in pairs(extensions or [], "--ext").items()},
    )
    async with connect(where.url) as client:
        answer = await client.events.publish(made, where.namespace)
    if as_json:
        print_json({"id": made.id, "type": made.type, "namespace": where.namespace, **answer})
    say(f"{made.type} published in {where.namespace}, id {made.id}", as_json=as_json)


@app.command("list")
@asynchronous
async def list_(
    *,
    trigger: Annotated[str | None, typer.Option("--trigger", metavar="NAME", help="Only what came in by it.")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List events that came in, newest first, with what was decided about them."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        filters = {"namespace": where.namespace, "trigger": trigger, "refused": True if refused else None}
        records = [item async for item in client.events.list(filters, limit=limit)]
    print_records(
        records,
        ["key", "type", "trigger", "status", "explanation", "received_at:received"],
        as_json=as_json,
        empty="No events.",
    )


@app.command()
@asynchronous
async def show(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Of the record, as `event list` shows it.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show an event: what it started, or why it started nothing."""
    async with connect(url) as client:
        print_record(await client.events.show(key), as_json=as_json)


@app.command()
@asynchronous
async def explain(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="Key of the record, or the event's own id.")],
    *,
    source: Annotated[str, typer.Option("--source", metavar="URI", help="Of the event, if ID is its own id.")] = "/cli",
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Explain why an event did or did not start something, for every trigger it met or might have met."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        try:
            answer = await client.events.explain(event_id)
        except NotFound:
            answer = await client.events.explain(event_id, namespace=where.namespace, source=source)
    if as_json:
        print_json(answer)
        return
    say(f"{answer.get('type') or 'unreadable'} in {answer['namespace']}, key {answer['key']}", as_json=False)
    say(str(answer["summary"]), as_json=False)
    verdicts = answer["triggers"]
    records = [verdict for verdict in verdicts if isinstance(verdict, dict)] if isinstance(verdicts, list) else []
    print_records(
        records, ["trigger", "outcome", "run", "words"], as_json=False, empty="No trigger of the namespace is concerned."
    )
    if answer.get("more"):
        say(f"and {answer['more']} more triggers that it did not meet", as_json=False)


@app.command()
@asynchronous
async def replay(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY...", help="Of the records, as `event list` shows them.")
    ] = None,
    *,
    since: Annotated[
        str | None, typer.Option("--since", metavar="INSTANT", help="Instead of keys: those received from then on.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="INSTANT", help="And before then; now unless given.")] = None,
    triggers: Annotated[list[str] | None, typer.Option("--trigger", metavar="NAME", help="Only these triggers decide.")] = None,
    name: Annotated[str | None, typer.Option("--id", help="Of the replay: the same again starts nothing twice.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Let the triggers of today decide again about events that came in."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        if since is not None and not keys:
            window: Record = {"since": since, "until": until or now().isoformat()}
            answer = await client.events.replay_window(where.namespace, window, triggers=triggers or [], name=name)
        elif keys and since is None and until is None:
            answer = await client.events.replay(where.namespace, keys, triggers=triggers or [], name=name)
        else:
            raise Invalid("either keys or --since is needed")
    if as_json:
        print_json(answer)
        return
    events = answer["events"]
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict):
            decisions = event["decisions"]
            told = [d for d in decisions if isinstance(d, dict)] if isinstance(decisions, list) else []
            words = ", ".join(f"{d['trigger']} {d['outcome']}{' ' + str(d['run']) if d.get('run') else ''}" for d in told)
            say(f"{event['original']} again as {event['event']}: {words or 'no trigger listens to it'}", as_json=False)
