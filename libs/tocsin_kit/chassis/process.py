"""The life of a process: ordered start, readiness, orderly stop with a deadline, and an end that says why.

Chains of one stage start together, stages one after another; the stop goes the other way round. A component that dies, or
cannot start, takes the process down with one clear line and a code that is not zero, because half a process is worse than none:
a supervisor can start a whole one.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from tocsin.errors import TocsinError, Unavailable
from tocsin_kit.chassis.components import Chain, Component, Leaving
from tocsin_kit.clock import Clock
from tocsin_kit.telemetry.health import Health

log = structlog.get_logger()

OK: Final = 0
FAILED: Final = 1
LAST_WORDS: Final = 2.0  # seconds to end in after the deadline
SLOW: Final = 1.0  # seconds; what takes longer to stop is named in the log
KILLED: Final = 130  # the shell's code for a program ended by SIGINT
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StartOverran(Unavailable):
    """The process did not start in time."""

    code = "process.start_overran"


@dataclass(slots=True)
class _Running:
    chain: Chain
    component: Component
    serving: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A component as the operations port shows it: with its service before its name."""

    name: str
    component: Component

    def health(self) -> Health:
        """The component's."""
        return self.component.health()


class Process:
    """Runs chains of components until it is asked to stop or one of them fails.

    Args:
        stages: Each is started when the one before it works.
        clock: Time.
        start_within: Deadline for the whole start.
        stop_within: Deadline for the whole orderly stop.
        lame: After the request to stop, stay at work but not ready for so long.
        started: Called with each component's chain and name when it works, for progress.
        stopping: Called when a signal asks for the stop.
        abandon: Ends the process at once, when something in it does not end by itself.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[Chain]],
        *,
        clock: Clock,
        start_within: timedelta = timedelta(seconds=90),
        stop_within: timedelta = timedelta(seconds=20),
        lame: timedelta = timedelta(0),
        started: Callable[[str, str], None] = lambda _chain, _name: None,
        stopping: Callable[[], None] = lambda: None,
        abandon: Callable[[int], None] = os._exit,
    ) -> None:
        self._stages = stages
        self._clock = clock
        self._start_within = start_within.total_seconds()
        self._stop_within = stop_within.total_seconds()
        self._lame = lame
        self._started = started
        self._told_to_stop = stopping
        self._abandon = abandon
        self._running: list[_Running] = []
        self._stopping = asyncio.Event()
        self._ready = False
        self._code = OK
        self.failure: Exception | None = None
        """Why it ended by itself; ``None`` when it was asked to."""

    @property
    def ready(self) -> bool:
        """Everything has started and nothing is stopping; whether each component can work now is its health."""
        return self._ready and not self._stopping.is_set()

    def components(self) -> Iterator[Named]:
        """Those that have started."""
        many = len({running.chain.name for running in self._running}) > 1
        for running in self._running:
            name = running.component.name
            chain = running.chain.name
            yield Named(f"{chain}.{name.removeprefix(chain + '.')}" if many else name, running.component)

    def request_stop(self) -> None:
        """Begin the orderly stop; harmless when repeated."""
        self._ready = False
        self._stopping.set()

    async def run(self, when_ready: Callable[[], Awaitable[None]] | None = None) -> int:
        """Start, work, stop.

        Args:
            when_ready: Called once when everything has started.

        Returns:
            The exit code: 0 after an orderly stop, 1 after a failure.
        """
        self._listen_to_signals()
        try:
            await self._live(when_ready)
        finally:
            for number in _SIGNALS:
                asyncio.get_running_loop().remove_signal_handler(number)
        return self._code

    async def _live(self, when_ready: Callable[[], Awaitable[None]] | None) -> None:
        async with asyncio.TaskGroup() as group:
            starting = group.create_task(self._start(group, when_ready))
            await self._stopping.wait()
            starting.cancel()
            _, deaf = await asyncio.wait([starting], timeout=LAST_WORDS)
            if self._lame and self.failure is None:
                for running in self._running:
                    if isinstance(running.component, Leaving):
                        running.component.leave()
                await self._clock.sleep(self._lame)
            await self._stop(group, dict.fromkeys(deaf, "process.start"))

    # -- start --------------------------------------------------------------------------------------------------------

    async def _start(self, group: asyncio.TaskGroup, when_ready: Callable[[], Awaitable[None]] | None) -> None:
        try:
            async with asyncio.timeout(self._start_within):
                for stage in self._stages:
                    async with asyncio.TaskGroup() as together:
                        for chain in stage:
                            together.create_task(self._start_chain(chain, group))
                    if self.failure is not None:
                        return
        except TimeoutError:
            waiting = [f"{each.chain.name}.{each.component.name}" for each in self._running if each.serving is None]
            self._fail("process", "start", StartOverran(f"{', '.join(waiting)} did not start within {self._start_within:g} s."))
            return
        self._ready = True
        if when_ready is not None:
            try:
                await when_ready()
            except Exception as error:  # noqa: BLE001 - whatever it was ends the process, with its reason
                self._fail("process", "when_ready", error)

    async def _start_chain(self, chain: Chain, group: asyncio.TaskGroup) -> None:
        with structlog.contextvars.bound_contextvars(service=chain.name):
            for component in chain.components:
                running = _Running(chain, component)
                self._running.append(running)  # before its start: what half started is stopped as well
                try:
                    await component.start()
                except Exception as error:  # noqa: BLE001 - whatever it was ends the process, with its reason
                    self._fail(chain.name, component.name, error)
                    return
                running.serving = group.create_task(self._serve(running))
                self._started(chain.name, component.name)

    async def _serve(self, running: _Running) -> None:
        try:
            await running.component.serve()
        except Exception as error:  # noqa: BLE001 - whatever it was ends the process, with its reason
            self._fail(running.chain.name, running.component.name, error)

    def _fail(self, chain: str, name: str, error: Exception) -> None:
        if self.failure is None:
            self.failure, self._code = error, FAILED
            if isinstance(error, TocsinError):
                log.error(
                    "component.failed", service=chain, component=name, code=error.code, detail=error.detail, hint=error.hint
                )
            else:
                log.error("component.failed", service=chain, component=name, exc_info=error)
        self.request_stop()

    # -- stop ---------------------------------------------------------------------------------------------------------

    async def _stop(self, group: asyncio.TaskGroup, deaf: dict[asyncio.Task[None], str]) -> None:
        """Stages in reverse; chains of a stage together; components of a chain in reverse; all within the deadline."""
        until = self._clock.monotonic() + self._stop_within
        late = dict(deaf)  # a start that did not end when it was told to
        for stage in reversed(self._stages):
            stopping = {group.create_task(self._stop_chain(chain)): chain.name for chain in stage}
            if stopping:
                _, pending = await asyncio.wait(stopping, timeout=max(until - self._clock.monotonic(), 0.0))
                late |= {task: f"{stopping[task]}.stop" for task in pending}
            if late:
                break
        if late:
            left = [running.component.name for running in self._running if running.serving and not running.serving.done()]
            log.error("process.stop_overran", within_s=self._stop_within, left=left)
            self._code = self._code or FAILED
            await self._cancel_all(late)

    async def _cancel_all(self, late: dict[asyncio.Task[None], str]) -> None:
        """The deadline is over: what does not end now does not hold the process, a supervisor would kill it anyway."""
        left = late | {
            running.serving: f"{running.chain.name}.{running.component.name}"
            for running in self._running
            if running.serving and not running.serving.done()
        }
        for task in left:
            task.cancel()
        _, deaf = await asyncio.wait(left, timeout=LAST_WORDS)
        if deaf:
            log.critical("process.abandoned", left=[left[task] for task in deaf])
            self._abandon(self._code)

    async def _stop_chain(self, chain: Chain) -> None:
        with structlog.contextvars.bound_contextvars(service=chain.name):
            for running in reversed([each for each in self._running if each.chain is chain]):
                began = self._clock.monotonic()
                try:
                    await running.component.stop()
                except Exception:
                    log.exception("component.stop_failed", component=running.component.name)
                if (seconds := self._clock.monotonic() - began) > SLOW:
                    log.info("component.stopped_slowly", component=running.component.name, seconds=round(seconds, 1))
                if running.serving is not None:
                    running.serving.cancel()
                    await asyncio.wait([running.serving])

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stopping.is_set():
            log.warning("process.ended_at_once", signal=number.name)
            self._abandon(KILLED)
        self.request_stop()  # first: whoever asked for it may be gone, and with it the screen that could be told
        log.info("process.stopping", signal=number.name)
        self._told_to_stop()
