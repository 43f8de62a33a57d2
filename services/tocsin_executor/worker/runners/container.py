"""``run: container`` on a Docker engine; needs the extra ``tocsin[containers]`` and the setting ``worker.docker``.

A container is over when the engine says so: a cancel stops it (TERM, then KILL), waits, and deletes it before it is confirmed.
What a dead worker left of an attempt is removed by whoever takes that attempt over, before it begins anew, and on an engine
where nobody does by the next worker that looks (:mod:`tocsin_executor.worker.leftovers`).
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NoReturn

import aiohttp
import structlog

from tocsin_executor.domain.values import ErrorKind
from tocsin_executor.worker.containers import ATTEMPT, RUN, UNTIL, Allowance, Plan, plan_of
from tocsin_executor.worker.leftovers import Leftovers, Owner
from tocsin_executor.worker.neighbours import Neighbours
from tocsin_executor.worker.printing import Printed, as_output, wanted_of
from tocsin_executor.worker.processes import shielded
from tocsin_executor.worker.tasks import Failed, Outcome, TakenOver, Task
from tocsin_kit.clock import Clock

try:
    import aiodocker
except ImportError:  # an extra: most workers run no containers
    aiodocker = None  # type: ignore[assignment]

log = structlog.get_logger()

_GRACE: Final = 5  # seconds between TERM and KILL
_KILLED: Final = 137  # 128 + SIGKILL
_AGAIN: Final = (0.5, 1.0, 2.0, 4.0)  # seconds between attempts while the engine is away: it restarts within that
_NO_SUCH: Final = 404
_BEING_REMOVED: Final = 409
_SERVER: Final = 500  # statuses from here on are the engine's own trouble
_UNLIMITED: Final = aiohttp.ClientTimeout(total=None)
_STDOUT: Final = 1
_PATHS: Final = re.compile(r"/[^\s:]{20,}")


class ContainerRunner:
    """Runs containers.

    Args:
        engine: URL of the Docker API, or ``None``: then no container is run.
        allowance: What containers may have.
        clock: Time.
    """

    owner: Callable[[], Awaitable[Owner]] | None = None
    """Says whose containers these are; set by the worker before anything runs."""

    neighbours: Neighbours | None = None
    """Knows whether others may have taken over; set with it."""

    def __init__(self, engine: str | None, allowance: Allowance, clock: Clock) -> None:
        self._url = engine
        self._allowance = allowance
        self._clock = clock
        self._docker: Any = None  # the library's types end at its client
        self.held: set[str] = set()

    async def close(self) -> None:
        """Close the connections."""
        if self._docker is not None:
            await self._docker.close()

    async def run(self, task: Task) -> Outcome:
        """One container, from its image to its end."""
        wanted_of(task)
        plan = plan_of(task, self._allowance)
        docker, since = self._engine(), self._clock.monotonic()
        self.held.add(plan.name)
        try:
            with _translated():
                container = await self._prepared(docker, plan, task)
            printed = Printed(task)
            try:
                with _translated():
                    code, killed = await _lived(container, plan, printed)
            finally:
                gone = await shielded(self._ended(container, plan, task))
        finally:
            self.held.discard(plan.name)
        if code is None or (gone and code == _KILLED):
            self._say_removed(since)
        if killed:
            detail = f"The container needed more than its {plan.memory} bytes of memory and was killed."
            raise Failed(ErrorKind.RUNTIME, detail, title="Out Of Memory")
        return as_output(task, _KILLED if code is None else code, printed)

    def _say_removed(self, since: float) -> NoReturn:
        """It was removed while it ran.

        Raises:
            TakenOver: And this worker was silent meanwhile: another one has the attempt.
            Failed: By somebody.
        """
        if self.neighbours is not None and self.neighbours.was_deaf_since(since):
            raise TakenOver
        raise Failed(ErrorKind.RUNTIME, "The container was removed from outside while it ran.", title="Container Removed")

    async def look(self, leftovers: Leftovers) -> None:
        """Look for containers that nobody waits for, if there is an engine."""
        if self._url is not None and aiodocker is not None:
            await leftovers.tidy(self._engine())

    def _engine(self) -> Any:
        if self._url is None:
            detail = "This worker runs no containers; the setting worker.docker names an engine that does."
            raise Failed(ErrorKind.CONFIGURATION, detail)
        if aiodocker is None:
            raise Failed(ErrorKind.CONFIGURATION, "Containers need an extra: `pip install 'tocsin[containers]'`.")
        if self._docker is None:
            self._docker = aiodocker.Docker(url=self._url)
        return self._docker

    async def _prepared(self, docker: Any, plan: Plan, task: Task) -> Any:
        """A container that has not begun. An engine that is away for a moment is waited for: nothing has been done yet."""
        for pause in (*_AGAIN, None):
            try:
                await _image(docker, plan, task)
                return await self._created(docker, plan, task)
            except (aiodocker.DockerError, aiohttp.ClientError, OSError) as error:
                if pause is None or not _passing(error):
                    raise
                log.info("container.engine_away", run=task.run, error=type(error).__name__, pause=pause)
                await self._clock.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _created(self, docker: Any, plan: Plan, task: Task) -> Any:
        config = dict(plan.config)
        labels = config["Labels"]
        assert isinstance(labels, dict)
        if self.owner is not None:
            labels.update((await self.owner()).labels)
        if plan.cleanup == "eventually":
            until = self._clock.now() + plan.after
            config["Labels"] = {**labels, UNTIL: str(int(until.timestamp()))}
        try:
            return await docker.containers.create(config, name=plan.name)
        except aiodocker.DockerError as error:
            if error.status != 409:
                raise
        left = await docker.containers.get(plan.name)
        found = (await left.show())["Config"]["Labels"] or {}
        if found.get(RUN) != task.run or found.get(ATTEMPT, "").partition("#")[0] != task.attempt.partition("#")[0]:
            raise Failed(ErrorKind.CONFIGURATION, f"There is another container of the name {plan.name!r}.", status=409)
        log.info("container.left_behind", name=plan.name, run=task.run)
        await left.delete(force=True, v=True)
        return await docker.containers.create(config, name=plan.name)

    async def _ended(self, container: Any, plan: Plan, task: Task) -> bool:
        """See to it that it runs no more, and delete it if that is its lifetime; an engine may be away for a moment.

        Returns:
            Whether somebody else has removed it, or is about to.
        """
        for pause in (*_AGAIN, None):
            try:
                await self._stopped(container, plan, task)
            except (aiodocker.DockerError, aiohttp.ClientError, OSError) as error:
                if pause is None or not _passing(error):
                    gone = getattr(error, "status", None) in {_NO_SUCH, _BEING_REMOVED}
                    if not gone:
                        log.warning("container.not_ended", run=task.run, name=plan.name, error=type(error).__name__)
                    return gone
                await self._clock.sleep(pause)
            else:
                return False
        raise AssertionError("the last attempt returns")

    async def _stopped(self, container: Any, plan: Plan, task: Task) -> None:
        state = (await container.show())["State"]
        if state.get("Running"):
            await container.stop(t=_GRACE, timeout=_UNLIMITED)
            state = (await container.show())["State"]
            task.killed = state.get("ExitCode") == _KILLED
        if plan.cleanup == "always":
            await container.delete(force=True, v=True)


def _passing(error: Exception) -> bool:
    """Whether the same may work in a moment: the engine is not there, or in trouble itself."""
    return not isinstance(error, aiodocker.DockerError) or error.status >= _SERVER


async def _image(docker: Any, plan: Plan, task: Task) -> None:
    """Have the image here, as the policy says."""
    if plan.pull != "always":
        try:
            await docker.images.inspect(plan.image)
        except aiodocker.DockerError as error:
            if error.status != 404:
                raise
            if plan.pull == "never":
                detail = f"The image {plan.image!r} is not here, and may not be pulled."
                raise Failed(ErrorKind.CONFIGURATION, detail, status=404) from error
        else:
            return
    task.say("stderr", f"pulling {plan.image}")
    try:
        await docker.images.pull(plan.image, timeout=_UNLIMITED)
    except aiodocker.DockerError as error:
        detail = f"The image {plan.image!r} cannot be pulled: {str(error.message)[:300]}"
        raise Failed(ErrorKind.COMMUNICATION, detail, status=404 if error.status == 404 else 502) from error


async def _lived(container: Any, plan: Plan, printed: Printed) -> tuple[int | None, bool]:
    """Its code, or ``None`` if it was removed; and whether it was killed because it needed too much memory."""
    try:
        code = await _ran(container, plan, printed)
        return code, code == _KILLED and bool((await container.show())["State"].get("OOMKilled", False))
    except aiodocker.DockerError as error:
        if error.status != _NO_SUCH:
            raise
        return None, False


async def _ran(container: Any, plan: Plan, printed: Printed) -> int:
    async with _attached(container, stdout=True, stderr=True) as output:
        if plan.stdin is None:
            await container.start()
        else:
            async with _attached(container, stdin=True) as given:
                await container.start()
                with suppress(ConnectionError, aiohttp.ClientError):  # it ended without reading
                    await given.write_in(plan.stdin)
        while (message := await output.read_out()) is not None:
            printed.take("stdout" if message.stream == _STDOUT else "stderr", message.data)
    printed.close()
    return int((await container.wait(timeout=_UNLIMITED))["StatusCode"])


@asynccontextmanager
async def _attached(container: Any, **streams: bool) -> AsyncIterator[Any]:
    async with container.attach(**streams, timeout=_UNLIMITED) as stream:
        yield stream


class _translated:  # noqa: N801  # reads as a phrase
    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, asyncio.CancelledError | Failed | TakenOver) or error is None:
            return
        if isinstance(error, aiodocker.DockerError):
            # The engine's words, without paths of its host.
            said = _PATHS.sub("…", str(error.message))[:500]
            place = ErrorKind.CONFIGURATION if 400 <= error.status < 500 else ErrorKind.RUNTIME
            raise Failed(place, f"The container engine refuses: {said}") from error
        if isinstance(error, aiohttp.ClientError | OSError):
            raise Failed(ErrorKind.RUNTIME, "The container engine cannot be reached.", status=503) from error
