"""The embedded servers as components, and what an installation draws once: passwords, keys, the issuer of bus logins."""

import secrets
from typing import Final, Protocol

import nkeys

from tocsin_kit.bus.permissions import SERVICES, permissions_of
from tocsin_kit.chassis import Health, Part
from tocsin_kit.embedded import AuthCallout, DataFolder, NatsUser
from tocsin_kit.embedded.processes import Child

CALLOUT_SEED: Final = "auth-callout-seed"


class Server(Protocol):
    """What the embedded servers have in common."""

    child: Child

    async def ready(self) -> None:
        """Wait until it works."""
        ...

    async def stop(self) -> None:
        """Stop it."""
        ...


class ServerPart(Part):
    """An embedded server whose process has been started; it dies, the platform dies.

    Args:
        name: ``nats`` or ``mongo``.
        server: The server.
    """

    def __init__(self, name: str, server: Server) -> None:
        super().__init__(name)
        self._server = server

    async def start(self) -> None:
        """Wait until it works."""
        await self._server.ready()

    async def serve(self) -> None:
        """Watch it."""
        await self._server.child.ended()
        raise self._server.child.failure()

    async def stop(self) -> None:
        """Stop it, in an orderly way."""
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
