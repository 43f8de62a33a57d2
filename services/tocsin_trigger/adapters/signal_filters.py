"""Which signals the service is given: those that some trigger listens to, and a few that it needs itself.

The durable consumer of all replicas has one list of filters, by entity and transition, so it is as short as the catalogue,
however many triggers there are. A replica adds what is missing before it says that a trigger is there, and takes away what
nobody needs only now and then: two replicas that know different things must never take a filter from each other.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

import structlog

from tocsin.errors import NotFound
from tocsin_kit.bus import Bus, Consumer
from tocsin_kit.bus.api import call
from tocsin_kit.bus.topology import ConsumerSpec, ensure
from tocsin_kit.chassis.components import Part
from tocsin_kit.clock import Clock

log = structlog.get_logger()

_TIDY = timedelta(minutes=10)

Wanted = tuple[str, str]  # entity, transition or "*"


class SignalFilters(Part):
    """Keeps the filters; start it between the triggers and the consumer.

    Args:
        bus: The service's connection.
        spec: Of the consumer whose filters they are; those in it are always needed.
        wanted: What triggers listen to now.
        clock: Time.
    """

    def __init__(self, bus: Bus, spec: ConsumerSpec, wanted: Callable[[], Iterable[Wanted]], clock: Clock) -> None:
        super().__init__("signal-filters")
        self._bus = bus
        self._spec = spec
        self._consumer: Consumer | None = None
        self._wanted = wanted
        self._clock = clock
        self._always = tuple(_of(subject) for subject in spec.filters)

    def serve_for(self, consumer: Consumer) -> None:
        """Tell this one what its filters are."""
        self._consumer = consumer

    async def start(self) -> None:
        """Ask for what the triggers want before the consumer begins."""
        await self.widen()

    async def serve(self) -> None:
        """Tidy up now and then."""
        while True:
            await self._clock.sleep(_TIDY)
            await self._set(await self._present(), {*self._always, *self._wanted()})

    async def widen(self) -> None:
        """Make sure that nothing is missing that a trigger listens to.

        Raises:
            Unavailable: The bus does not answer.
        """
        present = await self._present()
        await self._set(present, {*present, *self._always, *self._wanted()})

    async def _present(self) -> set[Wanted]:
        spec = self._spec
        try:
            config = (await call(self._bus, f"CONSUMER.INFO.{spec.stream}.{spec.name}"))["config"]
        except NotFound:
            return set()
        return {_of(subject) for subject in config.get("filter_subjects") or [config["filter_subject"]]}

    async def _set(self, present: set[Wanted], wanted: set[Wanted]) -> None:
        filters = subjects(wanted)
        spec = self._spec = replace(self._spec, filters=filters)
        if self._consumer is not None:
            self._consumer.spec = spec  # it makes itself anew from this when it was lost
        if filters != subjects(present):
            await ensure(self._bus, spec)
            log.info("signals.listening", filters=len(filters))


def subjects(wanted: Iterable[Wanted]) -> tuple[str, ...]:
    """Filters that do not overlap, which the server would refuse."""
    kept = set(wanted)
    whole = {entity for entity, transition in kept if transition == "*"}
    told = {(entity, transition) for entity, transition in kept if transition == "*" or entity not in whole}
    return tuple(f"signals.*.{e}.>" if t == "*" else f"signals.*.{e}.{t}.>" for e, t in sorted(told))


def _of(subject: str) -> Wanted:
    tokens = subject.split(".")
    return tokens[2], tokens[3].replace(">", "*")
