"""Rules about who needs a second factor: kept here, made by somebody who has one, applied where tokens are made."""

from collections.abc import Sequence
from datetime import timedelta

from tocsin.errors import Conflict
from tocsin.signals.catalogue.auth import SECOND_FACTOR_RULED, SecondFactorRuled
from tocsin_auth.application.authority import FACTOR_RULES, Authority
from tocsin_auth.application.renewing import Renewal
from tocsin_auth.application.saying import Asker, said
from tocsin_auth.domain.factor_rules import FactorRules, checked_rule
from tocsin_auth.domain.users import User
from tocsin_auth.ports import Records
from tocsin_kit.clock import Clock
from tocsin_kit.store import undisputed
from tocsin_kit.web.access import Grant

Wanted = tuple[str, str, timedelta]
"""Role, namespace, time to add one."""


class FactorPolicy:
    """The rules.

    Args:
        rules: Where they are.
        users: For those who make them.
        authority: What people hold.
        renewal: Has all tokens made anew.
        clock: Time.
    """

    def __init__(
        self, *, rules: Records[FactorRules], users: Records[User], authority: Authority, renewal: Renewal, clock: Clock
    ) -> None:
        self._rules, self._users, self._authority = rules, users, authority
        self._renewal, self._clock = renewal, clock

    async def show(self) -> FactorRules:
        """All of them."""
        return await self._authority.factor_rules()

    @undisputed
    async def put(self, wanted: Sequence[Wanted], asker: Asker) -> FactorRules:
        """Make these the rules; one that stays keeps its beginning.

        Raises:
            Conflict: The asker would need a second factor and has none: there must be somebody who can give time again.
            WiderThanOwn: The asker does not hold everything.
        """
        await self._authority.require_within([Grant("*:*")], asker.principal, deed="saying who needs a second factor")
        entry = await self._rules.load(FACTOR_RULES)
        before = entry.value or FactorRules()
        begun = {(rule.role, rule.namespace): rule.since for rule in before.rules}
        now = self._clock.now()
        made = [checked_rule(role, place, begun.get((role, place), now), grace) for role, place, grace in wanted]
        rules = FactorRules(tuple(made))
        await self._must_meet(rules, asker)
        payload = SecondFactorRuled(rules=[f"{rule.role}@{rule.namespace}" for rule in rules.rules])
        signal = said(SECOND_FACTOR_RULED, entry, payload, asker=asker, now=now, to=rules)
        await self._rules.commit(entry, rules, outbox=[signal])
        await self._renewal.of_everybody()
        return rules

    async def _must_meet(self, rules: FactorRules, asker: Asker) -> None:
        user = (await self._users.load(asker.principal.person.removeprefix("user:"))).value
        if user is None:
            return
        held = [item.binding for item in await self._authority.held(user)]
        if rules.earliest(user, held) is not None:
            raise Conflict(
                "the rule is about yourself too, and you have no second factor", hint="tocsin auth second-factor add"
            )
