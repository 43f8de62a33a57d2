"""AES-256-GCM under the key-encryption key, bound to what is sealed: a sealed value moved to another place does not open."""

import binascii
from base64 import b64decode, urlsafe_b64decode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.errors import Defect, Invalid
from tocsin_kit.config import Secret

_VERSION = b"\x01"
_NONCE_BYTES = 12


class AesSealer:
    """Seals and opens small secrets (``ports.Sealer``).

    Args:
        key: 32 bytes in hexadecimal or base64.

    Raises:
        Invalid: It is not.
    """

    def __init__(self, key: Secret) -> None:
        self._cipher = AESGCM(_decoded(key))

    def seal(self, plain: bytes, *, context: str, nonce: bytes) -> bytes:
        """Encrypt: a version byte, the nonce, the ciphertext with its tag."""
        assert len(nonce) == _NONCE_BYTES
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def unseal(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt.

        Raises:
            Defect: It was sealed with another key, for another context, or has been changed.
        """
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION:
                raise ValueError("unknown version")
            return self._cipher.decrypt(nonce, body, context.encode())
        except (InvalidTag, ValueError) as error:
            raise Defect(
                "a stored key cannot be opened with the key-encryption key of the settings",
                hint="give the auth service the key that its database was filled with (TOCSIN_AUTH_KEY_FILE)",
            ) from error


def _decoded(key: Secret) -> bytes:
    text = key.reveal().strip()
    for decode in (bytes.fromhex, _base64):
        try:
            raw = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(raw) == 32:
            return raw
    raise Invalid("TOCSIN_AUTH_KEY is not 32 bytes in hexadecimal or base64", hint="make one with: openssl rand -base64 32")


def _base64(text: str) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    return urlsafe_b64decode(padded) if {"-", "_"} & set(text) else b64decode(padded, validate=True)
