"""Answers requests on core NATS, several at a time, shared with the other replicas through a queue group.

Nothing stores such a request: one that this replica was given and does not answer is lost for whoever asked. A stop therefore
takes nothing new and answers everything that came before.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol

import structlog

from tocsin_kit.bus import Bus, Subscription
from tocsin_kit.chassis import Health, Part

_QUEUE: Final = "auth"
_MOST: Final = 10_000  # that wait
_LAST: Final = timedelta(seconds=5)  # to answer what had come before a stop

log = structlog.get_logger()


class Asked(Protocol):
    """A request as the bus hands it over."""

    @property
    def subject(self) -> str:
        """Where it came."""
        ...

    @property
    def data(self) -> bytes:
        """Its payload."""
        ...

    @property
    def reply(self) -> str:
        """Where the answer goes."""
        ...


class Answering(Part):
    """Override :meth:`answer` and :meth:`turned_away`.

    Args:
        name: Of the component.
        bus: Connected as the auth service.
        subjects: Where requests come.
        at_once: So many are answered at a time; more wait.
    """

    def __init__(self, name: str, bus: Bus, subjects: Sequence[str], *, at_once: int) -> None:
        super().__init__(name)
        self._bus, self._subjects, self._at_once = bus, subjects, at_once
        self._waiting: asyncio.Queue[Asked] = asyncio.Queue(maxsize=_MOST)
        self._subscriptions: list[Subscription] = []

    @abstractmethod
    async def answer(self, request: Asked) -> None:
        """Answer one request; must not raise."""
        raise NotImplementedError

    def turned_away(self) -> None:
        """One came that there was no room for; who asked gives up by itself."""

    async def start(self) -> None:
        """Listen."""
        for subject in self._subjects:
            self._subscriptions.append(await self._bus.subscribe(subject, self._take, queue=_QUEUE))

    async def serve(self) -> None:
        """Answer until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(self._work())

    async def stop(self) -> None:
        """Leave the rest to other replicas, and finish what has come here."""
        for subscription in self._subscriptions:
            await subscription.drain()
        try:
            async with asyncio.timeout(_LAST.total_seconds()):
                await self._waiting.join()
        except TimeoutError:
            log.warning("answering.left", component=self.name, waiting=self._waiting.qsize())

    def health(self) -> Health:
        """Ready while it listens."""
        listening = bool(self._subscriptions)
        return Health(
            ready=listening, detail="listening" if listening else "not started", facts={"waiting": self._waiting.qsize()}
        )

    async def _take(self, message: Asked) -> None:
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.turned_away()

    async def _work(self) -> None:
        while True:
            message = await self._waiting.get()
            try:
                await self.answer(message)
            finally:
                self._waiting.task_done()
