"""The stream of tasks, as the engine and the queues' measures look at it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from tocsin.errors import NotFound
from tocsin_kit.bus import Bus
from tocsin_kit.bus.api import call
from tocsin_kit.bus.direct import Direct
from tocsin_kit.bus.log import OrderedLog
from tocsin_kit.clock import Clock

TASKS: Final = "TASKS"
_EVERY: Final = "executor.task.>"
_SILENT: Final = 1.0  # seconds


class TaskStream:
    """The stream; see the port.

    Args:
        direct: The hot path of the engine's bus.
        clock: Time.
    """

    def __init__(self, direct: Direct, clock: Clock) -> None:
        self._direct = direct
        self._clock = clock

    async def start(self) -> str:
        """What tells this start of the broker from all others, as far as tasks can be lost between them."""
        info = await call(self._direct.bus, f"STREAM.INFO.{TASKS}")
        made = str(info["created"])
        if info["config"].get("persist_mode") != "async":
            return made  # what it acknowledged is on the disk
        return f"{made} {self._direct.bus.server}"

    async def waiting(self) -> set[str]:
        """Keys of all tasks in the stream; some of them are settled and not purged yet."""
        found: set[str] = set()
        async for payload in self._payloads():
            task = orjson.loads(payload)
            found.add(f"{task['run']}/{task['attempt']}")
        return found

    async def _payloads(self) -> AsyncIterator[bytes]:
        """Everything that is stored by now."""
        bus, at = self._direct.bus, 0
        last = await last_of(bus, TASKS, _EVERY)
        reader = OrderedLog(self._direct, TASKS, self._clock)
        try:
            if last is not None:
                await reader.open([_EVERY], 0)
            while last is not None and at < last:
                try:
                    async with asyncio.timeout(_SILENT):
                        entries = await reader.take()
                except TimeoutError:
                    last = await last_of(bus, TASKS, _EVERY)  # the last one may have been purged meanwhile
                else:
                    for entry in entries:
                        at = entry.position
                        yield entry.payload
        finally:
            await reader.close()


async def last_of(bus: Bus, stream: str, subject: str) -> int | None:
    """Position of the last message on a subject, if there is one."""
    return await _position(bus, stream, {"last_by_subj": subject})


async def first_since(bus: Bus, stream: str, subject: str, since: datetime) -> int | None:
    """Position of the first message on a subject that was stored at a time or later, if there is one."""
    return await _position(bus, stream, {"next_by_subj": subject, "start_time": since.isoformat()})


async def stored_behind(bus: Bus, stream: str, subject: str, position: int) -> datetime | None:
    """When the first message on a subject was stored that lies behind a position; ``None`` without one."""
    message = await _message(bus, stream, {"seq": position + 1, "next_by_subj": subject})
    if message is None:
        return None
    return datetime.fromisoformat(message["time"][:26].rstrip("Z")).replace(tzinfo=UTC)


async def _position(bus: Bus, stream: str, wanted: dict[str, Any]) -> int | None:
    message = await _message(bus, stream, wanted)
    return None if message is None else int(message["seq"])


async def _message(bus: Bus, stream: str, wanted: dict[str, Any]) -> dict[str, Any] | None:
    try:
        answer = await call(bus, f"STREAM.MSG.GET.{stream}", wanted)
    except NotFound:
        return None
    found: dict[str, Any] = answer["message"]
    return found
