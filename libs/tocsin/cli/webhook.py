"""`tocsin webhook`: who is told of signals by HTTP, and what was sent."""

from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import pairs, print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.cli.signal import instant
from tocsin.client import Record
from tocsin.errors import Invalid

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Webhooks that go out.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the webhook.")]
_HIDDEN = ("secret",)


@app.callback()
def webhook() -> None:
    """Who is told of signals by HTTP, and what was sent."""


@app.command()
@asynchronous
async def put(
    name: Name,
    url: Annotated[str, typer.Option("--to", metavar="URL", help="Where messages go.")],
    *,
    subject: Annotated[str | None, typer.Option("--subject", "-s", help="Such as `signals.default.run.faulted.*`.")] = None,
    filter_: Annotated[str | None, typer.Option("--filter", "-f", help="CESQL condition over the signal.")] = None,
    template: Annotated[str | None, typer.Option("--template", help="jq over the signal instead of a CloudEvent.")] = None,
    binary: Annotated[bool, typer.Option("--binary", help="Send CloudEvents in binary mode.")] = False,
    parallel: Annotated[bool, typer.Option("--unordered", help="Messages of one entity may overtake one another.")] = False,
    rate: Annotated[float | None, typer.Option("--rate", help="At most so many a second.")] = None,
    headers: Annotated[list[str] | None, typer.Option("--header", "-H", metavar="NAME=VALUE", help="Sent along.")] = None,
    secret: Annotated[
        str | None, typer.Option("--secret", metavar="NAME", help="A stored secret that signs instead of one of its own.")
    ] = None,
    header_secrets: Annotated[
        list[str] | None, typer.Option("--header-secret", metavar="HEADER=NAME", help="A stored secret, sent as a header.")
    ] = None,
    notify: Annotated[
        list[str] | None, typer.Option("--notify", metavar="CHANNEL", help="Told when the webhook is disabled by itself.")
    ] = None,
    trusted: Annotated[bool, typer.Option("--no-verification", help="Do not ask the endpoint; needs webhook:trust.")] = False,
    platform: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Make or change a webhook. The secret that signs its messages is shown once."""
    where = target(platform, namespace)
    if binary and template:
        raise Invalid("--binary and --template exclude each other")
    body: Record = {
        "url": url,
        "subject": subject or f"signals.{where.namespace}.>",
        "filter": filter_,
        "format": "template" if template else "binary" if binary else "structured",
        "template": template,
        "ordered": not parallel,
        "rate": rate,
        "headers": pairs(headers or [], "--header"),
        "signing_secret": secret,
        "header_secrets": pairs(header_secrets or [], "--header-secret"),
        "notify": [*(notify or [])],
        "verification": "none" if trusted else "challenge",
    }
    async with connect(where.url) as client:
        _made(await client.webhooks.apply(where.namespace, name, body), as_json=as_json)


def _made(record: Record, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    say(f"{record.get('name')} is {record.get('state')}" + (f": {record.get('reason')}" if record.get("reason") else ""))
    if record.get("secret"):
        say(f"secret: {record.get('secret')}   (shown this once)")


@app.command("list")
@asynchronous
async def list_(url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """List webhooks."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        records = [record async for record in client.webhooks.list(where.namespace)]
    columns = ["name", "state", "subject", "url:to", "failing_since", "reason"]
    print_records(records, columns, as_json=as_json, empty="No webhooks.")


@app.command()
@asynchronous
async def show(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Show a webhook and how many messages wait."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        print_record(await client.webhooks.show(where.namespace, name), as_json=as_json, hide=_HIDDEN)


@app.command()
@asynchronous
async def delete(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Delete a webhook; what waits for it is discarded."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        await client.webhooks.delete(where.namespace, name)
    say(f"{name} deleted", as_json=as_json)


async def _act(verb: str, name: str, url: str | None, namespace: str | None, *, as_json: bool) -> None:
    where = target(url, namespace)
    async with connect(where.url) as client:
        record = await client.webhooks.act(where.namespace, name, verb)
    if as_json:
        print_json(record)
    say(f"{name} is {record.get('state')}", as_json=as_json)


@app.command()
@asynchronous
async def pause(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Do not tell it until it is resumed."""
    await _act("pause", name, url, namespace, as_json=as_json)


@app.command()
@asynchronous
async def resume(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Tell a paused or disabled webhook again."""
    await _act("resume", name, url, namespace, as_json=as_json)


@app.command()
@asynchronous
async def verify(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Ask the endpoint again whether it wants to be called."""
    await _act("verify", name, url, namespace, as_json=as_json)


@app.command("test")
@asynchronous
async def try_(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Send it a message of type webhook.test, and show what it answers."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        print_record(await client.webhooks.act(where.namespace, name, "test"), as_json=as_json)


@app.command()
@asynchronous
async def rotate(
    name: Name,
    overlap: Annotated[str, typer.Option("--overlap", help="How long the old secret signs as well: 24h, 7d.")] = "24h",
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Give it a new secret, which is shown once."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        record = await client.webhooks.act(where.namespace, name, "rotate", {"overlap": overlap})
    if as_json:
        print_json(record)
    say(f"secret: {record.get('secret')}   (shown this once)", as_json=as_json)


@app.command()
@asynchronous
async def deliveries(
    name: Name,
    *,
    state: Annotated[str | None, typer.Option("--state", help="waiting, delivered, given-up or discarded.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """List what was sent, newest first; with --json requests and answers too."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        found = client.webhooks.deliveries(where.namespace, name, {"state": state}, limit=limit)
        records = [record async for record in found]
    columns = ["id", "state", "type", "attempts", "created_at", "due", "reason"]
    print_records(records, columns, as_json=as_json, empty="Nothing was sent.")


@app.command()
@asynchronous
async def redeliver(
    name: Name,
    delivery: Annotated[str | None, typer.Argument(metavar="DELIVERY", help="One delivery.")] = None,
    *,
    since: Annotated[str | None, typer.Option("--since", help="A window instead: RFC 3339, or how long ago.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Its end.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Send one message again, or all of a window, under the ids that they had."""
    if (delivery is None) == (since is None):
        raise Invalid("give either a delivery or --since")
    where = target(url, namespace)
    async with connect(where.url) as client:
        if delivery is not None:
            record = await client.webhooks.again(where.namespace, name, delivery)
        else:
            window: Record = {"since": instant(since), "until": instant(until)}
            record = await client.webhooks.act(where.namespace, name, "redeliver", window)
    if as_json:
        print_json(record)
    say(f"{record.get('messages')} messages are sent again", as_json=as_json)
