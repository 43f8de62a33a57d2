"""What people do with the rules that open cases."""

from collections.abc import Sequence

from tocsin.errors import NotFound, PreconditionFailed
from tocsin.signals import Cause
from tocsin.signals.catalogue import case as words
from tocsin_case.application.announcing import announce
from tocsin_case.domain.rules import Rule
from tocsin_case.ports import RuleStore
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry


class Rules:
    """The use cases of rules.

    Args:
        store: Where rules are.
        clock: Time.
    """

    def __init__(self, store: RuleStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def put(self, rule: Rule, *, expect: int | None, actor: str, cause: Cause) -> Entry[Rule]:
        """Make or change a rule.

        Raises:
            PreconditionFailed: It has changed since the person saw it.
        """
        entry = await self._store.load(rule.key)
        if expect is not None and expect != entry.revision:
            raise PreconditionFailed(f"rule {rule.key} has changed since you read it", hint="read it again")
        said = [(words.CASE_RULE_CHANGED, words.CaseRuleChanged(name=rule.name))]
        outbox = announce(
            said,
            namespace=rule.namespace,
            entity_id=rule.name,
            after=entry.sequence,
            now=self._clock.now(),
            cause=cause,
            actor=actor,
        )
        return await self._store.commit(entry, rule, outbox)

    async def get(self, namespace: str, name: str) -> Entry[Rule]:
        """A rule with its revision.

        Raises:
            NotFound: There is none.
        """
        entry = await self._store.load(f"{namespace}/{name}")
        if entry.value is None:
            raise NotFound(f"there is no rule {name} in namespace {namespace}", rule=name)
        return entry

    async def of_namespace(self, namespace: str) -> Sequence[Rule]:
        """All rules of a namespace, by name."""
        return await self._store.of_namespace(namespace)

    async def delete(self, namespace: str, name: str, *, actor: str, cause: Cause) -> None:
        """Delete a rule; cases that it opened stay.

        Raises:
            NotFound: There is none.
        """
        entry = await self.get(namespace, name)
        said = [(words.CASE_RULE_DELETED, words.CaseRuleChanged(name=name))]
        outbox = announce(
            said, namespace=namespace, entity_id=name, after=entry.sequence, now=self._clock.now(), cause=cause, actor=actor
        )
        await self._store.commit(entry, None, outbox)
