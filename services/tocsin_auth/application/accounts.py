"""Users and roles. Nobody gives or takes over more than they hold, and an administrator always remains."""

from collections.abc import Sequence
from datetime import datetime

from tocsin.errors import Conflict, NotFound, PreconditionFailed
from tocsin.signals.catalogue.auth import (
    ROLE_CREATED,
    ROLE_DELETED,
    ROLE_UPDATED,
    USER_CREATED,
    USER_DELETED,
    USER_DISABLED,
    USER_PASSWORD_CHANGED,
    USER_UPDATED,
    RoleChanged,
    UserChanged,
)
from tocsin_auth.application.administrators import Administrators
from tocsin_auth.application.authority import Authority
from tocsin_auth.application.logins import Logins
from tocsin_auth.application.organising import Groups
from tocsin_auth.application.renewing import Renewal
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.application.second_factors import Enrolment, SecondFactors
from tocsin_auth.domain.errors import BuiltIn, FactorOverdue, InUse, SecondPersonNeeded
from tocsin_auth.domain.groups import Group
from tocsin_auth.domain.roles import BUILT_IN, GUARDED, Binding, Role, checked_role
from tocsin_auth.domain.users import NO_PASSWORD, Departure, User, check_password, checked_name
from tocsin_auth.ports import PasswordHasher, Records, Teller
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry, Page, Sort, undisputed
from tocsin_kit.web.access import Grant


class Accounts:
    """Users.

    Args:
        users: All of them.
        departures: Those who are gone.
        groups: Whose members they may be.
        authority: Resolves roles.
        logins: Checks present passwords.
        factors: Second factors.
        hasher: Makes hashes.
        teller: Has every service hear what was withdrawn.
        clock: Time.
    """

    def __init__(
        self,
        *,
        users: Records[User],
        departures: Records[Departure],
        groups: Groups,
        authority: Authority,
        logins: Logins,
        factors: SecondFactors,
        hasher: PasswordHasher,
        teller: Teller,
        clock: Clock,
    ) -> None:
        self._users, self._departures, self._groups, self._authority = users, departures, groups, authority
        self._logins, self._factors, self._hasher, self._teller, self._clock = logins, factors, hasher, teller, clock
        self._administrators = Administrators(users, clock)

    async def show(self, name: str) -> Entry[User]:
        """A user.

        Raises:
            NotFound: There is none.
        """
        entry = await self._users.load(name)
        if entry.value is None:
            raise NotFound(f"there is no user {name[:64]}")
        return entry

    async def page(self, *, limit: int, cursor: str | None) -> Page[Entry[User]]:
        """Users by name."""
        return await self._users.page(EVERYTHING, sort=Sort(), limit=limit, cursor=cursor)

    @undisputed
    async def create(self, name: str, password: str | None, bindings: Sequence[Binding], asker: Asker) -> Entry[User]:
        """A new user; without a password a service account, which has API keys only.

        Raises:
            Conflict: The name is taken.
            WiderThanOwn: A role that gives more than the asker holds.
            WeakPassword: Too easy to guess.
        """
        checked_name(name)
        if password is not None:
            check_password(name, password)
        await self._may_bind(name, (), bindings, asker)
        entry = await self._users.load(name)
        if entry.value is not None:
            raise Conflict(f"there is a user {name} already")
        now = self._clock.now()
        encoded = NO_PASSWORD if password is None else await self._hasher.hash(password)
        held = tuple(dict.fromkeys(bindings))
        first = entry.revision + 1  # above those of an earlier user of this name
        user = User(
            name, encoded, held, False, now, now, changed_at=now, floor=first, machine=password is None, session_floor=first
        )
        return await self._users.commit(
            entry, user, outbox=[said(USER_CREATED, entry, _about(user), asker=asker, now=now, to=user)]
        )

    @undisputed
    async def change(
        self, name: str, *, bindings: Sequence[Binding] | None, disabled: bool | None, expect: int | None, asker: Asker
    ) -> Entry[User]:
        """Other roles, disabled or enabled; ``None`` leaves it.

        Raises:
            NotFound: There is no such user.
            WiderThanOwn: The user holds, or would hold, more than the asker.
            LastAdministrator: Nobody would be left.
            PreconditionFailed: It was changed meanwhile.
        """
        entry = await self._changeable(name, asker, expect)
        assert entry.value is not None
        if bindings is not None:
            await self._may_bind(name, entry.value.bindings, bindings, asker)
        now = self._clock.now()
        user = entry.value.with_access(bindings, disabled, now, entry.revision + 1)
        await self._administrators.keep(entry.value, user)
        kind = USER_DISABLED if user.disabled and not entry.value.disabled else USER_UPDATED
        signal = said(kind, entry, _about(user), asker=asker, now=now, to=user)
        stored = await self._users.commit(entry, user, outbox=[signal])
        await self._teller.tell()
        await self._administrators.confirm(entry.value, stored, asker)
        return stored

    @undisputed
    async def delete(self, name: str, asker: Asker) -> None:
        """A user goes; sessions and keys stop working.

        Raises:
            NotFound: There is no such user.
            WiderThanOwn: The user holds more than the asker.
            LastAdministrator: Nobody would be left.
        """
        entry = await self._changeable(name, asker, None)
        assert entry.value is not None
        before, now = entry.value, self._clock.now()
        # First nobody gets a token any more, then the floor is remembered, then the user goes: no step leaves a way in.
        gone = before.with_access((), True, now, entry.revision + 1)
        await self._administrators.keep(before, gone)
        entry = await self._users.commit(entry, gone)
        await self._administrators.confirm(before, entry, asker)
        await self._departures.commit(await self._departures.load(name), Departure(entry.revision + 1, now))
        await self._groups.forget(name)
        signal = said(USER_DELETED, entry, _about(gone), asker=asker, now=now, to=None)
        await self._users.commit(entry, None, outbox=[signal])
        await self._teller.tell()

    @undisputed
    async def set_password(self, name: str, password: str, asker: Asker) -> None:
        """A new password for somebody else, who is logged out everywhere.

        Raises:
            WiderThanOwn: The user holds more than the asker, who could then act as that user.
        """
        await self._store_password(await self._changeable(name, asker, None), password, asker)

    @undisputed
    async def change_password(self, present: str, password: str, asker: Asker) -> None:
        """A new password of one's own; the present one is asked for, because a screen may be left alone.

        Raises:
            Unauthenticated: The present one is wrong.
            WeakPassword: The new one is too easy to guess.
        """
        await self._store_password(await self._proven(present, asker), password, asker)

    async def _store_password(self, entry: Entry[User], password: str, asker: Asker) -> None:
        assert entry.value is not None
        check_password(entry.key, password)
        encoded = await self._hasher.hash(password)
        now = self._clock.now()
        if entry.value.machine or entry.value.origin:
            raise Conflict(f"{entry.key} has no password here", hint="service accounts have API keys")
        user = entry.value.with_password(encoded, now, entry.revision + 1)
        signal = said(USER_PASSWORD_CHANGED, entry, _about(user), asker=asker, now=now, to=user)
        await self._users.commit(entry, user, outbox=[signal])
        await self._teller.tell()

    async def factor_due(self, subject: str) -> datetime | None:
        """When something that somebody holds stops to count for want of a second factor; ``None`` for never."""
        kind, _, name = subject.partition(":")
        user = (await self._users.load(name)).value if kind == "user" else None
        return None if user is None else await self._authority.factor_due(user)

    @undisputed
    async def enrol(self, password: str, asker: Asker) -> Enrolment:
        """A second factor of one's own, after the password has been given again.

        Raises:
            Unauthenticated: The password is wrong.
            Conflict: There is one already.
            FactorOverdue: The time for it is over; a password alone does not do any more.
        """
        entry = await self._proven(password, asker)
        assert entry.value is not None
        due = await self._authority.factor_due(entry.value)
        if due is not None and due <= self._clock.now():
            raise FactorOverdue
        return await self._factors.enrol(entry)

    @undisputed
    async def confirm(self, code: str, asker: Asker) -> None:
        """Ask for the second factor from now on.

        Raises:
            WrongCode: The code shows no knowledge of the secret.
        """
        await self._factors.confirm(await self.show(_own_name(asker)), code, asker)

    @undisputed
    async def leave_second_factor(self, password: str, asker: Asker) -> None:
        """Ask for one's own no more, after the password has been given again.

        Raises:
            Conflict: One's roles take one.
        """
        entry = await self._proven(password, asker)
        assert entry.value is not None
        bare = entry.value.without_factor(self._clock.now(), entry.revision + 1)
        if entry.value.has_second_factor and await self._authority.factor_due(bare) is not None:
            raise Conflict("your roles take a second factor", hint="ask somebody who may change users to reset it")
        await self._factors.remove(entry, asker)
        await self._teller.tell()

    @undisputed
    async def remove_second_factor(self, name: str, asker: Asker) -> None:
        """Ask somebody for none any more, who has lost it; where one is needed, there is time again to add one.

        Raises:
            WiderThanOwn: The user holds more than the asker.
            SecondPersonNeeded: It is one's own.
        """
        if asker.principal.person == f"user:{name}":
            raise SecondPersonNeeded("one's own second factor is taken away with the password, or reset by somebody else")
        await self._factors.remove(await self._changeable(name, asker, None), asker)
        await self._teller.tell()

    async def _proven(self, password: str, asker: Asker) -> Entry[User]:
        entry = await self.show(_own_name(asker))
        assert entry.value is not None
        await self._logins.check_password(entry.value, password, asker)
        return entry

    async def _changeable(self, name: str, asker: Asker, expect: int | None) -> Entry[User]:
        entry = await self.show(name)
        assert entry.value is not None
        if expect is not None and expect != entry.revision:
            raise PreconditionFailed(f"{name} was changed meanwhile", hint="read it again", revision=entry.revision)
        # Also what a disabled user would hold: enabling gives it back.
        held = await self._authority.widest_of(entry.value)
        await self._authority.require_within(held, asker.principal, deed=f"changing {name}")
        return entry

    async def _may_bind(self, name: str, before: Sequence[Binding], after: Sequence[Binding], asker: Asker) -> None:
        await self._authority.may_bind(after, asker.principal)
        if asker.principal.person == f"user:{name}":
            await self._authority.require_second(binding for binding in after if binding not in before)


class Roles:
    """Roles of one's own, beside the built-in ones.

    Args:
        roles: One's own.
        users: Who may hold them.
        groups: The same.
        authority: Resolves roles.
        renewal: Has tokens made anew when a role changes.
        clock: Time.
    """

    def __init__(
        self,
        *,
        roles: Records[Role],
        users: Records[User],
        groups: Records[Group],
        authority: Authority,
        renewal: Renewal,
        clock: Clock,
    ) -> None:
        self._roles, self._users, self._groups = roles, users, groups
        self._authority, self._renewal, self._clock = authority, renewal, clock

    async def all(self) -> list[tuple[Role, bool]]:
        """All roles with whether they are built in; built-in ones first."""
        own = [entry.value for entry in await self._roles.find(EVERYTHING) if entry.value is not None]
        return [*((role, True) for role in BUILT_IN.values()), *((role, False) for role in own)]

    async def show(self, name: str) -> Role:
        """A role.

        Raises:
            NotFound: There is none.
        """
        role = BUILT_IN.get(name) or (await self._roles.load(name)).value
        if role is None:
            raise NotFound(f"there is no role {name[:64]}")
        return role

    @undisputed
    async def put(self, name: str, permissions: Sequence[str], summary: str, asker: Asker) -> Role:
        """Create or change a role.

        Raises:
            BuiltIn: It cannot be changed.
            WiderThanOwn: It would give more than the asker holds everywhere.
        """
        if name in BUILT_IN:
            raise BuiltIn
        role = checked_role(name, tuple(permissions), summary)
        wanted = [Grant(permission) for permission in role.permissions]
        await self._authority.require_within(wanted, asker.principal, deed="this role")
        entry = await self._roles.load(name)
        await self._not_for_oneself(role, entry.value, asker)
        kind = ROLE_CREATED if entry.value is None else ROLE_UPDATED
        signal = said(kind, entry, _about_role(role), asker=asker, now=self._clock.now(), to=role)
        await self._roles.commit(entry, role, outbox=[signal])
        await self._renewal.of_role(name)
        return role

    async def _not_for_oneself(self, role: Role, before: Role | None, asker: Asker) -> None:
        """A role that one holds in a namespace which takes two people gets no right to publish there by one's own hand."""
        had = before.permissions if before is not None else ()
        gained = [one for one in GUARDED if _names(role.permissions, one) and not _names(had, one)]
        user = (await self._users.load(asker.principal.person.removeprefix("user:"))).value
        if gained and user is not None:
            held = (item.binding for item in await self._authority.held(user))
            await self._authority.require_second(binding for binding in held if binding.role == role.name)

    @undisputed
    async def delete(self, name: str, asker: Asker) -> None:
        """Remove a role that nobody holds.

        Raises:
            BuiltIn: It cannot be removed.
            NotFound: There is none.
            InUse: Somebody holds it.
        """
        if name in BUILT_IN:
            raise BuiltIn
        entry = await self._roles.load(name)
        if entry.value is None:
            raise NotFound(f"there is no role {name[:64]}")
        bound = EVERYTHING.eq("bindings.role", name)
        holders = [entry.key for entry in await self._users.find(bound, limit=1)]
        holders += [f"group {entry.key}" for entry in await self._groups.find(bound, limit=1)]
        if holders:
            raise InUse(f"{holders[0]} holds the role {name}", hint="take it from its users and groups first")
        signal = said(ROLE_DELETED, entry, _about_role(entry.value), asker=asker, now=self._clock.now(), to=None)
        await self._roles.commit(entry, None, outbox=[signal])


def _names(permissions: Sequence[str], wanted: str) -> bool:
    return any(Grant(permission).gives(wanted) for permission in permissions)


def _own_name(asker: Asker) -> str:
    return asker.principal.subject.removeprefix("user:")


def _about(user: User) -> UserChanged:
    return UserChanged(name=user.name, roles=user.role_names)


def _about_role(role: Role) -> RoleChanged:
    return RoleChanged(name=role.name, grants=[f"{permission}@*" for permission in role.permissions])
