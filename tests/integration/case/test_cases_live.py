"""Cases on a real database and bus: opened by signals, kept by the clock, once each."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from tocsin.errors import Invalid, NotFound
from tocsin_case.adapters.besides import MongoBesides
from tocsin_case.application import ClockKeeper
from tocsin_case.domain.access import EVERYBODY
from tocsin_case.domain.calendars import BusinessCalendar, Window
from tocsin_case.domain.cases import Link
from tocsin_case.domain.escalation import Action, ActionKind, Level, Policy, Team
from tocsin_case.domain.merging import NotMergeable
from tocsin_case.domain.rules import Quiet, Rule
from tocsin_case.domain.tasks import TaskNotReady, TaskStatus
from tocsin_case.domain.types import CaseType, Playbook, Priority, Stage, Strategy, Targets
from tocsin_case.ports import CaseSearch, Unreadable
from tocsin_case.wiring import assemble
from tocsin_kit.chance import SystemChance
from tocsin_kit.testing.waiting import eventually

from .conftest import ADA, World, opening

HOUR = timedelta(hours=1)


def run(number: int) -> str:
    return f"{number:026d}"


async def test_a_failed_run_opens_one_case_and_a_good_one_resolves_it(world: World):
    """Three failures are one case with three occurrences; the run that completes after them resolves it."""
    await world.put(Rule(namespace="default", name="all", subject="ord*"))
    for number in (1, 2, 3):
        await world.end(run(number), faulted=True)

    async def three():
        return [case.occurrences for case in await world.all()] == [3]

    await eventually(three)
    await world.end(run(4), faulted=False)

    async def resolved():
        return [case.stage for case in await world.all()] == [Stage.RESOLVED]

    await eventually(resolved)
    (case,) = await world.all()
    assert case.title == "orders failed: boom"
    assert [(link.kind, link.role) for link in case.links] == [("run", "caused-by")] * 3


@pytest.mark.parametrize(
    ("broken", "well"),
    [
        (
            ("asset", "freshness-changed", "sales", {"name": "sales", "state": "stale", "causes": []}),
            {"state": "fresh"},
        ),
        (("schedule", "missed", "nightly", {"name": "nightly", "count": 3, "first_at": "now"}), "fired"),
        (("alert", "fired", "cpu", {"name": "cpu", "summary": "too hot"}), "resolved"),
        (("webhook", "disabled", "hook", {"name": "hook", "reason": "410"}), "resumed"),
    ],
)
async def test_what_goes_wrong_anywhere_opens_a_case_and_its_end_resolves_it(world: World, broken, well):
    """Stale assets, missed schedules, alerts and webhooks alike; a filter over the data chooses which."""
    entity, transition, subject, data = broken
    await world.put(Rule(namespace="default", name="all", signal=f"{entity}.*", filter=f"dataname = '{subject}'"))
    await world.signal(entity, transition, "other", {**data, "name": "other"})
    await world.signal(entity, transition, subject, data)

    async def opened():
        return [case.links for case in await world.all()] == [(Link(entity, subject, "caused-by"),)]

    await eventually(opened)
    end = (transition, {**data, **well}) if isinstance(well, dict) else (well, {"name": subject})
    await world.signal(entity, end[0], subject, end[1])

    async def resolved():
        return [case.stage for case in await world.all()] == [Stage.RESOLVED]

    await eventually(resolved)


async def test_a_rule_is_quiet_in_maintenance_and_after_a_case_has_ended(world: World):
    """Nothing is opened in times of quiet, nor again within the time of suppression."""
    now = world.clock.now()
    pause = Quiet(now, now + HOUR, "maintenance")
    await world.put(Rule(namespace="default", name="all", quiet=(pause,), suppress=2 * HOUR))
    await world.end(run(1), faulted=True)
    await world.heard()
    assert await world.all() == []
    await world.clock.advance(HOUR)
    await world.end(run(2), faulted=True)

    async def opened():
        return len(await world.all()) == 1

    await eventually(opened)
    (case,) = await world.all()
    await world.cases.move(case.id, "resolved", by=ADA, resolution="by hand")
    await world.end(run(3), faulted=True)
    await world.heard()
    await world.clock.advance(3 * HOUR)
    await world.end(run(4), faulted=True)

    async def two():
        return len(await world.all()) == 2

    await eventually(two)
    assert sorted(link.target for case in await world.all() for link in case.links) == [run(2), run(4)]


async def test_two_replicas_breach_a_clock_once(world: World):
    """Both look at the same instant; one of them says it."""
    entry = await world.open(promise=Targets(response=HOUR))
    await world.clock.advance(2 * HOUR)
    other = ClockKeeper(world.parts.ledger, MongoBesides(world.database))
    await asyncio.gather(world.keeper.check(), other.check())
    after = await world.cases.get(entry.key)
    assert after.value.clocks["response"].breached == after.value.opened_at + HOUR
    assert after.sequence == 3  # opened, warned, breached
    assert await world.keeper.check() == 0


BERLIN = BusinessCalendar(
    namespace="default",
    name="office",
    timezone="Europe/Berlin",
    windows=tuple(Window(day, 9 * 60, 17 * 60) for day in range(5)),
)
CHAIN = Policy(
    namespace="default",
    name="chain",
    levels=(
        Level(after=timedelta(minutes=5), actions=(Action(kind=ActionKind.NOTIFY, to=("team:ops",)),)),
        Level(
            after=timedelta(minutes=10),
            actions=(
                Action(kind=ActionKind.ASSIGN, to=("team:ops",)),
                Action(kind=ActionKind.RAISE_PRIORITY),
                Action(kind=ActionKind.START, playbook="restart"),
            ),
        ),
    ),
    repeat=1,
    repeat_after=timedelta(minutes=10),
)
OPS = Team(namespace="default", name="ops", members=("user:ada", "user:bob"))
INCIDENT = CaseType(
    namespace="default",
    name="incident",
    open_fields=True,
    calendar="office",
    sla={"*": Targets(response=2 * HOUR, resolution=16 * HOUR)},
    warn_at=0.5,
    escalation="chain",
    team="ops",
    playbooks=(Playbook(name="restart", workflow="restart", input={"what": "${ .case.cause.target }", "why": "case"}),),
)


async def test_an_escalation_climbs_until_somebody_answers(world: World):
    """Level by level at its instant, also when nobody looked for a while; repeated; stopped by the answer; said once each."""
    for value in (BERLIN, CHAIN, OPS, INCIDENT):
        await world.put(value)
    entry = await world.open(links=(Link("run", "r1"),))
    await world.clock.advance(timedelta(minutes=16))
    await asyncio.gather(world.keeper.check(), ClockKeeper(world.parts.ledger, MongoBesides(world.database)).check())
    case = await world.get(entry.key)
    assert (case.owner, case.priority, case.escalation.turn) == ("user:ada", Priority.HIGH, 1)
    assert [(one.name, one.status) for one in case.playbooks] == [("restart", "started")]
    await world.clock.advance(timedelta(minutes=10))
    await world.keeper.check()
    await world.cases.move(entry.key, "acknowledged", by=ADA)
    await world.clock.advance(HOUR)
    await world.keeper.check()
    said = await world.said(entry.key)
    levels = [(e.data["turn"], e.data["level"]) for e in said if e.type == "io.tocsin.case.escalated.v1"]
    assert levels == [(0, 1), (0, 2), (1, 1)]
    notified = [e.data["recipients"] for e in said if e.type == "io.tocsin.case.notified.v1"]
    assert notified == [["user:ada", "user:bob"]] * 2
    assert [e.data["reason"] for e in said if e.type == "io.tocsin.case.escalation-ended.v1"] == ["acknowledged"]
    assert [int(e.extensions["sequence"]) for e in said] == list(range(1, len(said) + 1))
    (start,) = await world.stored("commands.executor.start.>")
    assert start.data["input"] == {"what": "r1", "why": "case"}
    assert start.data["run"] == case.playbooks[0].run


async def test_a_playbook_writes_back_what_it_found(world: World):
    """Its output sets fields, comments, and takes the case to a status; its task is done."""
    await world.put(replace(INCIDENT, escalation=None))
    entry = await world.open()
    task = await world.parts.beside.tasks.add(entry.key, new_task("restart it"), by=ADA)
    _, started = await world.parts.beside.playbooks.start(entry.key, "restart", {"more": 1}, by=ADA, task=task.id, mark="1")
    world.runs.outputs[started.run] = {
        "case": {"status": "resolved", "resolution": "restarted", "fields": {"host": "a1"}, "comment": "All *well*."}
    }
    await world.end(started.run, faulted=False, workflow="restart")

    async def resolved():
        return (await world.get(entry.key)).stage is Stage.RESOLVED

    await eventually(resolved)
    case = await world.get(entry.key)
    assert (case.resolution, case.fields["host"], case.tasks_done) == ("restarted", "a1", 1)
    page = await world.parts.beside.talk.of([entry.key], internal=False, limit=10, cursor=None)
    assert "All *well*." in page.items[0].text


async def test_a_result_that_cannot_be_read_is_said_and_keeps_nothing_back(world: World):
    """The case knows that the playbook has ended, and says what is missing and why."""
    await world.put(replace(INCIDENT, escalation=None))
    entry = await world.open()
    _, started = await world.parts.beside.playbooks.start(entry.key, "restart", {}, by=ADA, mark="1")
    world.runs.outputs[started.run] = Unreadable("its result was not read: case.service_secret is not set")
    await world.end(started.run, faulted=False, workflow="restart")

    async def ended():
        return [one.status for one in (await world.get(entry.key)).playbooks] == ["completed"]

    await eventually(ended)
    page = await world.parts.beside.talk.of([entry.key], internal=False, limit=10, cursor=None)
    assert "case.service_secret is not set" in page.items[0].text


def new_task(title: str, **more):
    from tocsin_case.application import NewTask

    return NewTask(title=title, **more)


async def test_tasks_wait_for_one_another_and_are_told_late_once(world: World):
    """A task begins when what it waits for is over; a late one is said once, by whichever replica."""
    entry = await world.open()
    tasks = world.parts.beside.tasks
    first = await tasks.add(entry.key, new_task("first", due=world.clock.now() + HOUR), by=ADA)
    second = await tasks.add(entry.key, new_task("second", after=(first.id,)), by=ADA)
    with pytest.raises(TaskNotReady):
        await tasks.change(entry.key, second.id, {"status": TaskStatus.DONE}, by=ADA)
    with pytest.raises(Invalid):
        await tasks.change(entry.key, first.id, {"after": (second.id,)}, by=ADA)
    await world.clock.advance(2 * HOUR)
    other = ClockKeeper(world.parts.ledger, MongoBesides(world.database))
    await asyncio.gather(world.keeper.check(), other.check())
    await world.keeper.check()
    said = [e.type for e in await world.said(entry.key)]
    assert said.count("io.tocsin.case.task-overdue.v1") == 1
    await tasks.change(entry.key, first.id, {"status": TaskStatus.DONE}, by=ADA)
    await tasks.change(entry.key, second.id, {"status": TaskStatus.DONE}, by=ADA)
    case = await world.get(entry.key)
    assert (case.tasks, case.tasks_done) == (2, 2)


async def test_every_field_is_in_the_history_and_the_past_can_be_asked(world: World):
    """Before and after of each change, what clocks made of it, and the case as it stood."""
    entry = await world.open(promise=Targets(resolution=HOUR), priority=Priority.LOW)
    opened = world.clock.now()
    await world.clock.advance(60)
    await world.cases.change(entry.key, {"priority": Priority.HIGH, "fields": {"host": "a1"}}, by=ADA)
    await world.clock.advance(60)
    await world.cases.move(entry.key, "on-hold", by=ADA)
    history = await world.cases.history(entry.key)
    assert [record.why for record, _ in history] == ["opened", "changed", "moved"]
    changed = {field.name: (field.before, field.after) for field in history[1][1]}
    assert changed == {"priority": ("low", "high"), "fields": ({}, {"host": "a1"})}
    assert "resolution.paused" in history[2][0].notes
    past = await world.cases.at(entry.key, opened + timedelta(seconds=30))
    assert (past.priority, past.status, past.fields) == (Priority.LOW, "open", {})
    assert await world.cases.at(entry.key, world.clock.now()) == await world.get(entry.key)


async def test_merged_cases_are_one_and_can_be_taken_apart(world: World):
    """What failed then counts where it is now; taken out, a case is as it was."""
    await world.put(Rule(namespace="default", name="all"))
    await world.end(run(1), faulted=True)

    async def opened():
        return len(await world.all()) == 1

    await eventually(opened)
    (auto,) = await world.all()
    mine = await world.open(title="All is down", tags=("big",))
    await world.cases.merge(mine.key, [auto.id], by=ADA)
    await world.end(run(2), faulted=True)

    async def counted():
        return (await world.get(mine.key)).occurrences == 3

    await eventually(counted)
    assert ((await world.get(auto.id)).merged_into, (await world.get(auto.id)).stage) == (mine.key, Stage.CLOSED)
    with pytest.raises(NotMergeable):
        await world.cases.move(auto.id, "open", by=ADA)
    await world.cases.unmerge(mine.key, auto.id, by=ADA)
    back = await world.get(auto.id)
    assert (back.status, back.merged_into, back.dedupes) == ("open", None, auto.dedupes)
    assert Link("run", run(1), "caused-by") not in (await world.get(mine.key)).links


async def test_a_part_of_a_case_becomes_its_own(world: World):
    """Tasks and comments move, both cases are linked."""
    entry = await world.open(links=(Link("run", "r1"), Link("run", "r2")))
    task = await world.parts.beside.tasks.add(entry.key, new_task("other thing"), by=ADA)
    said = await world.parts.beside.talk.say(entry.key, "This is something else, @bob.", by=ADA)
    new = await world.parts.work.splitting.split(
        entry.key, "Something else", links=[Link("run", "r2")], tasks=[task.id], comments=[said.id], tags=[], by=ADA
    )
    before, after = await world.get(entry.key), await world.get(new.key)
    assert [link.target for link in before.links] == ["r1", new.key]
    assert ([link.target for link in after.links], after.tasks, after.comments) == (["r2", entry.key], 1, 1)
    assert (before.tasks, before.comments) == (0, 0)


async def test_new_cases_go_around_the_team(world: World):
    """In turns, or to whoever has least to do."""
    await world.put(OPS)
    await world.put(CaseType(namespace="default", name="incident", assign=Strategy.ROUND_ROBIN, team="ops"))
    owners = [(await world.open()).value.owner for _ in range(3)]
    assert owners == ["user:ada", "user:bob", "user:ada"]
    await world.put(CaseType(namespace="default", name="incident", assign=Strategy.LOAD, team="ops"))
    assert (await world.open()).value.owner == "user:bob"


async def test_two_replicas_take_the_turns_of_a_team_at_once(world: World):
    """Twenty cases that come to both at the same moment: ten for each of two people."""
    await world.put(OPS)
    await world.put(CaseType(namespace="default", name="incident", assign=Strategy.ROUND_ROBIN, team="ops"))
    other = assemble(world.database, world.relay, world.runs, clock=world.clock, chance=SystemChance()).openings
    replicas = (world.openings, other) * 10
    opened = await asyncio.gather(*(one.open(opening(), by=ADA) for one in replicas))
    assert Counter(entry.value.owner for entry in opened) == {"user:ada": 10, "user:bob": 10}


async def test_evidence_has_an_unbroken_chain(world: World):
    """Added, read, handed over; a change of any entry shows."""
    entry = await world.open()
    evidence = world.parts.evidence
    file = await evidence.attach(
        entry.key, b"log", name="a.log", media_type="text/plain", evidence=True, note="from host a1", by=ADA
    )
    await evidence.read(entry.key, file.id, by=ADA)
    await evidence.hand_over(entry.key, file.id, "to the police", by=ADA)
    chain, unbroken, intact = await evidence.custody(entry.key, file.id)
    assert ([one.action for one in chain], unbroken, intact) == (["added", "read", "handed-over"], True, True)
    await world.database.collection("custody").update_one({"number": 2}, {"$set": {"actor": "user:eve"}})
    assert (await evidence.custody(entry.key, file.id))[1] is False


async def test_a_thing_seen_in_two_cases_is_one_thing(world: World):
    """However it was written, with each place where it was seen."""
    first, second = await world.open(), await world.open()
    evidence = world.parts.evidence
    one = await evidence.see(first.key, "domain", "Evil.Example.", "in a log", by=ADA)
    two = await evidence.see(second.key, "domain", "evil[.]example", "", by=ADA)
    again = await evidence.see(second.key, "domain", "evil.example", "", by=ADA)
    assert (one.id, two.id, again.cases) == (two.id, again.id, 2)
    _, sightings = await evidence.observable(one.id, EVERYBODY)
    assert {(s.case, s.times) for s in sightings} == {(first.key, 1), (second.key, 2)}


async def test_search_finds_by_words_fields_and_facets(world: World):
    """Text is searched as words, filters hold together, facets count what was found."""
    await world.open(title="printer on fire", priority=Priority.HIGH, fields={"floor": 3})
    await world.open(namespace="other", title="printer offline", fields={"floor": 4})

    async def found(**search):
        page = await world.cases.search(CaseSearch(**search), limit=10, cursor=None)
        return [entry.value.title for entry in page.items]

    assert len(await found(text="printer")) == 2
    assert await found(text="printer", namespaces=frozenset({"other"})) == ["printer offline"]
    assert await found(fields={"floor": "3"}) == ["printer on fire"]
    assert await found(priority=("high",), active=True) == ["printer on fire"]
    facets = await world.cases.facets(CaseSearch(text="printer"))
    assert (facets.counts["priority"], facets.counts["status"]) == ({"high": 1, "normal": 1}, {"open": 2})


async def test_a_deleted_file_leaves_its_chain_and_evidence_is_never_deleted(world: World):
    """The content goes when the last file with it goes; name, hash and chain stay, and say who and why."""
    entry, other = await world.open(), await world.open()
    evidence = world.parts.evidence

    async def put(case: str, *, counts: bool):
        return await evidence.attach(case, b"secret", name="a", media_type="text/plain", evidence=counts, note="", by=ADA)

    first, second = await put(entry.key, counts=False), await put(other.key, counts=False)
    await evidence.delete(entry.key, first.id, "a password", by=ADA)
    with pytest.raises(NotFound):
        await evidence.read(entry.key, first.id, by=ADA)
    assert (await evidence.read(other.key, second.id, by=ADA))[1] == b"secret"
    chain, unbroken, intact = await evidence.custody(entry.key, first.id)
    assert ([(one.action, one.note) for one in chain], unbroken, intact) == (
        [("added", ""), ("deleted", "a password")],
        True,
        True,
    )
    await evidence.delete(other.key, second.id, "here too", by=ADA)
    assert await world.database.collection("contents").count_documents({}) == 0
    kept = await put(entry.key, counts=True)
    with pytest.raises(Invalid):
        await evidence.delete(entry.key, kept.id, "no", by=ADA)
    said = [event.type for event in await world.said(entry.key)]
    assert said[-3:] == ["io.tocsin.case.attached.v1", "io.tocsin.case.detached.v1", "io.tocsin.case.attached.v1"]
    assert (await world.get(entry.key)).attachments == 1


async def test_what_was_seen_and_found_moves_with_a_part_of_a_case(world: World):
    """Seen in the new case and no more in the old one; the chain of a file says that it moved."""
    entry = await world.open()
    evidence = world.parts.evidence
    seen = await evidence.see(entry.key, "host", "a1", "in a log", by=ADA)
    await evidence.see(entry.key, "host", "a2", "", by=ADA)
    file = await evidence.attach(entry.key, b"log", name="a.log", media_type="text/plain", evidence=True, note="", by=ADA)
    new = await world.parts.work.splitting.split(
        entry.key, "Part", links=[], tasks=[], comments=[], tags=[], observables=[seen.id], files=[file.id], by=ADA
    )
    _, sightings = await evidence.observable(seen.id, EVERYBODY)
    assert [(one.case, one.note) for one in sightings] == [(new.key, "in a log")]
    before, after = await world.get(entry.key), await world.get(new.key)
    assert [(case.observables, case.attachments) for case in (before, after)] == [(1, 0), (1, 1)]
    chain, unbroken, intact = await evidence.custody(new.key, file.id)
    assert ([one.action for one in chain], unbroken, intact) == (["added", "moved"], True, True)
    assert await evidence.attachments(entry.key) == []
