"""What somebody holds, and that nobody gives or takes over more than they hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin.errors import NotFound
from tocsin_auth.application.compiling import Compiled, Explained, Held, compiled_for, curbed, explained, widest
from tocsin_auth.domain.api_keys import Scope
from tocsin_auth.domain.conditions import NamespaceRules
from tocsin_auth.domain.errors import SecondPersonNeeded, WiderThanOwn
from tocsin_auth.domain.factor_rules import FactorRules
from tocsin_auth.domain.groups import Group, Policy
from tocsin_auth.domain.roles import BUILT_IN, GUARDED, Binding, Role
from tocsin_auth.domain.users import User
from tocsin_auth.ports import Records
from tocsin_kit.clock import Clock
from tocsin_kit.store import EVERYTHING, Entry, Filter, undisputed
from tocsin_kit.web.access import Grant, Principal, Proof, meet

_POLICY = "policy"
FACTOR_RULES = "second-factor"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a user is, for a token.

    Attributes:
        grants: With deny rules.
        until: They stay the same until then; ``None`` for ever.
        proof: What they were made from.
    """

    grants: tuple[Grant, ...]
    until: datetime | None
    proof: Proof


class Authority:
    """Resolves bindings to grants.

    Args:
        roles: One's own roles; the built-in ones are in code.
        groups: All groups.
        namespaces: What is known about namespaces.
        policies: The number of all of these.
        factor_rules: Which roles take a second factor.
        clock: Time.
    """

    def __init__(
        self,
        *,
        roles: Records[Role],
        groups: Records[Group],
        namespaces: Records[NamespaceRules],
        policies: Records[Policy],
        factor_rules: Records[FactorRules],
        clock: Clock,
    ) -> None:
        self._factor_rules = factor_rules
        self._roles, self._groups, self._namespaces, self._policies = roles, groups, namespaces, policies
        self._clock = clock

    async def standing(self, entry: Entry[User], *, session: str = "") -> Standing:
        """What a user holds now; nothing while disabled."""
        user = entry.value
        assert user is not None
        number = await self.policy()  # read first: what is newer than it makes the token older than it is, never younger
        found = Compiled((), None) if user.disabled else await self._compiled(user)
        return Standing(found.grants, found.until, Proof(user.subject, session, entry.revision, number))

    async def held(self, user: User) -> list[Held]:
        """The bindings of a user, own ones and those of groups."""
        own = [Held("user", binding) for binding in user.bindings]
        groups = await self._groups.find(_of(user))
        return own + [Held(f"group {g.key}", binding) for g in groups if g.value for binding in g.value.bindings]

    async def widest_of(self, user: User) -> tuple[Grant, ...]:
        """What a user may ever hold, also what being enabled would give back."""
        return await self.widest([item.binding for item in await self.held(user)])

    async def widest(self, bindings: Sequence[Binding]) -> tuple[Grant, ...]:
        """What bindings may ever give."""
        return widest(bindings, await self._known(bindings))

    async def simulate(self, user: User, bindings: Sequence[Binding]) -> tuple[Compiled, Compiled]:
        """What a user holds now, and would hold with other bindings of their own."""
        held = await self.held(user)
        other = [Held("user", binding) for binding in bindings] + [item for item in held if item.through != "user"]
        known = await self._known([item.binding for item in (*held, *other)])
        places, now, rules = await self.namespaces(), self._clock.now(), await self.factor_rules()
        found = [compiled_for(one, known, places, now, user=user, rules=rules) for one in (held, other)]
        return found[0], found[1]

    async def explain(self, user: User, permission: str, namespace: str, name: str | None) -> Explained:
        """Why a user may do something, or not."""
        held = [] if user.disabled else await self.held(user)
        known = await self._known([item.binding for item in held])
        now = self._clock.now()
        curb = curbed(held, known, user, await self.factor_rules(), now)
        return explained(held, known, await self.namespaces(), now, (permission, namespace, name), curb=curb)

    async def namespaces(self) -> list[NamespaceRules]:
        """What is known about namespaces."""
        return [entry.value for entry in await self._namespaces.find(EVERYTHING) if entry.value is not None]

    async def factor_rules(self) -> FactorRules:
        """Which roles take a second factor."""
        return (await self._factor_rules.load(FACTOR_RULES)).value or FactorRules()

    async def factor_due(self, user: User) -> datetime | None:
        """When something that this user holds stops to count for want of a second factor, or has; ``None`` for never."""
        rules = await self.factor_rules()
        return rules.earliest(user, [item.binding for item in await self.held(user)]) if rules.of(user) else None

    async def policy(self) -> int:
        """The number of the roles and rules."""
        return (await self.stored_policy()).number

    async def stored_policy(self) -> Policy:
        """The same, and since when nothing has to be named that was withdrawn before."""
        return (await self._policies.load(_POLICY)).value or Policy()

    @undisputed
    async def renew(self) -> None:
        """Have all tokens made anew: roles or rules have changed."""
        entry = await self._policies.load(_POLICY)
        before = entry.value or Policy()
        await self._policies.commit(entry, Policy(before.number + 1, self._clock.now()))

    async def may_bind(self, bindings: Sequence[Binding], principal: Principal) -> None:
        """Go on only if all roles exist and give no more than the principal holds.

        Raises:
            NotFound: There is no such role.
            WiderThanOwn: One gives more.
        """
        known = await self._known(bindings)
        for binding in bindings:
            if binding.role not in known:
                raise NotFound(f"there is no role {binding.role}", hint="GET /api/v1/roles lists them")
        await self.require_within(widest(bindings, known), principal, deed="this role")

    async def require_second(self, bindings: Iterable[Binding]) -> None:
        """Go on only if none of these bindings, which would become one's own, opens a namespace that takes two people.

        Raises:
            SecondPersonNeeded: One does.
        """
        guarded = {one.name for one in await self.namespaces() if one.is_guarded}
        if any(not binding.deny and binding.namespace in guarded for binding in bindings):
            raise SecondPersonNeeded

    async def require_within(self, grants: Iterable[Grant], principal: Principal, *, deed: str) -> None:
        """Go on only if the principal holds everything in ``grants``.

        Protection of a namespace is waived: its whole point is that another person gives the role, who need not hold it.

        Raises:
            WiderThanOwn: With the first grant that it lacks.
        """
        waived = {Grant(name, one.name, deny=True) for one in await self.namespaces() if one.is_guarded for name in GUARDED}
        require_within(grants, [grant for grant in principal.grants if grant not in waived], principal.name, deed=deed)

    async def _compiled(self, user: User) -> Compiled:
        held = await self.held(user)
        known = await self._known([item.binding for item in held])
        rules = await self.factor_rules()
        return compiled_for(held, known, await self.namespaces(), self._clock.now(), user=user, rules=rules)

    async def _known(self, bindings: Sequence[Binding]) -> Mapping[str, Role]:
        own = await self._roles.load_many(sorted({b.role for b in bindings if b.role not in BUILT_IN}))
        return {**BUILT_IN, **{name: entry.value for name, entry in own.items() if entry.value is not None}}


def require_within(grants: Iterable[Grant], own: Sequence[Grant], who: str, *, deed: str) -> None:
    """Go on only if ``own`` has everything in ``grants``, and none of its deny rules touches one of them.

    Raises:
        WiderThanOwn: With the first grant that is lacking.
    """
    for grant in grants:
        held = any(grant.within(mine) for mine in own if not mine.deny)
        denied = any(meet(grant, mine) is not None for mine in own if mine.deny)
        if not held or denied:
            raise WiderThanOwn(
                f"{deed} would need {grant.permission} in {grant.namespace}, which {who} does not hold",
                hint="ask somebody who holds it",
                permission=grant.permission,
                namespace=grant.namespace,
            )


def narrowed(scopes: Iterable[Scope], held: Iterable[Grant]) -> tuple[Grant, ...]:
    """What a key with ``scopes`` gives while its owner holds ``held``; a key without scopes gives all of it."""
    wanted = [Grant(scope.permission, scope.namespace, scope.name) for scope in scopes]
    own = tuple(held)
    if not wanted:
        return own
    met = (meet(want, have) for want in wanted for have in own if not have.deny)
    denied = [have for have in own if have.deny]
    return tuple(dict.fromkeys([*(grant for grant in met if grant is not None), *denied]))


def _of(user: User) -> Filter:
    """The groups of a user: by name, or by what an identity provider said."""
    by_name = EVERYTHING.eq("members", user.name)
    return EVERYTHING.any_of(by_name, EVERYTHING.one_of("claimed", user.claims)) if user.claims else by_name
