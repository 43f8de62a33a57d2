"""What was withdrawn before it expired: who was disabled, logged out, or has other roles since.

The list names no instants, because clocks differ: a token says from which revision of its holder and of the rules it was made,
and the list says from which on it counts. Names are digests, so whoever may read the list learns nobody's name from it. It is
kept as long as a token lives; a service that cannot get a newer one goes on with what it has.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from tocsin_kit.web.access import Principal

SUBJECT: Final = "auth.revocations"
"""Where a service with a bus asks for the list."""
CHANGED: Final = "auth.revoked"
"""Where the auth service says that there is something new."""
MOST: Final = 5000  # entries; above, everybody's tokens are made anew instead


@lru_cache(maxsize=20_000)
def digest(subject: str) -> str:
    """How the list names a holder (``user:ada``), a session (``session:<id>``) or a key (``key:<id>``)."""
    return hashlib.blake2b(subject.encode(), digest_size=12, person=b"tocsin-revoked").hexdigest()


@dataclass(frozen=True, slots=True)
class RevocationList:
    """What tokens are refused although they have not expired.

    Attributes:
        policy: Tokens of holders made under older roles and rules are refused.
        floors: By digest of a holder: tokens made from an older revision are refused.
        ended: Digests of sessions, keys and tokens of runs that are over.
    """

    policy: int = 0
    floors: Mapping[str, int] = field(default_factory=dict)
    ended: frozenset[str] = frozenset()

    def refuses(self, principal: Principal) -> bool:
        """Whether the credential of this principal has been withdrawn."""
        proof = principal.proof
        if proof.holder and (proof.policy < self.policy or proof.revision < self.floors.get(digest(proof.holder), 0)):
            return True
        return bool(self.ended) and (
            digest(principal.subject) in self.ended
            or (proof.session != "" and digest(f"session:{proof.session}") in self.ended)
        )


class RevocationModel(BaseModel):
    """The list on the wire."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    policy: NonNegativeInt = Field(0, description="Tokens with an older `pol` are refused.")
    floors: dict[str, NonNegativeInt] = Field(
        default_factory=dict, description="Digest of a holder to the least `rev` that counts."
    )
    ended: list[str] = Field(default_factory=list, description="Digests of sessions and keys that are over.")

    @classmethod
    def of(cls, revoked: RevocationList) -> "RevocationModel":
        """For the wire."""
        return cls(policy=revoked.policy, floors=dict(revoked.floors), ended=sorted(revoked.ended))

    def read(self) -> RevocationList:
        """From the wire."""
        return RevocationList(self.policy, dict(self.floors), frozenset(self.ended))


class Revocations:
    """The newest list that is known here."""

    __slots__ = ("current", "fed")

    def __init__(self) -> None:
        """Empty until somebody fetches one."""
        self.current = RevocationList()
        self.fed = False
        """Whether the bus keeps it fresh; otherwise whoever looks at it fetches it."""

    def take(self, newer: RevocationList) -> None:
        """Believe this one from now on; rules never go back, whichever replica answered last."""
        self.current = RevocationList(max(self.current.policy, newer.policy), newer.floors, newer.ended)
