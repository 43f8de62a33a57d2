"""`tocsin login`, `logout`, `whoami`: getting in, and knowing as whom."""

import contextlib
import json
import pathlib
import sys
from dataclasses import replace
from typing import Annotated

import typer

from tocsin.cli import context as contexts
from tocsin.cli.browser import log_in
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_json, print_record, say
from tocsin.cli.session import AsJson, Url, asynchronous, connect, remember, target
from tocsin.client import Client, Record, StaticToken
from tocsin.errors import Invalid, NotFound, TocsinError, Unauthenticated

app = typer.Typer(context_settings=dict(SETTINGS))

Data = Annotated[
    pathlib.Path, typer.Option("--data", metavar="DIR", help="Data folder of the platform on this machine, for --local.")
]


@app.command()
@asynchronous
async def login(
    *,
    url: Url = None,
    local: Annotated[bool, typer.Option("--local", help="As administrator of the platform that runs on this machine.")] = False,
    data: Data = pathlib.Path(".tocsin"),
    user: Annotated[str | None, typer.Option("--user", "-u", metavar="NAME", help="Asked for unless given.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")] = False,
    oidc: Annotated[bool, typer.Option("--oidc", help="At the organisation's identity provider, in a browser.")] = False,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read an API key from standard input instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Log in and remember it, in a file that only you can read."""
    where = target(url).url
    secrets: dict[str, str] = {}
    if token_stdin:
        context = replace(contexts.load(), url=where, access_token=sys.stdin.readline().strip(), refresh_token=None, user=None)
    else:
        if local:
            where, user, password = _administrator(data, url)
            secrets = _hooks(data, where)
        else:
            user = user or (None if oidc else typer.prompt("User", err=True))
            password = "" if oidc else _password(from_stdin=password_stdin)
        async with Client(where, StaticToken(None)) as client:
            tokens = await (log_in(client) if oidc else _by_password(client, user or "", password))
        context = remember(replace(contexts.load(), url=where, user=user), tokens)
    contexts.save(replace(context, secrets={**context.secrets, **secrets}))
    async with connect(where) as client:
        me = await client.auth.me()
    if as_json:
        print_json({"url": where, **me})
    say(f"Logged in at {where} as {me.get('name') or user or 'the owner of the key'}.", as_json=as_json, style="green")


@app.command()
@asynchronous
async def logout(as_json: AsJson = False) -> None:
    """End the login at the platform and forget its tokens here."""
    remembered = contexts.load()
    if remembered.refresh_token is not None:
        with contextlib.suppress(TocsinError):  # an unreachable platform must not keep anybody logged in here
            async with connect(remembered.url) as client:
                await client.auth.logout(remembered.refresh_token)
    contexts.save(replace(remembered, user=None, access_token=None, refresh_token=None))
    if as_json:
        print_json({"url": remembered.url, "logged_in": False})
    say(f"Logged out at {remembered.url}.", as_json=as_json)


@app.command()
@asynchronous
async def whoami(url: Url = None, as_json: AsJson = False) -> None:
    """Show who is logged in, where, and what that permits."""
    async with connect(url) as client:
        me = await client.auth.me()
    record = {"url": client.transport.url, **me}
    print_record(record if as_json else readable(record), as_json=as_json)


def _password(*, from_stdin: bool) -> str:
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else str(typer.prompt("Password", hide_input=True, err=True))


async def _by_password(client: Client, user: str, password: str) -> Record:
    """Log in, with a code where there is a second factor."""
    try:
        return await client.auth.login(user, password)
    except Unauthenticated as error:
        if error.fields.get("code") != "second_factor_needed":
            raise
    return await client.auth.login(user, password, str(typer.prompt("Code of the second factor", err=True)).strip())


def show(record: Record, *, as_json: bool) -> None:
    """One record with roles and grants, as people read them."""
    print_record(record if as_json else readable(record), as_json=as_json)


def readable(record: Record) -> Record:
    """A record with its grants and bindings in the words that the options take: ``run:read@team-a``."""
    shown = dict(record)
    for member, word in (("grants", "permission"), ("bindings", "role")):
        given = shown.pop(member, None)
        if isinstance(given, list):
            texts = [_held(item, word) for item in given if isinstance(item, dict)]
            shown["roles" if member == "bindings" else member] = [*texts]
    return shown


def _held(item: Record, word: str) -> str:
    """``-author@prod/billing-*``: what is usual is left out."""
    names = item.get("names" if word == "role" else "name") or "*"
    place = f"@{item.get('namespace')}" + (f"/{names}" if names != "*" else "")
    return f"{'-' if item.get('deny') else ''}{item.get(word)}{place}".removesuffix("@*") + ("?" if item.get("when") else "")


def _administrator(data: pathlib.Path, url: str | None) -> tuple[str, str, str]:
    """URL, user and password that the platform wrote at its first start."""
    file = data / "admin.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return (url or str(found["url"])).rstrip("/"), str(found["user"]), str(found["password"])
    except FileNotFoundError:
        hint = "start it with `tocsin up` in this folder, or name its data folder with --data"
        raise NotFound(f"{file} does not exist: no platform has run here", hint=hint) from None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise Invalid(f"{file} cannot be used: {exc}") from exc


def _hooks(data: pathlib.Path, url: str) -> dict[str, str]:
    """Secrets of the example webhooks, if the platform wrote them beside the administrator's password."""
    try:
        found = json.loads((data / "hooks.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {f"{url} {name}": secret for name, secret in found.items() if isinstance(secret, str)}
