"""What commands print: tables and short texts for people, JSON for programs, and never both."""

import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeGuard

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.errors import Invalid
from tocsin.signals import Json

Record = dict[str, Json]  # as the client has it, without importing the client

_SPACE, _DELETE = 0x20, 0x7F
_CONTROLS: Final = re.compile(r"\x1b\[[0-9;]{0,40}m|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MOMENTS: Final = {"at", "died", "due", "heard", "materialized", "observed", "written"}

# A pipe has no width: tables are as wide as they are, so that `grep` finds whole lines.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 240)

STATUS_STYLES: Final = {
    "completed": "green",
    "ready": "green",
    "ok": "green",
    "active": "green",
    "running": "cyan",
    "pending": "dim",
    "waiting": "yellow",
    "suspended": "yellow",
    "paused": "yellow",
    "cancelling": "yellow",
    "cancelled": "magenta",
    "skipped": "dim",
    "retrying": "yellow",
    "faulted": "red",
    "failed": "red",
    "down": "red",
}


def print_json(value: Json, *, indent: bool | None = None) -> None:
    """One JSON value on standard output; indented where a person looks at it."""
    pretty = sys.stdout.isatty() if indent is None else indent
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if pretty else 0).decode()
    if sys.stdout.isatty():
        console.print_json(text)
    else:
        print(text, flush=True)


def print_records(records: Sequence[Record], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """A list, as an array or as a table.

    Args:
        records: What to print.
        columns: Members to show, in order; ``name:title`` gives another heading.
        as_json: Print the records as they are.
        empty: What to say to a person when there are none.
    """
    if as_json:
        print_json([*records])
        return
    if not records:
        console.print(Text(empty, style="dim"))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        name, _, title = column.partition(":")
        numbers = {type(record.get(name)) for record in records} - {type(None)}
        aligned: Literal["left", "right"] = "right" if numbers and numbers <= {int, float} else "left"
        table.add_column((title or name).replace("_", " "), overflow="fold", no_wrap=name in {"id", "status"}, justify=aligned)
    for record in records:
        table.add_row(*(_cell(column.partition(":")[0], record) for column in columns))
    console.print(table)


def print_record(record: Record, *, as_json: bool, hide: Iterable[str] = ()) -> None:
    """One thing: its members one a line, long values indented below."""
    if as_json:
        print_json(record)
        return
    width = max((len(name) for name in record), default=0)
    for name, value in record.items():
        if name in hide or value is None or value in ({}, [], ""):
            continue
        label = Text(f"{name.replace('_', ' '):<{width}}  ", style="bold")
        console.print(Text.assemble(label, _value(name, value)), soft_wrap=True)


def say(text: str, *, as_json: bool = False, style: str = "") -> None:
    """A sentence for a person; nothing for a program."""
    if not as_json:
        console.print(Text(text, style=style))


def print_done(sentence: str, record: Record, *, as_json: bool) -> None:
    """What was done, where there is nothing else to show."""
    if as_json:
        print_json(record)
    say(sentence, as_json=as_json)


def harmless(text: str) -> str:
    """Text of strangers for a terminal: colours stay, whatever else would move, clear, rename or answer is made visible."""
    return _CONTROLS.sub(lambda found: found[0] if found[0].endswith("m") else _picture(found[0]), text)


def _picture(control: str) -> str:
    code = ord(control)
    return chr(0x2400 + code) if code < _SPACE else "\u2421" if code == _DELETE else "\ufffd"


def status_text(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=STATUS_STYLES.get(status, ""))


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in a few characters."""
    return duration(now - moment) + " ago" if now >= moment else "in " + duration(moment - now)


def duration(span: timedelta) -> str:
    """A length of time in a few characters: 12 ms, 3.4 s, 5 min, 2 h, 3 d."""
    seconds = span.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "min"), (86400 * 2, 3600, "h")):
        if seconds < limit:
            amount = seconds / divisor
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def moment(value: Json) -> datetime | None:
    """An RFC 3339 time of the API; ``None`` for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def now() -> datetime:
    """The present, for showing how long ago something was."""
    return datetime.now(UTC)


def json_argument(text: str | None, what: str) -> Json:
    """The JSON value of an option: given as it is, as ``@FILE``, or ``@-`` for standard input.

    Raises:
        Invalid: The file cannot be read, or it is not JSON.
    """
    if text is None:
        return None
    try:
        raw = read_file(text[1:], what) if text.startswith("@") else text.encode()
        value: Json = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise Invalid(
            f"{what} is not JSON: {exc}", hint="quote it for the shell, or write it to a file and give @FILE"
        ) from exc
    return value


def read_file(name: str, what: str) -> bytes:
    """The content of a file, or of standard input for ``-``.

    Raises:
        Invalid: It cannot be read.
    """
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError as exc:
        raise Invalid(f"{what} {name} cannot be read: {exc.strerror or exc}") from exc


def pairs(values: Sequence[str], option: str) -> dict[str, Json]:
    """``KEY=VALUE`` options as a mapping.

    Raises:
        Invalid: One has no equals sign.
    """
    given: dict[str, Json] = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not equals or not key:
            raise Invalid(f"{option} {value!r} is not KEY=VALUE")
        given[key] = rest
    return given


def _cell(name: str, record: Record) -> Text:
    value = record.get(name)
    return Text("-", style="dim") if value is None else _value(name, value, short=True)


def _value(name: str, value: Json, *, short: bool = False) -> Text:
    if isinstance(value, str):
        if name in {"status", "state"}:
            return status_text(value)
        at = moment(value) if name.endswith(("_at", "time")) or name in _MOMENTS else None
        return Text(harmless(value)) if at is None else Text(ago(at, now()) if short else f"{value}  ({ago(at, now())})")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int | float):
        return Text(str(value))
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return Text(", ".join(map(str, value)))
    own = name in {"input", "output", "data", "event"}  # somebody's values: shown as they are
    if not own and _is_flat(value):
        return Text(_flat(value))
    rows = [item for item in value if _is_flat(item)] if isinstance(value, list) and not own and not short else []
    if rows and isinstance(value, list) and len(rows) == len(value):
        return Text("".join(f"\n  {_flat(item)}" for item in rows))
    shown = value if own else _without_nulls(value)
    text = orjson.dumps(shown, option=0 if short else orjson.OPT_INDENT_2).decode()
    return Text(text if "\n" not in text else "\n" + text)


def _is_flat(value: Json) -> TypeGuard[dict[str, Json]]:
    return isinstance(value, dict) and not any(isinstance(item, dict | list) for item in value.values())


def _flat(record: dict[str, Json]) -> str:
    """A small thing in one line: ``kind=webhook name=orders``."""
    return " ".join(f"{name}={_value(name, item, short=True).plain}" for name, item in record.items() if item is not None)


def _without_nulls(value: Json) -> Json:
    """For people: a member that is not set is not shown; elements of lists keep their places."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
