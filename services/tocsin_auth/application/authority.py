"""What somebody holds, and that nobody gives or takes over more than they hold."""

from collections.abc import Iterable

from tocsin_auth.domain.api_keys import Scope
from tocsin_auth.domain.errors import WiderThanOwn
from tocsin_auth.domain.roles import BUILT_IN, Binding, Role
from tocsin_auth.domain.users import User
from tocsin_auth.ports import Records
from tocsin_kit.web.access import Grant, Principal, meet


class Authority:
    """Resolves bindings to grants.

    Args:
        roles: One's own roles; the built-in ones are in code.
    """

    def __init__(self, roles: Records[Role]) -> None:
        self._roles = roles

    async def grants_of(self, user: User) -> tuple[Grant, ...]:
        """What a user holds now; nothing while disabled."""
        return () if user.disabled else await self.grants_for(user.bindings)

    async def grants_for(self, bindings: Iterable[Binding]) -> tuple[Grant, ...]:
        """What the bindings give; one that names no role gives nothing."""
        held = list(bindings)
        own = await self._roles.load_many([b.role for b in held if b.role not in BUILT_IN])
        grants: dict[Grant, None] = {}
        for binding in held:
            role = BUILT_IN.get(binding.role) or (own[binding.role].value if binding.role in own else None)
            for permission in role.permissions if role else ():
                grants[Grant(permission, binding.namespace)] = None
        return tuple(grants)


def require_within(grants: Iterable[Grant], principal: Principal, *, deed: str) -> None:
    """Go on only if the principal holds everything in ``grants``.

    Raises:
        WiderThanOwn: With the first grant that it lacks.
    """
    for grant in grants:
        if not any(grant.within(own) for own in principal.grants):
            raise WiderThanOwn(
                f"{deed} would need {grant.permission} in {grant.namespace}, which {principal.name} does not hold",
                hint="ask somebody who holds it",
                permission=grant.permission,
                namespace=grant.namespace,
            )


def narrowed(scopes: Iterable[Scope], held: Iterable[Grant]) -> tuple[Grant, ...]:
    """What a key with ``scopes`` gives while its owner holds ``held``; a key without scopes gives all of it."""
    wanted = [Grant(scope.permission, scope.namespace) for scope in scopes]
    own = tuple(held)
    if not wanted:
        return own
    met = (meet(want, have) for want in wanted for have in own)
    return tuple(dict.fromkeys(grant for grant in met if grant is not None))
