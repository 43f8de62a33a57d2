"""Who in this process waits for a run's end, or for the answer to a command."""

import asyncio

from tocsin_executor.domain.effects import Reply


class Waiters:
    """Futures by run and by command."""

    def __init__(self) -> None:
        self._ends: dict[str, list[asyncio.Future[None]]] = {}
        self._replies: dict[str, asyncio.Future[Reply]] = {}

    async def finished(self, run: str) -> None:
        """Return when the run is terminal; look first whether it is so already."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.setdefault(run, []).append(future)
        try:
            await future
        finally:
            waiting = self._ends.get(run)
            if waiting is not None and future in waiting:
                waiting.remove(future)
                if not waiting:
                    del self._ends[run]

    def finish(self, run: str) -> None:
        """The run is terminal."""
        for future in self._ends.pop(run, ()):
            if not future.done():
                future.set_result(None)

    def expect(self, command: str) -> asyncio.Future[Reply]:
        """The answer to a command that is about to be published."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[command] = future
        future.add_done_callback(lambda _: self._replies.pop(command, None))
        return future

    def answer(self, reply: Reply) -> None:
        """The engine has decided about a command."""
        future = self._replies.get(reply.command)
        if future is not None and not future.done():
            future.set_result(reply)
