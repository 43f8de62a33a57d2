"""``Idempotency-Key``: the first answer to an intent is kept and repeated, so that a client may send again without harm.

Only the port lives here; a service gives its database's records to the server. Without records, a route that promises
idempotency refuses a key rather than ignoring it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer as it was sent the first time."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class IdempotencyRecords(Protocol):
    """Remembers answers for a day or so."""

    async def begin(self, key: str, fingerprint: str) -> Recorded | None:
        """Reserve ``key``, or give the answer kept under it.

        Args:
            key: Names the principal, route and the sender's key.
            fingerprint: Digest of the request.

        Raises:
            Conflict: The first request with this key is still being worked on.
            Invalid: The key was used for another request.
        """
        ...

    async def finish(self, key: str, answer: Recorded) -> None:
        """Keep the answer."""
        ...

    async def abandon(self, key: str) -> None:
        """Forget the reservation: the work failed and may be tried again."""
        ...
