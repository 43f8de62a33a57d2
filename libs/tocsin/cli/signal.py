"""`tocsin signal`: every change of state of anything, as it happens."""

import contextlib
from typing import Annotated

import orjson
import typer
from rich.text import Text

from tocsin.cli.lazy import SETTINGS
from tocsin.cli.output import STATUS_STYLES, console
from tocsin.cli.session import AsJson, Namespace, Url, asynchronous, connect, target
from tocsin.errors import Invalid
from tocsin.signals import CloudEvent, encode

app = typer.Typer(no_args_is_help=True, context_settings=dict(SETTINGS), help="Signals.")

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
                continue
            print_signal(event, as_json=as_json)
            seen += 1
            if count is not None and seen >= count:
                return


def print_signal(event: CloudEvent, *, as_json: bool) -> None:
    """One signal in one line."""
    if as_json:
        print(encode(event).decode(), flush=True)
        return
    entity, _, transition = ".".join(event.type.split(".")[-3:-1]).partition(".")
    time = event.time.astimezone().strftime("%H:%M:%S.%f")[:-3] if event.time else "-"
    data = orjson.dumps(event.payload).decode() if event.payload is not None else ""
    line = Text.assemble(
        (time, "dim"),
        "  ",
        (f"{entity}.{transition}".ljust(24), STATUS_STYLES.get(transition, "")),
        "  ",
        (f"{event.namespace or '-'}/{event.subject or '-'}", "bold"),
        "  ",
        (data if len(data) <= _SHOWN else data[: _SHOWN - 1] + "…", "dim"),
    )
    console.print(line, soft_wrap=True)
