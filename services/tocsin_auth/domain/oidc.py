"""Logging in at an identity provider (OpenID Connect Core 1.0, authorization code with PKCE): what is sent, what is believed.

Every login has a state, a nonce, a code verifier and a ticket of its own; whoever finishes it must hold the ticket, so that
nobody can be made to finish somebody else's.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final
from urllib.parse import urlencode, urlsplit

from tocsin.errors import Invalid, Unauthenticated

PATIENCE: Final = timedelta(minutes=10)  # between leaving for the provider and coming back
_SKEW: Final = timedelta(seconds=60)
_LONGEST_GROUPS: Final = 200
_SANE: Final = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Provider:
    """What its discovery document says, as far as we need it.

    Attributes:
        issuer: Exactly as configured.
        authorization: Where people go.
        token: Where codes become tokens.
        keys: Where its key set is.
    """

    issuer: str
    authorization: str
    token: str
    keys: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login that has begun.

    Attributes:
        ticket: SHA-256 of what the one who began it holds.
        nonce: Comes back in the ID token.
        verifier: Proves to the provider that we asked (RFC 7636).
        redirect_uri: Where the provider sends the person back to.
        until: It is over then.
    """

    ticket: bytes
    nonce: str
    verifier: str
    redirect_uri: str
    until: datetime

    def __repr__(self) -> str:
        return f"Attempt(until={self.until!r})"

    def belongs_to(self, ticket: str, now: datetime) -> bool:
        """Whether who holds this ticket may finish it."""
        return now < self.until and compare_digest(self.ticket, digest(ticket))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says it is.

    Attributes:
        origin: ``issuer subject``: the only thing that identifies a person.
        name: What we call a new user.
        groups: Values of the group claim.
    """

    origin: str
    name: str
    groups: tuple[str, ...]


def provider_of(document: Mapping[str, object], issuer: str) -> Provider:
    """The provider that a discovery document describes.

    Raises:
        Invalid: It is another one's, or lacks something.
    """
    if document.get("issuer") != issuer:
        raise Invalid("the identity provider's discovery document names another issuer than auth.oidc_issuer")
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    places = [document.get(name) for name in names]
    if not all(isinstance(place, str) and _is_safe(place) for place in places):
        raise Invalid("the identity provider's discovery document lacks an endpoint, or has one without https")
    return Provider(issuer, *(str(place) for place in places))


def _is_safe(url: str) -> bool:
    """HTTPS, or a machine's own loopback."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"})


def checked_redirect(uri: str, allowed: str) -> str:
    """``uri``, if people may be sent back there: our own console, or a program on their machine (RFC 8252, section 7.3).

    Raises:
        Invalid: A code would go to somebody else.
    """
    parts = urlsplit(uri)
    loopback = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1"} and parts.port is not None
    plain = not parts.username and not parts.password and not parts.query and not parts.fragment
    if uri != allowed and not (loopback and plain and parts.path == "/callback"):
        raise Invalid("people are sent back to the console or to http://127.0.0.1:<port>/callback only")
    return uri


def digest(text: str) -> bytes:
    """What is kept of a ticket, and how attempts are found."""
    return hashlib.sha256(text.encode()).digest()


def challenge(verifier: str) -> str:
    """The S256 challenge of a code verifier."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def authorization_url(provider: Provider, *, client: str, scopes: str, state: str, attempt: Attempt) -> str:
    """Where the person goes."""
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": attempt.redirect_uri,
        "scope": scopes,
        "state": state,
        "nonce": attempt.nonce,
        "code_challenge": challenge(attempt.verifier),
        "code_challenge_method": "S256",
    }
    return provider.authorization + ("&" if "?" in provider.authorization else "?") + urlencode(query)


def identity_of(claims: Mapping[str, object], *, nonce: str, client: str, now: datetime, names: str, groups: str) -> Identity:
    """Who verified claims of an ID token speak of (Core, section 3.1.3.7); signature, issuer and audience are checked before.

    Args:
        claims: Of the token.
        nonce: Of the attempt.
        client: Our id at the provider.
        now: The present.
        names: Claim that has the user's name.
        groups: Claim that has the groups.

    Raises:
        Unauthenticated: Expired, replayed, meant for another client, or without a subject.
    """
    expires, issued, subject = claims.get("exp"), claims.get("iat"), claims.get("sub")
    audience = claims.get("aud")
    several = isinstance(audience, list) and len(audience) > 1
    if not isinstance(expires, int | float) or expires + _SKEW.total_seconds() < now.timestamp():
        raise Unauthenticated("the identity provider's token has expired")
    if not isinstance(issued, int | float) or abs(now.timestamp() - issued) > (PATIENCE + _SKEW).total_seconds():
        raise Unauthenticated("the identity provider's token is not of this login")
    said = claims.get("nonce")
    if not isinstance(said, str) or not compare_digest(said.encode(), nonce.encode()):
        raise Unauthenticated("the identity provider's token is not of this login")
    if claims.get("azp", client) != client or (several and "azp" not in claims):
        raise Unauthenticated("the identity provider's token is for another client")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise Unauthenticated("the identity provider's token names nobody")
    found = claims.get(groups, [])
    held = [one for one in found if isinstance(one, str) and 0 < len(one) <= 256] if isinstance(found, list) else []
    return Identity(f"{claims['iss']} {subject}", _name(claims.get(names), subject), tuple(held[:_LONGEST_GROUPS]))


def _name(claimed: object, subject: str) -> str:
    """A user's name that we may use, from what the provider calls the person; it identifies nobody."""
    text = claimed if isinstance(claimed, str) and claimed else subject
    name = _SANE.sub("-", text.lower()).strip("._-")[:48].strip("._-")
    return name or "user"
