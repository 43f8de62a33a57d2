"""The span of a run as a whole in a trace: told once when its end is saved; nothing is done where none are recorded.

A run outlives processes, so that its span cannot be held open. Its id follows from the run: workers and signals name it as
their parent while it is not there yet.
"""

from typing import Final

from tocsin_executor.application.live import Live
from tocsin_executor.application.signals import moment_of
from tocsin_executor.domain.state import RunStatus
from tocsin_kit.telemetry import recording, tell_lasting

_REMEMBERED: Final = 10_000  # runs that are not told again when something comes too late for them


class RunSpans:
    """Tells the spans of runs that have ended."""

    def __init__(self) -> None:
        self._told: dict[str, None] = {}

    def tell(self, live: Live) -> None:
        """Record the span of a run that has ended, unless that was done."""
        head = live.state.head
        if not recording() or head is None or head.ended is None or live.run in self._told:
            return
        self._told[live.run] = None
        while len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        failure = head.fin.error if head.fin is not None and head.status is RunStatus.FAULTED else None
        attributes: dict[str, str | int] = {
            "run": live.run,
            "namespace": head.namespace,
            "workflow": head.name,
            "version": head.version,
            "status": head.status.value,
            "waited_ms": max(head.started - live.meta.created, 0),
        }
        if head.parent is not None:
            attributes["parent_run"] = head.parent.run
        if live.meta.trigger is not None:
            attributes["trigger"] = "/".join(str(live.meta.trigger.get(part) or "") for part in ("kind", "name"))
        tell_lasting(
            "run",
            head.traceparent,
            live.run,
            began=moment_of(head.started),
            ended=moment_of(head.ended),
            attributes=attributes,
            error=None if failure is None else str(failure.get("type") or "error"),
        )
