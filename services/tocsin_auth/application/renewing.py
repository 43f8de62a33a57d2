"""Has the tokens of those made anew who are concerned by a change of roles, groups or rules.

Each user's floor is raised after the change: a token made from an older revision may have been made before it. Where very many
are concerned, the number of the rules is raised instead, which concerns everybody.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from tocsin_auth.application.authority import Authority
from tocsin_auth.domain.groups import Group
from tocsin_auth.domain.users import User
from tocsin_auth.ports import Records, Teller
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, undisputed

_MOST: Final = 500  # users whose records are touched one by one


class Renewal:
    """Renews tokens.

    Args:
        users: All users.
        groups: All groups.
        authority: Keeps the number of the rules.
        teller: Has every service hear of it.
        clock: Time.
    """

    def __init__(
        self, *, users: Records[User], groups: Records[Group], authority: Authority, teller: Teller, clock: Clock
    ) -> None:
        self._users, self._groups, self._authority = users, groups, authority
        self._teller, self._clock = teller, clock

    async def of_role(self, role: str) -> None:
        """A role has changed: all who hold it, themselves or through groups."""
        bound = EVERYTHING.eq("bindings.role", role)
        names = {entry.key for entry in await self._users.find(bound, limit=_MOST + 1)}
        for entry in await self._groups.find(bound):
            names |= await self._members(entry.value) if entry.value is not None else set()
        await self._renew(names)

    async def of_groups(self, *groups: Group) -> None:
        """These groups have changed: all who are, or were, members."""
        names: set[str] = set()
        for group in groups:
            names |= await self._members(group)
        await self._renew(names)

    async def of_everybody(self) -> None:
        """Something has changed that may concern anybody."""
        await self._authority.renew()
        await self._teller.tell()

    async def _members(self, group: Group) -> set[str]:
        names = set(group.members)
        if group.claimed:
            found = await self._users.find(EVERYTHING.one_of("claims", group.claimed), limit=_MOST + 1)
            names |= {entry.key for entry in found}
        return names

    async def _renew(self, names: Collection[str]) -> None:
        if not names:
            return
        if len(names) > _MOST:
            await self._authority.renew()
        else:
            for name in names:
                await self._raise(name)
        await self._teller.tell()

    @undisputed
    async def _raise(self, name: str) -> None:
        entry = await self._users.load(name)
        if entry.value is not None:
            raised = replace(entry.value, floor=entry.revision + 1, changed_at=self._clock.now())
            await self._users.commit(entry, raised)
