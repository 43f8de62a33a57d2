"""`tocsin workflow migrate` and `tocsin run migrate`: live runs and newer versions."""

from typing import Annotated

import typer

from tocsin.cli.definitions import split
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, print_json, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Record
from tocsin.errors import Conflict

app = typer.Typer(context_settings=dict(SETTINGS))

Version = Annotated[str | None, typer.Option("--version", metavar="X.Y.Z", help="The newest unless given.")]
_SHOWN = 20  # runs in a report for people
Reason = Annotated[str | None, typer.Option("--reason", help="Shown to whoever wonders.")]


@app.command("all")
@asynchronous
async def migrate_all(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name, or namespace/name.")],
    *,
    version: Version = None,
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Move those that can be; or only say which, as without either.")
    ] = False,
    reason: Reason = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Say which live runs of other versions can be moved to a version, and with --apply move them."""
    where = target(url, namespace)
    owner, own = split(name, where.namespace)
    moved = 0
    async with connect(where.url) as client:
        report = await client.repairs.migration(owner, own, version)
        runs = report["runs"] if isinstance(report["runs"], list) else []
        for one in runs if apply else []:
            if isinstance(one, dict) and not one.get("blocked"):
                try:
                    await client.repairs.migrate(str(one["run"]), str(report["version"]), reason)
                except Conflict as error:  # it has gone on meanwhile
                    console.print(f"{one['run']} stays: {error.detail}", markup=False)
                else:
                    moved += 1
    if as_json:
        print_json({**report, **({"moved": moved} if apply else {})})
        return
    _print(report)
    listed = [one for one in runs if isinstance(one, dict)]
    for one in listed[:_SHOWN]:
        why = one.get("blocked")
        told = "; ".join(str(reason) for reason in why) if isinstance(why, list) and why else "can move"
        console.print(f"  {one['run']}  {one.get('version')}  {told}", soft_wrap=True, markup=False)
    if len(listed) > _SHOWN:
        console.print(f"  ... and {len(listed) - _SHOWN} more; --json has them all", style="dim")
    if apply:
        console.print(f"{moved} moved")


def _print(report: Record) -> None:
    runs = "live run" if report["live"] == 1 else "live runs"
    console.print(f"{report['live']} {runs} of other versions: {report['safe']} can move to {report['version']}, ", end="")
    console.print(f"{report['blocked']} cannot")
    reasons = report["reasons"]
    for reason, count in reasons.items() if isinstance(reasons, dict) else ():
        console.print(f"  {count}: {reason}", soft_wrap=True, markup=False)


@app.command("one")
@asynchronous
async def migrate_one(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    *,
    version: Version = None,
    reason: Reason = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Move a live run to another version, if its position exists there."""
    async with connect(url) as client:
        record = await client.repairs.migrate(run, version, reason)
    if as_json:
        print_json(record)
    say(f"{run} is of version {record.get('version')}", as_json=as_json)
