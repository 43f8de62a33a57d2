"""Somebody always remains who may do everything.

Two administrators may take that from each other at the same moment, each after having seen the other. So it is looked at once
more when it is done, and undone if nobody is left; then both remain.
"""

from dataclasses import replace

from tocsin.signals.catalogue.auth import USER_UPDATED, UserChanged
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.errors import LastAdministrator
from tocsin_auth.domain.roles import ADMINISTRATOR
from tocsin_auth.domain.users import User
from tocsin_auth.ports import Records
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry


class Administrators:
    """Those who may do everything, everywhere and always.

    Args:
        users: All users.
        clock: Time.
    """

    def __init__(self, users: Records[User], clock: Clock) -> None:
        self._users, self._clock = users, clock

    async def keep(self, before: User, after: User) -> None:
        """Go on only if somebody else is one, or the user stays one.

        Raises:
            LastAdministrator: Nobody would be left.
        """
        if _is_one(before) and not _is_one(after) and not await self._are_there():
            raise LastAdministrator

    async def confirm(self, before: User, stored: Entry[User], asker: Asker) -> None:
        """Look again behind the change.

        Raises:
            LastAdministrator: Nobody was left; it is undone.
        """
        assert stored.value is not None
        if not _is_one(before) or _is_one(stored.value) or await self._are_there(others=False):
            return
        now = self._clock.now()
        again = replace(stored.value, bindings=before.bindings, disabled=before.disabled, changed_at=now)
        payload = UserChanged(name=again.name, roles=again.role_names)
        await self._users.commit(stored, again, outbox=[said(USER_UPDATED, stored, payload, asker=asker, now=now, to=again)])
        raise LastAdministrator

    async def _are_there(self, *, others: bool = True) -> bool:
        """Whether there are any, or more than one."""
        found = await self._users.find(EVERYTHING.eq("bindings.role", ADMINISTRATOR.role).eq("disabled", False))
        return sum(1 for entry in found if entry.value is not None and _is_one(entry.value)) > others


def _is_one(user: User) -> bool:
    return not user.disabled and ADMINISTRATOR in user.bindings
