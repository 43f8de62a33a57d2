"""API keys as records: whose, what for, until when; never the key itself."""

from dataclasses import dataclass, replace
from datetime import datetime
from hmac import compare_digest


@dataclass(frozen=True, slots=True)
class Scope:
    """A grant in words: a permission in a namespace (``*`` for all), for things of some name."""

    permission: str
    namespace: str
    name: str = "*"

    def __str__(self) -> str:
        return f"{self.permission}@{self.namespace}" + ("" if self.name == "*" else f"/{self.name}")


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An API key.

    Attributes:
        id: Public.
        name: For its owner.
        owner: User name; the key never gives more than its owner holds at that moment.
        digest: SHA-256 of the secret.
        scopes: What it gives; empty for all that its owner holds.
        created_at: When.
        expires_at: Refused from then on; ``None`` for never.
        revoked_at: When it was revoked.
        last_used_at: To the minute or so; ``None`` for never.
        replaces: Id of the key that it took the place of.
        replaced_by: Id of the key that takes its place; it works on until it expires.
    """

    id: str
    name: str
    owner: str
    digest: bytes
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaces: str | None = None
    replaced_by: str | None = None

    def refusal(self, digest: bytes, now: datetime) -> str | None:
        """Why the key is refused; ``None`` when it is good."""
        if not compare_digest(digest, self.digest):
            return "wrong secret"
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "expired"
        return None

    def revoked(self, now: datetime) -> "KeyRecord":
        """Refused from now on."""
        return self if self.revoked_at else replace(self, revoked_at=now)
