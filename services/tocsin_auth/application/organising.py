"""Groups and what is known about namespaces. Whatever changes here changes what people hold: their tokens are made anew."""

from collections.abc import Sequence

from tocsin.errors import NotFound
from tocsin.signals.catalogue.auth import (
    GROUP_CREATED,
    GROUP_DELETED,
    GROUP_UPDATED,
    NAMESPACE_RULED,
    GroupChanged,
    NamespaceRuled,
)
from tocsin_auth.application.authority import Authority
from tocsin_auth.application.renewing import Renewal
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.conditions import NamespaceRules
from tocsin_auth.domain.groups import Group
from tocsin_auth.domain.users import User
from tocsin_auth.ports import Records
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry, Page, Sort, undisputed
from tocsin_kit.web.access import Grant


class Groups:
    """Groups.

    Args:
        groups: All of them.
        users: Who may be a member.
        authority: Resolves roles.
        renewal: Has the tokens of members made anew.
        clock: Time.
    """

    def __init__(
        self, *, groups: Records[Group], users: Records[User], authority: Authority, renewal: Renewal, clock: Clock
    ) -> None:
        self._users = users
        self._groups, self._authority, self._renewal, self._clock = groups, authority, renewal, clock

    async def page(self, *, limit: int, cursor: str | None) -> Page[Entry[Group]]:
        """Groups by name."""
        return await self._groups.page(EVERYTHING, sort=Sort(), limit=limit, cursor=cursor)

    async def show(self, name: str) -> Entry[Group]:
        """A group.

        Raises:
            NotFound: There is none.
        """
        entry = await self._groups.load(name)
        if entry.value is None:
            raise NotFound(f"there is no group {name[:64]}")
        return entry

    @undisputed
    async def put(self, group: Group, asker: Asker) -> Entry[Group]:
        """Create or change a group.

        Raises:
            NotFound: A role that there is not.
            WiderThanOwn: Its members would hold, or hold already, more than the asker.
            SecondPersonNeeded: The asker would come to publish where it takes two people.
        """
        entry = await self._groups.load(group.name)
        before = entry.value
        await self._authority.may_bind(group.bindings, asker.principal)
        if before is not None:
            await self._may_touch(before, asker)
        await self._not_for_oneself(group, before, asker)
        kind = GROUP_CREATED if before is None else GROUP_UPDATED
        signal = said(kind, entry, _about(group), asker=asker, now=self._clock.now(), to=group)
        stored = await self._groups.commit(entry, group, outbox=[signal])
        await self._renewal.of_groups(group, *([before] if before else []))
        return stored

    @undisputed
    async def delete(self, name: str, asker: Asker) -> None:
        """Its members hold its roles no longer.

        Raises:
            NotFound: There is none.
            WiderThanOwn: Its members hold more than the asker.
        """
        entry = await self.show(name)
        assert entry.value is not None
        await self._may_touch(entry.value, asker)
        signal = said(GROUP_DELETED, entry, _about(entry.value), asker=asker, now=self._clock.now(), to=None)
        await self._groups.commit(entry, None, outbox=[signal])
        await self._renewal.of_groups(entry.value)

    async def forget(self, user: str) -> None:
        """A user is gone: nobody who is called so later is a member."""
        for entry in await self._groups.find(EVERYTHING.eq("members", user)):
            await self._forget_in(entry.key, user)

    @undisputed
    async def _forget_in(self, name: str, user: str) -> None:
        entry = await self._groups.load(name)
        if entry.value is not None:
            await self._groups.commit(entry, entry.value.without(user))

    async def _not_for_oneself(self, group: Group, before: Group | None, asker: Asker) -> None:
        """Nobody becomes one who may publish where it takes two people by making themselves a member, or their group more."""
        user = (await self._users.load(asker.principal.person.removeprefix("user:"))).value
        if user is not None and group.holds(user.name, user.claims):
            had = before.bindings if before is not None and before.holds(user.name, user.claims) else ()
            await self._authority.require_second(binding for binding in group.bindings if binding not in had)

    async def _may_touch(self, group: Group, asker: Asker) -> None:
        await self._authority.may_bind([one for one in group.bindings if not one.deny], asker.principal)
        if any(binding.deny for binding in group.bindings):  # taking it away gives its members something
            await self._authority.require_within([Grant("*:*")], asker.principal, deed=f"changing {group.name}")


class NamespaceBook:
    """What is known about namespaces.

    Args:
        namespaces: All of it.
        authority: Has tokens made anew.
        renewal: The same, and has every service hear of it.
        clock: Time.
    """

    def __init__(self, *, namespaces: Records[NamespaceRules], authority: Authority, renewal: Renewal, clock: Clock) -> None:
        self._namespaces, self._authority, self._renewal, self._clock = namespaces, authority, renewal, clock

    async def all(self) -> Sequence[NamespaceRules]:
        """By name."""
        return await self._authority.namespaces()

    @undisputed
    async def put(self, rules: NamespaceRules, asker: Asker) -> NamespaceRules:
        """Say what a namespace is.

        Raises:
            WiderThanOwn: The asker does not hold everything, and conditions of others depend on it.
        """
        await self._authority.require_within([Grant("*:*")], asker.principal, deed="saying what a namespace is")
        entry = await self._namespaces.load(rules.name)
        payload = NamespaceRuled(
            name=rules.name, environment=rules.environment, protected=rules.protected, reviewed=rules.reviewed
        )
        signal = said(NAMESPACE_RULED, entry, payload, asker=asker, now=self._clock.now(), to=rules)
        await self._namespaces.commit(entry, rules, outbox=[signal])
        if rules != (entry.value or NamespaceRules(rules.name)):
            await self._renewal.of_everybody()
        return rules


def _about(group: Group) -> GroupChanged:
    return GroupChanged(
        name=group.name, members=list(group.members), claimed=list(group.claimed), roles=[str(one) for one in group.bindings]
    )
