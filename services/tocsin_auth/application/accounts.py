"""Users and roles. Nobody gives or takes over more than they hold, and an administrator always remains."""

from collections.abc import Sequence

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
from tocsin_auth.application.authority import Authority, require_within
from tocsin_auth.application.logins import Logins
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.errors import BuiltIn, InUse, LastAdministrator
from tocsin_auth.domain.roles import ADMINISTRATOR, BUILT_IN, Binding, Role, checked_role
from tocsin_auth.domain.users import User, check_password, checked_name
from tocsin_auth.ports import PasswordHasher, Records
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry, Page, Sort
from tocsin_kit.web.access import Grant


class Accounts:
    """Users.

    Args:
        users: All of them.
        roles: One's own roles.
        authority: Resolves roles.
        logins: Checks present passwords.
        hasher: Makes hashes.
        clock: Time.
    """

    def __init__(
        self,
        *,
        users: Records[User],
        roles: Records[Role],
        authority: Authority,
        logins: Logins,
        hasher: PasswordHasher,
        clock: Clock,
    ) -> None:
        self._users, self._roles, self._authority = users, roles, authority
        self._logins, self._hasher, self._clock = logins, hasher, clock

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

    async def create(self, name: str, password: str, bindings: Sequence[Binding], asker: Asker) -> Entry[User]:
        """A new user.

        Raises:
            Conflict: The name is taken.
            WiderThanOwn: A role that gives more than the asker holds.
            WeakPassword: Too easy to guess.
        """
        check_password(checked_name(name), password)
        await self._may_bind(bindings, asker)
        entry = await self._users.load(name)
        if entry.value is not None:
            raise Conflict(f"there is a user {name} already")
        now = self._clock.now()
        user = User(name, await self._hasher.hash(password), tuple(dict.fromkeys(bindings)), False, now, now)
        return await self._users.commit(entry, user, outbox=[said(USER_CREATED, entry, _about(user), asker=asker, now=now)])

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
            await self._may_bind(bindings, asker)
        now = self._clock.now()
        user = entry.value.with_access(bindings, disabled, now)
        if not _is_administrator(user):
            await self._keep_an_administrator(entry.value)
        kind = USER_DISABLED if user.disabled and not entry.value.disabled else USER_UPDATED
        return await self._users.commit(entry, user, outbox=[said(kind, entry, _about(user), asker=asker, now=now)])

    async def delete(self, name: str, asker: Asker) -> None:
        """A user goes; sessions and keys stop working.

        Raises:
            NotFound: There is no such user.
            WiderThanOwn: The user holds more than the asker.
            LastAdministrator: Nobody would be left.
        """
        entry = await self._changeable(name, asker, None)
        assert entry.value is not None
        await self._keep_an_administrator(entry.value)
        signal = said(USER_DELETED, entry, _about(entry.value), asker=asker, now=self._clock.now())
        await self._users.commit(entry, None, outbox=[signal])

    async def set_password(self, name: str, password: str, asker: Asker) -> None:
        """A new password for somebody else, who is logged out everywhere.

        Raises:
            WiderThanOwn: The user holds more than the asker, who could then act as that user.
        """
        await self._store_password(await self._changeable(name, asker, None), password, asker)

    async def change_password(self, present: str, password: str, asker: Asker) -> None:
        """A new password of one's own; the present one is asked for, because a screen may be left alone.

        Raises:
            Unauthenticated: The present one is wrong.
            WeakPassword: The new one is too easy to guess.
        """
        entry = await self.show(asker.principal.subject.removeprefix("user:"))
        assert entry.value is not None
        await self._logins.check_password(entry.value, present, asker)
        await self._store_password(entry, password, asker)

    async def _store_password(self, entry: Entry[User], password: str, asker: Asker) -> None:
        assert entry.value is not None
        check_password(entry.key, password)
        encoded = await self._hasher.hash(password)
        now = self._clock.now()
        user = entry.value.with_password(encoded, now)
        await self._users.commit(entry, user, outbox=[said(USER_PASSWORD_CHANGED, entry, _about(user), asker=asker, now=now)])

    async def _changeable(self, name: str, asker: Asker, expect: int | None) -> Entry[User]:
        entry = await self.show(name)
        assert entry.value is not None
        if expect is not None and expect != entry.revision:
            raise PreconditionFailed(f"{name} was changed meanwhile", hint="read it again", revision=entry.revision)
        # Also what a disabled user would hold: enabling gives it back.
        held = await self._authority.grants_for(entry.value.bindings)
        require_within(held, asker.principal, deed=f"changing {name}")
        return entry

    async def _may_bind(self, bindings: Sequence[Binding], asker: Asker) -> None:
        own = await self._roles.load_many([b.role for b in bindings if b.role not in BUILT_IN])
        for binding in bindings:
            if binding.role not in BUILT_IN and (binding.role not in own or own[binding.role].value is None):
                raise NotFound(f"there is no role {binding.role}", hint="GET /api/v1/roles lists them")
        require_within(await self._authority.grants_for(bindings), asker.principal, deed="this role")

    async def _keep_an_administrator(self, going: User) -> None:
        if not _is_administrator(going):
            return
        others = await self._users.find(EVERYTHING.eq("disabled", False), limit=1000)
        if not any(entry.value and _is_administrator(entry.value) for entry in others if entry.key != going.name):
            raise LastAdministrator


class Roles:
    """Roles of one's own, beside the built-in ones.

    Args:
        roles: One's own.
        users: Who may hold them.
        clock: Time.
    """

    def __init__(self, *, roles: Records[Role], users: Records[User], clock: Clock) -> None:
        self._roles, self._users, self._clock = roles, users, clock

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

    async def put(self, name: str, permissions: Sequence[str], summary: str, asker: Asker) -> Role:
        """Create or change a role.

        Raises:
            BuiltIn: It cannot be changed.
            WiderThanOwn: It would give more than the asker holds everywhere.
        """
        if name in BUILT_IN:
            raise BuiltIn
        role = checked_role(name, tuple(permissions), summary)
        require_within([Grant(permission) for permission in role.permissions], asker.principal, deed="this role")
        entry = await self._roles.load(name)
        kind = ROLE_CREATED if entry.value is None else ROLE_UPDATED
        signal = said(kind, entry, _about_role(role), asker=asker, now=self._clock.now())
        await self._roles.commit(entry, role, outbox=[signal])
        return role

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
        holders = await self._users.find(EVERYTHING.eq("bindings.role", name), limit=1)
        if holders:
            raise InUse(f"{holders[0].key} holds the role {name}", hint="take it from its users first")
        signal = said(ROLE_DELETED, entry, _about_role(entry.value), asker=asker, now=self._clock.now())
        await self._roles.commit(entry, None, outbox=[signal])


def _is_administrator(user: User) -> bool:
    return not user.disabled and ADMINISTRATOR in user.bindings


def _about(user: User) -> UserChanged:
    return UserChanged(name=user.name, roles=user.role_names)


def _about_role(role: Role) -> RoleChanged:
    return RoleChanged(name=role.name, grants=[f"{permission}@*" for permission in role.permissions])
