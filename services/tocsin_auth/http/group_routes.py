"""Groups, and what is known about namespaces."""

from typing import Annotated

from pydantic import BaseModel, Field

from tocsin.errors import NotFound
from tocsin_auth.application.organising import Groups, NamespaceBook
from tocsin_auth.domain.conditions import NamespaceRules, checked_labels
from tocsin_auth.domain.errors import SecondPersonNeeded, WiderThanOwn
from tocsin_auth.domain.groups import Group
from tocsin_auth.domain.users import checked_name
from tocsin_auth.http.asking import asker_of
from tocsin_auth.http.bindings import binding_model, bindings_of
from tocsin_auth.http.schemas import BindingModel, Name
from tocsin_kit.store import Entry
from tocsin_kit.web import Call, Input, Page, PageQuery, Permission, Reply, Route

_READ, _WRITE = Permission("user:read", everywhere=True), Permission("user:write", everywhere=True)
NamespaceOnly = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]


class GroupPath(Input):
    """Names a group."""

    name: Name


class GroupBody(Input):
    """A group."""

    members: list[Name] = Field(default_factory=list, max_length=1000, description="Names of users.")
    claimed: list[Annotated[str, Field(min_length=1, max_length=256)]] = Field(
        default_factory=list, max_length=100, description="Values of an identity provider's group claim that make members."
    )
    bindings: list[BindingModel] = Field(default_factory=list, max_length=200)
    summary: str = Field("", max_length=500)


class GroupModel(GroupBody):
    """A group."""

    name: str


class NamespacePath(Input):
    """Names a namespace."""

    name: NamespaceOnly


class NamespaceBody(Input):
    """What a namespace is."""

    environment: str = Field("", max_length=63, description="Such as `production`, for conditions.")
    labels: dict[str, str] = Field(default_factory=dict, max_length=50)
    protected: bool = Field(
        False, description="Publishing workflows takes a role bound to this very namespace, given by somebody else."
    )
    reviewed: bool = Field(False, description="Nobody publishes alone: what one person proposes, another one publishes.")


class NamespaceModel(NamespaceBody):
    """What is known about a namespace."""

    name: str


class NamespaceList(BaseModel):
    """All namespaces that somebody said something about."""

    items: list[NamespaceModel]
    next_cursor: str | None = None


class GroupHandlers:
    """Handlers of ``/api/v1/groups`` and ``/api/v1/auth/namespaces``.

    Args:
        groups: The use cases.
        namespaces: What is known.
    """

    def __init__(self, groups: Groups, namespaces: NamespaceBook) -> None:
        self._groups, self._namespaces = groups, namespaces

    async def index(self, call: Call) -> Page[GroupModel]:
        """List groups."""
        query = call.query(PageQuery)
        page = await self._groups.page(limit=query.limit, cursor=query.cursor)
        return Page[GroupModel](items=[_model(entry) for entry in page.items], next_cursor=page.next_cursor)

    async def show(self, call: Call) -> Reply:
        """Show a group."""
        entry = await self._groups.show(call.params(GroupPath).name)
        return Reply(body=_model(entry), revision=entry.revision)

    async def put(self, call: Call) -> Reply:
        """Create or change a group."""
        body = call.body(GroupBody)
        group = Group(
            checked_name(call.params(GroupPath).name),
            tuple(sorted({checked_name(member) for member in body.members})),
            tuple(sorted(set(body.claimed))),
            tuple(dict.fromkeys(bindings_of(body.bindings))),
            body.summary,
        )
        entry = await self._groups.put(group, asker_of(call))
        return Reply(body=_model(entry), revision=entry.revision)

    async def delete(self, call: Call) -> None:
        """Delete a group."""
        await self._groups.delete(call.params(GroupPath).name, asker_of(call))

    async def namespaces(self, call: Call) -> NamespaceList:
        """List what is known about namespaces."""
        return NamespaceList(items=[_namespace(rules) for rules in await self._namespaces.all()])

    async def put_namespace(self, call: Call) -> NamespaceModel:
        """Say what a namespace is."""
        body = call.body(NamespaceBody)
        rules = NamespaceRules(
            call.params(NamespacePath).name,
            body.environment,
            checked_labels(body.labels),
            protected=body.protected,
            reviewed=body.reviewed,
        )
        return _namespace(await self._namespaces.put(rules, asker_of(call)))

    def routes(self) -> list[Route]:
        """All of them."""
        return [*self._group_routes(), *self._namespace_routes()]

    def _group_routes(self) -> list[Route]:
        path, one, tags = "/api/v1/groups", "/api/v1/groups/{name}", ("groups",)
        return [
            Route(
                method="GET",
                path=path,
                access=_READ,
                summary="List groups",
                handler=self.index,
                tags=tags,
                query=PageQuery,
                response=Page[GroupModel],
            ),
            Route(
                method="GET",
                path=one,
                access=_READ,
                summary="Show a group",
                handler=self.show,
                tags=tags,
                params=GroupPath,
                response=GroupModel,
                problems=(NotFound,),
            ),
            Route(
                method="PUT",
                path=one,
                access=_WRITE,
                summary="Create or change a group: its members and what they hold together",
                handler=self.put,
                tags=tags,
                params=GroupPath,
                body=GroupBody,
                response=GroupModel,
                problems=(NotFound, WiderThanOwn, SecondPersonNeeded),
            ),
            Route(
                method="DELETE",
                path=one,
                access=_WRITE,
                summary="Delete a group; its members hold its roles no longer",
                handler=self.delete,
                tags=tags,
                params=GroupPath,
                status=204,
                problems=(NotFound, WiderThanOwn),
            ),
        ]

    def _namespace_routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/api/v1/auth/namespaces",
                access=Permission("role:read", everywhere=True),
                summary="What is known about namespaces: environment, labels, protection",
                handler=self.namespaces,
                tags=("roles",),
                response=NamespaceList,
            ),
            Route(
                method="PUT",
                path="/api/v1/auth/namespaces/{name}",
                access=Permission("role:write", everywhere=True),
                summary="Say what a namespace is, for conditions and protection",
                handler=self.put_namespace,
                tags=("roles",),
                params=NamespacePath,
                body=NamespaceBody,
                response=NamespaceModel,
                problems=(WiderThanOwn,),
            ),
        ]


def _model(entry: Entry[Group]) -> GroupModel:
    assert entry.value is not None
    group = entry.value
    return GroupModel(
        name=group.name,
        members=list(group.members),
        claimed=list(group.claimed),
        bindings=[binding_model(binding) for binding in group.bindings],
        summary=group.summary,
    )


def _namespace(rules: NamespaceRules) -> NamespaceModel:
    return NamespaceModel(
        name=rules.name,
        environment=rules.environment,
        labels=dict(rules.labels),
        protected=rules.protected,
        reviewed=rules.reviewed,
    )
