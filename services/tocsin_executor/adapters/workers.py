"""Workers that were heard of lately: what they say of themselves on the bus, kept in memory for as long as it is true."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tocsin.errors import NotFound, Unavailable
from tocsin_executor.application.workers import ORDERS, QueueUse, WorkerView, subject_name
from tocsin_executor.domain.values import Json
from tocsin_kit.bus import Bus
from tocsin_kit.chassis import Part
from tocsin_kit.clock import Clock

log = structlog.get_logger()

SUBJECT: Final = "workers.*"
_GONE: Final = timedelta(seconds=8)  # four times as long as a worker is silent
_MOST: Final = 5_000
_ANSWERS: Final = timedelta(seconds=3)


class _Slots(BaseModel):
    slots: int
    busy: int


class Said(BaseModel):
    """What a worker says of itself."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = Field(max_length=128)
    state: str = Field(max_length=32)
    labels: dict[str, str] = Field(default_factory=dict, max_length=64)
    queues: dict[str, _Slots] = Field(default_factory=dict, max_length=256)
    completed: int
    since: datetime


class _Heard(Protocol):
    @property
    def data(self) -> bytes:
        """Its payload."""
        ...


class SeenWorkers(Part):
    """Listens to workers.

    Args:
        bus: A started connection.
        clock: Time.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        super().__init__("executor.workers")
        self._bus = bus
        self._clock = clock
        self._seen: dict[str, WorkerView] = {}

    async def start(self) -> None:
        """Listen."""
        await self._bus.subscribe(SUBJECT, self._hear)

    def now(self) -> Sequence[WorkerView]:
        """Those that are there, by name."""
        old = self._clock.now() - _GONE
        self._seen = {name: seen for name, seen in self._seen.items() if seen.seen >= old}
        return [self._seen[name] for name in sorted(self._seen)]

    async def tell(self, worker: str, order: Mapping[str, Json]) -> WorkerView:
        """Tell one to drain or to go on; how it is then."""
        if all(seen.name != worker for seen in self.now()):
            raise NotFound(f"There is no worker {worker}.", hint="`tocsin worker list` shows those that are there.")
        try:
            answer = await self._bus.request(f"{ORDERS}.{subject_name(worker)}", orjson.dumps(order), within=_ANSWERS)
        except Unavailable as error:
            raise Unavailable(f"Worker {worker} does not answer.", hint="If it has died it is gone in 8 seconds.") from error
        view = _view(Said.model_validate_json(answer.payload), self._clock.now())
        self._seen[view.name] = view
        return view

    async def _hear(self, message: _Heard) -> None:
        try:
            said = Said.model_validate_json(message.data)
        except ValidationError as error:
            log.warning("workers.not_understood", errors=error.error_count())
            return
        if said.state == "gone":
            self._seen.pop(said.name, None)
        elif said.name in self._seen or len(self._seen) < _MOST:
            self._seen[said.name] = _view(said, self._clock.now())


def _view(said: Said, now: datetime) -> WorkerView:
    queues = [QueueUse(name, use.slots, use.busy) for name, use in sorted(said.queues.items())]
    return WorkerView(said.name, said.state, said.labels, queues, said.completed, said.since, now)
