"""Other people's NATS servers: a connection for as long as one call takes, with nothing of the platform's own bus in it."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import nats
from nats.aio.client import Client

from tocsin.errors import Unavailable
from tocsin_kit.bus.errors import translate

_CONNECT: Final = 5  # seconds
_PENDING: Final = 1000  # messages that wait to be taken


@dataclass(frozen=True, slots=True)
class ForeignMessage:
    """What came.

    Attributes:
        payload: Bytes.
        headers: By name.
    """

    payload: bytes
    headers: Mapping[str, str]


class _Losses:
    """Whether messages were lost; whatever else goes wrong comes back from the call that waits for it."""

    any = False

    async def note(self, error: Exception) -> None:
        """For the client."""
        self.any = self.any or isinstance(error, nats.errors.SlowConsumerError)


class Foreign:
    """A connection to somebody else's server."""

    def __init__(self, client: Client, losses: _Losses) -> None:
        self._client = client
        self._losses = losses

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> None:
        """Send, and wait until the server has it.

        Raises:
            Unavailable: It did not take it.
        """
        try:
            await self._client.publish(subject, payload, headers=dict(headers) or None)
            await self._client.flush()
        except (nats.errors.Error, OSError, ValueError, TimeoutError) as error:
            raise translate(error, subject) from error

    async def messages(self, subject: str) -> AsyncGenerator[ForeignMessage, None]:
        """What is published from now on, until the caller has enough.

        Raises:
            Unavailable: The connection ended, or more came than was taken: what follows would have a gap that nobody sees.
        """
        try:
            subscription = await self._client.subscribe(subject, pending_msgs_limit=_PENDING)
            await self._client.flush()
            async for message in subscription.messages:
                if self._losses.any:
                    detail = f"The messages come faster than they are taken: more than {_PENDING} waited, and some were lost."
                    raise Unavailable(detail)
                yield ForeignMessage(message.data, dict(message.headers or {}))
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise translate(error, subject) from error
        raise Unavailable("The NATS server ended the connection.")


@asynccontextmanager
async def foreign_server(
    address: str,
    port: int,
    *,
    host: str,
    tls: bool,
    user: str | None = None,
    password: str | None = None,
    token: str | None = None,
) -> AsyncIterator[Foreign]:
    """A connection.

    Args:
        address: Where, as whoever guards calls resolved it.
        port: Its port.
        host: The name that its certificate has.
        tls: Whether it is encrypted.
        user: Name, or ``None``.
        password: Of the user.
        token: Instead of a user.

    Raises:
        Unavailable: It does not answer, or does not let one in.
    """
    name = f"[{address}]" if ":" in address else address
    options: dict[str, Any] = {"user": user, "password": password, "token": token}
    if tls:
        options["tls_hostname"] = host

    losses = _Losses()

    try:
        client = await nats.connect(
            f"{'tls' if tls else 'nats'}://{name}:{port}",
            connect_timeout=_CONNECT,
            allow_reconnect=False,
            error_cb=losses.note,
            name="tocsin",
            **options,
        )
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise Unavailable(f"The NATS server does not let us in: {type(error).__name__}.") from error
    try:
        yield Foreign(client, losses)
    finally:
        await client.close()
