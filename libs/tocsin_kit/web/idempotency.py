"""``Idempotency-Key``: the first answer to an intent is kept and repeated, so that a client may send again without harm.

Only the port lives here; ``tocsin_kit.store.IdempotencyRecords`` is one. Without records, a route that promises idempotency
refuses a key rather than ignoring it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Kept(Protocol):
    """An answer that was remembered."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def body(self) -> bytes:
        """Its bytes."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Those worth repeating."""
        ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer to remember."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class IdempotencyRecords(Protocol):
    """Remembers answers for a day or so."""

    async def begin(self, principal: str, key: str, request: bytes) -> Kept | None:
        """Claim ``key``, or give the answer kept under it.

        Args:
            principal: Who asks; keys of different principals are different keys.
            key: What the client sent.
            request: What must be the same in a repeat.

        Raises:
            Conflict: The first request with this key is still being worked on.
            Rejected: The key was used for another request.
        """
        ...

    async def finish(self, principal: str, key: str, answer: Recorded) -> None:
        """Keep the answer."""
        ...

    async def abandon(self, principal: str, key: str) -> None:
        """Forget the claim: the work failed and may be tried again."""
        ...
