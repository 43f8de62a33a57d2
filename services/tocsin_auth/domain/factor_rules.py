"""Which roles count only for people with a second factor, and since when for each of them.

Whoever has none is given time to add one: from the rule, from when they came, or from when somebody reset their second factor,
whichever is latest. When that time is over, such roles give nothing, and a second factor is no longer added with the password
alone: it may be in other hands, and that is what the rule is there for. Somebody who may change users gives time again.

Service accounts have API keys and no second factor; people of an identity provider prove what it asks of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.errors import Invalid
from tocsin_auth.domain.roles import Binding, checked_binding
from tocsin_auth.domain.users import User

EVERYWHERE: Final = "*"
GRACE: Final = timedelta(days=7)
LONGEST_GRACE: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class FactorRule:
    """One rule.

    Attributes:
        role: Name of the role that counts only so; ``*`` for all.
        namespace: Where; ``*`` for everywhere.
        since: When the rule was made.
        grace: So long whoever has no second factor may hold it all the same.
    """

    role: str
    namespace: str
    since: datetime
    grace: timedelta = GRACE

    def concerns(self, binding: Binding) -> bool:
        """Whether it is about what this binding gives, or a part of that."""
        named = self.role in {EVERYWHERE, binding.role}
        return (
            named and not binding.deny and (self.namespace == EVERYWHERE or binding.namespace in {EVERYWHERE, self.namespace})
        )

    def covers(self, binding: Binding) -> bool:
        """Whether it is about all that this binding gives."""
        return self.concerns(binding) and self.namespace in {EVERYWHERE, binding.namespace}

    def deadline(self, user: User) -> datetime:
        """Until then this user has time."""
        return max(self.since, user.created_at, user.factor_grace or user.created_at) + self.grace


@dataclass(frozen=True, slots=True)
class FactorRules:
    """All rules.

    Attributes:
        rules: They.
    """

    rules: tuple[FactorRule, ...] = ()

    def of(self, user: User) -> tuple[FactorRule, ...]:
        """Those that this user does not meet."""
        exempt = user.machine or bool(user.origin) or user.has_second_factor
        return () if exempt else self.rules

    def earliest(self, user: User, bindings: Iterable[Binding]) -> datetime | None:
        """When the first of these bindings stops to count for this user, or has; ``None`` for never."""
        held = tuple(bindings)
        ends = (rule.deadline(user) for rule in self.of(user) if any(rule.concerns(binding) for binding in held))
        return min(ends, default=None)


def checked_rule(role: str, namespace: str, since: datetime, grace: timedelta) -> FactorRule:
    """A rule as it may be stored.

    Raises:
        Invalid: It names no role or namespace, or gives no time or too much.
    """
    checked_binding("any" if role == EVERYWHERE else role, namespace)
    if not timedelta(0) <= grace <= LONGEST_GRACE:
        raise Invalid(f"the time to add a second factor is 0 to {LONGEST_GRACE.days} days")
    return FactorRule(role, namespace, since, grace)
