"""Sessions: a login and the refresh tokens that came of it, one valid at a time.

Each refresh replaces the token. A replaced one that comes again was copied by somebody, and nobody can tell who is who: the
session ends.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from hmac import compare_digest


class Ending(Enum):
    """Why a session ended."""

    LOGOUT = "logout"
    REUSE = "a refresh token was used twice"
    SECURED = "the password was changed or the user disabled"
    REVOKED = "somebody ended it"


class Verdict(Enum):
    """What a refresh token is worth."""

    GOOD = "good"
    OVER = "over"
    REUSED = "reused"


@dataclass(frozen=True, slots=True)
class RunTokenEnd:
    """That a token of a run is needed no more, remembered for as long as it would have lived.

    Attributes:
        at: When.
    """

    at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """One login.

    Attributes:
        id: Public part of its refresh tokens.
        user: Name.
        digest: SHA-256 of the secret of the only valid refresh token.
        began_at: The login.
        idle_until: Ends here unless refreshed before.
        ends_at: Ends here however often it is refreshed.
        ending: Why it has ended, or ``None``.
        address: Where the login came from.
        ended_at: When.
        agent: What the login was made with, as it called itself.
        revision: Of the user whose password, code or provider was looked at; 0 for those from before this was kept.
    """

    id: str
    user: str
    digest: bytes
    began_at: datetime
    idle_until: datetime
    ends_at: datetime
    address: str
    ending: Ending | None = None
    ended_at: datetime | None = None
    agent: str = ""
    revision: int = 0

    def judge(self, digest: bytes, *, now: datetime, secure_since: datetime, floor: int = 0) -> Verdict:
        """What a refresh token with this digest is worth.

        Args:
            digest: Of the secret that was sent.
            now: The present.
            secure_since: Of the user.
            floor: Of the user's sessions.
        """
        if self.is_over(now=now, secure_since=secure_since, floor=floor):
            return Verdict.OVER
        return Verdict.GOOD if compare_digest(digest, self.digest) else Verdict.REUSED

    def refreshed(self, digest: bytes, *, now: datetime, idle: timedelta) -> "Session":
        """With the next token."""
        return replace(self, digest=digest, idle_until=min(now + idle, self.ends_at))

    def ended(self, why: Ending, now: datetime) -> "Session":
        """Over; the first reason stays."""
        return self if self.ending else replace(self, ending=why, ended_at=now)

    def is_over(self, *, now: datetime, secure_since: datetime, floor: int = 0) -> bool:
        """Whether no refresh token of it is good any more.

        A login takes as long as a hash and a queue in front of it; one that looked at a password which was changed meanwhile
        begins after the change by the clock, but comes of an older revision.
        """
        made_from_older = self.began_at < secure_since or self.revision < floor
        return self.ending is not None or now >= min(self.idle_until, self.ends_at) or made_from_older
