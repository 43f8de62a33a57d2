"""`tocsin workflow migrate` and `tocsin run migrate`: live runs and newer versions."""

from typing import Annotated

import typer

from tocsin.cli.definitions import split
from tocsin.cli.exits import Exit
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, print_json, say
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Client, Record
from tocsin.errors import Conflict, NotFound, Unavailable

app = typer.Typer(context_settings=dict(SETTINGS))

Version = Annotated[str | None, typer.Option("--version", metavar="X.Y.Z", help="The newest unless given.")]
_SHOWN = 20  # runs in a report for people
_ALL = 5_000  # runs in a report that is acted on: as many as one looks at
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
    outcome = _Outcome()
    async with connect(where.url) as client:
        report = found = await client.repairs.migration(owner, own, version, limit=_ALL)
        while apply and await outcome.move(client, found, reason) and found["more"]:
            found = await client.repairs.migration(owner, own, str(report["version"]), limit=_ALL)
    if as_json:
        print_json({**report, **(outcome.record if apply else {})})
        raise typer.Exit(outcome.code)
    _print(report)
    listed = _runs(report)
    for one in listed[:_SHOWN]:
        why = one.get("blocked")
        told = "; ".join(str(reason) for reason in why) if isinstance(why, list) and why else "can move"
        console.print(f"  {one['run']}  {one.get('version')}  {told}", soft_wrap=True, markup=False)
    if len(listed) > _SHOWN:
        console.print(f"  ... and {len(listed) - _SHOWN} more; --json has them all", style="dim")
    if apply:
        outcome.tell()
    raise typer.Exit(outcome.code)


class _Outcome:
    """What became of those that could be moved."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._moved = 0
        self._stayed: dict[str, str] = {}
        self._unknown: dict[str, str] = {}

    async def move(self, client: Client, report: Record, reason: str | None) -> bool:
        """Move each that was not asked to yet; whether there was one."""
        runs = [str(one["run"]) for one in _runs(report) if not one.get("blocked")]
        fresh = [run for run in runs if run not in self._asked]
        for run in fresh:
            self._asked.add(run)
            try:
                record = await client.repairs.migrate(run, str(report["version"]), reason)
            except (Conflict, NotFound) as error:  # it has gone on meanwhile
                self._stayed[run] = error.detail
            except Unavailable as error:
                self._unknown[run] = error.detail
            else:
                if record.get("version") == report["version"]:
                    self._moved += 1
                else:
                    self._unknown[run] = f"it is asked, and has not answered yet: it is of version {record.get('version')}"
        return bool(fresh)

    @property
    def record(self) -> Record:
        """For programs."""
        return {"moved": self._moved, "stayed": {**self._stayed}, "unknown": {**self._unknown}}

    @property
    def code(self) -> int:
        """Of the command: whoever does not know what became of one looks again."""
        return Exit.NEGATIVE if self._unknown else Exit.OK

    def tell(self) -> None:
        """For people."""
        for run, why in self._stayed.items():
            console.print(f"{run} stays: {why}", markup=False)
        for run, why in self._unknown.items():
            console.print(f"{run} is not known to be moved: {why}", markup=False)
        console.print(f"{self._moved} moved")


def _runs(report: Record) -> list[Record]:
    runs = report["runs"]
    return [one for one in runs if isinstance(one, dict)] if isinstance(runs, list) else []


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
    if version is not None and record.get("version") != version:
        say("It is asked to move, and has not answered yet.", as_json=as_json)
        raise typer.Exit(Exit.NEGATIVE)
