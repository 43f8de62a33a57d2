"""Who may do what: permissions, grants and the people and programs that hold them.

One rule decides everywhere (HTTP, the bus, lists): a permission is ``resource:action``, a grant gives one in some namespaces,
and both are compared by whole segments, never by string prefix, so that ``team.a`` never opens ``team.ab``. A deny rule
takes away whatever else gives. No check is forgotten: a :class:`~tocsin_kit.web.routes.Route` cannot be built without saying
what it needs.
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
    """One permission in one scope of namespaces and names; or, as a deny rule, the lack of it.

    Attributes:
        permission: ``resource:action``; either part may be ``*``.
        namespace: ``*`` for all, an exact name, or ``team.*`` for everything below ``team`` (not ``team`` itself).
        name: Of the things: ``*`` for all, an exact name, or whole leading segments and ``*`` (``billing-*``).
        deny: It takes away instead of giving; nothing gives back what one of these takes.
    """

    permission: str
    namespace: str = EVERYWHERE
    name: str = EVERYWHERE
    deny: bool = False

    def __post_init__(self) -> None:
        """Refuse what could be misread later."""
        if not _GRANTED.fullmatch(self.permission):
            raise ValueError(f"a granted permission is resource:action or *, not {self.permission!r}")
        if not _SCOPE.fullmatch(self.namespace):
            raise ValueError(f"a granted namespace is a name, a name followed by .*, or *; not {self.namespace!r}")
        if not is_pattern(self.name):
            raise ValueError(f"a granted name is a name, whole segments followed by *, or *; not {self.name!r}")

    def gives(self, permission: str) -> bool:
        """Whether this grant is about ``permission``, in whatever namespace."""
        resource, _, action = permission.partition(":")
        granted_resource, _, granted_action = self.permission.partition(":")
        return granted_resource in {EVERYWHERE, resource} and granted_action in {EVERYWHERE, action}

    def within(self, other: "Grant") -> bool:
        """Whether everything this grant gives, ``other`` gives too (used to keep delegated grants from being wider)."""
        own, theirs = self.permission.partition(":"), other.permission.partition(":")
        parts = theirs[0] in {EVERYWHERE, own[0]} and theirs[2] in {EVERYWHERE, own[2]}
        return parts and _scope_within(self.namespace, other.namespace) and pattern_within(self.name, other.name)


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
    if pattern_within(one.name, other.name):
        name = one.name
    elif pattern_within(other.name, one.name):
        name = other.name
    else:
        return None
    return Grant(f"{resource}:{action}", scope, name) if resource and action else None


def _narrower(one: str, other: str) -> str | None:
    if other in {one, EVERYWHERE}:
        return one
    return other if one == EVERYWHERE else None


def _scope_within(inner: str, outer: str) -> bool:
    if outer in {EVERYWHERE, inner}:
        return True
    # "team.*" holds "team.x" and "team.x.*": compare with the dot, so that whole segments count.
    return outer.endswith(".*") and inner != EVERYWHERE and inner.startswith(outer[:-1]) and len(inner) > len(outer) - 1


def is_pattern(text: str) -> bool:
    """Whether ``text`` is a name, ``*``, or whole leading segments and ``*``."""
    if not 0 < len(text) <= 256 or not text.isprintable():
        return False
    head = text.removesuffix(EVERYWHERE)
    return EVERYWHERE not in head and (text in {head, EVERYWHERE} or head.endswith(_SEGMENT_ENDS))


def pattern_within(inner: str, outer: str) -> bool:
    """Whether every name that ``inner`` means, ``outer`` means too."""
    if outer in {EVERYWHERE, inner}:
        return True
    return inner != EVERYWHERE and name_matches(inner.removesuffix(EVERYWHERE) + "x" * inner.endswith(EVERYWHERE), outer)


def name_matches(name: str, pattern: str) -> bool:
    """Whether ``pattern`` means ``name``: ``*``, the name itself, or whole leading segments and ``*`` (``billing-*``).

    Segments end with one of ``. - _ / :``, so ``billing-*`` means ``billing-eu`` and neither ``billing`` nor ``billingx``.
    """
    if pattern in {EVERYWHERE, name}:
        return True
    head = pattern[:-1]
    return pattern.endswith("*") and head.endswith(_SEGMENT_ENDS) and name.startswith(head) and len(name) > len(head)


def permits(grants: Iterable[Grant], permission: str, namespace: str, name: str | None = None) -> bool:
    """Whether ``grants`` give ``permission`` in ``namespace``, and no deny rule among them takes it away.

    Args:
        grants: What the principal holds.
        permission: ``resource:action``, without wildcards.
        namespace: A concrete namespace, or ``*`` to ask for all of them.
        name: Of the thing. Where it is not known, a grant for some names gives nothing, and a deny rule for some names denies.
    """
    return decision(grants, permission, namespace, name).allowed


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is permitted, and which rule says so.

    Attributes:
        allowed: The answer.
        by: The grant that gives it, or the deny rule that takes it away; ``None`` when nothing gives it.
    """

    allowed: bool
    by: Grant | None


def decision(grants: Iterable[Grant], permission: str, namespace: str, name: str | None = None) -> Decision:
    """As :func:`permits`, with the rule that decides: deny before allow, and nothing by default."""
    giving: Grant | None = None
    for grant in grants:
        if not grant.gives(permission):
            continue
        if grant.deny:
            if _touches(namespace, grant.namespace) and (name is None or name_matches(name, grant.name)):
                return Decision(allowed=False, by=grant)
        elif giving is None and _scope_within(namespace, grant.namespace):
            named = grant.name == EVERYWHERE or (name is not None and name_matches(name, grant.name))
            giving = grant if named else None
    return Decision(allowed=giving is not None, by=giving)


def _touches(asked: str, denied: str) -> bool:
    """Whether a deny rule concerns what is asked: one namespace, or (``*``) all of them, to which it then belongs."""
    return _scope_within(asked, denied) or _scope_within(denied, asked)


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Where a permission holds, as a list filter needs it.

    Attributes:
        everywhere: All namespaces; the next two are then empty.
        exact: Single namespaces.
        prefixes: Prefixes that end with a dot (``team.``).
        excluded: Taken away again from what a wildcard gives: names, or prefixes that end with a dot.
    """

    everywhere: bool = False
    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    excluded: frozenset[str] = frozenset()

    @property
    def nowhere(self) -> bool:
        """Whether it holds in no namespace at all."""
        return not (self.everywhere or self.exact or self.prefixes)

    def __contains__(self, namespace: str) -> bool:
        """Whether the permission holds in ``namespace``."""
        if any(namespace == one or (one.endswith(".") and namespace.startswith(one)) for one in self.excluded):
            return False
        return self.everywhere or namespace in self.exact or any(namespace.startswith(prefix) for prefix in self.prefixes)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a credential was made from; a revocation names one of these (:mod:`tocsin_kit.web.revocations`).

    Attributes:
        holder: ``user:<name>`` of the person or service account behind it, also of an API key.
        session: Id of the login it came of.
        revision: Of the holder's record, as it was then.
        policy: Number of the roles and rules, as they were then.
    """

    holder: str = ""
    session: str = ""
    revision: int = 0
    policy: int = 0


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, service or program whose identity is proven.

    Attributes:
        subject: ``user:<name>``, ``service:<name>`` or ``key:<id>``; ``anonymous`` on public routes.
        name: For people to read.
        grants: What it may do, deny rules among them.
        expires: When the proof ends; ``None`` for never.
        proof: What it came of.
        run: The run that this stands for (task code); empty otherwise.
    """

    subject: str
    name: str
    grants: Sequence[Grant] = ()
    expires: datetime | None = None
    proof: Proof = Proof()
    run: str = ""

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody is logged in (public routes only)."""
        return self.subject == "anonymous"

    @property
    def person(self) -> str:
        """Who is behind it, whatever the credential: compare these where two deeds need two people."""
        return self.proof.holder or self.subject

    def may(self, permission: str, namespace: str, name: str | None = None) -> bool:
        """Whether this principal holds ``permission`` in ``namespace`` (``*``: in all), for the thing called ``name``."""
        return permits(self.grants, permission, namespace, name)

    def holds(self, permission: str) -> bool:
        """Whether there is anything at all that this principal may do with ``permission``."""
        return any(grant.gives(permission) and not grant.deny for grant in self.grants)

    def where(self, permission: str) -> Namespaces:
        """The namespaces in which this principal holds ``permission`` for things of any name."""
        about = [grant for grant in self.grants if grant.gives(permission)]
        denied = {grant.namespace for grant in about if grant.deny}
        scopes = {grant.namespace for grant in about if not grant.deny and grant.name == EVERYWHERE}
        scopes = {scope for scope in scopes if not any(_scope_within(scope, other) for other in denied)}
        if EVERYWHERE in scopes:
            return Namespaces(everywhere=True, excluded=_excluded(denied))
        prefixes = tuple(sorted(scope[:-1] for scope in scopes if scope.endswith(".*")))
        below = {other for other in denied if any(other.startswith(prefix) for prefix in prefixes)}
        exact = frozenset(scope for scope in scopes if not scope.endswith(".*"))
        return Namespaces(exact=exact, prefixes=prefixes, excluded=_excluded(below))


def _excluded(denied: Iterable[str]) -> frozenset[str]:
    return frozenset(scope.removesuffix("*") for scope in denied)


ANONYMOUS: Final = Principal(subject="anonymous", name="anonymous")
