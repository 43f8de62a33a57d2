"""The observer's keys, all derived from its one secret: the key that signs the audit trail, and the one that seals secrets."""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tocsin.errors import Defect
from tocsin.signals.audit_chain import key_id
from tocsin_kit.chance import Chance
from tocsin_kit.config import Secret

_SHORTEST: Final = 32  # characters of the setting; anything shorter can be guessed
_NONCE: Final = 12  # bytes; random, so good for 2**32 secrets under one key


CHECKPOINTS: Final = b"tocsin audit checkpoints v1"
MESSAGES: Final = b"tocsin webhooks v1a"


class Ed25519Signer:
    """Signs checkpoints, or messages of webhooks (``ports.CheckpointSigner``); a purpose has a key of its own.

    Args:
        key: The observer's secret.
        purpose: What is signed.

    Raises:
        Defect: It is too short.
    """

    def __init__(self, key: Secret, purpose: bytes = CHECKPOINTS) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(_derived(key, purpose))
        self.public = self._key.public_key().public_bytes_raw()
        self.kid = key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """The signature."""
        return self._key.sign(message)


class AesSeal:
    """Seals what lies in the database and nobody may read there (``ports.Seal``); the context is authenticated with it.

    Args:
        key: The observer's secret.
        chance: For nonces.

    Raises:
        Defect: The secret is too short.
    """

    def __init__(self, key: Secret, chance: Chance) -> None:
        self._aes = AESGCM(_derived(key, b"tocsin observer secrets v1"))
        self._chance = chance

    def seal(self, secret: Secret, context: str) -> bytes:
        """Encrypt so that it opens in this context only."""
        nonce = self._chance.token(_NONCE)
        return nonce + self._aes.encrypt(nonce, secret.reveal().encode(), context.encode())

    def unseal(self, sealed: bytes, context: str) -> Secret:
        """The reverse.

        Raises:
            Defect: It was sealed with another key or for another context.
        """
        try:
            return Secret(self._aes.decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode()).decode())
        except InvalidTag as error:
            raise Defect(
                "A stored secret does not open with observer.key.", hint="Give the service the key of before."
            ) from error


def _derived(key: Secret, purpose: bytes) -> bytes:
    text = key.reveal()
    if len(text) < _SHORTEST:
        raise Defect(f"observer.key has {len(text)} characters; at least {_SHORTEST} are needed.")
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(text.encode())
