"""`tocsin alert`: what fires, who takes care of it, and the rules and channels behind it."""

from collections.abc import AsyncIterator
from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.manifests import read
from tocsin.cli.output import print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Client, Record
from tocsin.client.resources import Named

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Alerts.")

Alert = Annotated[str, typer.Argument(metavar="ALERT", help="Id of the alert.")]
Note = Annotated[str | None, typer.Option("--note", help="What there is to say about it.")]
Name = Annotated[str, typer.Argument(metavar="NAME")]
Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML or JSON; - for standard input.")]

_CHANNELS = frozenset({"slack", "email", "pagerduty", "webhook"})


@app.callback()
def alert() -> None:
    """What fires, who takes care of it, and the rules behind it."""


@app.command("list")
@asynchronous
async def list_(
    *,
    state: Annotated[str | None, typer.Option("--state", help="firing, acknowledged or resolved.")] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Only of this rule.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List alerts, newest first."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        found = client.alerts.list({"namespace": where.namespace, "state": state, "rule": rule}, limit=limit)
        records = [record async for record in found]
    columns = ["id", "state", "severity", "summary", "fired_at", "acknowledged_by", "resolved_at"]
    print_records(records, columns, as_json=as_json, empty="No alerts.")


@app.command()
@asynchronous
async def show(alert_id: Alert, url: Url = None, as_json: AsJson = False) -> None:
    """Show an alert."""
    async with connect(url) as client:
        print_record(await client.alerts.show(alert_id), as_json=as_json)


async def _act(verb: str, alert_id: str, note: str | None, url: str | None, *, as_json: bool) -> None:
    async with connect(url) as client:
        record = await client.alerts.act(alert_id, verb, note)
    if as_json:
        print_json(record)
    say(f"{alert_id} is {record.get('state')}", as_json=as_json)


@app.command()
@asynchronous
async def acknowledge(alert_id: Alert, note: Note = None, url: Url = None, as_json: AsJson = False) -> None:
    """Take care of an alert."""
    await _act("acknowledge", alert_id, note, url, as_json=as_json)


@app.command()
@asynchronous
async def resolve(alert_id: Alert, note: Note = None, url: Url = None, as_json: AsJson = False) -> None:
    """Say that an alert is over."""
    await _act("resolve", alert_id, note, url, as_json=as_json)


@app.command()
@asynchronous
async def apply(files: Files, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Make or change rules and channels: documents with a name; the `kind` tells which of the two."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        documents = [document for _, document in read(files, "rule or channel")]
        documents.sort(key=lambda one: one.get("kind") not in _CHANNELS)  # rules name channels, so those come first
        for document in documents:
            name, body = str(document["name"]), {key: value for key, value in document.items() if key != "name"}
            which = "channels" if body.get("kind") in _CHANNELS else "alert_rules"
            record = await _named(client, which).apply(where.namespace, name, body)
            if as_json:
                print_json(record)
            say(f"{'channel' if which == 'channels' else 'rule'} {name} applied", as_json=as_json)


@app.command()
@asynchronous
async def rules(url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """List the rules that fire alerts."""
    columns = ["name", "kind", "subject", "workflow", "window", "threshold", "severity", "enabled"]
    await _listed("alert_rules", columns, url, namespace, as_json=as_json)


@app.command("delete-rule")
@asynchronous
async def delete_rule(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Delete a rule; what it fired is resolved."""
    await _delete("alert_rules", name, url, namespace, as_json=as_json)


@app.command()
@asynchronous
async def channels(url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """List channels of notifications."""
    await _listed("channels", ["name", "kind", "to", "has_url", "has_key", "changed_at"], url, namespace, as_json=as_json)


@app.command("test-channel")
@asynchronous
async def try_channel(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Send an alert that never fired through a channel, and show what the other side says."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        print_record(await client.alerts.test_channel(where.namespace, name), as_json=as_json)


@app.command("delete-channel")
@asynchronous
async def delete_channel(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Delete a channel."""
    await _delete("channels", name, url, namespace, as_json=as_json)


def _named(client: Client, which: str) -> Named:
    return client.channels if which == "channels" else client.alert_rules


async def _listed(which: str, columns: list[str], url: str | None, namespace: str | None, *, as_json: bool) -> None:
    where = target(url, namespace)
    async with connect(where.url) as client:
        found: AsyncIterator[Record] = _named(client, which).list(where.namespace)
        records = [record async for record in found]
    print_records(records, columns, as_json=as_json, empty="None.")


async def _delete(which: str, name: str, url: str | None, namespace: str | None, *, as_json: bool) -> None:
    where = target(url, namespace)
    async with connect(where.url) as client:
        await _named(client, which).delete(where.namespace, name)
    say(f"{name} deleted", as_json=as_json)
