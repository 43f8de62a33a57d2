"""`tocsin trigger`: what starts workflows from outside; `trigger send` plays the partner who signs a webhook."""

import base64
import binascii
import hashlib
import hmac
import uuid
from typing import Annotated
from urllib.parse import quote

import orjson
import typer

from tocsin.cli import context as contexts
from tocsin.cli.definitions import split
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.manifests import read
from tocsin.cli.output import json_argument, now, print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.cli.trigger_doings import add_to
from tocsin.errors import Invalid, NotFound, Unauthenticated
from tocsin.signals import Json

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Triggers.")

add_to(app)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name, or namespace/name.")]


@app.callback()
def trigger() -> None:
    """What starts workflows from outside: webhooks and events."""


@app.command()
@asynchronous
async def apply(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML or JSON; `-` for standard input.")],
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Create or change triggers. The secret of a new webhook is shown once, and kept for `trigger send`."""
    where = target(url, namespace)
    applied: list[Json] = []
    async with connect(where.url) as client:
        for _, document in read(files, "trigger"):
            owner, name = str(document.pop("namespace", where.namespace)), str(document.pop("name"))
            record = await client.triggers.apply(owner, name, document)
            applied.append(record)
            say(f"{owner}/{name} applied", as_json=as_json)
            secret = _secret_in(record)
            if secret is not None:
                contexts.save(contexts.load().with_secret(where.url, owner, name, secret))
                say(f"  secret: {secret}\n  send to: {where.url}/hooks/{owner}/{name}", as_json=as_json, style="yellow")
    if as_json:
        print_json(applied)


@app.command("list")
@asynchronous
async def list_(url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """List the triggers of a namespace."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        records = [item async for item in client.triggers.list(where.namespace)]
    print_records(records, ["name", "kind", "workflow", "status", "reason"], as_json=as_json, empty="No triggers.")


@app.command()
@asynchronous
async def show(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Show one trigger."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        print_record(await client.triggers.show(*split(name, where.namespace)), as_json=as_json)


@app.command()
@asynchronous
async def delete(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Delete a trigger."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        answer = await client.triggers.delete(*split(name, where.namespace))
    if as_json:
        print_json(answer)
    say(f"{name} deleted", as_json=as_json)


@app.command()
@asynchronous
async def pause(
    name: Name,
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Shown to whoever wonders.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Pause a trigger: what arrives is recorded and starts nothing."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        answer = await client.triggers.pause(*split(name, where.namespace), reason)
    if as_json:
        print_json(answer)
    say(f"{name} paused", as_json=as_json)


@app.command()
@asynchronous
async def resume(name: Name, url: Url = None, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Let a paused trigger work again."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        answer = await client.triggers.resume(*split(name, where.namespace))
    if as_json:
        print_json(answer)
    say(f"{name} resumed", as_json=as_json)


@app.command()
@asynchronous
async def send(
    name: Name,
    *,
    data: Annotated[str, typer.Option("--data", "-d", metavar="JSON|@FILE", help="The body.")] = "{}",
    secret: Annotated[
        str | None,
        typer.Option(
            "--secret", envvar="TOCSIN_WEBHOOK_SECRET", metavar="whsec_...", help="The one kept by `apply` unless given."
        ),
    ] = None,
    message: Annotated[
        str | None, typer.Option("--id", help="Of the message: the same again is answered as a duplicate.")
    ] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Send a signed webhook to a trigger, as a partner would (Standard Webhooks)."""
    where = target(url, namespace)
    owner, plain = split(name, where.namespace)
    known = secret or contexts.load().secret(where.url, owner, plain)
    if known is None:
        hint = "give it with --secret; `login --local` knows those of the examples, `trigger apply` keeps those it makes"
        raise NotFound(f"the secret of the webhook {owner}/{plain} is not known here", hint=hint)
    body = orjson.dumps(json_argument(data, "--data"))
    headers = sign(body, known, message=message or f"msg_{uuid.uuid4().hex}", timestamp=int(now().timestamp()))
    async with connect(where.url) as client:
        path = f"/hooks/{quote(owner, safe='')}/{quote(plain, safe='')}"
        try:
            answer = await client.platform.deliver(path, body, {"Content-Type": "application/json", **headers})
        except Unauthenticated as error:
            error.hint = error.hint or "is the secret that of this trigger, and is the clock of this machine right?"
            raise
    print_record(answer, as_json=as_json)


def sign(body: bytes, secret: str, *, message: str, timestamp: int) -> dict[str, str]:
    """The headers that prove a webhook.

    Args:
        body: The bytes that are sent.
        secret: ``whsec_`` and Base64.
        message: Id of the message.
        timestamp: Seconds since 1970.

    Raises:
        Invalid: The secret is not of that form.

    Source:
        Standard Webhooks 1.0, symmetric signatures (v1).
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as exc:
        raise Invalid("the secret is not `whsec_` and Base64") from exc
    digest = hmac.digest(key, f"{message}.{timestamp}.".encode() + body, hashlib.sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": message, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def _secret_in(record: dict[str, Json]) -> str | None:
    """The secret of a new webhook, which is in the first answer and never again."""
    for holder in (record, record.get("webhook"), record.get("config")):
        if isinstance(holder, dict):
            secret = holder.get("secret")
            if isinstance(secret, str) and secret:
                return secret
    return None
