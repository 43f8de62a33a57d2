"""`tocsin up` and `tocsin status`: the platform as a whole."""

import importlib.util
import os
import sys
from typing import Annotated

import typer

from tocsin.cli.context import VARIABLES
from tocsin.cli.exits import Exit
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import print_json, print_records, say
from tocsin.cli.session import AsJson, Url, asynchronous, connect
from tocsin.client import Client, Record
from tocsin.errors import Forbidden, NotFound, TocsinError, Unauthenticated

app = typer.Typer(context_settings=dict(SETTINGS))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def up(
    ctx: typer.Context,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DIR", help="Where data is kept; `.tocsin` unless given.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="Of the API; 7700 unless given.")] = None,
    no_examples: Annotated[bool, typer.Option("--no-examples", help="Do not load the example workflows.")] = False,
    ephemeral: Annotated[
        bool, typer.Option("--ephemeral", help="Throw-away servers on free ports; all gone at the end.")
    ] = False,
) -> None:
    """Run the whole platform here, with its own NATS and MongoDB, until Ctrl-C."""
    if importlib.util.find_spec("tocsin_kit") is None:
        raise NotFound("only the client is installed here, not the platform", hint="run `make up` in a checkout")
    arguments = [sys.executable, "-m", "tocsin_kit.platform", "up"]
    arguments += ["--data", data] if data else []
    arguments += ["--port", str(port)] if port else []
    arguments += ["--no-examples"] if no_examples else []
    arguments += ["--ephemeral"] if ephemeral else []
    # These are the command line's own; the services refuse settings that they do not know.
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    os.execve(sys.executable, [*arguments, *ctx.args], environment)  # noqa: S606 - our own interpreter and module


@app.command()
@asynchronous
async def status(url: Url = None, as_json: AsJson = False) -> None:
    """Show the services, their health and versions. Exit code 1 when one is not ready."""
    async with connect(url) as client:
        answer = await client.platform.status()
        degraded, unknown = await _degraded(client)
    services = _services(answer)
    for service in services:
        if service["status"] == "ready" and degraded.get(str(service["name"])):
            service |= {"status": "degraded", "detail": "; ".join(degraded[str(service["name"])])}
    if as_json:
        print_json({**answer, "degraded": {name: [*modes] for name, modes in degraded.items()}})
    else:
        print_records(services, ["name:service", "status", "detail"], as_json=False, empty="No services.")
        if unknown and any(service["name"] == "observer" and service["status"] == "down" for service in services):
            say(unknown)
    if not services or any(service["status"] == "down" for service in services):
        raise typer.Exit(Exit.NEGATIVE)


async def _degraded(client: Client) -> tuple[dict[str, list[str]], str]:
    """What replicas say of themselves, by service, as `tocsin observer health` shows it whole; or why that is not known."""
    try:
        health = await client.analytics.health()
    except (Forbidden, Unauthenticated):
        return {}, ""
    except TocsinError:
        return {}, "The observer does not answer: whether any of them works with less than all its parts is not known."
    found: dict[str, list[str]] = {}
    replicas = health.get("replicas")
    for one in replicas if isinstance(replicas, list) else []:
        modes = one.get("modes") if isinstance(one, dict) else None
        if isinstance(one, dict) and isinstance(modes, list) and modes:
            found.setdefault(str(one.get("service")), []).extend(f"{mode} [{one.get('instance')}]" for mode in modes)
    return found, str(health.get("deaf") or "") if health.get("absent") else ""


def _services(answer: Record) -> list[Record]:
    given = answer.get("services", answer.get("items", []))
    found: list[Record] = []
    if isinstance(given, dict):
        given = [{"name": name, **facts} for name, facts in given.items() if isinstance(facts, dict)]
    for service in given if isinstance(given, list) else []:
        if isinstance(service, dict):
            ready = service.get("ready", service.get("status") in {"ready", "ok", "up"})
            said = {**service, "status": "ready" if ready else "down"}
            found.append({**said, "detail": ""} if ready and said.get("detail") == "ready" else said)  # once is enough
    return found
