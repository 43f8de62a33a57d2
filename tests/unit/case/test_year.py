"""A year of a case in virtual time, through the service's own use cases, against a plain model of the same rules.

The model knows calendars as a list of open quarters of an hour, and clocks as the open seconds that they have counted. It
shares nothing with the code but the words.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tocsin.signals import decode, root
from tocsin_case.application import By, Cases, ClockKeeper, Desk, Ledger, Opening, Openings, Talk
from tocsin_case.domain.calendars import BusinessCalendar, Window
from tocsin_case.domain.escalation import Action, ActionKind, Begins, Level, Policy, Team, Until
from tocsin_case.domain.types import STANDARD_STATUSES, CaseType, Priority, Targets
from tocsin_case.ports import Change
from tocsin_kit.chance import SeededChance
from tocsin_kit.store import Entry
from tocsin_kit.testing.clocks import ManualClock

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER, SPAN = 15 * 60, 500 * 86400  # seconds
ADA, BOB = By("user:ada", root("ada")), By("user:bob", root("bob"))
WEEKDAYS = tuple(Window(day, 9 * 60, 17 * 60) for day in range(5))
NIGHTS = tuple(Window(day, *span) for day in range(7) for span in ((0, 4 * 60 + 30), (22 * 60, 24 * 60)))
CALENDARS = {
    "berlin": ("Europe/Berlin", WEEKDAYS, ((1, 1), (5, 1), (12, 25), (12, 26))),
    "new-york": ("America/New_York", NIGHTS, ((7, 4), (11, 1))),  # open while clocks change; closed on the day of one change
}


@cache
def opens(name: str | None) -> tuple[list[int], list[int], list[int]]:
    """Begins and ends of what is open, in seconds, and how much was open before each."""
    if name is None:
        return [0], [SPAN], [0, SPAN]
    zone, windows, yearly = CALENDARS[name]
    place, begins, ends = ZoneInfo(zone), [], []
    for second in range(0, SPAN, QUARTER):
        local = (BEGIN + timedelta(seconds=second)).astimezone(place)
        minute = local.hour * 60 + local.minute
        day = (w for w in windows if w.weekday == local.weekday())
        if (local.month, local.day) in yearly or not any(w.start <= minute < w.end for w in day):
            continue
        if ends and ends[-1] == second:
            ends[-1] += QUARTER
        else:
            begins.append(second)
            ends.append(second + QUARTER)
    return begins, ends, [0, *accumulate(end - begin for begin, end in zip(begins, ends, strict=True))]


def counted(name: str | None, until: int) -> int:
    """Open seconds from the beginning to an instant."""
    begins, ends, before = opens(name)
    spans = bisect_right(begins, until)
    return before[spans] - (max(0, ends[spans - 1] - until) if spans else 0)


def after(name: str | None, start: int, wait: int) -> int:
    """The first instant by which so many open seconds have passed."""
    if wait <= 0:
        return start
    begins, _, before = opens(name)
    wanted = counted(name, start) + wait
    span = bisect_left(before, wanted) - 1
    return begins[span] + wanted - before[span]


@dataclass
class PlainClock:
    """What is promised, in open seconds."""

    calendar: str | None
    target: int
    since: int | None
    warn_share: float = 0.75
    spent: int = 0
    met: bool = False
    told: bool = False
    warned: bool = False
    breaches: list[int] = field(default_factory=list)
    warnings: list[int] = field(default_factory=list)

    def look(self, now: int) -> None:
        if self.met or self.told or self.since is None:
            return
        warn = after(self.calendar, self.since, int(self.target * self.warn_share) - self.spent)
        if not self.warned and warn <= now:
            self.warned = True
            self.warnings.append(warn)
        due = after(self.calendar, self.since, self.target - self.spent)
        if due <= now:
            self.told = True
            self.breaches.append(due)

    def pause(self, now: int) -> None:
        if not (self.met or self.told) and self.since is not None:
            self.spent, self.since = self.spent + counted(self.calendar, now) - counted(self.calendar, self.since), None

    def go(self, now: int) -> None:
        if not self.met and self.since is None:
            self.since = now

    def begin(self, now: int) -> None:
        self.spent, self.since, self.met, self.told, self.warned = 0, now, False, False, False

    def promise(self, target: int, now: int) -> None:
        if target != self.target and not (self.met or self.told):
            held = self.since is None
            self.pause(now)
            self.warned = False
            if not held:
                self.since = now
        self.target = target


@dataclass
class PlainChain:
    """How far an escalation is."""

    calendar: str | None
    waits: Sequence[int]
    pause: int
    next_at: int | None
    left: int | None = None
    level: int = 0
    turn: int = 0
    over: bool = False


STAGES = {status.name: status.stage.value for status in STANDARD_STATUSES}
WAYS = {status.name: {step.to for step in status.steps} for status in STANDARD_STATUSES}


class PlainCase:
    """The rules of a case, in plain words."""

    def __init__(self, setting: "Setting", now: int) -> None:
        self.setting, self.status, self.answered, self.urgent = setting, "open", False, False
        targets = setting.promises(urgent=False)
        self.clocks = {name: PlainClock(setting.calendar, target, now) for name, target in targets.items()}
        self.chain: PlainChain | None = None
        self.levels: list[tuple[int, int, int]] = []
        if setting.begins is Begins.OPENED:
            self.start_chain(now)

    @property
    def stage(self) -> str:
        return STAGES[self.status]

    @property
    def ended(self) -> bool:
        return self.stage in {"resolved", "closed"}

    def start_chain(self, at: int) -> None:
        wanted = self.setting.until is Until.RESOLVED or not self.answered or self.stage == "new"
        if self.chain is None and not self.ended and wanted:
            setting = self.setting
            begun = after(setting.waits_in, at, setting.waits[0])
            self.chain = PlainChain(setting.waits_in, setting.waits, setting.pause, begun)

    def look(self, now: int) -> None:
        before = {name: len(clock.breaches) for name, clock in self.clocks.items()}
        for clock in self.clocks.values():
            clock.look(now)
        fresh = [at for name, clock in self.clocks.items() for at in clock.breaches[before[name] :]]
        if fresh and self.setting.begins is Begins.BREACHED:
            self.start_chain(min(fresh))
        chain = self.chain
        while chain is not None and not chain.over and chain.next_at is not None and chain.next_at <= now:
            at = chain.next_at
            self.levels.append((chain.turn, chain.level + 1, at))
            chain.level += 1
            if chain.level < len(chain.waits):
                chain.next_at = after(chain.calendar, at, chain.waits[chain.level])
            elif chain.turn < self.setting.repeat:
                chain.level, chain.turn, chain.next_at = 0, chain.turn + 1, after(chain.calendar, at, chain.pause)
            else:
                chain.over = True

    def move(self, to: str, now: int) -> None:
        was, was_over = self.stage, self.ended
        self.status = to
        if was == "paused" and self.stage != "paused":
            for clock in self.clocks.values():
                clock.go(now)
        if self.stage == "paused":
            for clock in self.clocks.values():
                clock.pause(now)
        if was_over and not self.ended:
            for clock in self.clocks.values():
                clock.begin(now)
            self.chain = None
        if self.stage not in {"new", "paused"}:
            self.answered = True
            self.meet("response")
        if self.ended:
            self.meet("resolution", "update")
        elif not was_over:
            self.speak(now)
        self.settle(now, reopened=was_over and not self.ended)

    def meet(self, *names: str) -> None:
        for name in names:
            if name in self.clocks:
                self.clocks[name].met = True

    def speak(self, now: int) -> None:
        if "update" in self.clocks and not self.ended:
            self.clocks["update"].begin(now)
            if self.stage == "paused":
                self.clocks["update"].pause(now)

    def rank(self, urgent: bool, now: int) -> None:
        if urgent != self.urgent and not self.ended:
            for name, target in self.setting.promises(urgent=urgent).items():
                self.clocks[name].promise(target, now)
        self.urgent = urgent

    def settle(self, now: int, *, reopened: bool) -> None:
        if reopened and self.setting.begins is Begins.OPENED:
            self.start_chain(now)
        chain = self.chain
        if chain is None or chain.over:
            return
        answered = self.setting.until is Until.ACKNOWLEDGED and self.answered and self.stage != "new"
        if self.ended or answered:
            chain.over = True
        elif self.stage == "paused" and chain.next_at is not None:
            chain.left = max(counted(chain.calendar, chain.next_at) - counted(chain.calendar, now), 0)
            chain.next_at = None
        elif self.stage != "paused" and chain.left is not None:
            chain.next_at, chain.left = after(chain.calendar, now, chain.left), None


@dataclass(frozen=True)
class Setting:
    """What is configured, drawn at random; times in seconds."""

    calendar: str | None
    waits_in: str | None
    targets: tuple[int, int, int]
    begins: Begins
    until: Until
    waits: tuple[int, ...]
    repeat: int
    pause: int

    def promises(self, *, urgent: bool) -> dict[str, int]:
        half = 2 if urgent else 1
        return {name: t // half for name, t in zip(("response", "update", "resolution"), self.targets, strict=True)}


class Memory:
    """Cases and what is configured, in memory."""

    def __init__(self, *configured: object) -> None:
        self.configured = configured
        self.entry: Entry = Entry("", None, 0, 0)
        self.changes: list[Change] = []

    async def load(self, *place: object) -> Entry:
        if len(place) == 1:
            return self.entry
        kind, _, name = place
        found = (one for one in self.configured if isinstance(one, kind) and one.name == name)
        return Entry("", next(found, None), 1, 0)

    async def of_namespace(self, kind: type, _namespace: str) -> list:
        return [one for one in self.configured if isinstance(one, kind)]

    async def commit(self, changes: Sequence[Change]) -> list[Entry]:
        (change,) = changes
        self.changes.append(change)
        numbers = [one.sequence for one in change.outbox]
        assert numbers == list(range(self.entry.sequence + 1, self.entry.sequence + 1 + len(numbers)))
        self.entry = Entry(change.case.id, change.case, self.entry.revision + 1, self.entry.sequence + len(numbers))
        return [self.entry]

    async def due(self, now: datetime, *, limit: int) -> list[Entry]:
        case = self.entry.value
        return [self.entry] if case is not None and case.next_due is not None and case.next_due <= now else []

    async def late_tasks(self, _now: datetime, *, limit: int) -> list:
        return []


HOURS = st.integers(75, 30 * 3600)
OPERATIONS = st.sampled_from([*STAGES, "waiting", "in-progress", "speak", "urgent", "calm", "nothing"])


@st.composite
def settings_of_cases(draw: st.DrawFn) -> Setting:
    calendars = st.sampled_from([*CALENDARS, *CALENDARS, None])
    waits = draw(st.lists(st.integers(0, 8 * 3600), min_size=1, max_size=4))
    return Setting(
        calendar=draw(calendars),
        waits_in=draw(calendars),
        targets=(draw(HOURS) * 8, draw(HOURS) * 8, draw(HOURS) * 8),  # so that halves and quarters are whole
        begins=draw(st.sampled_from([Begins.OPENED, Begins.BREACHED])),
        until=draw(st.sampled_from(list(Until))),
        waits=tuple(waits),
        repeat=draw(st.integers(0, 3)),
        pause=draw(st.integers(60, 86400)),
    )


STEPS = st.lists(st.tuples(st.integers(1, 20 * 86400), OPERATIONS), min_size=3, max_size=25)
OFFICE = Setting("berlin", "new-york", (4 * 3600, 16 * 3600, 40 * 3600), Begins.BREACHED, Until.RESOLVED, (0, 1800), 1, 3600)


@settings(max_examples=60, deadline=None)
@given(settings_of_cases(), st.integers(0, 300 * 86400), STEPS)
@example(OFFICE, 86 * 86400 + 7, [(3 * 86400, "nothing"), (60, "on-hold"), (86400, "in-progress"), (200 * 86400, "resolved")])
@example(
    OFFICE, 295 * 86400 + 1, [(3 * 86400, "urgent"), (9 * 86400, "calm"), (3601, "closed"), (1, "open"), (9 * 86400, "nothing")]
)
def test_a_year_of_a_case_is_what_the_plain_rules_say(setting: Setting, start: int, steps: list[tuple[int, str]]) -> None:
    """Breaches, warnings and levels, each at its second, whatever people do: two zones, clock changes, holidays."""
    asyncio.run(compared(setting, start, steps))


async def compared(setting: Setting, start: int, steps: list[tuple[int, str]]) -> None:
    """Live it through both ways."""
    clock = ManualClock(BEGIN + timedelta(seconds=start))
    memory = Memory(*configured(setting))
    desk = Desk(memory, memory)
    ledger, chance = Ledger(memory, desk, clock=clock), SeededChance(3)
    cases, keeper, talk = Cases(ledger), ClockKeeper(ledger, memory), Talk(ledger, memory, chance=chance)
    opened = await Openings(ledger, memory, chance=chance).open(Opening(namespace="default", title="x", kind="k"), by=ADA)
    plain, now = PlainCase(setting, start), start
    for wait, what in steps:
        if now + wait > start + 365 * 86400:
            break
        now += wait
        await clock.advance(timedelta(seconds=wait))
        while await keeper.check():
            pass
        plain.look(now)
        if what in WAYS[plain.status]:
            await cases.move(opened.key, what, by=BOB, resolution="because")
            plain.move(what, now)
        elif what == "speak":
            await talk.say(opened.key, "still at it", by=BOB)
            plain.speak(now)
        elif what in {"urgent", "calm"}:
            await cases.change(opened.key, {"priority": Priority.CRITICAL if what == "urgent" else Priority.NORMAL}, by=BOB)
            plain.rank(what == "urgent", now)
        assert memory.entry.value.status == plain.status
    events = [decode(one.payload) for change in memory.changes for one in change.outbox]
    levels = [(e.data["turn"], e.data["level"], e.data["due"]) for e in events if e.type == "io.tocsin.case.escalated.v1"]
    assert levels == [(turn, level, told(at)) for turn, level, at in plain.levels]
    for name, mine in plain.clocks.items():
        breached = [e.data["due"] for e in events if e.type == "io.tocsin.case.breached.v1" and e.data["clock"] == name]
        assert breached == [told(at) for at in mine.breaches], name
        assert warnings(memory.changes, name) == [BEGIN + timedelta(seconds=at) for at in mine.warnings], name


def warnings(changes: Sequence[Change], name: str) -> list[datetime]:
    """When a clock warned, over all its terms."""
    found = []
    for change in changes:
        before = None if change.entry.value is None else change.entry.value.clocks.get(name)
        clock = change.case.clocks.get(name)
        if clock is not None and clock.warned is not None and (before is None or before.warned != clock.warned):
            found.append(clock.warned)
    return found


def told(second: int) -> str:
    return (BEGIN + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")


def configured(setting: Setting) -> list[object]:
    """The same as the service knows it."""
    office = [
        BusinessCalendar(namespace="default", name=name, timezone=zone, windows=windows, yearly=yearly)
        for name, (zone, windows, yearly) in CALENDARS.items()
    ]
    tell = (Action(kind=ActionKind.NOTIFY, to=("user:ada",)),)
    chain = Policy(
        namespace="default",
        name="chain",
        begins=setting.begins,
        until=setting.until,
        levels=tuple(Level(after=timedelta(seconds=wait), actions=tell) for wait in setting.waits),
        repeat=setting.repeat,
        repeat_after=timedelta(seconds=setting.pause),
        business=setting.waits_in is not None,
    )
    sla = {
        rank: Targets(**{name: timedelta(seconds=t) for name, t in setting.promises(urgent=rank == "critical").items()})
        for rank in ("critical", "*")
    }
    kind = CaseType(
        namespace="default",
        name="k",
        statuses=STANDARD_STATUSES,
        sla=sla,
        calendar=setting.calendar,
        warn_at=0.75,
        escalation="chain",
        team="ops",
    )
    return [*office, chain, kind, Team(namespace="default", name="ops", calendar=setting.waits_in)]
