"""The first start: an administrator, so that somebody can log in. The password is in one file and nowhere else.

The file is written before the user is stored: a crash in between leaves a file that the next start writes anew, never an
administrator whose password nobody has. Where there is any user, nothing happens.
"""

from typing import Final, Protocol

from tocsin.errors import Conflict, Unavailable
from tocsin.signals.catalogue.auth import USER_CREATED, UserChanged
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.roles import ADMINISTRATOR
from tocsin_auth.domain.users import User
from tocsin_auth.ports import PasswordHasher, Records
from tocsin_kit.chance import Chance
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING

ADMIN: Final = "admin"
# Without characters that are mistaken for one another or that a shell takes for itself.
_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LENGTH: Final = 24  # about 139 bits


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
        if await self._users.find(EVERYTHING, limit=1):
            return False
        if self._file is None:
            raise Unavailable(
                "there is no user yet and no file for the first password", hint="name one with TOCSIN_AUTH_ADMIN_FILE"
            )
        password = self._password()
        entry = await self._users.load(ADMIN)
        self._file.write(user=ADMIN, password=password)
        now = self._clock.now()
        user = User(
            name=ADMIN,
            password_hash=await self._hasher.hash(password),
            bindings=(ADMINISTRATOR,),
            disabled=False,
            created_at=now,
            secure_since=now,
        )
        signal = said(USER_CREATED, entry, UserChanged(name=ADMIN, roles=user.role_names), asker=asker, now=now)
        try:
            await self._users.commit(entry, user, outbox=[signal])
        except Conflict as error:
            raise Unavailable(
                "another replica created the administrator at the same moment", hint="start one replica first"
            ) from error
        return True

    def _password(self) -> str:
        """Letters and digits without bias: bytes that would favour some of them are left out."""
        fair = 256 - 256 % len(_ALPHABET)
        letters: list[str] = []
        while len(letters) < _LENGTH:
            letters += [_ALPHABET[byte % len(_ALPHABET)] for byte in self._chance.token(64) if byte < fair]
        return "".join(letters[:_LENGTH])
