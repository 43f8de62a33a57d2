"""`tocsin schedule simulate|firings`: what schedules will do, and what they have done."""

from collections import defaultdict
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from tocsin.cli.definitions import split
from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import console, print_json, print_records
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.client import Record

app = typer.Typer(context_settings=dict(SETTINGS))

_SHADES: Final = " ░▒▓█"


@app.command()
@asynchronous
async def simulate(
    *,
    days: Annotated[int, typer.Option("--days", min=1, max=62, help="How far to look, from now.")] = 14,
    duration: Annotated[str, typer.Option("--duration", help="How long a run is assumed to take; ISO 8601.")] = "PT1M",
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces that you may read.")] = False,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Let all schedules fire in virtual time: load by hour, crowds, overlaps."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        found = await client.schedules.simulate(
            None if everywhere else where.namespace, {"days": days, "default_duration": duration}
        )
    if as_json:
        print_json(found)
        return
    console.print(
        f"{found['schedules']} schedules start {found['firings']} runs until {str(found['until'])[:16]}, "
        f"at most {found['at_once']} at the same time."
    )
    if _records(found, "load"):
        console.print(_by_hour(_records(found, "load")))
    crowds = [{**crowd, "schedules": ", ".join(map(str, _list(crowd, "schedules")))} for crowd in _records(found, "crowds")]
    if crowds:
        console.print(Text("\nMost runs in the same instant", style="bold"))
        print_records(crowds[:10], ["at", "count", "schedules"], as_json=False, empty="")
    if overlapping := _records(found, "overlapping"):
        console.print(Text("\nRuns that would take longer than their schedule leaves them", style="bold"))
        print_records(overlapping[:10], ["schedule", "count:times"], as_json=False, empty="")


@app.command()
@asynchronous
async def firings(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name, or namespace/name.")],
    *,
    count: Annotated[int, typer.Option("--count", "-c", min=1, max=1000, help="How many.")] = 20,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Show the instants of a schedule that had a run, and how it ended; the latest first."""
    where = target(url, namespace)
    async with connect(where.url) as client:
        found = [item async for item in client.schedules.firings(*split(name, where.namespace), limit=count)]
    for record in found:
        record["status"] = record.get("outcome") or "running"
    print_records(found, ["at", "status", "run"], as_json=as_json, empty="It has not fired yet.")


def _by_hour(load: list[Record]) -> Table:
    """A day a line, an hour a cell: the darker, the more runs."""
    days: dict[str, dict[int, int]] = defaultdict(dict)
    for hour in load:
        at, firings_then = datetime.fromisoformat(str(hour["hour"])), hour["firings"]
        days[f"{at:%a %Y-%m-%d}"][at.hour] = firings_then if isinstance(firings_then, int) else 0
    most = max(max(hours.values()) for hours in days.values())
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("UTC")
    for hour_of_day in range(24):
        table.add_column(f"{hour_of_day:02}", justify="center")
    table.add_column("runs", justify="right")
    for day, hours in days.items():
        cells = [Text(_shade(hours.get(hour, 0), most) * 2, style="cyan") for hour in range(24)]
        table.add_row(day, *cells, str(sum(hours.values())))
    return table


def _shade(count: int, most: int) -> str:
    return _SHADES[0] if not count else _SHADES[min(4, 1 + count * 4 // (most + 1))]


def _list(record: Record, name: str) -> list[object]:
    value = record.get(name)
    return [*value] if isinstance(value, list) else []


def _records(record: Record, name: str) -> list[Record]:
    return [item for item in _list(record, name) if isinstance(item, dict)]
