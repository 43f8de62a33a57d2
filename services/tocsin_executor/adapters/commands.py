"""Commands of other services: start a run, cancel one. A start that is refused is said, so that nobody waits for its run."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tocsin.errors import Invalid, Rejected, TocsinError
from tocsin.signals import Cause, CloudEvent, subjects
from tocsin.signals.catalogue.executor import RUN_REFUSED, RunRefused
from tocsin.signals.make import make_signal, subject_of
from tocsin_executor.application.runs import RunAlreadyDone, Runs, StartOrder
from tocsin_executor.domain.inputs import Parent, Verb
from tocsin_kit.bus.connection import Bus
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.clock import Clock

_DETAIL = 2048  # characters of a reason that a signal may have


class Commands:
    """Carries commands out; each may come more than once.

    Args:
        runs: Use cases of runs.
        bus: For what is said of refused starts.
        clock: Time.
    """

    def __init__(self, runs: Runs, bus: Bus, clock: Clock) -> None:
        self._runs = runs
        self._bus = bus
        self._clock = clock

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
        order = _order(event, run, data)
        try:
            await self._runs.start(order, run=run)
        except Rejected as error:
            await self._say_refused(event, run, order, error)
            if order.parent is None:
                raise
            await self._runs.report_missing(order.parent, error.detail)

    async def _say_refused(self, event: CloudEvent, run: str, order: StartOrder, error: TocsinError) -> None:
        """Published before the command is put aside; a repeat has the same id."""
        payload = RunRefused(
            run=run,
            workflow=order.workflow,
            version=order.version,
            code=error.code,
            detail=error.detail[:_DETAIL],
            trigger=order.trigger,
        )
        signal = make_signal(
            RUN_REFUSED,
            namespace=order.namespace,
            entity_id=run,
            sequence=1,
            time=self._clock.now(),
            payload=payload,
            cause=Cause(event.id, order.correlation or event.id, event.depth, event.traceparent),
            actor=order.actor,
        )
        await self._bus.publish_event(subject_of(signal), signal)


def _order(event: CloudEvent, run: str, data: Mapping[str, Any]) -> StartOrder:
    """What a start command asks for; receivers ignore what they do not know.

    Raises:
        Invalid: It lacks or garbles something.
    """
    above = data.get("parent")
    try:
        return StartOrder(
            namespace=subjects.check_namespace(data["namespace"]),
            workflow=data["workflow"],
            version=data.get("version"),
            input=data.get("input"),
            labels={str(name): str(value) for name, value in (data.get("labels") or {}).items()},
            actor=_text(data.get("actor")),
            cause=event.id,
            correlation=event.correlation_id,
            traceparent=event.traceparent,
            trigger=data.get("trigger"),
            parent=Parent(above["run"], above["attempt"]) if isinstance(above, Mapping) else None,
            depth=event.depth,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise Invalid(f"The command to start run {run} lacks or garbles {error}.") from error


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
