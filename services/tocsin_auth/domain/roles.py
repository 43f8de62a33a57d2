"""Roles: named sets of permissions, given to a user for one namespace or for all.

The built-in ones are in code, so that an upgrade extends them; one's own are stored. A role has no namespaces of its own: the
binding says where it holds.
"""

import re
from dataclasses import dataclass
from typing import Final

from tocsin.errors import Invalid
from tocsin_auth.domain.conditions import Condition

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PERMISSION: Final = re.compile(r"(\*|[a-z][a-z0-9-]*):(\*|[a-z][a-z0-9-]*)")
_NAMES: Final = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9._-]{0,126}|[A-Za-z0-9][A-Za-z0-9._-]{0,125}[._-]\*|[A-Za-z0-9][._-]\*")
_NAMESPACE: Final = re.compile(r"\*|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions.

    Attributes:
        name: Lower-case letters, digits and dashes.
        permissions: ``resource:action``; either part may be ``*``.
        summary: For people.
    """

    name: str
    permissions: tuple[str, ...]
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """A role held, or denied, in a namespace.

    Attributes:
        role: Name.
        namespace: ``*`` for all.
        names: Of the things there: ``*`` for all, a name, or whole leading segments and ``*`` (``billing-*``).
        deny: What the role names is taken away instead, whatever else gives it.
        when: Only then; ``None`` for always.
    """

    role: str
    namespace: str
    names: str = "*"
    deny: bool = False
    when: Condition | None = None

    def __str__(self) -> str:
        names = "" if self.names == "*" else f"/{self.names}"
        return f"{'-' if self.deny else ''}{self.role}@{self.namespace}{names}{'?' if self.when else ''}"

    def __hash__(self) -> int:
        return hash((self.role, self.namespace, self.names, self.deny))


_READS: Final = tuple(
    f"{resource}:read"
    for resource in (
        "workflow",
        "run",
        "pool",
        "approval",
        "task",
        "worker",
        "trigger",
        "event",
        "schedule",
        "backfill",
        "asset",
        "lineage",
        "case",
        "case-rule",
        "signal",
        "webhook",
        "alert",
        "alert-rule",
        "channel",
        "status",
        "dead-letter",
    )
)
_OPERATES: Final = (
    *_READS,
    "run:*",
    "pool:write",
    "approval:answer",
    "approval:delegate",
    "task:*",
    "worker:drain",
    "case:*",
    "asset:report",
    "event:publish",
    "trigger:fire",
    "trigger:pause",
    "schedule:pause",
    "backfill:*",
    "secret:read",
    "dead-letter:redrive",
    "webhook:redeliver",
    "alert:acknowledge",
)
_AUTHORS: Final = (
    *_OPERATES,
    "workflow:*",
    "trigger:*",
    "schedule:*",
    "asset:*",
    "lineage:*",
    "case-rule:*",
    "webhook:write",
    "alert-rule:*",
    "channel:*",
    "webhook:redeliver",
    "event:*",
    "secret:*",
)

BUILT_IN: Final = {
    role.name: role
    for role in (
        Role("viewer", _READS, "Sees workflows, runs and everything around them."),
        Role("operator", _OPERATES, "Starts, cancels and repairs runs, works cases, pauses triggers and schedules."),
        Role("author", _AUTHORS, "Writes workflows, triggers and schedules, and operates them."),
        Role("admin", ("*:*",), "May do everything."),
    )
}
PUBLISHING: Final = ("workflow:write", "workflow:delete")
"""What decides which definition runs; deleting the newest version makes the one before it count again."""
REVIEW: Final = "workflow:review"
"""Publishing what somebody else proposed."""
GUARDED: Final = (*PUBLISHING, REVIEW)
"""What takes a binding to the very namespace where that is protected."""
ADMINISTRATOR: Final = Binding("admin", "*")


def checked_role(name: str, permissions: tuple[str, ...], summary: str) -> Role:
    """A role as it may be stored.

    Raises:
        Invalid: A name or permission nobody could use.
    """
    if not _NAME.fullmatch(name):
        raise Invalid("a role's name is lower-case letters, digits and inner dashes, at most 63")
    wrong = [permission for permission in permissions if not _PERMISSION.fullmatch(permission)]
    if wrong or not permissions:
        raise Invalid("a role has permissions of the form resource:action", hint="for example run:read, run:* or *:read")
    return Role(name, tuple(dict.fromkeys(permissions)), summary)


def checked_binding(
    role: str, namespace: str, names: str = "*", *, deny: bool = False, when: Condition | None = None
) -> Binding:
    """A binding as it may be stored.

    Raises:
        Invalid: It names no role or no namespace.
    """
    if not _NAME.fullmatch(role):
        raise Invalid(f"{role[:80]!r} is not the name of a role")
    if not _NAMESPACE.fullmatch(namespace):
        raise Invalid(f"{namespace[:80]!r} is not a namespace", hint="a name, or * for all")
    if not _NAMES.fullmatch(names):
        raise Invalid(f"{names[:80]!r} names nothing", hint="a name, whole segments and * (billing-*), or *")
    return Binding(role, namespace, names, deny, when)
