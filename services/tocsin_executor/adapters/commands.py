"""Commands of other services: start a run, cancel one. A start that is refused is said, so that nobody waits for its run."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tocsin.errors import Invalid, NotFound, Rejected, Unavailable
from tocsin.signals import Cause, CloudEvent, subjects
from tocsin.signals.catalogue.executor import RunRefused
from tocsin_executor.adapters.refusals import DETAIL, BusRefusals
from tocsin_executor.application.admission import LimitReached
from tocsin_executor.application.runs import RunAlreadyDone, Runs, StartOrder
from tocsin_executor.domain.inputs import Parent, Verb
from tocsin_executor.domain.large import Large
from tocsin_executor.domain.values import Json
from tocsin_kit.bus.delivery import Delivery
from tocsin_kit.telemetry import current_traceparent, recording


class Commands:
    """Carries commands out; each may come more than once.

    Args:
        runs: Use cases of runs.
        refusals: Says which starts come to nothing.
    """

    def __init__(self, runs: Runs, refusals: BusRefusals) -> None:
        self._runs = runs
        self._refusals = refusals

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
                    await self._begun(command.key)
                    await self._runs.control(command.key, Verb.CANCEL, actor=_text(actor), reason=_text(reason))
            case _:
                raise Invalid(f"The executor has no command {command.verb!r}.")

    async def _begun(self, run: str) -> None:
        """The command to start the run came before this one, and may be on its way still."""
        try:
            await self._runs.get(run)
        except NotFound as error:
            raise Unavailable(f"Run {run} has not begun, and cannot be cancelled yet.") from error

    async def _start(self, event: CloudEvent, run: str, data: Mapping[str, Any]) -> None:
        order = _order(event, run, data)
        try:
            await self._runs.start(order, run=run)
        except Rejected as error:
            refused = RunRefused(
                run=run,
                workflow=order.workflow,
                version=order.version,
                code=error.code,
                detail=error.detail[:DETAIL],
                trigger=order.trigger,
            )
            cause = Cause(event.id, order.correlation or event.id, event.depth, event.traceparent)
            # Said before the command is put aside, which a crash in between does again.
            await self._refusals.publish(order.namespace, refused, cause, order.actor)
            if order.parent is not None:
                await self._runs.report_missing(order.parent, error.detail)
            elif not isinstance(error, LimitReached):  # that is what the definition asks for, and nothing to redrive
                raise


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
            input=_input(data),
            labels={str(name): str(value) for name, value in (data.get("labels") or {}).items()},
            actor=_text(data.get("actor")),
            cause=event.id,
            correlation=event.correlation_id,
            # Of the span in which it is carried out; where nothing is recorded, a trace that nobody began is not begun.
            traceparent=current_traceparent() if event.traceparent or recording() else None,
            trigger=data.get("trigger"),
            parent=Parent(above["run"], above["attempt"]) if isinstance(above, Mapping) else None,
            depth=event.depth,
            priority=_number(data.get("priority")),
            key=_text(data.get("concurrency_key")),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise Invalid(f"The command to start run {run} lacks or garbles {error}.") from error


def _input(data: Mapping[str, Any]) -> Json:
    """The input; of a child's start perhaps a reference to a large value of its parent."""
    given: Json = data.get("input")
    if data.get("large") is True and isinstance(given, Mapping):
        return Large(str(given["dataref"]), int(str(given["size"])))
    return given


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
