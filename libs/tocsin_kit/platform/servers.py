"""The embedded servers as components, and what an installation draws once: passwords, keys, the issuer of bus logins."""

import secrets
from collections import deque
from typing import Final, Protocol

import nkeys
import structlog

from tocsin_kit.bus.permissions import SERVICES, permissions_of
from tocsin_kit.chassis import Health, Part
from tocsin_kit.clock import Clock
from tocsin_kit.embedded import AuthCallout, DataFolder, NatsUser
from tocsin_kit.embedded.processes import Child

log = structlog.get_logger()

CALLOUT_SEED: Final = "auth-callout-seed"
RESTARTS: Final = 3  # a server that ends a fourth time within the minute will not get better
RESTARTS_WITHIN: Final = 60.0  # seconds


class Server(Protocol):
    """What the embedded servers have in common."""

    child: Child

    def spawn_anew(self) -> None:
        """Start its process."""
        ...

    async def ready(self) -> None:
        """Wait until it works."""
        ...

    async def stop(self) -> None:
        """Stop it."""
        ...


class ServerPart(Part):
    """An embedded server whose process has been started; when that ends, it is started again, a few times.

    Meanwhile the services are not ready and take no work, as with any other loss of a server.

    Args:
        name: ``nats`` or ``mongo``.
        server: The server.
        clock: Time.
    """

    def __init__(self, name: str, server: Server, clock: Clock) -> None:
        super().__init__(name)
        self._server = server
        self._clock = clock
        self._stopping = False
        self._restarts: deque[float] = deque(maxlen=RESTARTS)

    async def start(self) -> None:
        """Wait until it works."""
        await self._server.ready()

    async def serve(self) -> None:
        """Watch it, and start it again when it ends.

        Raises:
            ServerFailed: It keeps ending.
        """
        while True:
            code = await self._server.child.ended()
            if self._stopping:
                return
            now = self._clock.monotonic()
            if len(self._restarts) == RESTARTS and now - self._restarts[0] < RESTARTS_WITHIN:
                raise self._server.child.failure()
            self._restarts.append(now)
            log.warning("server.restarted", server=self.name, code=code)
            self._server.spawn_anew()
            await self._server.ready()

    async def stop(self) -> None:
        """Stop it, in an orderly way."""
        self._stopping = True
        await self._server.stop()

    def health(self) -> Health:
        """Whether its process lives."""
        running = self._server.child.running
        return Health(ready=running, detail=f"process {self._server.child.pid}" if running else "its process has ended")


def nats_users(folder: DataFolder) -> tuple[NatsUser, ...]:
    """One user for each service, with its own rights and its own password, which is drawn on the first start."""
    users = []
    for service in SERVICES:
        rights = permissions_of(service)
        _, password = folder.secret(f"nats-{service}")
        users.append(NatsUser(service, password, publish=rights.publish, subscribe=rights.subscribe))
    return tuple(users)


def callout(folder: DataFolder) -> AuthCallout:
    """Who decides about logins of people and programs: the auth service, whose signing seed is drawn on the first start."""
    path = folder.path / "secrets" / CALLOUT_SEED
    if not path.is_file():
        seed: bytes = nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_ACCOUNT)
        folder.write_private(f"secrets/{CALLOUT_SEED}", seed.decode())
    issuer: bytes = nkeys.from_seed(bytearray(path.read_bytes().strip())).public_key
    return AuthCallout(issuer=issuer.decode(), users=tuple(SERVICES))
