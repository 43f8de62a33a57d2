"""What every service exports about its parts without each of them knowing of metrics: readiness, outbox, dead letters.

What is in memory is read when somebody scrapes; for dead letters the server is asked now and then.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from tocsin_kit.bus import Bus
from tocsin_kit.bus.api import call
from tocsin_kit.bus.deadletters import STREAM, dead_letters
from tocsin_kit.chassis.components import Component
from tocsin_kit.chassis.ticking import Ticking
from tocsin_kit.store import Relay
from tocsin_kit.telemetry import Metrics

_COMPONENTS: Final = 128
_LOOK: Final = timedelta(seconds=20)


def export(metrics: Metrics, components: Sequence[Component]) -> None:
    """Export how the components of a service are.

    Args:
        metrics: Of the service.
        components: All of them.
    """
    ready = metrics.gauge(
        "component_ready", "Whether a component can do its work: 1 or 0; 0 turns readiness off.", component=_COMPONENTS
    )
    for component in components:
        ready.labels(component=component.name).set_function(_readiness(component))
        if isinstance(component, Relay):
            _export_outbox(metrics, component)


def _readiness(component: Component) -> Callable[[], float]:
    return lambda: float(component.health().ready)


def _export_outbox(metrics: Metrics, relay: Relay) -> None:
    waiting = metrics.gauge("outbox_waiting_entities", "Entities with signals that this process has still to publish.")
    waiting.labels().set_function(lambda: relay.waiting)
    stuck = metrics.gauge("outbox_stuck_entities", "Entities whose signals cannot be published at all.")
    stuck.labels().set_function(lambda: relay.stuck)
    oldest = metrics.gauge("outbox_oldest_seconds", "For how long the oldest committed signal is unsaid; 0 below 3 s.")
    oldest.labels().set_function(relay.oldest)


def watch_dead_letters(service: str, bus: Bus, metrics: Metrics) -> Ticking:
    """A component that says how many dead letters of a service lie there, and for how long.

    Args:
        service: Whose.
        bus: Its connection; asked every twenty seconds.
        metrics: Of the service.
    """
    count = metrics.gauge("dead_letters", "Messages that a service could not handle and that nobody has redriven.").labels()
    oldest = metrics.gauge("dead_letters_oldest_seconds", "For how long the oldest dead letter lies there.").labels()

    async def look() -> None:
        info = await call(bus, f"STREAM.INFO.{STREAM}", {"subjects_filter": f"dead.{service}.>"})
        lie = sum((info["state"].get("subjects") or {}).values())
        age = 0.0
        if lie:
            async for letter in dead_letters(bus, service):
                age = max((bus.clock.now() - letter.died).total_seconds(), 0.0)
                break
        count.set(lie)
        oldest.set(age)

    return Ticking("dead-letters", _LOOK, look, clock=bus.clock)
