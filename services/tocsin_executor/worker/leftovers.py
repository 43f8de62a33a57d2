"""Containers that nobody waits for any more: of workers that died, and of attempts that this one has ended without the engine.

Containers outlive the worker that started them, and a task of a dead worker is run again by another, perhaps on another engine.
So every worker with an engine looks now and then what is on it: each container says of which installation and which worker it
is, and what belongs to a worker that is not there ends. Several may look at once; ending a container twice does no harm.
"""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import structlog

from tocsin_executor.worker.containers import ATTEMPT, CLEANUP, INSTANCE, PLATFORM, RUN, UNTIL, WORKER
from tocsin_executor.worker.neighbours import Neighbours
from tocsin_kit.bus import Bus
from tocsin_kit.bus.api import call
from tocsin_kit.clock import Clock

try:
    from aiodocker import DockerError
except ImportError:  # an extra: most workers run no containers

    class DockerError(Exception):  # type: ignore[no-redef]
        """There is none."""


log = structlog.get_logger()

EVERY: Final = 10.0  # seconds between looks
_ENDED: Final = ("exited", "dead")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose containers are.

    Attributes:
        platform: The installation: engines may serve several.
        worker: The worker's name, for people.
        instance: This worker and no earlier one of its name.
    """

    platform: str
    worker: str
    instance: str

    @property
    def labels(self) -> dict[str, str]:
        """As labels of a container."""
        return {PLATFORM: self.platform, WORKER: self.worker, INSTANCE: self.instance}


async def platform_of(bus: Bus) -> str:
    """What tells this installation from others: its stream of tasks was made once."""
    info = await call(bus, "STREAM.INFO.EXECUTOR")
    return hashlib.sha256(str(info["created"]).encode()).hexdigest()[:16]


class Leftovers:
    """Ends them.

    Args:
        owner: Whose containers this worker's are.
        neighbours: Which workers are there.
        held: Names of the containers that this worker is at.
        clock: Time.
    """

    def __init__(
        self, owner: Callable[[], Awaitable[Owner]], neighbours: Neighbours, held: Callable[[], Collection[str]], clock: Clock
    ) -> None:
        self._owner = owner
        self._neighbours = neighbours
        self._held = held
        self._clock = clock

    async def tidy(self, docker: Any) -> None:  # the library's types end at its client
        """Look once; an engine that is away is looked at the next time."""
        try:
            owner = await self._owner()
            asked = {"label": [f"{PLATFORM}={owner.platform}"]}
            for container in await docker.containers.list(all=True, filters=asked):
                with suppress(DockerError):  # somebody else was first
                    await self._judge(container, (await container.show()), owner)
        except (DockerError, aiohttp.ClientError, OSError) as error:
            log.info("leftovers.not_seen", error=type(error).__name__)

    async def _judge(self, container: Any, shown: Mapping[str, Any], owner: Owner) -> None:
        labels, status = shown["Config"]["Labels"] or {}, str(shown["State"]["Status"])
        until = str(labels.get(UNTIL, ""))
        if status in _ENDED and until.isdigit() and int(until) <= int(self._clock.now().timestamp()):
            await container.delete(v=True)
            return
        if labels.get(INSTANCE) == owner.instance:
            left = str(shown["Name"]).removeprefix("/") not in self._held()
        else:
            left = self._neighbours.is_dead(str(labels.get(INSTANCE, "")))
        kept = labels.get(CLEANUP, "always") != "always"
        if not left or (kept and status in _ENDED):
            return
        told = {"run": labels.get(RUN), "attempt": labels.get(ATTEMPT), "worker": labels.get(WORKER), "status": status}
        log.warning("container.left_behind", name=shown["Name"], **told)
        if kept and status != "created":
            await container.kill()
        else:
            await container.delete(force=True, v=True)
