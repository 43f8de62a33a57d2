"""Users and roles."""

from functools import partial

from tocsin.errors import Conflict, NotFound, PreconditionFailed
from tocsin_auth.application.accounts import Accounts, Roles
from tocsin_auth.domain.errors import BuiltIn, InUse, LastAdministrator, SecondPersonNeeded, WeakPassword, WiderThanOwn
from tocsin_auth.domain.roles import BUILT_IN, Role
from tocsin_auth.domain.users import User
from tocsin_auth.http.asking import asker_of
from tocsin_auth.http.bindings import binding_model, bindings_of
from tocsin_auth.http.schemas import (
    NewPassword,
    NewUser,
    RoleBody,
    RoleList,
    RoleModel,
    RolePath,
    UserChange,
    UserModel,
    UserPath,
)
from tocsin_kit.store import Entry
from tocsin_kit.web import Call, Page, PageQuery, Permission, Reply, Route

_READ = Permission("user:read", everywhere=True)
_WRITE = Permission("user:write", everywhere=True)


class UserHandlers:
    """Handlers of ``/api/v1/users``.

    Args:
        accounts: The use cases.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def index(self, call: Call) -> Page[UserModel]:
        """List users."""
        query = call.query(PageQuery)
        page = await self._accounts.page(limit=query.limit, cursor=query.cursor)
        return Page[UserModel](items=[_user(entry) for entry in page.items], next_cursor=page.next_cursor)

    async def create(self, call: Call) -> Reply:
        """Create a user."""
        body = call.body(NewUser)
        entry = await self._accounts.create(body.name, body.password, bindings_of(body.bindings), asker_of(call))
        return Reply(body=_user(entry), revision=entry.revision, headers={"Location": f"/api/v1/users/{body.name}"})

    async def show(self, call: Call) -> Reply:
        """Show a user."""
        entry = await self._accounts.show(call.params(UserPath).name)
        return Reply(body=_user(entry), revision=entry.revision)

    async def change(self, call: Call) -> Reply:
        """Change a user."""
        body = call.body(UserChange)
        entry = await self._accounts.change(
            call.params(UserPath).name,
            bindings=None if body.bindings is None else bindings_of(body.bindings),
            disabled=body.disabled,
            expect=call.expected_revision,
            asker=asker_of(call),
        )
        return Reply(body=_user(entry), revision=entry.revision)

    async def delete(self, call: Call) -> None:
        """Delete a user."""
        await self._accounts.delete(call.params(UserPath).name, asker_of(call))

    async def set_password(self, call: Call) -> None:
        """Give a user a new password."""
        await self._accounts.set_password(call.params(UserPath).name, call.body(NewPassword).password, asker_of(call))

    async def remove_second_factor(self, call: Call) -> None:
        """Ask a user for no second factor any more."""
        await self._accounts.remove_second_factor(call.params(UserPath).name, asker_of(call))

    def routes(self) -> list[Route]:
        """All of them."""
        path, one = "/api/v1/users", "/api/v1/users/{name}"
        reading = partial(Route, method="GET", access=_READ, tags=("users",))
        writing = partial(Route, access=_WRITE, tags=("users",))
        return [
            *self._credential_routes(),
            reading(path=path, summary="List users", handler=self.index, query=PageQuery, response=Page[UserModel]),
            writing(
                method="POST",
                path=path,
                summary="Create a user",
                handler=self.create,
                body=NewUser,
                response=UserModel,
                status=201,
                problems=(Conflict, WeakPassword, WiderThanOwn, SecondPersonNeeded),
            ),
            reading(path=one, summary="Show a user", handler=self.show, params=UserPath, response=UserModel),
            writing(
                method="PATCH",
                path=one,
                summary="Change a user's roles, disable or enable",
                handler=self.change,
                params=UserPath,
                body=UserChange,
                response=UserModel,
                problems=(Conflict, PreconditionFailed, WiderThanOwn, LastAdministrator, SecondPersonNeeded),
            ),
            writing(
                method="DELETE",
                path=one,
                summary="Delete a user; sessions and keys stop working",
                handler=self.delete,
                params=UserPath,
                status=204,
                problems=(WiderThanOwn, LastAdministrator),
            ),
        ]

    def _credential_routes(self) -> list[Route]:
        one, writing = "/api/v1/users/{name}", partial(Route, access=_WRITE, tags=("users",))
        return [
            writing(
                method="DELETE",
                path=f"{one}/second-factor",
                summary="Ask a user who has lost the second factor for none any more",
                handler=self.remove_second_factor,
                params=UserPath,
                status=204,
                problems=(WiderThanOwn,),
            ),
            writing(
                method="PUT",
                path=f"{one}/password",
                summary="Give a user a new password; sessions end",
                handler=self.set_password,
                params=UserPath,
                body=NewPassword,
                status=204,
                problems=(WeakPassword, WiderThanOwn),
            ),
        ]


class RoleHandlers:
    """Handlers of ``/api/v1/roles``.

    Args:
        roles: The use cases.
    """

    def __init__(self, roles: Roles) -> None:
        self._roles = roles

    async def index(self, call: Call) -> RoleList:
        """List roles."""
        return RoleList(items=[_role(role, built_in=built_in) for role, built_in in await self._roles.all()])

    async def show(self, call: Call) -> RoleModel:
        """Show a role."""
        role = await self._roles.show(call.params(RolePath).name)
        return _role(role, built_in=role.name in BUILT_IN)

    async def put(self, call: Call) -> RoleModel:
        """Create or change a role."""
        body = call.body(RoleBody)
        role = await self._roles.put(call.params(RolePath).name, body.permissions, body.summary, asker_of(call))
        return _role(role, built_in=False)

    async def delete(self, call: Call) -> None:
        """Delete a role."""
        await self._roles.delete(call.params(RolePath).name, asker_of(call))

    def routes(self) -> list[Route]:
        """All of them."""
        path, one, tags = "/api/v1/roles", "/api/v1/roles/{name}", ("roles",)
        read, write = Permission("role:read", everywhere=True), Permission("role:write", everywhere=True)
        return [
            Route(method="GET", path=path, access=read, summary="List roles", handler=self.index, tags=tags, response=RoleList),
            Route(
                method="GET",
                path=one,
                access=read,
                summary="Show a role",
                handler=self.show,
                tags=tags,
                params=RolePath,
                response=RoleModel,
            ),
            Route(
                method="PUT",
                path=one,
                access=write,
                summary="Create or change a role of one's own",
                handler=self.put,
                tags=tags,
                params=RolePath,
                body=RoleBody,
                response=RoleModel,
                problems=(BuiltIn, WiderThanOwn, SecondPersonNeeded),
            ),
            Route(
                method="DELETE",
                path=one,
                access=write,
                summary="Delete a role that nobody holds",
                handler=self.delete,
                tags=tags,
                params=RolePath,
                status=204,
                problems=(BuiltIn, InUse, NotFound),
            ),
        ]


def _user(entry: Entry[User]) -> UserModel:
    assert entry.value is not None
    user = entry.value
    return UserModel(
        name=user.name,
        bindings=[binding_model(binding) for binding in user.bindings],
        disabled=user.disabled,
        created_at=user.created_at,
        machine=user.machine,
        second_factor=user.second is not None and user.second.confirmed,
        origin=user.origin,
        claims=list(user.claims),
    )


def _role(role: Role, *, built_in: bool) -> RoleModel:
    return RoleModel(name=role.name, permissions=list(role.permissions), summary=role.summary, built_in=built_in)
