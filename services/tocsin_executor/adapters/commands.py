"""Commands of other services: start a run, cancel one."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tocsin.errors import Invalid, Rejected
from tocsin.signals import CloudEvent, subjects
from tocsin_executor.application.runs import RunAlreadyDone, Runs, StartOrder
from tocsin_executor.domain.inputs import Parent, Verb
from tocsin_kit.bus.delivery import Delivery


class Commands:
    """Carries commands out; each may come more than once.

    Args:
        runs: Use cases of runs.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def handle(self, delivery: Delivery) -> None:
        """One command.

        Raises:
            Rejected: It can never be carried out; it becomes a dead letter.
            Unavailable: Not now.
        """
        command = subjects.parse_command(delivery.subject)
        event = delivery.event()
        data = event.data
        if not isinstance(data, dict):
            raise Invalid(f"The command {event.type} has no object as data.")
        match command.verb:
            case "start":
                await self._start(event, command.key, data)
            case "cancel":
                actor, reason = data.get("actor"), data.get("reason")
                with suppress(RunAlreadyDone):  # it ended by itself meanwhile, and nobody waits for an answer
                    await self._runs.control(command.key, Verb.CANCEL, actor=_text(actor), reason=_text(reason))
            case _:
                raise Invalid(f"The executor has no command {command.verb!r}.")

    async def _start(self, event: CloudEvent, run: str, data: Mapping[str, Any]) -> None:
        above = data.get("parent")
        parent = Parent(above["run"], above["attempt"]) if isinstance(above, Mapping) else None
        try:
            order = StartOrder(
                namespace=data["namespace"],
                workflow=data["workflow"],
                version=data.get("version"),
                input=data.get("input"),
                labels={str(name): str(value) for name, value in (data.get("labels") or {}).items()},
                actor=_text(data.get("actor")),
                cause=event.id,
                correlation=event.correlation_id,
                traceparent=event.traceparent,
                trigger=data.get("trigger"),
                parent=parent,
                depth=event.depth,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise Invalid(f"The command to start run {run} lacks or garbles {error}.") from error
        try:
            await self._runs.start(order, run=run)
        except Rejected as error:
            if parent is None:
                raise
            await self._runs.report_missing(parent, error.detail)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
