"""Values that only the one who asked can read: HPKE (RFC 9180) between a request and its reply on the bus.

The asker makes a key pair for one request and sends the public key along; the answer is encrypted to it. Whoever else hears the
two, the broker included, sees nothing. It does not prove who asks or answers: the server's permissions on the subjects do.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tocsin.errors import Defect, Invalid
from tocsin_kit.chance import Chance

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class Recipient:
    """The asker's side: a key pair for one request.

    Args:
        chance: Makes the private key.
    """

    __slots__ = ("_private", "public")

    def __init__(self, chance: Chance) -> None:
        self._private = X25519PrivateKey.from_private_bytes(chance.token(32))
        self.public: bytes = self._private.public_key().public_bytes_raw()

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """What was sealed for this request.

        Args:
            sealed: From :func:`seal_for`.
            context: The same as there; binds the answer to the question.

        Raises:
            Defect: It was sealed for somebody else or another question, or has been changed.
        """
        try:
            return _SUITE.decrypt(sealed, self._private, info=context.encode())
        except (InvalidTag, ValueError) as error:
            raise Defect("the answer was not sealed for this request") from error


def seal_for(public: bytes, plain: bytes, *, context: str) -> bytes:
    """Encrypt for the one who holds the private key.

    Args:
        public: 32 bytes, from the request.
        plain: The answer.
        context: What was asked.

    Raises:
        Invalid: It is no X25519 public key.
    """
    try:
        return _SUITE.encrypt(plain, X25519PublicKey.from_public_bytes(public), info=context.encode())
    except ValueError as error:
        raise Invalid("this is no X25519 public key") from error
