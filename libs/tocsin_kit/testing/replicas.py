"""Replicas of a service as processes of their own, to be killed: under a supervisor, as in production, and with what they said.

A replica that ends by itself is started again, as any supervisor would, and is told of when the test fails; so are the last
words of each, the kills, and what the test saw last.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tocsin_kit.chance import Chance
from tocsin_kit.clock import SystemClock
from tocsin_kit.testing.waiting import NeverHappened, eventually

Seen = TypeVar("Seen")
LAST_WORDS = 4000  # characters of each replica's output
_CLOCK = SystemClock()


class Replicas:
    """Some processes of one service. Use it as an asynchronous context; whatever still runs at its end is killed.

    Args:
        service: Its short name.
        environ: Settings of all of them.
        folder: For their output.
        own: Settings of each; as many replicas as there are members.
    """

    def __init__(
        self, service: str, environ: Mapping[str, str], folder: Path, own: Sequence[Mapping[str, str]] = ({}, {})
    ) -> None:
        self._service = service
        # The same code and nothing of this process's settings: as an operator starts it.
        plain = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), "TOCSIN_OPS_PORT": "0"}
        self._environs = [{**plain, **environ, **more} for more in own]
        self._folder = folder
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._began = _CLOCK.monotonic()
        self.story: list[str] = []
        """What happened to them, a line for each kill and each end."""

    async def __aenter__(self) -> Self:
        for number in range(len(self._environs)):
            await self._begin(number)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def kill(self, number: int) -> None:
        """SIGKILL for one of them, and a new one in its place."""
        process = self._processes.pop(number)  # nobody is to revive it meanwhile
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        self._note(f"replica {number} killed, pid {process.pid}")
        await process.wait()
        await self._begin(number)
        await self.revive()

    async def kill_one(self, chance: Chance) -> None:
        """The same for any of them."""
        await self.kill(int(chance.sample() * len(self._environs)))

    async def revive(self) -> None:
        """Start again what has ended by itself."""
        for number, process in list(self._processes.items()):
            if process.returncode is not None:
                del self._processes[number]
                self._note(f"replica {number} ended by itself with {process.returncode}, pid {process.pid}")
                await self._begin(number)

    async def settled(self, check: Callable[[], Awaitable[Seen]], *, within: float) -> Seen:
        """As :func:`~tocsin_kit.testing.waiting.eventually`, under a supervisor.

        Raises:
            NeverHappened: With the story and the last words of each replica.
        """

        async def looked() -> Seen:
            await self.revive()
            return await check()

        try:
            return await eventually(looked, within=within, what="settling")
        except NeverHappened as error:
            raise NeverHappened(f"{error}\n{self.tell()}") from error

    def tell(self) -> str:
        """What happened, and the last words of each."""
        words = [f"--- replica {n}\n{self._output(n).read_text()[-LAST_WORDS:]}" for n in range(len(self._environs))]
        return "\n".join([*self.story, *words])

    def _note(self, line: str) -> None:
        self.story.append(f"{_CLOCK.monotonic() - self._began:6.1f} s  {line}")

    def _output(self, number: int) -> Path:
        return self._folder / f"{self._service}-{number}.log"

    async def _begin(self, number: int) -> None:
        with self._output(number).open("ab") as output:
            command = (sys.executable, "-m", f"tocsin_{self._service}")
            self._processes[number] = await asyncio.create_subprocess_exec(
                *command, env=self._environs[number], stdout=output, stderr=output
            )
