"""Digest authentication (RFC 7616): which of a server's challenges is answered, and the answer. Pure.

A server may offer several schemes and several hashes, in one header or in many; the first digest that is known is taken, in the
server's own order. ``auth-int`` is used where nothing less is offered: it makes the body part of the proof.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from tocsin_executor.worker.policies import Digest

_PART: Final = re.compile(r'([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s,"]+)))?')
_ALGORITHMS: Final = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that is to be authenticated.

    Attributes:
        method: Upper case.
        target: Path and query, as sent.
        body: Bytes.
    """

    method: str
    target: str
    body: bytes


def answered(policy: Digest, challenges: Sequence[str], asked: Asked, cnonce: str) -> str | None:
    """The value of an ``Authorization`` header; ``None`` where no challenge can be answered.

    Args:
        policy: Name and password.
        challenges: The values of the ``WWW-Authenticate`` headers.
        asked: The request.
        cnonce: Chance, as text.
    """
    for scheme, said in _challenges(challenges):
        name, session, _ = said.get("algorithm", "MD5").upper().partition("-SESS")
        offered = [part.strip().lower() for part in said.get("qop", "").split(",") if part.strip()]
        qop = next((kind for kind in ("auth", "auth-int") if kind in offered), "")
        if scheme == "digest" and name in _ALGORITHMS and "nonce" in said and bool(qop) == bool(offered):
            return _header(policy, said, asked, (cnonce, qop, bool(session), _ALGORITHMS[name]))
    return None


def is_stale(challenges: Sequence[str]) -> bool:
    """Whether the server refused only the age of what it gave: the same with another nonce would do."""
    return any(said.get("stale", "").lower() == "true" for scheme, said in _challenges(challenges) if scheme == "digest")


def _header(policy: Digest, said: Mapping[str, str], asked: Asked, how: tuple[str, str, bool, str]) -> str:
    cnonce, qop, session, algorithm = how
    digest = _hash(algorithm)
    realm, nonce = said.get("realm", ""), said["nonce"]
    one = digest(f"{policy.username}:{realm}:{policy.password}".encode())
    if session:
        one = digest(f"{one}:{nonce}:{cnonce}".encode())
    body = f":{digest(asked.body)}" if qop == "auth-int" else ""
    two = digest(f"{asked.method}:{asked.target}{body}".encode())
    between = f"{nonce}:00000001:{cnonce}:{qop}" if qop else nonce
    hashed = said.get("userhash", "").lower() == "true"
    user = digest(f"{policy.username}:{realm}".encode()) if hashed else policy.username
    parts = [_user(user), f'realm="{_quoted(realm)}"', f'nonce="{_quoted(nonce)}"', f'uri="{asked.target}"']
    parts.append(f'response="{digest(f"{one}:{between}:{two}".encode())}"')
    if "algorithm" in said:
        parts.append(f"algorithm={said['algorithm']}")
    if "opaque" in said:
        parts.append(f'opaque="{_quoted(said["opaque"])}"')
    if qop or session:
        parts.append(f'cnonce="{cnonce}"')
    if qop:
        parts += [f"qop={qop}", "nc=00000001"]
    if hashed:
        parts.append("userhash=true")
    return "Digest " + ", ".join(parts)


def _user(name: str) -> str:
    """A header holds no letters but those of ASCII; others have a spelling of their own (RFC 5987)."""
    return f'username="{_quoted(name)}"' if name.isascii() else f"username*=UTF-8''{quote(name, safe='')}"


def _hash(algorithm: str) -> Callable[[bytes], str]:
    return lambda data: hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _challenges(headers: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Scheme, in small letters, and parameters of each."""
    for header in headers:
        found: list[tuple[str, dict[str, str]]] = []
        for part in _PART.finditer(header):
            name, text, plain = part.groups()
            if text is None and plain is None:
                found.append((name.lower(), {}))
            elif found:
                found[-1][1][name.lower()] = plain if text is None else re.sub(r"\\(.)", r"\1", text)
        yield from found
