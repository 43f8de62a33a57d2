"""What the gateway needs from outside: services that answer."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """A request on its way to the service that owns its path.

    Attributes:
        method: As received.
        target: Path and query, byte for byte as received.
        headers: End-to-end headers only.
        content: The body as it arrives, or ``None`` when there is none.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    content: AsyncIterator[bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamAnswer:
    """What a service answered.

    Attributes:
        status: HTTP status.
        headers: As the service sent them.
        chunks: The body as it comes; closing it gives the connection back.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether a service can work, in its own words."""

    name: str
    ready: bool
    detail: str


class Upstream(Protocol):
    """The services behind the gateway."""

    async def forward(self, service: str, request: Forwarded) -> UpstreamAnswer:
        """Send ``request`` to ``service``.

        Raises:
            Unavailable: It does not answer.
        """
        ...

    async def readiness(self, service: str) -> Readiness:
        """Ask ``service`` whether it can work; never raises: no answer is an answer."""
        ...

    async def openapi(self, service: str) -> Mapping[str, object] | None:
        """The OpenAPI document of ``service``, or ``None`` when it does not answer."""
        ...
