"""The first start: an administrator, so that somebody can log in. The password is in one file and nowhere else.

The replica that stores the name first, without a password, has claimed the work; the others wait. It writes the file and then
stores the password. A claim whose process died is taken over after a while, so there is never an administrator whose password
nobody has.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final, Protocol

from tocsin.errors import Conflict, Unavailable
from tocsin.signals.catalogue.auth import USER_CREATED, UserChanged
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.roles import ADMINISTRATOR
from tocsin_auth.domain.users import User
from tocsin_auth.ports import PasswordHasher, Records
from tocsin_kit.chance import Chance
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry

ADMIN: Final = "admin"
# Without characters that are mistaken for one another or that a shell takes for itself.
_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LENGTH: Final = 24  # about 139 bits
_CLAIMED: Final = "!"  # no hash, so no password fits
_STALE: Final = timedelta(seconds=15)  # the work takes one
_LOOK: Final = timedelta(milliseconds=200)


class AdminFile(Protocol):
    """Where the first password goes."""

    def write(self, *, user: str, password: str) -> None:
        """Write it for the owner of the process only.

        Raises:
            Unavailable: It cannot be written.
        """
        ...


class Bootstrap:
    """Creates the first administrator.

    Args:
        users: All users.
        hasher: Makes hashes.
        file: Where the password goes; ``None`` when the operator named no place.
        clock: Time.
        chance: Makes the password.
    """

    def __init__(
        self, *, users: Records[User], hasher: PasswordHasher, file: AdminFile | None, clock: Clock, chance: Chance
    ) -> None:
        self._users, self._hasher, self._file, self._clock, self._chance = users, hasher, file, clock, chance

    async def run(self, asker: Asker) -> bool:
        """Create the administrator if there is no user at all.

        Returns:
            Whether it did.

        Raises:
            Unavailable: There is nobody, and no place to write a password to.
        """
        claim = await self._claim()
        if claim is None:
            return False
        if self._file is None:
            raise Unavailable(
                "there is no user yet and no file for the first password", hint="name one with TOCSIN_AUTH_ADMIN_FILE"
            )
        assert claim.value is not None
        password = self._password()
        self._file.write(user=ADMIN, password=password)
        encoded, now = await self._hasher.hash(password), self._clock.now()
        user = replace(claim.value, password_hash=encoded, bindings=(ADMINISTRATOR,), disabled=False, changed_at=now)
        signal = said(USER_CREATED, claim, UserChanged(name=ADMIN, roles=user.role_names), asker=asker, now=now)
        await self._users.commit(claim, user, outbox=[signal])
        return True

    async def _claim(self) -> Entry[User] | None:
        """The claim of this replica; ``None`` when there is a user, or another replica has just made one."""
        while True:  # not `undisputed`: whoever finds another replica at it waits for that one to finish or to die
            users = await self._users.find(EVERYTHING, limit=2)
            only = users[0] if len(users) == 1 else None
            if users and (only is None or only.value is None or only.value.password_hash != _CLAIMED):
                return None
            now = self._clock.now()
            if only is not None and only.value is not None and now - only.value.created_at < _STALE:
                await self._clock.sleep(_LOOK)
                continue
            entry = only or await self._users.load(ADMIN)
            if only is None and entry.value is not None:
                continue  # claimed between the two looks: never take over what is fresh
            claim = User(ADMIN, _CLAIMED, bindings=(), disabled=True, created_at=now, secure_since=now)
            try:
                return await self._users.commit(entry, claim)
            except Conflict:
                continue  # another replica was first: look at what it does

    def _password(self) -> str:
        """Letters and digits without bias: bytes that would favour some of them are left out."""
        fair = 256 - 256 % len(_ALPHABET)
        letters: list[str] = []
        while len(letters) < _LENGTH:
            letters += [_ALPHABET[byte % len(_ALPHABET)] for byte in self._chance.token(64) if byte < fair]
        return "".join(letters[:_LENGTH])
