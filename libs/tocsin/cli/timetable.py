"""`tocsin schedule next`: when cron patterns and intervals fire, without a platform."""

import sys
from datetime import datetime
from typing import Annotated

import orjson
import typer

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import now, print_json
from tocsin.errors import Invalid, TocsinError
from tocsin.schedules.timetable import next_texts
from tocsin.schedules.zones import zone
from tocsin.signals import Json

app = typer.Typer(context_settings=dict(SETTINGS))

_MOST = 10_000


@app.command("next")
def next_(
    expression: Annotated[
        str | None,
        typer.Argument(
            metavar="EXPR", help="Cron pattern (`0 9 * * MON-FRI`), nickname (`@daily`) or ISO 8601 interval (`PT15M`)."
        ),
    ] = None,
    *,
    timezone: Annotated[str, typer.Option("--timezone", "-z", metavar="ZONE", help="IANA name.")] = "UTC",
    begin: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="ISO 8601; now unless given.")] = None,
    count: Annotated[int, typer.Option("--count", "-c", min=1, max=_MOST, help="How many.")] = 5,
    batch: Annotated[bool, typer.Option("--batch", help="Read JSON lines, write a JSON line for each.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Print when an expression fires next, after an instant.

    With --batch, each line of standard input is {"expression","timezone","from","count"}, and each line of output, in the same
    order, {"next":[...]} or {"error":{"message","position"}}.
    """
    if batch:
        _batch()
        return
    if expression is None:
        raise typer.BadParameter("give an expression, or --batch", param_hint="EXPR")
    found = next_texts(expression, timezone, _instant(begin, timezone), count)
    if as_json:
        print_json({"expression": expression, "timezone": timezone, "next": [*found]})
    else:
        print("\n".join(found))


def _batch() -> None:
    write = sys.stdout.buffer.write
    for line in sys.stdin.buffer:
        if line.strip():
            write(orjson.dumps(_answer(line), option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def _answer(line: bytes) -> Json:
    try:
        asked = orjson.loads(line)
        if not isinstance(asked, dict) or not isinstance(asked.get("expression"), str):
            raise Invalid("a line is an object with an expression")
        timezone, begin, count = asked.get("timezone") or "UTC", asked.get("from"), asked.get("count", 1)
        if not isinstance(timezone, str) or not isinstance(begin, str | None) or not isinstance(count, int):
            raise Invalid("timezone and from are strings, count is a number")
        if not 0 <= count <= _MOST:
            raise Invalid(f"count is at most {_MOST}")
        return {"next": [*next_texts(asked["expression"], timezone, _instant(begin, timezone), count)]}
    except orjson.JSONDecodeError as exc:
        return {"error": {"message": f"the line is not JSON: {exc}", "position": None}}
    except TocsinError as error:
        position = error.fields.get("position")
        return {"error": {"message": error.detail, "position": position if isinstance(position, int) else None}}


def _instant(text: str | None, timezone: str) -> datetime:
    """An ISO 8601 instant; one without an offset is meant in the zone."""
    if text is None:
        return now()
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as exc:
        raise Invalid(f"{text!r} is not an ISO 8601 instant", hint="write it as 2026-01-31T12:00:00Z") from exc
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=zone(timezone))
