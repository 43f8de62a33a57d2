"""The key-encryption key, in this process or in a key management service (``ports.KeyWrapper``).

What one has wrapped, the pair can still open after the other has taken over, so moving to a key management service is a change
of settings and one rewrap.
"""

from base64 import b64decode, b64encode
from typing import Final

from tocsin.errors import Defect
from tocsin_auth.adapters.sealing import AesSealer
from tocsin_auth.adapters.vault import VaultClient
from tocsin_kit.chance import Chance

_TRANSIT: Final = b"\x10"  # AesSealer's begin with 1 and 2


class LocalWrapper:
    """With a key of the settings.

    Args:
        sealer: Of that key and the one before.
        chance: Makes nonces.
    """

    def __init__(self, sealer: AesSealer, chance: Chance) -> None:
        self._sealer, self._chance = sealer, chance

    async def wrap(self, raw: bytes, *, context: str) -> bytes:
        """Encrypt a data key."""
        return self._sealer.seal(raw, context=context, nonce=self._chance.token(12))

    async def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Decrypt it."""
        return self._sealer.unseal(wrapped, context=context)

    def is_current(self, wrapped: bytes) -> bool:
        """Whether today's key wrapped it."""
        return self._sealer.is_current(wrapped)


class TransitWrapper:
    """With a key of the transit engine of Vault or OpenBao, which never leaves it.

    Args:
        vault: The server.
        key: Name of the key, of a type that takes associated data (``aes256-gcm96``).
        local: Opens what was wrapped before.
    """

    def __init__(self, vault: VaultClient, key: str, local: LocalWrapper) -> None:
        self._vault, self._key, self._local = vault, key, local

    async def wrap(self, raw: bytes, *, context: str) -> bytes:
        """Encrypt a data key."""
        body = {"plaintext": _text(raw), "associated_data": _text(context.encode())}
        answer = await self._vault.write(f"transit/encrypt/{self._key}", body)
        return _TRANSIT + str(answer["ciphertext"]).encode()

    async def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Decrypt it."""
        if wrapped[:1] != _TRANSIT:
            return await self._local.unwrap(wrapped, context=context)
        body = {"ciphertext": wrapped[1:].decode(), "associated_data": _text(context.encode())}
        answer = await self._vault.write(f"transit/decrypt/{self._key}", body)
        try:
            return b64decode(str(answer["plaintext"]), validate=True)
        except (KeyError, ValueError) as error:
            raise Defect("the key management service answered with something that is no key") from error

    def is_current(self, wrapped: bytes) -> bool:
        """Whether it was wrapped there. Versions of the transit key are that service's business."""
        return wrapped[:1] == _TRANSIT


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
