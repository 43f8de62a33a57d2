"""`tocsin auth group | namespace | session | second-factor | can-i | explain | simulate`: who may do what, and why."""

from typing import Annotated

import typer

from tocsin.cli.access import readable, show
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_done, print_json, print_record, print_records, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Record
from tocsin.errors import Forbidden
from tocsin.signals import Json

groups = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Groups: roles that several people hold.")
namespaces = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="What namespaces are, for conditions.")
sessions = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Logins that are going on.")
factor = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Your second factor, and who needs one.")

Permission = Annotated[str, typer.Argument(metavar="RESOURCE:ACTION", help="Such as run:start.")]
Thing = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the thing, where rules are about names.")]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", "-r", metavar="[-]ROLE[@NAMESPACE[/NAMES]]", help="With a leading - it is denied; repeatable."),
]


@groups.command("list")
@asynchronous
async def list_groups(url: Url = None, as_json: AsJson = False) -> None:
    """List the groups."""
    async with connect(url) as client:
        records = [item async for item in client.authority.groups()]
    shown = records if as_json else [readable(record) for record in records]
    print_records(shown, ["name", "members", "claimed", "roles", "summary"], as_json=as_json, empty="No groups.")


@groups.command("apply")
@asynchronous
async def apply_group(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the group.")],
    *,
    members: Annotated[list[str] | None, typer.Option("--member", "-m", metavar="USER", help="Repeatable.")] = None,
    claimed: Annotated[
        list[str] | None,
        typer.Option("--claim", metavar="VALUE", help="Of the identity provider's group claim; repeatable."),
    ] = None,
    held: Roles = None,
    summary: Annotated[str, typer.Option("--summary", help="What it is for.")] = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Create or replace a group: its members, and what they hold together."""
    body: Record = {
        "members": [*(members or [])],
        "claimed": [*(claimed or [])],
        "bindings": [binding(text) for text in held or []],
        "summary": summary,
    }
    async with connect(url) as client:
        record = await client.authority.put_group(name, body)
    show(record, as_json=as_json)


@groups.command("delete")
@asynchronous
async def delete_group(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the group.")], url: Url = None, as_json: AsJson = False
) -> None:
    """Delete a group; its members hold its roles no longer."""
    async with connect(url) as client:
        await client.authority.delete_group(name)
    print_done(f"{name} deleted", {"name": name}, as_json=as_json)


@namespaces.command("list")
@asynchronous
async def list_namespaces(url: Url = None, as_json: AsJson = False) -> None:
    """List what is known about namespaces."""
    async with connect(url) as client:
        records = [item async for item in client.authority.namespaces()]
    print_records(
        records, ["name", "environment", "protected", "reviewed", "labels"], as_json=as_json, empty="Nothing is known."
    )


@namespaces.command("set")
@asynchronous
async def set_namespace(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the namespace.")],
    *,
    environment: Annotated[str, typer.Option("--environment", "-e", help="Such as production.")] = "",
    labels: Annotated[list[str] | None, typer.Option("--label", "-l", metavar="NAME=VALUE", help="Repeatable.")] = None,
    protected: Annotated[
        bool, typer.Option("--protected", help="Publishing takes a role bound to it, given by somebody else.")
    ] = False,
    reviewed: Annotated[
        bool, typer.Option("--reviewed", help="Nobody publishes alone: one proposes, another one publishes.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Say what a namespace is; conditions of roles and protection go by it."""
    pairs = dict(text.partition("=")[::2] for text in labels or [])
    body: Record = {"environment": environment, "labels": {**pairs}, "protected": protected, "reviewed": reviewed}
    async with connect(url) as client:
        print_record(await client.authority.put_namespace(name, body), as_json=as_json)


@sessions.command("list")
@asynchronous
async def list_sessions(
    user: Annotated[str | None, typer.Option("--user", "-u", metavar="NAME", help="Your own unless given.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List logins that are going on."""
    async with connect(url) as client:
        records = [item async for item in client.authority.sessions(user)]
    columns = ["id", "user", "current", "address", "agent", "began_at:began", "idle_until:idle until"]
    print_records(records, columns, as_json=as_json, empty="No logins.")


@sessions.command("end")
@asynchronous
async def end_session(
    session: Annotated[str, typer.Argument(metavar="ID", help="Id of the login.")], url: Url = None, as_json: AsJson = False
) -> None:
    """End a login; its tokens are refused everywhere within seconds."""
    async with connect(url) as client:
        await client.authority.end_session(session)
    print_done(f"{session} ended", {"id": session}, as_json=as_json)


@factor.command("add")
@asynchronous
async def add_factor(url: Url = None, as_json: AsJson = False) -> None:
    """Add a second factor: an authenticator program, and recovery codes to print."""
    password = typer.prompt("Password", hide_input=True, err=True)
    async with connect(url) as client:
        made = await client.authority.enrol(password)
        print_record(made, as_json=as_json)
        code = typer.prompt("Code that the authenticator shows", err=True)
        await client.authority.confirm(str(code).strip())
    say("From now on a code is asked for.", as_json=as_json, style="green")


@factor.command("remove")
@asynchronous
async def remove_factor(url: Url = None, as_json: AsJson = False) -> None:
    """Be asked for no second factor any more."""
    password = typer.prompt("Password", hide_input=True, err=True)
    async with connect(url) as client:
        await client.authority.leave(password)
    print_done("No code is asked for any more", {"second_factor": False}, as_json=as_json)


@factor.command("rules")
@asynchronous
async def factor_rules(url: Url = None, as_json: AsJson = False) -> None:
    """List the roles that count only for people with a second factor."""
    async with connect(url) as client:
        record = await client.authority.factor_rules()
    _show_rules(record, as_json=as_json)


@factor.command("require")
@asynchronous
async def require_factor(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ROLE[@NAMESPACE]...", help="Such as admin or author@prod; `*` for all roles. None ends all rules."
        ),
    ] = None,
    *,
    days: Annotated[float, typer.Option("--grace-days", min=0, max=90, help="Time to add one.")] = 7,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Let roles count only for people with a second factor. These are all the rules; those not named end."""
    rules: list[Record] = []
    for text in places or []:
        role, _, namespace = text.partition("@")
        rules.append({"role": role, "namespace": namespace or "*", "grace_days": days})
    async with connect(url) as client:
        record = await client.authority.put_factor_rules(rules)
    _show_rules(record, as_json=as_json)


@factor.command("reset")
@asynchronous
async def reset_factor(
    user: Annotated[str, typer.Argument(metavar="USER", help="Who has lost it, or needs time again to add one.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Ask somebody else for no second factor any more; where one is needed, there is time again to add one."""
    async with connect(url) as client:
        await client.authority.reset_second_factor(user)
    print_done(f"{user} is asked for no code any more", {"user": user}, as_json=as_json)


@asynchronous
async def can_i(
    permission: Permission, *, name: Thing = None, namespace: Namespace = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Say whether you may do something; the exit code says it too."""
    question = _question(permission, target(url, namespace).namespace, name)
    async with connect(url) as client:
        answer = await client.authority.can_i(question)
    _answer(answer, as_json=as_json)


@asynchronous
async def explain(
    permission: Permission,
    *,
    user: Annotated[str | None, typer.Option("--user", "-u", metavar="NAME", help="Yourself unless given.")] = None,
    name: Thing = None,
    namespace: Namespace = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show why somebody may do something or not: every role that was looked at."""
    question = _question(permission, target(url, namespace).namespace, name)
    async with connect(url) as client:
        answer = await client.authority.explain({**question, **({"user": user} if user else {})})
    if as_json:
        print_json(answer)
        return
    found = answer.get("considered")
    rows = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    print_records(rows, ["effect", "binding", "why"], as_json=False, empty="No roles.")
    say("yes" if answer.get("allowed") else "no", as_json=False)


@asynchronous
async def simulate(
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose roles.")],
    *,
    held: Roles = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show what a user would gain and lose with other roles; nothing is changed."""
    async with connect(url) as client:
        record = await client.authority.simulate(user, [binding(text) for text in held or []])
    if as_json:
        print_json(record)
        return
    rows = [*_by_place(record.get("gained"), "gains"), *_by_place(record.get("lost"), "loses")]
    print_records(rows, ["effect", "where", "permissions"], as_json=False, empty="Nothing changes.")


def binding(text: str) -> Record:
    """``author@prod/billing-*`` as the API has it; a leading ``-`` denies."""
    role, _, place = text.removeprefix("-").partition("@")
    namespace, _, names = place.partition("/")
    return {"role": role, "namespace": namespace or "*", "names": names or "*", "deny": text.startswith("-")}


def _by_place(grants: Json, effect: str) -> list[Record]:
    """One line for each namespace, with all that is gained or lost there."""
    places: dict[str, list[str]] = {}
    for one in grants if isinstance(grants, list) else []:
        if isinstance(one, dict):
            names = "" if one.get("name") in {"*", None} else f"/{one['name']}"
            place = f"{one.get('namespace')}{names}" + (" (denied)" if one.get("deny") else "")
            places.setdefault(place, []).append(str(one.get("permission")))
    return [{"effect": effect, "where": place, "permissions": ", ".join(found)} for place, found in places.items()]


def _show_rules(record: Record, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    found = record.get("rules")
    rows = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    columns = ["role", "namespace", "grace_days:days of grace", "since"]
    print_records(rows, columns, as_json=False, empty="No role takes a second factor.")


def _question(permission: str, namespace: str, name: str | None) -> Record:
    return {"permission": permission, "namespace": namespace, **({"name": name} if name else {})}


def _answer(answer: Record, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    by = answer.get("by")
    rule = f" ({by.get('permission')}@{by.get('namespace')})" if isinstance(by, dict) else ""
    if not answer.get("allowed"):
        raise Forbidden(f"no{rule}", hint="`tocsin auth explain` says why")
    say(f"yes{rule}", as_json=as_json, style="green")
