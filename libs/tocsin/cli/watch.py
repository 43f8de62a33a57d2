"""A run on the screen while it runs: a live tree on a terminal, plain lines on a pipe, JSON lines for programs."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final, Literal, assert_never

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tocsin.cli.output import STATUS_STYLES, console, duration, harmless, now
from tocsin.cli.progress import Progress, TaskLine
from tocsin.cli.signal import print_signal
from tocsin.client import Client
from tocsin.errors import Conflict, Forbidden, NotFound, Unavailable
from tocsin.signals import CloudEvent

Show = Literal["nothing", "lines", "json", "screen"]

_SYMBOLS: Final = {
    "completed": "✓",
    "faulted": "✗",
    "cancelled": "■",
    "skipped": "-",
    "running": "●",
    "retrying": "↻",
    "waiting": "◔",
    "suspended": "⏸",
    "pending": "○",
}
_POLL_SECONDS: Final = 0.5


async def follow(client: Client, run: str, progress: Progress, *, show: Show = "nothing") -> None:
    """Keep ``progress`` true until the run has ended, and show it meanwhile.

    Signals drive it; a snapshot is taken whenever the stream (re)connects, so nothing is missed. Where there is no stream, the
    API is asked again and again.
    """
    with _showing(progress, show) as shown:
        try:
            await _by_signals(client, run, progress, shown)
        except (Conflict, Forbidden, NotFound, Unavailable):
            await _by_asking(client, run, progress)


async def _by_signals(client: Client, run: str, progress: Progress, shown: Callable[[CloudEvent], None]) -> None:
    namespace = str(progress.run.get("namespace") or "*")
    async with contextlib.aclosing(client.signals.stream(f"signals.{namespace}.*.*.{run}")) as stream:
        async for event in stream:
            if event is None:
                await _snapshot(client, run, progress)
            elif progress.apply(event):
                shown(event)
            if progress.is_over:
                break
    await _snapshot(client, run, progress)


async def _by_asking(client: Client, run: str, progress: Progress) -> None:
    await _snapshot(client, run, progress)
    while not progress.is_over:
        await asyncio.sleep(_POLL_SECONDS)
        await _snapshot(client, run, progress)


async def _snapshot(client: Client, run: str, progress: Progress) -> None:
    tasks = [task async for task in client.runs.tasks(run)]
    progress.refresh(await client.runs.show(run), tasks)


@contextlib.contextmanager
def _showing(progress: Progress, show: Show) -> Iterator[Callable[[CloudEvent], None]]:
    """What to call for each signal that changed something."""
    match show:
        case "nothing":
            yield lambda _: None
        case "json":
            yield lambda event: print_signal(event, as_json=True)
        case "lines":
            yield lambda event: print_signal(event, as_json=False)
        case "screen":
            # The durations tick by themselves; signals only change what is drawn at the next refresh.
            with Live(get_renderable=lambda: screen(progress), console=console, refresh_per_second=10):
                yield lambda _: None
        case _:
            assert_never(show)


def screen(progress: Progress, *, heading: bool = True) -> Group:
    """The run as a tree of its tasks."""
    at = now()
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for depth, line in progress.lines():
        table.add_row(*_row(line, depth, line.elapsed(at)))
    if not heading:
        return Group(table)
    elapsed = progress.elapsed(at)
    title = Text.assemble(
        (f"{progress.run.get('workflow', 'run')} ", "bold"),
        (f"{progress.run.get('version') or ''}  ", "dim"),
        (f"{progress.run.get('id', '')}  ", "dim"),
        (progress.status, STATUS_STYLES.get(progress.status, "")),
        (f"  {duration(elapsed)}" if elapsed is not None else "", "dim"),
    )
    return Group(title, table)


def _row(line: TaskLine, depth: int, elapsed: timedelta | None) -> tuple[Text, ...]:
    style = STATUS_STYLES.get(line.status, "")
    name = Text.assemble("  " * (depth + 1), (_SYMBOLS.get(line.status, "●"), style), " ", line.name)
    notes = []
    if len(line.activations) > 1:
        notes.append(f"{line.finished()}/{len(line.activations)}")
    if line.part is not None:
        notes.append(f"{line.part[0]:,} of {line.part[1]:,} ended")
    if line.attempts > 1:
        notes.append(f"attempt {line.attempts}")
    if line.latest.error and line.status in {"faulted", "retrying"}:
        notes.append(harmless(line.latest.error))
    return (
        name,
        Text(line.status, style=style),
        Text(duration(elapsed) if elapsed is not None else "", style="dim", justify="right"),
        Text(" · ".join(notes), style="red" if line.status == "faulted" else "dim", overflow="ellipsis", no_wrap=True),
    )
