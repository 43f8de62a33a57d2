"""How cases look on a screen: colours, promises, histories."""

from typing import Final

from rich.table import Table
from rich.text import Text

from tocsin.cli.output import ago, console, moment, now
from tocsin.client import Record
from tocsin.signals import Json

COLUMNS: Final = ("id", "status", "priority", "title", "owner", "occurrences:times", "next_promise:due", "opened_at:opened")
_CLOCKS: Final = (("response", "response"), ("updating", "update"), ("resolving", "resolution"))
_STATES: Final = {"breached": "red", "met": "green", "held": "yellow", "running": "cyan"}


def colours(record: Record) -> Record:
    """A case for a list: with its next promise, shortly."""
    dues = [due for name, _ in _CLOCKS if (due := _next(record.get(name))) is not None]
    shown: Record = {**record, "next_promise": None}
    soonest = moment(min(dues)) if dues else None
    if any(_state(record.get(name)) == "breached" for name, _ in _CLOCKS):
        shown["next_promise"] = "broken"
    elif soonest is not None:
        shown["next_promise"] = ago(soonest, now())
    return shown


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
