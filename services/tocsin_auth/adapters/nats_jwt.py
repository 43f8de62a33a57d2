"""JWTs as NATS servers speak them: Ed25519 under nkeys, with a header of their own (``ed25519-nkey``).

Only what the auth callout needs: reading the server's request, and writing the answer with the user it contains. An empty
list of allowed subjects means "all" to a NATS server; therefore nobody is ever given one.
"""

import binascii
import hashlib
from base64 import b32decode, b32encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import nkeys
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tocsin.errors import Invalid
from tocsin_auth.domain.bus_access import BusAccess
from tocsin_kit.config import Secret
from tocsin_kit.web.encoding import decode_base64url, encode_base64url

_HEADER: Final = encode_base64url(b'{"typ":"JWT","alg":"ed25519-nkey"}')
_REQUEST_AUDIENCE: Final = "nats-authorization-request"
_SERVER_PREFIX: Final = 13 << 3  # nkeys of servers begin with N
_MOST_SUBSCRIPTIONS: Final = 100
_LARGEST_PAYLOAD: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CalloutRequest:
    """What a NATS server asks about a connection.

    Attributes:
        user_nkey: Names the connection; the answer is about it.
        server_id: Who asks; the answer is for it.
        credential: Password, or token; ``None`` when neither was given.
        address: Of the client.
        client: Number of the connection at that server.
        id: Of the request.
    """

    user_nkey: str
    server_id: str
    credential: str | None
    address: str
    client: int
    id: str

    def __repr__(self) -> str:
        return f"CalloutRequest(address={self.address!r}, id={self.id!r})"


class Issuer:
    """Signs answers with the account's seed.

    Args:
        seed: nkey seed of an account (``SA...``).
        account: Where users are put.

    Raises:
        Invalid: It is no seed.
    """

    def __init__(self, seed: Secret, account: str) -> None:
        try:
            self._pair = nkeys.from_seed(seed.reveal().strip().encode())
            self.public: str = self._pair.public_key.decode()
        except (nkeys.NkeysError, binascii.Error, ValueError) as error:
            raise Invalid("auth.callout_seed is not an nkey seed", hint="make one with: nk -gen account") from error
        if not self.public.startswith("A"):
            raise Invalid("auth.callout_seed is not the seed of an account (SA...)")
        self._account = account

    def user(self, request: CalloutRequest, *, name: str, access: BusAccess, now: datetime, expires: datetime) -> bytes:
        """The answer that lets a connection in."""
        user = {
            "aud": self._account,
            "sub": request.user_nkey,
            "name": name,
            "exp": int(expires.timestamp()),
            "nats": {
                "pub": _allowed(access.publish, access.publish_denied),
                "sub": _allowed(access.subscribe, access.subscribe_denied),
                "subs": _MOST_SUBSCRIPTIONS,
                "data": -1,
                "payload": _LARGEST_PAYLOAD,
                "type": "user",
                "version": 2,
            },
        }
        return self._answer(request, now, {"jwt": self._signed(user, now)})

    def refusal(self, request: CalloutRequest, *, reason: str, now: datetime) -> bytes:
        """The answer that keeps a connection out; the client is told no more than that."""
        return self._answer(request, now, {"error": reason})

    def _answer(self, request: CalloutRequest, now: datetime, verdict: Mapping[str, object]) -> bytes:
        claims = {
            "aud": request.server_id,
            "sub": request.user_nkey,
            "nats": {**verdict, "type": "authorization_response", "version": 2},
        }
        return self._signed(claims, now).encode()

    def _signed(self, claims: Mapping[str, object], now: datetime) -> str:
        full: dict[str, object] = {**claims, "iss": self.public, "iat": int(now.timestamp())}
        full["jti"] = b32encode(hashlib.sha256(orjson.dumps(full)).digest()).decode().rstrip("=")
        body = f"{_HEADER}.{encode_base64url(orjson.dumps(full))}"
        return f"{body}.{encode_base64url(self._pair.sign(body.encode()))}"


def _allowed(subjects: tuple[str, ...], denied: tuple[str, ...]) -> dict[str, list[str]]:
    if not subjects:
        return {"deny": [">"]}
    return {"allow": list(subjects), **({"deny": list(denied)} if denied else {})}


def read_request(raw: bytes) -> CalloutRequest:
    """The request of a server, its signature checked.

    Raises:
        Invalid: It is none.
    """
    try:
        head, body, signature = raw.decode("ascii").split(".")
        claims = orjson.loads(decode_base64url(body) or b"")
        key = _server_key(claims["iss"])
        key.verify(decode_base64url(signature) or b"", f"{head}.{body}".encode())
        nats = claims["nats"]
        options, client = nats["connect_opts"], nats["client_info"]
        if claims["aud"] != _REQUEST_AUDIENCE:
            raise ValueError("another audience")
        return CalloutRequest(
            user_nkey=str(nats["user_nkey"]),
            server_id=str(nats["server_id"]["id"]),
            credential=options.get("pass") or options.get("auth_token") or None,
            address=str(client.get("host", "unknown"))[:64],
            client=int(client["id"]),
            id=str(claims.get("jti", ""))[:64],
        )
    except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature) as error:
        raise Invalid("this is no authorization request of a NATS server") from error


def _server_key(nkey: str) -> Ed25519PublicKey:
    """The public key in the nkey of a server: prefix, 32 bytes, CRC-16."""
    raw = b32decode(nkey + "=" * (-len(nkey) % 8))
    if len(raw) != 35 or raw[0] != _SERVER_PREFIX or binascii.crc_hqx(raw[:33], 0).to_bytes(2, "little") != raw[33:]:
        raise ValueError("not the nkey of a server")
    return Ed25519PublicKey.from_public_bytes(raw[1:33])
