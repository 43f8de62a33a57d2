"""`tocsin signal`: every change of state of anything, as it happens."""

import contextlib
import re
import sys
from datetime import timedelta
from typing import Annotated

import orjson
import typer
from rich.text import Text

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import STATUS_STYLES, console, now
from tocsin.cli.session import AsJson, Namespace, Target, Url, asynchronous, connect, target
from tocsin.client.resources import Filters
from tocsin.errors import Invalid
from tocsin.signals import CloudEvent, decode, encode
from tocsin.signals.codec import format_time, parse_time

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Signals.")

Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="RFC 3339, or how long ago: 30s, 10m, 2h, 7d.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most this many.")]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SHOWN = 100  # characters of a payload; --json shows all


@app.callback()
def signal() -> None:
    """Watch every change of state of anything."""


@app.command()
@asynchronous
async def tail(
    *,
    subject: Annotated[
        str | None, typer.Option("--filter", "-f", metavar="SUBJECT", help="Such as `signals.default.run.*.*` or `signals.>`.")
    ] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only signals of this run and its tasks.")] = None,
    count: Annotated[int | None, typer.Option("--count", "-c", min=1, help="End after this many.")] = None,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Print signals as they happen, until Ctrl-C: one line each, or with --json one JSON object each."""
    where = target(url, namespace)
    if subject is not None and run is not None:
        raise Invalid("--filter and --run exclude each other")
    wanted = f"signals.{where.namespace}.*.*.{run}" if run else subject or f"signals.{where.namespace}.>"
    seen = 0
    async with connect(where.url) as client, contextlib.aclosing(client.signals.stream(wanted)) as stream:
        async for event in stream:
            if event is None:
                if sys.stderr.isatty():
                    print(f"listening to {wanted} (Ctrl-C ends)", file=sys.stderr)
                continue
            print_signal(event, as_json=as_json)
            seen += 1
            if count is not None and seen >= count:
                return


@app.command("list")
@asynchronous
async def list_(
    *,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only of this run and its tasks.")] = None,
    entity: Annotated[str | None, typer.Option("--entity", help="run, task, schedule, trigger, case, ...")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="CloudEvents type.")] = None,
    correlation: Annotated[str | None, typer.Option("--correlation", help="One flow, across services.")] = None,
    since: Since = None,
    limit: Limit = 50,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Print signals that have been, oldest of them first."""
    filters: Filters = {"id": run, "entity": entity, "type": kind, "correlation": correlation}
    await _history("list", {**filters, "since": instant(since)}, target(url, namespace), limit=limit, as_json=as_json)


@app.command()
@asynchronous
async def audit(
    *,
    actor: Annotated[str | None, typer.Option("--actor", metavar="WHO", help="Such as user:ada or key:<id>.")] = None,
    since: Since = None,
    limit: Limit = 50,
    url: Url = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Print who did what, oldest of it first."""
    filters: Filters = {"actor": actor, "since": instant(since)}
    await _history("audit", filters, target(url, namespace), limit=limit, as_json=as_json)


async def _history(which: str, filters: Filters, where: Target, *, limit: int, as_json: bool) -> None:
    async with connect(where.url) as client:
        source = client.signals.audit if which == "audit" else client.signals.list
        records = [record async for record in source({"namespace": where.namespace, **filters}, limit=limit)]
    for record in reversed(records):
        event = decode(orjson.dumps(record.get("event")))
        print_signal(event, as_json=as_json)


def instant(text: str | None, option: str = "--since") -> str | None:
    """An RFC 3339 time as it is, or a length of time before now: 30s, 10m, 2h, 7d."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if found is None:
        return format_time(parse_time(text, option))
    return format_time(now() - timedelta(seconds=int(found[1]) * _UNITS[found[2]]))


def print_signal(event: CloudEvent, *, as_json: bool) -> None:
    """One signal in one line."""
    if as_json:
        print(encode(event).decode(), flush=True)
        return
    entity, transition = event.type.split(".")[-3:-1]
    entity = "run" if entity == "workflow" else entity  # the language's word for it
    time = event.time.astimezone().strftime("%H:%M:%S.%f")[:-3] if event.time else "-"
    line = Text.assemble(
        (time, "dim"),
        "  ",
        (f"{entity}.{transition}".ljust(20), STATUS_STYLES.get(transition, "")),
        "  ",
        (f"{event.namespace or '-'}/{event.subject or '-'}", "bold"),
        "  ",
        _summary(event),
    )
    console.print(line, soft_wrap=True)


def _summary(event: CloudEvent) -> Text:
    """What a person wants to know of the data: of tasks which one, of errors the title, else its members."""
    data = event.payload if isinstance(event.payload, dict) else {}
    parts: list[str] = []
    for name, value in data.items():
        if name in {"workflow", "task"} and "task" in data:
            parts += [str(value)] if name == "task" else []
        elif isinstance(value, dict) and name == "error":
            parts.append(str(value.get("detail") or value.get("title") or value.get("type")))
        elif isinstance(value, dict | list):
            parts.append(f"{name}={orjson.dumps(value).decode()}")
        elif not name.endswith(("At", "_at")) and (name != "name" or (event.subject or "\0") not in str(value)):
            parts.append(f"{name}={value}")
    attempt = event.extensions.get("attempt")
    parts += [f"attempt {attempt}"] if isinstance(attempt, int) and attempt > 1 else []
    text = "  ".join(parts)
    return Text(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…", style="dim")
