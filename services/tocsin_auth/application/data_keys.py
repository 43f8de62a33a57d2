"""Envelope encryption: values are sealed under data keys, data keys are wrapped by the key-encryption key.

The ring is believed for some seconds; an unknown key id has it read at once, so a rotation anywhere is no outage here.
"""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final

from tocsin.errors import Conflict, Defect
from tocsin.signals.catalogue.auth import DATA_KEY_ROTATED, DataKeyRotated
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.data_keys import DataKey, DataKeyRing
from tocsin_auth.ports import KeyWrapper, Records, Sealer
from tocsin_kit.chance import Chance, new_id
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry, undisputed

RING: Final = "secrets"
_BELIEVED: Final = timedelta(seconds=5)
_MOST_KEYS: Final = 64


class DataKeys:
    """Seals and opens values.

    Args:
        rings: Where the ring is.
        wrapper: The key-encryption key, wherever it is.
        cipher: Makes the sealer of a key's 32 bytes.
        clock: Time.
        chance: Makes keys and nonces.
    """

    def __init__(
        self,
        rings: Records[DataKeyRing],
        wrapper: KeyWrapper,
        cipher: Callable[[bytes], Sealer],
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._rings, self._wrapper, self._cipher, self._clock, self._chance = rings, wrapper, cipher, clock, chance
        self._entry: Entry[DataKeyRing] | None = None
        self._read_at = float("-inf")
        self._opened: dict[str, Sealer] = {}

    async def prepare(self, asker: Asker) -> None:
        """See that there is a key and that it can be opened."""
        entry = await self._rings.load(RING)
        if entry.value is None or entry.value.active is None:
            try:
                await self._rotate(asker)
            except Conflict:  # another replica was first, and one key is enough
                self._read_at = float("-inf")
        ring = await self._ring()
        assert ring.active is not None
        await self._sealer(ring.active)

    async def active(self) -> str:
        """Id of the key that seals now."""
        key = (await self._ring()).active
        if key is None:
            raise Defect("there is no data key")
        return key.id

    async def seal(self, plain: bytes, *, context: str) -> tuple[str, bytes]:
        """The id of the key, and the sealed value."""
        ring = await self._ring()
        if ring.active is None:
            raise Defect("there is no data key")
        sealer = await self._sealer(ring.active)
        return ring.active.id, sealer.seal(plain, context=context, nonce=self._chance.token(12))

    async def open(self, key: str, sealed: bytes, *, context: str) -> bytes:
        """The value.

        Raises:
            Defect: Its key is gone, or it was sealed for another context.
        """
        known = (await self._ring()).get(key) or (await self._ring(fresh=True)).get(key)
        if known is None:
            raise Defect("a stored secret was sealed under a data key that is gone")
        return (await self._sealer(known)).unseal(sealed, context=context)

    @undisputed
    async def rotate(self, asker: Asker) -> str:
        """A new key seals from now on.

        Raises:
            Conflict: It was done too often.
        """
        return await self._rotate(asker)

    async def _rotate(self, asker: Asker) -> str:
        entry = await self._rings.load(RING)
        ring = entry.value or DataKeyRing()
        if len(ring.keys) >= _MOST_KEYS:
            raise Conflict("there are too many data keys", hint="old ones go when everything is sealed anew; wait some minutes")
        now = self._clock.now()
        key_id, raw = new_id(now, self._chance), self._chance.token(32)
        key = DataKey(key_id, await self._wrapper.wrap(raw, context=_context(key_id)), now)
        after = ring.with_key(key)
        signal = said(DATA_KEY_ROTATED, entry, DataKeyRotated(key=key_id), asker=asker, now=now, to=after)
        self._remember(await self._rings.commit(entry, after, outbox=[signal]))
        return key_id

    @undisputed
    async def rewrap(self) -> int:
        """Wrap all keys with today's key-encryption key, so that the one before can be taken away; the number of them."""
        entry = await self._rings.load(RING)
        ring = entry.value or DataKeyRing()
        fresh: dict[str, bytes] = {}
        for key in ring.keys:
            if not self._wrapper.is_current(key.wrapped):
                raw = await self._wrapper.unwrap(key.wrapped, context=_context(key.id))
                fresh[key.id] = await self._wrapper.wrap(raw, context=_context(key.id))
        if fresh:
            self._remember(await self._rings.commit(entry, ring.rewrapped(fresh)))
        return len(fresh)

    @undisputed
    async def forget_unused(self, used: Collection[str]) -> None:
        """Drop the keys under which nothing lies any more."""
        entry = await self._rings.load(RING)
        ring = entry.value or DataKeyRing()
        kept = ring.without_unused(used, self._clock.now())
        if kept != ring:
            self._remember(await self._rings.commit(entry, kept))

    async def _ring(self, *, fresh: bool = False) -> DataKeyRing:
        if fresh or self._entry is None or self._clock.monotonic() - self._read_at >= _BELIEVED.total_seconds():
            self._remember(await self._rings.load(RING))
        assert self._entry is not None
        return self._entry.value or DataKeyRing()

    def _remember(self, entry: Entry[DataKeyRing]) -> None:
        self._entry, self._read_at = entry, self._clock.monotonic()

    async def _sealer(self, key: DataKey) -> Sealer:
        if key.id not in self._opened:
            self._opened[key.id] = self._cipher(await self._wrapper.unwrap(key.wrapped, context=_context(key.id)))
        return self._opened[key.id]


def _context(key: str) -> str:
    return f"data-key/{key}"
