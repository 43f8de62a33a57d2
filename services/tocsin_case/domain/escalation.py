"""Escalation: a chain of levels that a case climbs while nobody stops it, and who is meant by ``team:ops`` or ``on-call:db``.

The state is a value with the instant of the next level, so that replicas and restarts neither miss nor repeat one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from tocsin.errors import Invalid, Violation
from tocsin_case.domain.calendars import ALWAYS, Hours, NeverOpen
from tocsin_case.domain.cases import Case, Escalation
from tocsin_case.domain.oncall import Rotation, on_call
from tocsin_case.domain.types import Stage

LEVELS = 20
TURNS = 100  # of a chain that repeats
AT_ONCE = 200  # levels reached in one go after the platform was away; the rest follows at the next look


class Begins(Enum):
    """What starts a chain."""

    OPENED = "opened"
    WARNED = "warned"
    BREACHED = "breached"


class Until(Enum):
    """What stops it."""

    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class ActionKind(Enum):
    """What a level does."""

    NOTIFY = "notify"
    ASSIGN = "assign"
    RAISE_PRIORITY = "raise-priority"
    START = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing a level does.

    Attributes:
        kind: What.
        to: Whom: ``user:<name>``, ``team:<name>``, ``on-call:<rotation>``, ``owner``; an assignment takes the first who is
            somebody.
        playbook: Of a start: name of a playbook of the case's type.
    """

    kind: ActionKind
    to: tuple[str, ...] = ()
    playbook: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level.

    Attributes:
        after: How long after the one before (the first: after the beginning).
        actions: What it does.
    """

    after: timedelta
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A chain.

    Attributes:
        namespace: Where it is.
        name: Its name there.
        begins: What starts it.
        until: What stops it.
        levels: In order.
        repeat: How often it begins anew after its last level.
        repeat_after: How long after the last level.
        business: Whether it counts business time: of the case's team, else of its type.
    """

    namespace: str
    name: str
    begins: Begins = Begins.OPENED
    until: Until = Until.ACKNOWLEDGED
    levels: tuple[Level, ...] = ()
    repeat: int = 0
    repeat_after: timedelta = timedelta(minutes=30)
    business: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """People.

    Attributes:
        namespace: Where it is.
        name: Its name there.
        members: ``user:<name>``, in the order of turns.
        restricted: Whether its cases are seen by its members only.
        calendar: When it is at work, for escalations that count business time; ``None`` for as its cases' types say.
    """

    namespace: str
    name: str
    members: tuple[str, ...] = ()
    restricted: bool = False
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class Fired:
    """A level was reached.

    Attributes:
        level: Its number, from 1.
        turn: In which turn of the chain, from 0.
        at: When it was due.
        actions: What it does.
    """

    level: int
    turn: int
    at: datetime
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Directory:
    """Who there is in a namespace."""

    teams: Mapping[str, Team] = field(default_factory=dict)
    rotations: Mapping[str, Rotation] = field(default_factory=dict)

    def people(self, targets: tuple[str, ...], case: Case, at: datetime) -> tuple[str, ...]:
        """The people that targets mean at an instant, each once, in order."""
        found: dict[str, None] = {}
        for target in targets:
            kind, _, name = target.partition(":")
            match kind:
                case "owner":
                    found |= {case.owner: None} if case.owner else {}
                case "team":
                    team = self.teams.get(name)
                    found |= dict.fromkeys(team.members if team else ())
                case "on-call":
                    rotation = self.rotations.get(name)
                    someone = on_call(rotation, at) if rotation else None
                    found |= {someone: None} if someone else {}
                case _:
                    found[target] = None
        return tuple(found)


def begin(policy: Policy, now: datetime, hours: Hours = ALWAYS) -> Escalation:
    """A chain at its beginning."""
    if not policy.levels:
        return Escalation(policy=policy.name, since=now, ended="exhausted")
    return Escalation(policy=policy.name, since=now, next_at=_later(hours, now, policy.levels[0].after))


def climb(state: Escalation, policy: Policy, now: datetime, hours: Hours = ALWAYS) -> tuple[Escalation, tuple[Fired, ...]]:
    """Reach every level that is due, each at the instant it was due."""
    fired: list[Fired] = []
    while state.ended is None and state.next_at is not None and state.next_at <= now and len(fired) < AT_ONCE:
        at = state.next_at
        if state.level >= len(policy.levels):  # the policy has become shorter
            state = replace(state, ended="exhausted", next_at=None)
            break
        fired.append(Fired(state.level + 1, state.turn, at, policy.levels[state.level].actions))
        level, turn = state.level + 1, state.turn
        next_at: datetime | None = None
        ended: str | None = None
        if level < len(policy.levels):
            next_at = _later(hours, at, policy.levels[level].after)
        elif turn < policy.repeat:
            level, turn, next_at = 0, turn + 1, _later(hours, at, policy.repeat_after)
        else:
            ended = "exhausted"
        state = replace(state, level=level, turn=turn, next_at=next_at, ended=ended, fired=state.fired + 1)
    return state, tuple(fired)


def settled(before: Case | None, case: Case, policy: Policy | None, now: datetime, hours: Hours = ALWAYS) -> Case:
    """The escalation of a case after it changed: begun, held, going on, or stopped."""
    state = case.escalation
    if state is None:
        begun = _beginning(before, case, policy) if policy is not None and case.stage.is_active else None
        if policy is None or begun is None or not _wanted(case, policy):
            return case
        state = begin(policy, begun, hours)
    if state.ended is None and not case.stage.is_active:
        state = replace(state, ended="resolved", next_at=None, left=None)
    elif state.ended is None and policy is not None and not _wanted(case, policy):
        state = replace(state, ended="acknowledged", next_at=None, left=None)
    elif case.stage is Stage.PAUSED and state.next_at is not None:
        state = replace(state, left=hours.between(now, state.next_at), next_at=None)
    elif case.stage is not Stage.PAUSED and state.left is not None:
        state = replace(state, next_at=_later(hours, now, state.left), left=None)
    return case if state == case.escalation else replace(case, escalation=state)


def checked_policy(policy: Policy) -> Policy:
    """A policy as it may be stored.

    Raises:
        Invalid: No level, a level that does nothing, an action without whom or what, or a turn without end.
    """
    wrong: list[Violation] = []
    if not policy.levels:
        wrong.append(Violation("/levels", "a chain has at least one level"))
    for number, level in enumerate(policy.levels):
        place = f"/levels/{number}"
        if not level.actions:
            wrong.append(Violation(f"{place}/actions", "a level does something"))
        for which, action in enumerate(level.actions):
            if action.kind in {ActionKind.NOTIFY, ActionKind.ASSIGN} and not action.to:
                wrong.append(Violation(f"{place}/actions/{which}/to", f"whom to {action.kind.value}?"))
            wrong += [
                Violation(
                    f"{place}/actions/{which}/to/{n}",
                    f"{to} is nobody",
                    "Write user:<name>, team:<name>, on-call:<rotation>, owner.",
                )
                for n, to in enumerate(action.to)
                if not _somebody(to)
            ]
            if action.kind is ActionKind.START and not action.playbook:
                wrong.append(Violation(f"{place}/actions/{which}/playbook", "which playbook?"))
    if policy.repeat and policy.repeat_after <= timedelta(0):
        wrong.append(Violation("/repeat_after", "turns of a chain are some time apart"))
    if wrong:
        raise Invalid(f"escalation {policy.name} cannot work: {wrong[0].detail}", violations=wrong)
    return policy


def _somebody(target: str) -> bool:
    """Whether a target can mean anybody: what cannot would be told to no one, at night."""
    kind, _, name = target.partition(":")
    return target == "owner" or (kind in {"user", "service", "key", "team", "on-call"} and bool(name))


def _later(hours: Hours, at: datetime, wait: timedelta) -> datetime:
    """After so much time; in a calendar without any business time around the clock, because a chain must not end in silence."""
    try:
        return hours.after(at, wait)
    except NeverOpen:
        return at + wait


def _wanted(case: Case, policy: Policy) -> bool:
    """Whether nothing has stopped it: an answer stops a chain that waits for one."""
    return policy.until is Until.RESOLVED or case.answered_at is None or case.stage is Stage.NEW


def _beginning(before: Case | None, case: Case, policy: Policy) -> datetime | None:
    """When a chain begins because of what just happened to a case."""
    if policy.begins is Begins.OPENED:
        return case.opened_at if before is None else case.updated_at if not before.stage.is_active else None
    instants = [
        clock.warned if policy.begins is Begins.WARNED else clock.breached
        for name, clock in case.clocks.items()
        if before is None or clock != before.clocks.get(name)
    ]
    return min((instant for instant in instants if instant is not None), default=None)
