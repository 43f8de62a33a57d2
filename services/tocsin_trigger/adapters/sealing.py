"""AES-256-GCM for secrets at rest.

The context (a trigger's id) is authenticated with them: a sealed key that is moved elsewhere does not open.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tocsin.errors import Defect
from tocsin_kit.chance import Chance
from tocsin_kit.config import Secret

_NONCE = 12  # bytes; random, so good for 2**32 secrets under one key
_SHORTEST = 32  # characters of the setting; anything shorter can be guessed


class AesCipher:
    """The cipher.

    Args:
        key: The service's secret; at least 32 characters.
        chance: For nonces.

    Raises:
        Defect: The secret is too short.
    """

    def __init__(self, key: Secret, chance: Chance) -> None:
        text = key.reveal()
        if len(text) < _SHORTEST:
            raise Defect(f"trigger.key has {len(text)} characters; at least {_SHORTEST} are needed.")
        derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"tocsin trigger secrets v1").derive(text.encode())
        self._aes = AESGCM(derived)
        self._chance = chance

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt ``text`` so that it opens in this context only."""
        nonce = self._chance.token(_NONCE)
        return nonce + self._aes.encrypt(nonce, text.encode(), context.encode())

    def unseal(self, sealed: bytes, context: str) -> str:
        """The reverse.

        Raises:
            Defect: It was sealed with another key or for another context.
        """
        try:
            return self._aes.decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode()).decode()
        except InvalidTag as error:
            raise Defect(
                "A stored secret does not open with trigger.key.", hint="Give the service the key of before."
            ) from error
