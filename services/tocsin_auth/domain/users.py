"""Users: people with a password and roles in namespaces."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tocsin.errors import Invalid
from tocsin_auth.domain.errors import WeakPassword
from tocsin_auth.domain.roles import Binding

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
SHORTEST_PASSWORD: Final = 12  # characters; length is what counts against guessing (NIST SP 800-63B asks for 8 or 15)
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
    """

    name: str
    password_hash: str
    bindings: tuple[Binding, ...]
    disabled: bool
    created_at: datetime
    secure_since: datetime

    @property
    def subject(self) -> str:
        """As tokens and signals name this user."""
        return f"user:{self.name}"

    @property
    def role_names(self) -> list[str]:
        """``role@namespace``, as signals carry them."""
        return [str(binding) for binding in self.bindings]

    def with_password(self, password_hash: str, now: datetime) -> "User":
        """After a change of the password, which ends all sessions."""
        return replace(self, password_hash=password_hash, secure_since=now)

    def with_access(self, bindings: Iterable[Binding] | None, disabled: bool | None, now: datetime) -> "User":
        """After a change of roles or of being disabled; ``None`` leaves it. Disabling ends all sessions."""
        ends = disabled is True and not self.disabled
        return replace(
            self,
            bindings=self.bindings if bindings is None else tuple(dict.fromkeys(bindings)),
            disabled=self.disabled if disabled is None else disabled,
            secure_since=now if ends else self.secure_since,
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
        WeakPassword: Too short, too long, one character repeated, or the name with something around it.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise WeakPassword(
            f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters", hint="a few words make a good one"
        )
    if len(set(password)) < 5:
        raise WeakPassword("the password repeats a few characters")
    if name in password.lower() and len(password) < len(name) + SHORTEST_PASSWORD:
        raise WeakPassword("the password is little more than the name")
