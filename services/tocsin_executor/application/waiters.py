"""Who in this process waits for a run's end, or for the answer to a command."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tocsin_executor.domain.effects import Reply


class Waiters:
    """Futures by run and by command."""

    def __init__(self) -> None:
        self._ends: dict[str, list[asyncio.Future[None]]] = {}
        self._replies: dict[str, asyncio.Future[Reply]] = {}
        self._begins: dict[str, asyncio.Future[None]] = {}
        self.closed = False
        """The process stops: nobody is to wait for anything any more."""

    @contextmanager
    def end_of(self, run: str) -> Iterator[asyncio.Future[None]]:
        """A future that is done when the run is terminal.

        Enter first and look at the run then: an end between a look and the waiting would be missed.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.setdefault(run, []).append(future)
        try:
            yield future
        finally:
            waiting = self._ends.get(run)
            if waiting is not None and future in waiting:
                waiting.remove(future)
                if not waiting:
                    del self._ends[run]

    @contextmanager
    def begin_of(self, run: str) -> Iterator[asyncio.Future[None]]:
        """A future that is done when a run that is about to be accepted has begun here."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._begins[run] = future
        try:
            yield future
        finally:
            self._begins.pop(run, None)

    def begin(self, run: str) -> None:
        """The run has begun."""
        future = self._begins.get(run)
        if future is not None and not future.done():
            future.set_result(None)

    def finish(self, run: str) -> None:
        """The run is terminal."""
        for future in self._ends.pop(run, ()):
            if not future.done():
                future.set_result(None)

    def close(self) -> None:
        """Let everyone go who waits for an end, now and from now on."""
        self.closed = True
        for run in [*self._ends]:
            self.finish(run)

    @contextmanager
    def expect(self, command: str) -> Iterator[asyncio.Future[Reply]]:
        """The answer to a command that is about to be published, if it is given here."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[command] = future
        try:
            yield future
        finally:
            del self._replies[command]

    def answer(self, reply: Reply) -> None:
        """The engine has decided about a command."""
        future = self._replies.get(reply.command)
        if future is not None and not future.done():
            future.set_result(reply)
