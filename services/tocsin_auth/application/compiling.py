"""From bindings to grants, and the reasons: which binding gives what, at this moment, in which namespaces.

Times and what a namespace is are decided here, so that those who read a token only compare. Pure: everything is an argument.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_auth.domain.conditions import NamespaceRules
from tocsin_auth.domain.factor_rules import FactorRules
from tocsin_auth.domain.roles import GUARDED, PUBLISHING, Binding, Role
from tocsin_auth.domain.users import User
from tocsin_kit.web.access import EVERYWHERE, Decision, Grant, decision


@dataclass(frozen=True, slots=True)
class Held:
    """A binding somebody holds, and through what.

    Attributes:
        through: ``user`` or ``group <name>``.
        binding: The binding.
    """

    through: str
    binding: Binding

    def __str__(self) -> str:
        return f"{self.binding} ({self.through})"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What bindings come to now.

    Attributes:
        grants: With deny rules.
        until: The answer stays the same until then; ``None`` for ever.
    """

    grants: tuple[Grant, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Considered:
    """What one binding contributes to a decision.

    Attributes:
        binding: In words.
        effect: ``gives``, ``denies`` or ``nothing``.
        why: One sentence.
    """

    binding: str
    effect: str
    why: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision with everything that was looked at.

    Attributes:
        decision: The answer and the rule that decides.
        considered: Every binding.
    """

    decision: Decision
    considered: tuple[Considered, ...]


def compiled(held: Sequence[Held], roles: Mapping[str, Role], namespaces: Sequence[NamespaceRules], now: datetime) -> Compiled:
    """What these bindings give at ``now``; one that names no role gives nothing."""
    grants: dict[Grant, None] = {}
    edges: list[datetime] = []
    for item in held:
        if item.binding.when is not None:
            _, until = item.binding.when.timely(now)
            edges += [until] if until else []
        grants |= dict.fromkeys(_grants(item.binding, roles, namespaces, now))
    grants |= dict.fromkeys(protections(held, roles, namespaces))
    return Compiled(tuple(grants), min(edges, default=None))


@dataclass(frozen=True, slots=True)
class Curbed:
    """Bindings of somebody who does not meet the rules about second factors.

    Attributes:
        held: Those that count.
        lapsed: Those that do not, all or some of what they give.
        denied: What is taken away of those that count in part.
        until: The answer stays the same until then; ``None`` for ever.
    """

    held: tuple[Held, ...]
    lapsed: tuple[Held, ...]
    denied: tuple[Grant, ...]
    until: datetime | None


def curbed(held: Sequence[Held], roles: Mapping[str, Role], user: User, rules: FactorRules, now: datetime) -> Curbed:
    """What is left of the bindings of ``user``.

    A rule about one namespace takes what such a role names away there, whatever else gives it: rather too much than too little.
    """
    left, lapsed, denied, edges = [], [], dict[Grant, None](), []
    for item in held:
        concerned = [rule for rule in rules.of(user) if rule.concerns(item.binding)]
        edges += [rule.deadline(user) for rule in concerned if rule.deadline(user) > now]
        due = [rule for rule in concerned if rule.deadline(user) <= now]
        if due:
            lapsed.append(item)
        if any(rule.covers(item.binding) for rule in due):
            continue
        left.append(item)
        role = roles.get(item.binding.role)
        for rule in due:
            denied |= {Grant(name, rule.namespace, deny=True): None for name in (role.permissions if role else ())}
    return Curbed(tuple(left), tuple(lapsed), tuple(denied), min(edges, default=None))


def compiled_for(
    held: Sequence[Held],
    roles: Mapping[str, Role],
    namespaces: Sequence[NamespaceRules],
    now: datetime,
    *,
    user: User,
    rules: FactorRules,
) -> Compiled:
    """What these bindings give ``user`` at ``now``."""
    left = curbed(held, roles, user, rules, now)
    found = compiled(left.held, roles, namespaces, now)
    edges = [edge for edge in (found.until, left.until) if edge is not None]
    return Compiled((*found.grants, *left.denied), min(edges, default=None))


def widest(bindings: Iterable[Binding], roles: Mapping[str, Role]) -> tuple[Grant, ...]:
    """What the bindings may ever give, whatever the time and the environment: for those who want to give them."""
    return tuple(
        Grant(permission, binding.namespace, binding.names)
        for binding in bindings
        if not binding.deny and binding.role in roles
        for permission in roles[binding.role].permissions
    )


def protections(held: Iterable[Held], roles: Mapping[str, Role], namespaces: Iterable[NamespaceRules]) -> list[Grant]:
    """What is taken away: in protected namespaces from those who have no binding to them, in reviewed ones from everybody."""
    own = {
        (permission, item.binding.namespace)
        for item in held
        if not item.binding.deny and item.binding.role in roles
        for permission in GUARDED
        if _names(roles[item.binding.role], permission)
    }
    return [
        Grant(permission, one.name, deny=True)
        for one in namespaces
        for permission in GUARDED
        if (one.reviewed and permission in PUBLISHING) or (one.protected and (permission, one.name) not in own)
    ]


def explained(
    held: Sequence[Held],
    roles: Mapping[str, Role],
    namespaces: Sequence[NamespaceRules],
    now: datetime,
    asked: tuple[str, str, str | None],
    *,
    curb: Curbed,
) -> Explained:
    """Why ``asked`` (permission, namespace, name) is permitted or not."""
    permission, namespace, name = asked
    considered = [_consider(item, roles, namespaces, now, asked) for item in held]
    for place, item in enumerate(held):
        if item in curb.lapsed and considered[place].effect == "gives":
            considered[place] = Considered(str(item), "nothing", "it takes a second factor, and the time to add one is over")
    if any(grant.gives(permission) and grant.namespace == namespace for grant in protections(held, roles, namespaces)):
        reviewed = permission in PUBLISHING and any(one.reviewed for one in namespaces if one.name == namespace)
        why = f"{namespace} is protected: {permission} takes a role bound to it"
        if reviewed:
            why = f"{namespace} is reviewed: what one person proposes, another one publishes"
        considered.append(Considered(f"protection of {namespace}", "denies", why))
    grants = (*compiled(curb.held, roles, namespaces, now).grants, *curb.denied)
    return Explained(decision(grants, permission, namespace, name), tuple(considered))


def _consider(
    item: Held,
    roles: Mapping[str, Role],
    namespaces: Sequence[NamespaceRules],
    now: datetime,
    asked: tuple[str, str, str | None],
) -> Considered:
    permission, namespace, name = asked
    binding, role = item.binding, roles.get(item.binding.role)
    if role is None:
        return Considered(str(item), "nothing", f"there is no role {binding.role}")
    if not _names(role, permission):
        return Considered(str(item), "nothing", f"the role {binding.role} does not name {permission}")
    if binding.when is not None and not binding.when.timely(now)[0]:
        return Considered(str(item), "nothing", "its condition on time does not hold now")
    own = _grants(binding, roles, namespaces, now)
    found = [grant for grant in own if grant.gives(permission)]
    plain = [Grant(grant.permission, grant.namespace, grant.name) for grant in found]
    if not any(decision([grant], permission, namespace, name).allowed for grant in plain):
        if binding.deny and any(not decision([grant, *_all()], permission, namespace, name).allowed for grant in found):
            return Considered(str(item), "denies", "the name is not known, and the rule is about some")
        where = "its condition on namespaces" if binding.when and binding.when.is_about_namespaces else binding.namespace
        return Considered(str(item), "nothing", f"it is about {where}, names {binding.names}")
    return Considered(str(item), "denies" if binding.deny else "gives", f"{binding.role} names {permission}")


def _all() -> list[Grant]:
    return [Grant("*:*")]


def _grants(binding: Binding, roles: Mapping[str, Role], namespaces: Sequence[NamespaceRules], now: datetime) -> list[Grant]:
    role = roles.get(binding.role)
    if role is None or (binding.when is not None and not binding.when.timely(now)[0]):
        return []
    scopes = [binding.namespace]
    if binding.when is not None and binding.when.is_about_namespaces:
        condition = binding.when
        fitting = [one.name for one in namespaces if condition.fits(one)]
        scopes = [name for name in fitting if binding.namespace in {EVERYWHERE, name}]
    return [Grant(permission, scope, binding.names, binding.deny) for scope in scopes for permission in role.permissions]


def _names(role: Role, permission: str) -> bool:
    return any(Grant(granted).gives(permission) for granted in role.permissions)
