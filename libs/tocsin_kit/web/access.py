"""Who may do what: permissions, grants and the people and programs that hold them.

One rule decides everywhere (HTTP, the bus, lists): a permission is ``resource:action``, a grant gives one in some namespaces,
and both are compared by whole segments, never by string prefix, so that ``team.a`` never opens ``team.ab``. No deny by
omission of a
check: a :class:`~tocsin_kit.web.routes.Route` cannot be built without saying what it needs.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

EVERYWHERE: Final = "*"
_NAME = re.compile(r"[a-z][a-z0-9-]*:[a-z][a-z0-9-]*")
_GRANTED = re.compile(r"(\*|[a-z][a-z0-9-]*):(\*|[a-z][a-z0-9-]*)")
_SEGMENT = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_SEGMENT_ENDS: Final = (".", "-", "_", "/", ":")
_SCOPE = re.compile(rf"\*|{_SEGMENT}(?:\.{_SEGMENT})*(?:\.\*)?")


@dataclass(frozen=True, slots=True)
class Permission:
    """What a route needs.

    Attributes:
        name: ``resource:action``, for example ``run:read``.
        everywhere: The thing belongs to no namespace (users, roles): the grant must be for ``*``.

    A permission that is not ``everywhere`` is checked against the ``namespace`` found in the path, query or body; where there
    is none (an object found by id, a list without a namespace), the handler must check with ``call.require`` or filter with
    ``call.permitted``, and an answer without that check is refused as a defect.
    """

    name: str
    everywhere: bool = False

    def __post_init__(self) -> None:
        """Refuse a name that no grant could ever give."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a permission is resource:action in lower case, not {self.name!r}")


@dataclass(frozen=True, slots=True)
class Public:
    """A route that needs no permission, and why that is right."""

    reason: str

    def __post_init__(self) -> None:
        """Refuse an empty reason: that would be a default."""
        if not self.reason.strip():
            raise ValueError("a public route says why it is public")


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A route for everyone who is somebody (one's own profile, one's own keys), and why no permission is needed."""

    reason: str

    def __post_init__(self) -> None:
        """Refuse an empty reason: that would be a default."""
        if not self.reason.strip():
            raise ValueError("a route without a permission says why")


Access = Permission | Authenticated | Public


@dataclass(frozen=True, slots=True)
class Grant:
    """One permission in one scope of namespaces.

    Attributes:
        permission: ``resource:action``; either part may be ``*``.
        namespace: ``*`` for all, an exact name, or ``team.*`` for everything below ``team`` (not ``team`` itself).
    """

    permission: str
    namespace: str = EVERYWHERE

    def __post_init__(self) -> None:
        """Refuse what could be misread later."""
        if not _GRANTED.fullmatch(self.permission):
            raise ValueError(f"a granted permission is resource:action or *, not {self.permission!r}")
        if not _SCOPE.fullmatch(self.namespace):
            raise ValueError(f"a granted namespace is a name, a name followed by .*, or *; not {self.namespace!r}")

    def gives(self, permission: str) -> bool:
        """Whether this grant is about ``permission``, in whatever namespace."""
        resource, _, action = permission.partition(":")
        granted_resource, _, granted_action = self.permission.partition(":")
        return granted_resource in {EVERYWHERE, resource} and granted_action in {EVERYWHERE, action}

    def within(self, other: "Grant") -> bool:
        """Whether everything this grant gives, ``other`` gives too (used to keep delegated grants from being wider)."""
        own, theirs = self.permission.partition(":"), other.permission.partition(":")
        parts = theirs[0] in {EVERYWHERE, own[0]} and theirs[2] in {EVERYWHERE, own[2]}
        return parts and _scope_within(self.namespace, other.namespace)


def meet(one: Grant, other: Grant) -> Grant | None:
    """What both give: the narrower of each part; ``None`` when they have nothing in common."""
    mine, theirs = one.permission.partition(":"), other.permission.partition(":")
    resource, action = _narrower(mine[0], theirs[0]), _narrower(mine[2], theirs[2])
    if _scope_within(one.namespace, other.namespace):
        scope = one.namespace
    elif _scope_within(other.namespace, one.namespace):
        scope = other.namespace
    else:
        return None
    return Grant(f"{resource}:{action}", scope) if resource and action else None


def _narrower(one: str, other: str) -> str | None:
    if other in {one, EVERYWHERE}:
        return one
    return other if one == EVERYWHERE else None


def _scope_within(inner: str, outer: str) -> bool:
    if outer in {EVERYWHERE, inner}:
        return True
    # "team.*" holds "team.x" and "team.x.*": compare with the dot, so that whole segments count.
    return outer.endswith(".*") and inner != EVERYWHERE and inner.startswith(outer[:-1]) and len(inner) > len(outer) - 1


def name_matches(name: str, pattern: str) -> bool:
    """Whether ``pattern`` names ``name``: ``*``, the name itself, or whole leading segments and ``*`` (``billing-*``).

    Segments end with one of ``. - _ / :``, so ``billing-*`` names ``billing-eu`` and neither ``billing`` nor ``billingx``.
    """
    if pattern in {EVERYWHERE, name}:
        return True
    head = pattern[:-1]
    return pattern.endswith("*") and head.endswith(_SEGMENT_ENDS) and name.startswith(head) and len(name) > len(head)


def permits(grants: Iterable[Grant], permission: str, namespace: str) -> bool:
    """Whether one of ``grants`` gives ``permission`` in ``namespace``.

    Args:
        grants: What the principal holds.
        permission: ``resource:action``, without wildcards.
        namespace: A concrete namespace, or ``*`` to ask for all of them.
    """
    return any(grant.gives(permission) and _scope_within(namespace, grant.namespace) for grant in grants)


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Where a permission holds, as a list filter needs it.

    Attributes:
        everywhere: All namespaces; the other two are then empty.
        exact: Single namespaces.
        prefixes: Prefixes that end with a dot (``team.``).
    """

    everywhere: bool = False
    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    @property
    def nowhere(self) -> bool:
        """Whether it holds in no namespace at all."""
        return not (self.everywhere or self.exact or self.prefixes)

    def __contains__(self, namespace: str) -> bool:
        """Whether the permission holds in ``namespace``."""
        return self.everywhere or namespace in self.exact or any(namespace.startswith(prefix) for prefix in self.prefixes)


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, service or program whose identity is proven.

    Attributes:
        subject: ``user:<name>``, ``service:<name>`` or ``key:<id>``; ``anonymous`` on public routes.
        name: For people to read.
        grants: What it may do.
        expires: When the proof ends; ``None`` for never.
    """

    subject: str
    name: str
    grants: Sequence[Grant] = ()
    expires: datetime | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody is logged in (public routes only)."""
        return self.subject == "anonymous"

    def may(self, permission: str, namespace: str) -> bool:
        """Whether this principal holds ``permission`` in ``namespace`` (``*``: in all)."""
        return permits(self.grants, permission, namespace)

    def where(self, permission: str) -> Namespaces:
        """The namespaces in which this principal holds ``permission``."""
        scopes = {grant.namespace for grant in self.grants if grant.gives(permission)}
        if EVERYWHERE in scopes:
            return Namespaces(everywhere=True)
        prefixes = tuple(sorted(scope[:-1] for scope in scopes if scope.endswith(".*")))
        return Namespaces(exact=frozenset(s for s in scopes if not s.endswith(".*")), prefixes=prefixes)


ANONYMOUS: Final = Principal(subject="anonymous", name="anonymous")
