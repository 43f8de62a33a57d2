"""`tocsin auth`: users, API keys, and credentials for the bus."""

import sys
from typing import Annotated

import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Url, asynchronous, connect
from tocsin.client import Record

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Users, API keys and bus credentials.")
users = typer.Typer(no_args_is_help=True, help="Users.")
keys = typer.Typer(no_args_is_help=True, help="API keys.")
app.add_typer(users, name="user")
app.add_typer(keys, name="api-key")

User = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]


@app.callback()
def auth() -> None:
    """Users, API keys and bus credentials."""


@users.command("list")
@asynchronous
async def list_users(url: Url = None, as_json: AsJson = False) -> None:
    """List the users."""
    async with connect(url) as client:
        records = [item async for item in client.auth.users()]
    print_records(records, ["name", "roles", "status", "created_at:created"], as_json=as_json, empty="No users.")


@users.command("create")
@asynchronous
async def create_user(
    name: User,
    *,
    roles: Annotated[
        list[str] | None, typer.Option("--role", "-r", help="viewer, operator, author, admin or your own.")
    ] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Create a user; the password is asked for."""
    password = (
        sys.stdin.readline().rstrip("\r\n")
        if password_stdin
        else typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    )
    async with connect(url) as client:
        print_record(await client.auth.create_user(name, password, roles or ["viewer"]), as_json=as_json)


@users.command("show")
@asynchronous
async def show_user(name: User, url: Url = None, as_json: AsJson = False) -> None:
    """Show a user."""
    async with connect(url) as client:
        print_record(await client.auth.user(name), as_json=as_json)


@users.command("disable")
@asynchronous
async def disable_user(name: User, url: Url = None, as_json: AsJson = False) -> None:
    """Keep a user from logging in."""
    async with connect(url) as client:
        answer = await client.auth.change_user(name, "disable", {})
    if as_json:
        print_json(answer)
    say(f"{name} disabled", as_json=as_json)


@users.command("delete")
@asynchronous
async def delete_user(name: User, url: Url = None, as_json: AsJson = False) -> None:
    """Delete a user."""
    async with connect(url) as client:
        answer = await client.auth.delete_user(name)
    if as_json:
        print_json(answer)
    say(f"{name} deleted", as_json=as_json)


@keys.command("list")
@asynchronous
async def list_keys(url: Url = None, as_json: AsJson = False) -> None:
    """List API keys; never their secrets."""
    async with connect(url) as client:
        records = [item async for item in client.auth.api_keys()]
    columns = ["id", "name", "owner", "expires_at:expires", "last_used_at:last used", "status"]
    print_records(records, columns, as_json=as_json, empty="No API keys.")


@keys.command("create")
@asynchronous
async def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    *,
    permissions: Annotated[
        list[str] | None,
        typer.Option(
            "--grant", "-g", metavar="RESOURCE:ACTION[@NAMESPACE]", help="Such as event:publish@team-a; yours unless given."
        ),
    ] = None,
    days: Annotated[int | None, typer.Option("--expires-in-days", min=1, help="It is refused afterwards.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key. It is shown once."""
    body: Record = {"name": name}
    if permissions:
        body["grants"] = [grant(text) for text in permissions]
    if days is not None:
        body["expires_in_days"] = days
    async with connect(url) as client:
        print_record(await client.auth.create_api_key(body), as_json=as_json)


@keys.command("revoke")
@asynchronous
async def revoke_key(
    key: Annotated[str, typer.Argument(metavar="ID", help="Id of the key.")], url: Url = None, as_json: AsJson = False
) -> None:
    """Revoke an API key; it is refused from now on."""
    async with connect(url) as client:
        answer = await client.auth.revoke_api_key(key)
    if as_json:
        print_json(answer)
    say(f"{key} revoked", as_json=as_json)


@app.command("nats-credentials")
@asynchronous
async def nats_credentials(url: Url = None, as_json: AsJson = False) -> None:
    """Get server, user and password for the NATS command line or any NATS client."""
    async with connect(url) as client:
        print_record(await client.auth.nats_credentials(), as_json=as_json)


def grant(text: str) -> Record:
    """``run:read@team-a`` as the API has it; without a namespace it is for all that the owner may."""
    permission, _, namespace = text.partition("@")
    return {"permission": permission, "namespace": namespace or "*"}
