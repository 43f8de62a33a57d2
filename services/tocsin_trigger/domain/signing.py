"""Whether a webhook is genuine: HMAC over the raw bytes, compared in constant time, and not too old.

The signature is checked before anything else is believed, the timestamp before the body is read as anything.

Source:
    Standard Webhooks 1.0.0, "Signature scheme" and "Verifying signatures".
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from tocsin_trigger.domain.errors import (
    AddressRefused,
    MalformedWebhook,
    SignatureInvalid,
    TimestampInFuture,
    TimestampTooOld,
    TriggerInvalid,
)
from tocsin_trigger.domain.triggers import (
    BearerScheme,
    Encoding,
    HmacScheme,
    JwtScheme,
    PrivatePath,
    Scheme,
    StandardScheme,
    StripeScheme,
)

STANDARD_PREFIX: Final = "whsec_"
_SIGNATURES: Final = 20  # looked at in one header; a partner sends one for each of its keys
_ID: Final = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,256}")  # printable ASCII without the full stop, see `verify`
_PLACE: Final = re.compile(r"\{(body|timestamp|id)\}")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")


@dataclass(frozen=True, slots=True)
class Proof:
    """A genuine webhook.

    Attributes:
        id: The message's id, the same in every retry; ``None`` where the scheme has none.
        signed: When it was signed; ``None`` where the scheme does not say.
    """

    id: str | None
    signed: datetime | None


def verify(scheme: Scheme, keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> Proof:
    """Prove that a request was signed with one of the keys, lately.

    Args:
        scheme: How it should be signed.
        keys: Key material; any of them will do.
        headers: Of the request, names in lower case.
        body: Its raw bytes.
        now: The present.

    Raises:
        SignatureInvalid: No key made this signature, or there is none.
        TimestampTooOld: Signed before the tolerance.
        TimestampInFuture: Signed after it.
        MalformedWebhook: An id or timestamp is not one.
    """
    match scheme:
        case StandardScheme():
            return _verify_standard(scheme, keys, headers, body, now)
        case HmacScheme():
            return _verify_hmac(scheme, keys, headers, body, now)
        case StripeScheme():
            return _verify_stripe(scheme, keys, headers, body, now)
        case BearerScheme() | JwtScheme():
            return Proof(None, None)  # who sends was proven by its token, before this
        case _:
            assert_never(scheme)


def _verify_standard(
    scheme: StandardScheme, keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime
) -> Proof:
    message, timestamp, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (message and timestamp and given):
        raise SignatureInvalid("webhook-id, webhook-timestamp and webhook-signature are needed.")
    # A full stop in the id would let somebody move bytes between id, timestamp and body under the same signature.
    if not _ID.fullmatch(message):
        raise MalformedWebhook("webhook-id must be 1 to 256 printable characters without a full stop.")
    content = f"{message}.{timestamp}.".encode("utf-8", "surrogateescape") + body
    wanted = [hmac.digest(key, content, "sha256") for key in keys]
    candidates = [text[3:] for text in given.split(" ")[:_SIGNATURES] if text.startswith("v1,")]
    if not _any_matches(wanted, [_from_base64(text) for text in candidates]):
        raise SignatureInvalid("No key of this trigger made this signature.")
    return Proof(message, _check_age(timestamp, scheme.tolerance, now))


def _verify_hmac(scheme: HmacScheme, keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> Proof:
    given = headers.get(scheme.header.lower(), "")
    if not given.startswith(scheme.prefix) or len(given) == len(scheme.prefix):
        raise SignatureInvalid(f"The header {scheme.header} with the signature is needed.")
    message = headers.get(scheme.id_header.lower(), "") if scheme.id_header else None
    timestamp = headers.get(scheme.timestamp_header.lower(), "") if scheme.timestamp_header else None
    if message is not None and not _ID.fullmatch(message):
        raise MalformedWebhook(f"{scheme.id_header} must be 1 to 256 printable characters without a full stop.")
    content = _content(scheme.signed, body, timestamp or "", message or "")
    wanted = [hmac.digest(key, content, scheme.algorithm.value) for key in keys]
    text = given[len(scheme.prefix) :]
    decoded = _from_hex(text) if scheme.encoding is Encoding.HEX else _from_base64(text)
    if not _any_matches(wanted, [decoded]):
        raise SignatureInvalid("No key of this trigger made this signature.")
    return Proof(message, None if timestamp is None else _check_age(timestamp, scheme.tolerance, now))


def _verify_stripe(
    scheme: StripeScheme, keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime
) -> Proof:
    pairs = [item.strip().partition("=") for item in headers.get(scheme.header.lower(), "").split(",")[: _SIGNATURES + 1]]
    timestamps = [value for name, _, value in pairs if name == "t"]
    given = [_from_hex(value) for name, _, value in pairs if name == "v1"]
    if len(timestamps) != 1 or not given:
        raise SignatureInvalid(f"The header {scheme.header} with t= and v1= is needed.")
    content = timestamps[0].encode() + b"." + body
    if not _any_matches([hmac.digest(key, content, "sha256") for key in keys], given):
        raise SignatureInvalid("No key of this trigger made this signature.")
    return Proof(None, _check_age(timestamps[0], scheme.tolerance, now))


def _content(template: str, body: bytes, timestamp: str, message: str) -> bytes:
    parts = {"body": body, "timestamp": timestamp.encode("utf-8", "surrogateescape"), "id": message.encode()}
    pieces = _PLACE.split(template)  # text, name, text, name, ..., text
    return b"".join(parts[piece] if index % 2 else piece.encode() for index, piece in enumerate(pieces))


def _any_matches(wanted: Sequence[bytes], given: Sequence[bytes | None]) -> bool:
    """Compare every pair in constant time; no early end, so that time tells nothing about the keys."""
    found = False
    for candidate in given:
        for digest in wanted:
            found |= candidate is not None and hmac.compare_digest(digest, candidate)
    return found


def _check_age(text: str, tolerance: timedelta, now: datetime) -> datetime:
    if not text.isascii() or not text.isdecimal() or len(text) > 11:  # eleven digits last until the year 5138
        raise MalformedWebhook("The timestamp must be whole seconds since 1970.")
    signed = datetime.fromtimestamp(int(text), UTC)
    if now - signed > tolerance:
        seconds = int((now - signed).total_seconds())
        raise TimestampTooOld(f"Signed {seconds} s ago; at most {int(tolerance.total_seconds())} s are accepted.", age=seconds)
    if signed - now > tolerance:
        seconds = int((signed - now).total_seconds())
        raise TimestampInFuture(f"Signed {seconds} s in the future.", hint="Set the sender's clock.", ahead=seconds)
    return signed


def key_material(scheme: Scheme, secret: str) -> bytes:
    """The bytes of a key from its text: Base64 behind ``whsec_`` in Standard Webhooks, the text itself elsewhere.

    Raises:
        TriggerInvalid: Too short to be safe, or not Base64.
    """
    if isinstance(scheme, StandardScheme):
        material = _from_base64(secret.removeprefix(STANDARD_PREFIX))
        if material is None or not 24 <= len(material) <= 64:
            raise TriggerInvalid("A secret of Standard Webhooks is whsec_ and 24 to 64 bytes in Base64.")
        return material
    material = secret.encode()
    if not 16 <= len(material) <= 256:
        raise TriggerInvalid("A webhook's secret has 16 to 256 bytes.")
    return material


def new_secret(random: bytes) -> str:
    """The text of a key of 32 random bytes, fit for every scheme."""
    return STANDARD_PREFIX + base64.b64encode(random).decode()


def fingerprint(secret: str) -> str:
    """A few characters by which a person tells keys apart; says nothing about the secret."""
    return hashlib.sha256(b"tocsin-key\0" + secret.encode()).hexdigest()[:12]


def check_address(networks: Sequence[str], address: str) -> None:
    """Refuse a sender from elsewhere.

    Args:
        networks: CIDR blocks; none: everybody may send.
        address: Of the sender, behind trusted proxies too.

    Raises:
        AddressRefused: It is in none of them.
    """
    if not networks:
        return
    try:
        sender = ipaddress.ip_address(address)
    except ValueError:
        raise AddressRefused("The sender's address is not known.") from None
    if isinstance(sender, ipaddress.IPv6Address) and sender.ipv4_mapped is not None:
        sender = sender.ipv4_mapped
    if not any(sender in ipaddress.ip_network(network) for network in networks):
        raise AddressRefused(f"{sender} may not send to this webhook.")


def path_digest(segment: str) -> str:
    """What is kept of the unguessable end of an address."""
    return hashlib.sha256(b"tocsin-hook\0" + segment.encode("utf-8", "surrogateescape")).hexdigest()


def leads_here(paths: Sequence[PrivatePath], segment: str | None, now: datetime) -> bool:
    """Whether an address with this end is the webhook's; compared in constant time, however many ends there are."""
    if not paths:
        return segment is None
    given, found = path_digest(segment or ""), False
    for path in paths:
        live = path.expires is None or path.expires > now
        found |= hmac.compare_digest(path.digest, given) and live
    return found and segment is not None


def scheme_problems(scheme: HmacScheme) -> list[str]:
    """What is wrong with a header scheme; empty when nothing is."""
    problems = [
        f"{name} is not the name of a header"
        for name in (scheme.header, scheme.timestamp_header, scheme.id_header)
        if name is not None and not _HEADER.fullmatch(name)
    ]
    places = _PLACE.findall(scheme.signed)
    if places.count("body") != 1:
        problems.append("signed must contain {body} once")
    if scheme.timestamp_header and "timestamp" not in places:
        problems.append("signed must contain {timestamp}, or its age proves nothing")
    if "timestamp" in places and not scheme.timestamp_header:
        problems.append("timestamp_header must say where {timestamp} is")
    if "id" in places and not scheme.id_header:
        problems.append("id_header must say where {id} is")
    if re.search(r"[{}]", _PLACE.sub("", scheme.signed)):
        problems.append("signed knows {body}, {timestamp} and {id} only")
    return problems


def _from_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _from_hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
