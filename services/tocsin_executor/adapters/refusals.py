"""Says that a run which was asked for does not begin: ``run.refused``."""

from tocsin.signals import Cause
from tocsin.signals.catalogue.executor import RUN_REFUSED, RunRefused
from tocsin.signals.make import make_signal, subject_of
from tocsin_executor.application.waiting import Waiting
from tocsin_kit.bus.connection import Bus
from tocsin_kit.clock import Clock

DETAIL = 2048  # characters of a reason that a signal may have


class BusRefusals:
    """Publishes refusals; a repeat has the same id.

    Args:
        bus: A started bus.
        clock: Time.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock

    async def say(self, waiting: Waiting) -> None:
        """A run that waited does not begin."""
        code, detail = waiting.reason or ("refused", "it does not begin")
        payload = RunRefused(
            run=waiting.run,
            workflow=waiting.workflow,
            version=waiting.version,
            code=code,
            detail=detail[:DETAIL],
            trigger=waiting.trigger,
        )
        cause = Cause(waiting.run, waiting.correlation)
        await self.publish(waiting.namespace, payload, cause, waiting.actor)

    async def publish(self, namespace: str, payload: RunRefused, cause: Cause, actor: str | None) -> None:
        """Publish the signal."""
        signal = make_signal(
            RUN_REFUSED,
            namespace=namespace,
            entity_id=payload.run,
            sequence=1,
            time=self._clock.now(),
            payload=payload,
            cause=cause,
            actor=actor,
        )
        await self._bus.publish_event(subject_of(signal), signal)
