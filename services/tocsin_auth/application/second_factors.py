"""Second factors of users: enrol, confirm, use, take away."""

from dataclasses import dataclass, replace
from typing import Final

from tocsin.errors import Conflict
from tocsin.signals.catalogue.auth import USER_UPDATED, UserChanged
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.errors import WrongCode
from tocsin_auth.domain.second_factor import (
    RECOVERY_CODES,
    SecondFactor,
    make_recovery_codes,
    provisioning_uri,
    recovery_digests,
)
from tocsin_auth.domain.users import User
from tocsin_auth.ports import Records, Sealer
from tocsin_kit.chance import Chance
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry, Sort

_SECRET_BYTES: Final = 20  # RFC 4226 asks for at least 16 and recommends 20
_ISSUER: Final = "Tocsin"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator program needs; shown once.

    Attributes:
        uri: ``otpauth://...``, for a QR code.
        recovery_codes: For the day the device is lost; each works once.
    """

    uri: str
    recovery_codes: list[str]

    def __repr__(self) -> str:
        return "Enrolment()"


class SecondFactors:
    """Second factors.

    Args:
        users: All users.
        sealer: Seals the shared secrets.
        clock: Time.
        chance: Makes them.
    """

    def __init__(self, users: Records[User], sealer: Sealer, clock: Clock, chance: Chance) -> None:
        self._users, self._sealer, self._clock, self._chance = users, sealer, clock, chance

    async def enrol(self, entry: Entry[User]) -> Enrolment:
        """A new shared secret; asked for from the moment it is confirmed.

        Raises:
            Conflict: There is a confirmed one already.
        """
        user = entry.value
        assert user is not None
        if user.second is not None and user.second.confirmed:
            raise Conflict("there is a second factor already", hint="take it away first")
        secret = self._chance.token(_SECRET_BYTES)
        codes = make_recovery_codes(self._chance.token(RECOVERY_CODES * 10))
        sealed = self._sealer.seal(secret, context=_context(user), nonce=self._chance.token(12))
        await self._users.commit(entry, replace(user, second=SecondFactor(sealed, recovery=recovery_digests(codes))))
        return Enrolment(provisioning_uri(user.name, secret, _ISSUER), codes)

    async def confirm(self, entry: Entry[User], code: str, asker: Asker) -> None:
        """Ask for it from now on; the code shows that the program has the secret.

        Raises:
            WrongCode: It does not.
        """
        user = entry.value
        assert user is not None
        used = self.used(user, code) if user.second and not user.second.confirmed and len(code) == 6 else None
        if used is None or used.second is None:
            raise WrongCode
        await self._commit(entry, replace(used, second=replace(used.second, confirmed=True)), asker)

    async def remove(self, entry: Entry[User], asker: Asker) -> None:
        """Ask for none any more; tokens are made anew."""
        assert entry.value is not None
        await self._commit(entry, entry.value.without_factor(self._clock.now(), entry.revision + 1), asker)

    def used(self, user: User, code: str) -> User | None:
        """The user after this code; ``None`` when it is wrong or was used before."""
        if user.second is None:
            return None
        secret = self._sealer.unseal(user.second.sealed, context=_context(user))
        after = user.second.with_code(secret, code, self._clock.now())
        return replace(user, second=after) if after else None

    async def reseal(self, entry: Entry[User]) -> bool:
        """Seal the shared secret with today's key-encryption key; whether there was anything to do."""
        user = entry.value
        if user is None or user.second is None or self._sealer.is_current(user.second.sealed):
            return False
        secret = self._sealer.unseal(user.second.sealed, context=_context(user))
        sealed = self._sealer.seal(secret, context=_context(user), nonce=self._chance.token(12))
        await self._users.commit(entry, replace(user, second=replace(user.second, sealed=sealed)))
        return True

    async def _commit(self, entry: Entry[User], user: User, asker: Asker) -> None:
        payload = UserChanged(name=user.name, roles=user.role_names)
        signal = said(USER_UPDATED, entry, payload, asker=asker, now=self._clock.now(), to=user)
        await self._users.commit(entry, user, outbox=[signal])


async def reseal_factors(users: Records[User], factors: SecondFactors) -> int:
    """Seal the shared secrets of all users with today's key-encryption key; so many were."""
    done, cursor = 0, None
    while True:
        page = await users.page(EVERYTHING.exists("second"), sort=Sort(), limit=200, cursor=cursor)
        for entry in page.items:
            done += await factors.reseal(entry)
        if (cursor := page.next_cursor) is None:
            return done


def _context(user: User) -> str:
    return f"second-factor/{user.name}"
