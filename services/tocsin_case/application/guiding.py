"""What people configured about a case: its type, its business hours, its escalation, who there is."""

from dataclasses import dataclass, replace
from datetime import datetime

from tocsin_case.domain.assignment import in_turn, least_loaded
from tocsin_case.domain.calendars import ALWAYS, BusinessCalendar, Hours
from tocsin_case.domain.cases import Case
from tocsin_case.domain.escalation import Directory, Policy, Team
from tocsin_case.domain.oncall import Rotation, on_call
from tocsin_case.domain.types import CaseType, Strategy, standard
from tocsin_case.ports import CaseStore, Configuration


@dataclass(frozen=True, slots=True)
class Guide:
    """Everything configured that a decision about one case needs.

    Attributes:
        kind: Its type.
        hours: The time that its clocks count.
        policy: Its escalation.
        directory: Who there is.
        waits: The time that its escalation counts.
    """

    kind: CaseType
    hours: Hours
    policy: Policy | None
    directory: Directory
    waits: Hours = ALWAYS


class Desk:
    """Looks up what was configured.

    Args:
        configuration: Where it is.
        cases: For how much people have to do.
    """

    def __init__(self, configuration: Configuration, cases: CaseStore) -> None:
        self._configuration = configuration
        self._cases = cases
        self._hours: dict[str, tuple[BusinessCalendar, Hours]] = {}

    async def kind(self, namespace: str, name: str) -> CaseType:
        """A type; the standard one where nobody configured it."""
        return (await self._configuration.load(CaseType, namespace, name)).value or standard(namespace, name)

    async def guide(self, case: Case) -> Guide:
        """What was configured about a case."""
        kind = await self.kind(case.namespace, case.kind)
        name = case.escalation.policy if case.escalation is not None else kind.escalation
        policy = None if name is None else (await self._configuration.load(Policy, case.namespace, name)).value
        calendar = case.sla.calendar if case.clocks else kind.calendar
        hours = await self.hours(case.namespace, calendar)
        directory = Directory()
        if policy is not None or kind.assign is not Strategy.NOBODY:
            teams = await self._configuration.of_namespace(Team, case.namespace)
            rotations = await self._configuration.of_namespace(Rotation, case.namespace)
            directory = Directory({team.name: team for team in teams}, {one.name: one for one in rotations})
        waits = ALWAYS
        if policy is not None and policy.business:
            team = directory.teams.get(case.team or "")
            own = team.calendar if team is not None else None
            waits = hours if own is None else await self.hours(case.namespace, own)
        return Guide(kind, hours, policy, directory, waits)

    async def hours(self, namespace: str, calendar: str | None) -> Hours:
        """Business hours; around the clock where there is no such calendar."""
        if calendar is None:
            return ALWAYS
        found = (await self._configuration.load(BusinessCalendar, namespace, calendar)).value
        if found is None:
            return ALWAYS
        key = f"{namespace}/{calendar}"
        known = self._hours.get(key)
        if known is None or known[0] != found:
            known = self._hours[key] = (found, Hours(found))
        return known[1]

    async def assigned(self, case: Case, guide: Guide, now: datetime) -> Case:
        """The case in the hands of somebody, if its type says how to find one."""
        if case.owner is not None or guide.kind.assign is Strategy.NOBODY:
            return case
        team = guide.directory.teams.get(case.team or "")
        match guide.kind.assign:
            case Strategy.ROUND_ROBIN if team is not None:
                owner = in_turn(team.members, await self._configuration.next_turn(team.namespace, team.name))
            case Strategy.LOAD if team is not None:
                turn = await self._configuration.next_turn(team.namespace, team.name)
                owner = least_loaded(team.members, await self._cases.load_of(team.members), turn)
            case Strategy.ON_CALL:
                rotation = guide.directory.rotations.get(guide.kind.rotation or "")
                owner = on_call(rotation, now) if rotation is not None else None
            case _:
                owner = None
        return replace(case, owner=owner)

    async def shut(self, case: Case) -> Case:
        """Restricted, if its team's cases are."""
        if case.team is None or case.restricted:
            return case
        team = (await self._configuration.load(Team, case.namespace, case.team)).value
        return replace(case, restricted=True) if team is not None and team.restricted else case
