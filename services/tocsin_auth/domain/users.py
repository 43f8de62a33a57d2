"""Users: people with a password and roles in namespaces."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tocsin.errors import Invalid
from tocsin_auth.domain.errors import WeakPassword
from tocsin_auth.domain.roles import Binding
from tocsin_auth.domain.second_factor import SecondFactor

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
SHORTEST_PASSWORD: Final = 12  # characters; length is what counts against guessing (NIST SP 800-63B asks for 8 or 15)
NO_PASSWORD: Final = "!"  # noqa: S105 - no hash, so no password fits
LONGEST_PASSWORD: Final = 256  # characters; hashing is work that a sender chooses the size of


@dataclass(frozen=True, slots=True)
class User:
    """A person who may log in.

    Attributes:
        name: Unique for ever, lower case.
        password_hash: Argon2id, encoded.
        bindings: Roles and where they hold.
        disabled: May not log in; sessions and API keys do not work.
        created_at: When.
        secure_since: Sessions from before this have ended (password changed, disabled).
        changed_at: When password, roles or being disabled last changed.
        floor: Tokens made from an older revision of this user are refused.
        claims: Values of the group claim at the latest login through an identity provider.
        origin: ``issuer subject`` of the identity provider this user comes from; empty for local ones.
        machine: A service account: it has API keys and no password.
        second: What is asked for beside the password; ``None`` for nothing.
        factor_grace: When the time to add a second factor began anew.
        session_floor: Sessions opened from an older revision of this user have ended.
    """

    name: str
    password_hash: str
    bindings: tuple[Binding, ...]
    disabled: bool
    created_at: datetime
    secure_since: datetime
    changed_at: datetime | None = None
    floor: int = 0
    claims: tuple[str, ...] = ()
    origin: str = ""
    machine: bool = False
    second: SecondFactor | None = None
    factor_grace: datetime | None = None
    session_floor: int = 0

    @property
    def has_second_factor(self) -> bool:
        """Whether a code is asked for."""
        return self.second is not None and self.second.confirmed

    def without_factor(self, now: datetime, revision: int) -> "User":
        """No code is asked for any more; there is time to add another, where one is needed."""
        return replace(self, second=None, factor_grace=now, changed_at=now, floor=revision)

    @property
    def subject(self) -> str:
        """As tokens and signals name this user."""
        return f"user:{self.name}"

    @property
    def role_names(self) -> list[str]:
        """``role@namespace``, as signals carry them."""
        return [str(binding) for binding in self.bindings]

    def rehashed(self, password_hash: str) -> "User":
        """The same password under today's parameters."""
        return replace(self, password_hash=password_hash)

    def with_password(self, password_hash: str, now: datetime, revision: int) -> "User":
        """After a change of the password, which ends all sessions; ``revision`` is what it will be stored as."""
        return replace(
            self, password_hash=password_hash, secure_since=now, changed_at=now, floor=revision, session_floor=revision
        )

    def with_claims(self, claims: Iterable[str], now: datetime, revision: int) -> "User":
        """With what the identity provider says today."""
        found = tuple(sorted(set(claims)))
        return self if found == self.claims else replace(self, claims=found, changed_at=now, floor=revision)

    def with_access(self, bindings: Iterable[Binding] | None, disabled: bool | None, now: datetime, revision: int) -> "User":
        """After a change of roles or of being disabled; ``None`` leaves it. Disabling ends all sessions."""
        ends = disabled is True and not self.disabled
        return replace(
            self,
            bindings=self.bindings if bindings is None else tuple(dict.fromkeys(bindings)),
            disabled=self.disabled if disabled is None else disabled,
            secure_since=now if ends else self.secure_since,
            session_floor=revision if ends else self.session_floor,
            changed_at=now,
            floor=revision,
        )


@dataclass(frozen=True, slots=True)
class Departure:
    """A user who is gone, remembered for as long as a token of theirs may live.

    Attributes:
        floor: Tokens made from an older revision are refused, also when the name is used again.
        at: When.
    """

    floor: int
    at: datetime


_ROWS: Final = tuple(
    row + row[::-1] for row in ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop")
)
_SPELLED: Final = str.maketrans("0134578@$!", "oieastbasi")
_WORTHLESS: Final = 5  # letters around such a word that do not make it better
_TRIED_FIRST: Final = (
    "password",
    "passwort",
    "passphrase",
    "letmein",
    "welcome",
    "willkommen",
    "administrator",
    "changeme",
    "iloveyou",
    "football",
    "superman",
    "sunshine",
    "princess",
    "tocsin",
    "secret",
    "qwerty",
    "default",
)


def checked_name(name: str) -> str:
    """``name``, if a user may be called so.

    Raises:
        Invalid: It is not lower-case letters, digits, dots, dashes and underscores.
    """
    if not _NAME.fullmatch(name):
        raise Invalid("a user's name is lower-case letters, digits and inner dots, dashes or underscores, at most 63")
    return name


def check_password(name: str, password: str) -> None:
    """Refuse what would be guessed.

    Raises:
        WeakPassword: Too short, too long, a few characters or a block repeated, a run of the alphabet or the keyboard, a word
            that everybody tries, or the name with something around it.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise WeakPassword(
            f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters", hint="a few words make a good one"
        )
    if len(set(password)) < 5:
        raise WeakPassword("the password repeats a few characters")
    if _is_pattern(password):
        raise WeakPassword("the password is a pattern or a word that is tried first", hint="a few words make a good one")
    if name in password.lower() and len(password) < len(name) + SHORTEST_PASSWORD:
        raise WeakPassword("the password is little more than the name")


def _is_pattern(password: str) -> bool:
    """Whether it is among the first things that are tried, however long it is."""
    text = password.lower()
    if text in (text + text)[1:-1]:  # a block, again and again
        return True
    in_rows = sum(1 for at in range(len(text) - 1) if any(text[at : at + 2] in row for row in _ROWS))
    if in_rows * 3 >= len(text) * 2:
        return True
    spelled = text.rstrip("0123456789!@$#%&*+-_.? ").translate(_SPELLED)
    cores = ["".join(character for character in one if character.isalpha()) for one in (text, spelled)]
    return any(word in core and len(core) - len(word) < _WORTHLESS for core in cores for word in _TRIED_FIRST)
