"""What people do with types, calendars, policies, rotations, teams, templates, views and rules."""

from collections.abc import Mapping
from typing import Final, cast

from tocsin.errors import NotFound, PreconditionFailed
from tocsin.signals.catalogue import case as words
from tocsin_case.application.announcing import Said, announce
from tocsin_case.application.ledger import By
from tocsin_case.domain.calendars import BusinessCalendar, checked_calendar
from tocsin_case.domain.escalation import Policy, Team, checked_policy
from tocsin_case.domain.oncall import Rotation, checked_rotation
from tocsin_case.domain.rules import Rule, checked_rule
from tocsin_case.domain.templates import CaseTemplate, SavedView, checked_template
from tocsin_case.domain.types import CaseType, checked
from tocsin_case.ports import C, Configuration, Configured
from tocsin_kit.clock import Clock
from tocsin_kit.store import Entry
from tocsin_kit.store.changes import changes

WORDS: Final[Mapping[type, str]] = {
    CaseType: "type",
    BusinessCalendar: "calendar",
    Policy: "policy",
    Rotation: "rotation",
    Team: "team",
    CaseTemplate: "template",
    SavedView: "view",
    Rule: "rule",
}


class Settings:
    """The use cases of what is configured.

    Args:
        configuration: Where it is.
        clock: Time.
    """

    def __init__(self, configuration: Configuration, *, clock: Clock) -> None:
        self._configuration = configuration
        self._clock = clock

    async def put(self, value: C, *, by: By, expect: int | None) -> Entry[C]:
        """Make or change something.

        Raises:
            Invalid: It could not work.
            PreconditionFailed: It has changed since the person saw it.
        """
        value = cast("C", _checked(value))
        kind = type(value)
        entry = await self._configuration.load(kind, value.namespace, value.name)
        if expect is not None and expect != entry.revision:
            word = WORDS[kind]
            raise PreconditionFailed(f"{word} {value.name} has changed since you read it", hint="read it again")
        return await self._commit(kind, entry, value, place=(value.namespace, value.name), by=by)

    async def get(self, kind: type[C], namespace: str, name: str) -> Entry[C]:
        """Something with its revision.

        Raises:
            NotFound: There is none.
        """
        entry = await self._configuration.load(kind, namespace, name)
        if entry.value is None:
            raise NotFound(f"there is no {WORDS[kind]} {name} in namespace {namespace}", name=name)
        return entry

    async def of_namespace(self, kind: type[C], namespace: str) -> list[C]:
        """All of a namespace, by name."""
        return await self._configuration.of_namespace(kind, namespace)

    async def teams_of(self, subject: str) -> list[str]:
        """``<namespace>/<team>`` of the teams that somebody is a member of."""
        return await self._configuration.teams_of(subject)

    async def delete(self, kind: type[C], namespace: str, name: str, *, by: By) -> None:
        """Delete something; cases that were made with it stay as they are.

        Raises:
            NotFound: There is none.
        """
        await self._commit(kind, await self.get(kind, namespace, name), None, place=(namespace, name), by=by)

    async def _commit(self, kind: type[C], entry: Entry[C], value: C | None, *, place: tuple[str, str], by: By) -> Entry[C]:
        namespace, name = place
        said: list[Said]
        found = changes(entry.value, value, without={"namespace", "name"})
        if kind is Rule:
            entity = name
            word = words.CASE_RULE_DELETED if value is None else words.CASE_RULE_CHANGED
            said = [(word, words.CaseRuleChanged(name=name, changes=found))]
        else:
            entity = f"{WORDS[kind]}.{name}"
            setting = words.CASE_SETTING_DELETED if value is None else words.CASE_SETTING_CHANGED
            said = [(setting, words.CaseSettingChanged(kind=WORDS[kind], name=name, changes=found))]
        outbox = announce(
            said,
            namespace=namespace,
            entity_id=entity,
            after=entry.sequence,
            now=self._clock.now(),
            cause=by.cause,
            actor=by.actor,
        )
        return await self._configuration.commit(kind, entry, value, outbox)


def _checked(value: Configured) -> Configured:
    """The value as it may be stored."""
    match value:
        case CaseType():
            return checked(value)
        case Policy():
            checked_policy(value)
        case Rotation():
            checked_rotation(value)
        case CaseTemplate():
            checked_template(value)
        case Rule():
            checked_rule(value)
        case BusinessCalendar():
            return checked_calendar(value)
        case _:
            pass
    return value
