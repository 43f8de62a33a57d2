"""Argon2id in threads, a few at a time: each hash takes tens of MiB, and a flood of logins must not take them all.

Nor may it make a queue of minutes: what would have to wait for long is refused at once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError

from tocsin.errors import Unavailable


class Argon2Hasher:
    """Hashes passwords (``ports.PasswordHasher``).

    Args:
        rounds: Passes.
        memory: KiB of each hash.
        parallel: Hashes at the same time.
        most: That may wait for their turn: seconds, not minutes.
    """

    def __init__(self, *, rounds: int, memory: int, parallel: int, most: int = 200) -> None:
        self._argon2 = Argon2(time_cost=rounds, memory_cost=memory, parallelism=1)
        self._slots = asyncio.Semaphore(parallel)
        self._most, self._waiting = most, 0
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """A salted, encoded hash.

        Raises:
            Unavailable: Very many wait.
        """
        async with self._turn():
            return await asyncio.to_thread(self._argon2.hash, password)

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether ``password`` belongs to the hash; with ``None`` the same work is done for nothing."""
        if self._nobody is None:
            self._nobody = await self.hash("nobody")
        async with self._turn():
            right = await asyncio.to_thread(self._check, encoded or self._nobody, password)
        return right and encoded is not None

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= self._most:
            raise Unavailable("very many passwords wait to be looked at", hint="try again in some seconds")
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1

    def is_outdated(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._argon2.check_needs_rehash(encoded)

    def _check(self, encoded: str, password: str) -> bool:
        try:
            return self._argon2.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False
