"""AES-256-GCM under the key-encryption key, bound to what is sealed: a sealed value moved to another place does not open."""

import binascii
import hashlib
from base64 import b64decode, urlsafe_b64decode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.errors import Defect, Invalid
from tocsin_kit.config import Secret

_WITHOUT_NAME = b"\x01"  # what versions before the first rotation wrote
_NAMED = b"\x02"  # then four bytes that tell which key it was
_NAME_BYTES, _NONCE_BYTES = 4, 12


class AesSealer:
    """Seals and opens small secrets (``ports.Sealer``).

    Args:
        key: 32 bytes; seals and opens.
        previous: Further keys that only open.
    """

    def __init__(self, key: bytes, *previous: bytes) -> None:
        self._name, self._cipher = _name(key), AESGCM(key)
        self._ciphers = {_name(one): AESGCM(one) for one in (*previous, key)}

    @classmethod
    def of(cls, key: Secret, previous: Secret | None = None) -> "AesSealer":
        """From settings: 32 bytes in hexadecimal or base64.

        Raises:
            Invalid: They are not.
        """
        return cls(_decoded(key, "TOCSIN_AUTH_KEY"), *([_decoded(previous, "TOCSIN_AUTH_PREVIOUS_KEY")] if previous else []))

    def seal(self, plain: bytes, *, context: str, nonce: bytes) -> bytes:
        """Encrypt: a version byte, the key's name, the nonce, the ciphertext with its tag."""
        assert len(nonce) == _NONCE_BYTES
        return _NAMED + self._name + nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def unseal(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt.

        Raises:
            Defect: It was sealed with another key, for another context, or has been changed.
        """
        ciphers, body = list(self._ciphers.values()), sealed[1:]
        if sealed[:1] == _NAMED:
            named = self._ciphers.get(body[:_NAME_BYTES])
            ciphers, body = [named] if named else [], body[_NAME_BYTES:]
        elif sealed[:1] != _WITHOUT_NAME:
            ciphers = []
        for cipher in ciphers:
            try:
                return cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], context.encode())
            except (InvalidTag, ValueError):
                continue
        raise Defect(
            "a stored key cannot be opened with the key-encryption key of the settings",
            hint="give the auth service the key that its database was filled with (TOCSIN_AUTH_KEY_FILE), "
            "or the one before as TOCSIN_AUTH_PREVIOUS_KEY_FILE",
        )

    def is_current(self, sealed: bytes) -> bool:
        """Whether it was sealed with the key that seals today."""
        return sealed[: 1 + _NAME_BYTES] == _NAMED + self._name


def _name(key: bytes) -> bytes:
    """Tells keys apart without telling anything of them."""
    return hashlib.sha256(b"tocsin key name\x00" + key).digest()[:_NAME_BYTES]


def _decoded(key: Secret, variable: str) -> bytes:
    text = key.reveal().strip()
    for decode in (bytes.fromhex, _base64):
        try:
            raw = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(raw) == 32:
            return raw
    raise Invalid(f"{variable} is not 32 bytes in hexadecimal or base64", hint="make one with: openssl rand -base64 32")


def _base64(text: str) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    return urlsafe_b64decode(padded) if {"-", "_"} & set(text) else b64decode(padded, validate=True)
