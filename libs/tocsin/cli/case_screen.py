"""How cases look on a screen: colours, promises, histories."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from rich.table import Table
from rich.text import Text

from tocsin.cli.output import ago, console, duration, moment, now, print_record
from tocsin.client import Record
from tocsin.signals import Json

_SOON: Final = 900  # seconds before a promise is broken from which it is shown as urgent
_PRIORITIES: Final = {"critical": "bold red", "high": "yellow", "low": "dim"}
_STAGES: Final = {"new": "bold", "active": "cyan", "paused": "yellow", "resolved": "green", "closed": "dim"}
_CLOCKS: Final = (("response", "response"), ("updating", "update"), ("resolving", "resolution"))
_STATES: Final = {"breached": "red", "met": "green", "held": "yellow", "running": "cyan"}


def cases_table(records: Sequence[Record]) -> None:
    """Cases, with what is promised next in the colour of how urgent it is."""
    if not records:
        console.print(Text("No cases.", style="dim"))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "status", "priority", "title", "owner", "times", "due", "opened"):
        table.add_column(heading, no_wrap=heading != "title", overflow="fold")
    for record in records:
        priority, opened = str(record.get("priority")), moment(record.get("opened_at"))
        table.add_row(
            str(record.get("id")),
            Text(str(record.get("status")), style=_STAGES.get(str(record.get("stage")), "")),
            Text(priority, style=_PRIORITIES.get(priority, "")),
            Text(str(record.get("title"))),
            Text("-", style="dim") if record.get("owner") is None else Text(str(record.get("owner"))),
            str(record.get("occurrences")),
            _promise(record),
            "" if opened is None else ago(opened, now()),
        )
    console.print(table)


def _promise(record: Record) -> Text:
    """The next promise of a case."""
    if any(_state(record.get(name)) == "breached" for name, _ in _CLOCKS):
        return Text("broken", style="bold red")
    if record.get("stage") == "paused":
        return Text("held", style="yellow")
    due = moment(min((due for name, _ in _CLOCKS if (due := _next(record.get(name))) is not None), default=None))
    if due is None:
        return Text("-", style="dim")
    return Text(ago(due, now()), style="yellow" if (due - now()).total_seconds() < _SOON else "")


def in_lines(record: Record) -> Record:
    """A case with custom fields and links as one line each."""
    fields, links = record.get("fields"), record.get("links")
    told = [f"{name}={value}" for name, value in fields.items()] if isinstance(fields, dict) else []
    about: list[Json] = [
        f"{link.get('role')} {link.get('kind')}:{link.get('target')}"
        for link in (links if isinstance(links, list) else ())
        if isinstance(link, dict)
    ]
    return {**record, "fields": ", ".join(told), "links": about}


def measures_lines(record: Record) -> None:
    """Numbers about cases, times as people say them."""
    shown: Record = {}
    for name, value in record.items():
        if name.endswith("_s") and isinstance(value, int | float):
            shown[name.removesuffix("_s")] = duration(timedelta(seconds=value))
        elif name == "breach_rate" and isinstance(value, int | float):
            shown[name] = f"{value:.1%}"
        elif isinstance(value, dict):
            shown[name] = ", ".join(f"{count} {age}" for age, count in value.items() if count) or "nothing"
        else:
            shown[name] = value
    print_record(shown, as_json=False)


def facet_rows(record: Record) -> list[Record]:
    """Counts of values as rows."""
    counted = record.get("facets")
    return [
        {"field": name, "value": value, "cases": count}
        for name, values in (counted.items() if isinstance(counted, dict) else ())
        for value, count in (values.items() if isinstance(values, dict) else ())
    ]


def clocks_table(record: Record) -> None:
    """The promises, the escalation and the playbooks of a case."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("promise", "state", "due", "breaches"):
        table.add_column(heading)
    for name, title in _CLOCKS:
        clock = record.get(name)
        if isinstance(clock, dict):
            state, due = _state(clock) or "", moment(clock.get("due"))
            told = "" if due is None else f"{clock.get('due')}  ({ago(due, now())})"
            table.add_row(title, Text(state, style=_STATES.get(state, "")), told, str(clock.get("breaches")))
    if table.row_count:
        console.print()
        console.print(table)
    chain = record.get("escalation")
    if isinstance(chain, dict):
        told = f"ended: {chain.get('ended')}" if chain.get("ended") else f"next level {chain.get('next_at')}"
        console.print(Text(f"\nescalation {chain.get('policy')}: level {chain.get('level')}, {told}"))
    runs = record.get("playbooks")
    for run in runs if isinstance(runs, list) else ():
        if isinstance(run, dict):
            waits = f", waits for {run.get('waits_for')}" if run.get("waits_for") else ""
            console.print(Text(f"playbook {run.get('name')}: {run.get('status')}, run {run.get('run')}{waits}"))


def history_lines(record: Record) -> None:
    """A history, one change a paragraph."""
    items = record.get("items")
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict):
            continue
        notes = item.get("notes")
        told = f"  {', '.join(map(str, notes))}" if isinstance(notes, list) and notes else ""
        heading = (
            (str(item.get("at")), "dim"),
            "  ",
            (str(item.get("actor")), "bold"),
            f"  {item.get('why')}",
            (told, "yellow"),
        )
        console.print(Text.assemble(*heading))
        changes = item.get("changes")
        for change in changes if isinstance(changes, list) and item.get("revision") != 1 else ():
            if isinstance(change, dict) and change.get("name") not in {"clocks", "last_position"}:
                line = f"    {change.get('name')}: {_short(change.get('before'))} -> {_short(change.get('after'))}"
                console.print(Text(line), soft_wrap=True)


def _next(clock: Json) -> str | None:
    due = clock.get("due") if isinstance(clock, dict) and _state(clock) == "running" else None
    return due if isinstance(due, str) else None


def _state(clock: Json) -> str | None:
    if not isinstance(clock, dict):
        return None
    if clock.get("met"):
        return "met"
    if clock.get("breached"):
        return "breached"
    return "held" if clock.get("due") is None else "running"


def _short(value: Json) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
