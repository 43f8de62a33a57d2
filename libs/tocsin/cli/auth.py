"""`tocsin auth`: users, roles, API keys, and credentials for the bus."""

import sys
from datetime import timedelta
from typing import Annotated

import typer

from tocsin.cli import authority
from tocsin.cli.access import readable, show
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import now, print_done, print_record, print_records
from tocsin.cli.session import AsJson, Url, asynchronous, connect
from tocsin.client import Record
from tocsin.signals.codec import format_time

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Users, roles, API keys and bus credentials.")
users = typer.Typer(no_args_is_help=True, help="Users.")
roles = typer.Typer(no_args_is_help=True, help="Roles.")
keys = typer.Typer(no_args_is_help=True, help="API keys.")
app.add_typer(users, name="user")
app.add_typer(keys, name="api-key")

app.add_typer(roles, name="role")
app.add_typer(authority.groups, name="group")
app.add_typer(authority.namespaces, name="namespace")
app.add_typer(authority.sessions, name="session")
app.add_typer(authority.factor, name="second-factor")
app.command("can-i")(authority.can_i)
app.command("explain")(authority.explain)
app.command("simulate")(authority.simulate)

User = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]
RoleName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the role.")]
HeldRoles = Annotated[
    list[str] | None,
    typer.Option(
        "--role", "-r", metavar="ROLE[@NAMESPACE]", help="viewer, operator, author, admin or your own; everywhere unless said."
    ),
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Grants = Annotated[
    list[str] | None,
    typer.Option(
        "--grant", "-g", metavar="RESOURCE:ACTION[@NAMESPACE]", help="Such as event:publish@team-a; all of yours unless given."
    ),
]
Days = Annotated[int | None, typer.Option("--expires-in-days", min=1, help="It is refused afterwards.")]


@app.callback()
def auth() -> None:
    """Users, roles, API keys and bus credentials."""


@users.command("list")
@asynchronous
async def list_users(url: Url = None, as_json: AsJson = False) -> None:
    """List the users."""
    async with connect(url) as client:
        records = [item async for item in client.auth.users()]
    shown = records if as_json else [readable(record) for record in records]
    print_records(shown, ["name", "roles", "disabled", "created_at:created"], as_json=as_json, empty="No users.")


@users.command("create")
@asynchronous
async def create_user(
    name: User,
    *,
    held: HeldRoles = None,
    password_stdin: PasswordStdin = False,
    machine: Annotated[bool, typer.Option("--machine", help="A service account: API keys, no password.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Create a user; the password is asked for."""
    password = None if machine else _password(from_stdin=password_stdin)
    bindings = [authority.binding(text) for text in held or ["viewer"]]
    async with connect(url) as client:
        show(await client.auth.create_user(name, password, bindings), as_json=as_json)


@users.command("show")
@asynchronous
async def show_user(name: User, url: Url = None, as_json: AsJson = False) -> None:
    """Show a user."""
    async with connect(url) as client:
        show(await client.auth.user(name), as_json=as_json)


@users.command("set-roles")
@asynchronous
async def set_roles(name: User, held: HeldRoles = None, url: Url = None, as_json: AsJson = False) -> None:
    """Replace the roles of a user; none are left when none is given."""
    async with connect(url) as client:
        show(
            await client.auth.change_user(name, {"bindings": [authority.binding(text) for text in held or []]}), as_json=as_json
        )


@users.command("set-password")
@asynchronous
async def set_password(name: User, password_stdin: PasswordStdin = False, url: Url = None, as_json: AsJson = False) -> None:
    """Give a user a new password; it is asked for. All sessions of the user end."""
    password = _password(from_stdin=password_stdin)
    async with connect(url) as client:
        await client.auth.set_password(name, password)
    print_done(f"{name} has a new password", {"name": name}, as_json=as_json)


@users.command("disable")
@asynchronous
async def disable_user(name: User, url: Url = None, as_json: AsJson = False) -> None:
    """Keep a user from logging in."""
    async with connect(url) as client:
        show(await client.auth.change_user(name, {"disabled": True}), as_json=as_json)


@users.command("enable")
@asynchronous
async def enable_user(name: User, url: Url = None, as_json: AsJson = False) -> None:
    """Let a disabled user log in again."""
    async with connect(url) as client:
        show(await client.auth.change_user(name, {"disabled": False}), as_json=as_json)


@users.command("delete")
@asynchronous
async def delete_user(name: User, url: Url = None, as_json: AsJson = False) -> None:
    """Delete a user; sessions and keys stop working."""
    async with connect(url) as client:
        await client.auth.delete_user(name)
    print_done(f"{name} deleted", {"name": name}, as_json=as_json)


@roles.command("list")
@asynchronous
async def list_roles(url: Url = None, as_json: AsJson = False) -> None:
    """List the roles."""
    async with connect(url) as client:
        records = [item async for item in client.auth.roles()]
    print_records(records, ["name", "permissions", "built_in:built in", "summary"], as_json=as_json, empty="No roles.")


@roles.command("apply")
@asynchronous
async def apply_role(
    name: RoleName,
    *,
    permissions: Annotated[list[str], typer.Option("--permission", "-p", metavar="RESOURCE:ACTION", help="Such as run:read.")],
    summary: Annotated[str, typer.Option("--summary", help="What it is for.")] = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Create or change a role of your own."""
    async with connect(url) as client:
        print_record(await client.auth.put_role(name, permissions, summary), as_json=as_json)


@roles.command("delete")
@asynchronous
async def delete_role(name: RoleName, url: Url = None, as_json: AsJson = False) -> None:
    """Delete a role that nobody holds."""
    async with connect(url) as client:
        await client.auth.delete_role(name)
    print_done(f"{name} deleted", {"name": name}, as_json=as_json)


@keys.command("list")
@asynchronous
async def list_keys(
    owner: Annotated[str | None, typer.Option("--owner", metavar="USER", help="`*` for all; your own unless given.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List API keys; never their secrets."""
    async with connect(url) as client:
        records = [item async for item in client.auth.api_keys(owner)]
    shown = records if as_json else [readable(record) for record in records]
    columns = ["id", "name", "owner", "grants", "expires_at:expires", "last_used_at:last used", "revoked_at:revoked"]
    print_records(shown, columns, as_json=as_json, empty="No API keys.")


@keys.command("create")
@asynchronous
async def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    *,
    grants: Grants = None,
    days: Days = None,
    owner: Annotated[str | None, typer.Option("--owner", metavar="NAME", help="A service account; you unless given.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key. It is shown once."""
    body = {**_new_key(name, grants, days), **({"owner": owner} if owner else {})}
    async with connect(url) as client:
        show(await client.auth.create_api_key(body), as_json=as_json)


@keys.command("rotate")
@asynchronous
async def rotate_key(
    key: Annotated[str, typer.Argument(metavar="ID", help="Id of the key.")],
    *,
    overlap: Annotated[int, typer.Option("--overlap-hours", min=0, max=720, help="So long the old key works on.")] = 24,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Replace an API key. The new one is shown once."""
    async with connect(url) as client:
        show(await client.authority.rotate_api_key(key, overlap * 3600), as_json=as_json)


@keys.command("revoke")
@asynchronous
async def revoke_key(
    key: Annotated[str, typer.Argument(metavar="ID", help="Id of the key.")], url: Url = None, as_json: AsJson = False
) -> None:
    """Revoke an API key; it is refused from now on."""
    async with connect(url) as client:
        await client.auth.revoke_api_key(key)
    print_done(f"{key} revoked", {"id": key}, as_json=as_json)


@app.command("nats-credentials")
@asynchronous
async def nats_credentials(
    *,
    name: Annotated[str, typer.Option("--name", help="What they are for.")] = "nats",
    grants: Grants = None,
    days: Days = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Get server, user and password for the NATS command line or any NATS client. The password is shown once."""
    async with connect(url) as client:
        show(await client.auth.nats_credentials(_new_key(name, grants, days)), as_json=as_json)


@app.command("rotate-key")
@asynchronous
async def rotate_signing_key(*, url: Url = None, as_json: AsJson = False) -> None:
    """Sign tokens with a new key; nobody is logged out. Its id is shown."""
    async with connect(url) as client:
        print_record(await client.authority.rotate_signing_key(), as_json=as_json)


def grant(text: str) -> Record:
    """``run:read@team-a`` as the API has it; without a namespace it is for all that the owner may."""
    permission, _, namespace = text.partition("@")
    return {"permission": permission, "namespace": namespace or "*"}


def _new_key(name: str, grants: list[str] | None, days: int | None) -> Record:
    body: Record = {"name": name, "grants": [grant(text) for text in grants or []]}
    return {**body, "expires_at": format_time(now() + timedelta(days=days))} if days is not None else body


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
