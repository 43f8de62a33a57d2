"""Which workers are there, as one of them hears it: for what must not be left behind by those that are not.

Workers say that they are there on core NATS, and a worker hears itself too. So it knows when it has been deaf: cut off, or
paused. While it has not heard itself for long enough it judges nobody, and others may have what it had before a silence.
"""

from datetime import timedelta
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from tocsin_executor.worker.hands import ACK_WAIT
from tocsin_kit.bus import Bus
from tocsin_kit.clock import Clock

SUBJECT: Final = "workers.*"
SILENT: Final = ACK_WAIT + timedelta(seconds=2)
"""A worker of which nothing is heard for so long is dead: its tasks have gone to others by then."""

_MOST: Final = 10_000


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    state: str
    instance: str = ""


class _Heard(Protocol):
    @property
    def data(self) -> bytes:
        """Its payload."""
        ...


class Neighbours:
    """Listens to workers.

    Args:
        bus: A connection.
        instance: Tells this process's worker from all others, earlier ones of its name too.
        clock: Time.
    """

    def __init__(self, bus: Bus, instance: str, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self.instance = instance
        self._seen: dict[str, float] = {}
        self._heard_since: float | None = None  # itself, without a long pause
        self._deaf_until = 0.0

    async def start(self) -> None:
        """Listen."""
        await self._bus.subscribe(SUBJECT, self._hear)

    def is_dead(self, instance: str) -> bool:
        """Whether nothing has been heard of a worker for long enough, by one who would have heard it."""
        now, silent = self._clock.monotonic(), SILENT.total_seconds()
        last = self._seen.get(self.instance)
        listening = self._heard_since is not None and last is not None and now - last < silent / 2
        if instance == self.instance or not listening or now - (self._heard_since or now) < silent:
            return False
        return now - self._seen.get(instance, 0.0) >= silent

    def was_deaf_since(self, when: float) -> bool:
        """Whether this worker has been silent for so long since then (monotonic) that its tasks may have gone to others."""
        last = self._seen.get(self.instance)
        return self._deaf_until >= when or (last is not None and self._clock.monotonic() - last >= ACK_WAIT.total_seconds())

    async def _hear(self, message: _Heard) -> None:
        try:
            said = _Said.model_validate_json(message.data)
        except ValidationError:
            return
        now = self._clock.monotonic()
        if said.state == "gone":
            self._seen.pop(said.instance, None)
            return
        if said.instance == self.instance:
            last = self._seen.get(self.instance)
            if last is None or now - last >= SILENT.total_seconds() / 2:
                self._heard_since = now
            if last is not None and now - last >= ACK_WAIT.total_seconds():
                self._deaf_until = now
        if said.instance in self._seen or len(self._seen) < _MOST:
            self._seen[said.instance] = now
        self._seen = (
            {name: when for name, when in self._seen.items() if now - when < 60} if len(self._seen) > 1000 else self._seen
        )
