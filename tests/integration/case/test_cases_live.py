"""Cases on a real database and bus: opened by failures, breached by the clock, once each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest

from tocsin.signals import derive, root
from tocsin.signals.catalogue import executor as words
from tocsin.signals.kinds import ErrorObject
from tocsin.signals.make import make_signal, subject_of
from tocsin.signals.subjects import parse_signal
from tocsin_case.adapters.stores import CASES, RULES, MongoCaseStore, MongoRuleStore
from tocsin_case.application import Cases, ClockKeeper, Failures, Opening, Rules
from tocsin_case.domain.cases import Promise, Status
from tocsin_case.domain.rules import Rule
from tocsin_case.ports import CaseSearch
from tocsin_kit.bus import Bus, Consumer, ensure_streams
from tocsin_kit.bus.topology import consumer
from tocsin_kit.chance import SystemChance
from tocsin_kit.store import Database, Relay
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.testing.waiting import eventually

CAUSE = root("test")


@asynccontextmanager
async def serving(*parts) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for part in parts:
            await part.start()
            stack.push_async_callback(part.stop)
        tasks = [group.create_task(part.serve()) for part in parts]
        yield
        for task in tasks:
            task.cancel()


class World:
    """One replica of the case service without its HTTP."""

    def __init__(self, nats_url: str, mongo_url: str, prefix: str, clock: ManualClock) -> None:
        self.bus = Bus(nats_url, name="case")
        self.database = Database(mongo_url, name=f"{prefix}_case")
        self.relay = Relay(self.database, self.bus, (CASES, RULES))
        self.store = MongoCaseStore(self.database, self.relay)
        self.rule_store = MongoRuleStore(self.database, self.relay)
        self.cases = Cases(self.store, clock=clock, chance=SystemChance())
        self.rules = Rules(self.rule_store, clock=clock)
        self.keeper = ClockKeeper(self.store, clock=clock)
        failures = Failures(self.store, self.rule_store, clock=clock)
        self.consumer = Consumer(
            self.bus, consumer("case-signals"), failures.hear, key=lambda d: parse_signal(d.subject).namespace
        )
        self.clock = clock

    async def say(self, run: str, *, faulted: bool) -> None:
        """Publish the end of a run of workflow ``orders``, as the executor would."""
        name = f"orders-{derive('run', run)}.default"
        now = self.clock.now()
        if faulted:
            error = ErrorObject(type="https://example.com/boom", status=500, title="boom")
            payload, kind = words.WorkflowFaulted(name=name, faulted_at=now, error=error), words.WORKFLOW_FAULTED
        else:
            payload, kind = words.WorkflowCompleted(name=name, completed_at=now), words.WORKFLOW_COMPLETED
        signal = make_signal(
            kind, namespace="default", entity_id=derive("run", run), sequence=1, time=now, payload=payload, cause=CAUSE
        )
        await self.bus.publish_event(subject_of(signal), signal)

    async def all(self):
        page = await self.cases.search(CaseSearch(), limit=50, cursor=None)
        return [entry.value for entry in page.items]


@pytest.fixture
async def world(nats_url, mongo_url, mongo_prefix, clock) -> AsyncIterator[World]:
    world = World(nats_url, mongo_url, mongo_prefix, clock)
    await world.database.start()
    await world.store.prepare()
    await world.rule_store.prepare()
    async with serving(world.bus):
        await ensure_streams(world.bus)
        async with serving(world.relay, world.consumer):
            yield world
    await world.database.stop()


async def test_a_failed_run_opens_one_case_and_a_good_one_resolves_it(world):
    """Three failures are one case with three occurrences; the run that completes after them resolves it."""
    await world.rules.put(Rule(namespace="default", name="all", workflow="ord*"), expect=None, actor="user:a", cause=CAUSE)
    for run in ("1", "2", "3"):
        await world.say(run, faulted=True)

    async def three():
        return [case.occurrences for case in await world.all()] == [3]

    await eventually(three)
    await world.say("4", faulted=False)

    async def resolved():
        return [case.status for case in await world.all()] == [Status.RESOLVED]

    await eventually(resolved)
    (case,) = await world.all()
    assert case.title == "orders failed: boom"
    assert [link.kind for link in case.links] == ["run"] * 3


async def test_without_a_rule_nothing_is_opened(world):
    """Failures are loud only where somebody wants to hear them."""
    await world.say("1", faulted=True)
    await eventually(lambda: world.consumer.health().facts["handled"] == 1)
    await world.rules.put(Rule(namespace="default", name="late"), expect=None, actor="user:a", cause=CAUSE)
    await world.say("2", faulted=True)

    async def opened():
        return len(await world.all()) >= 1

    await eventually(opened)
    (case,) = await world.all()
    assert case.occurrences == 1


async def test_two_replicas_breach_a_clock_once(world, mongo_url, mongo_prefix, nats_url):
    """Both look at the same instant; one of them says it."""
    opening = Opening(namespace="default", title="slow", promise=Promise(response=timedelta(hours=1)))
    entry = await world.cases.open(opening, actor="user:a", cause=CAUSE)
    await world.clock.advance(timedelta(hours=2))
    other = ClockKeeper(world.store, clock=world.clock)
    await asyncio.gather(world.keeper.check(), other.check())
    after = await world.cases.get(entry.key)
    assert after.value.response.breached is not None
    assert after.sequence == 2  # opened, breached
    assert await world.keeper.check() == 0


async def test_comments_are_counted_and_listed_in_order(world):
    """A comment and its count are one write."""
    entry = await world.cases.open(Opening(namespace="default", title="talk"), actor="user:a", cause=CAUSE)
    for text in ("first", "second"):
        await world.cases.comment(await world.cases.get(entry.key), text, actor="user:b", cause=CAUSE)
        await world.clock.advance(1)
    page = await world.cases.comments(entry.key, limit=10, cursor=None)
    assert [comment.text for comment in page.items] == ["first", "second"]
    assert (await world.cases.get(entry.key)).value.comments == 2


async def test_search_finds_by_words_status_and_link(world):
    """Text is searched as words, filters hold together."""
    await world.cases.open(Opening(namespace="default", title="printer on fire"), actor="user:a", cause=CAUSE)
    await world.cases.open(Opening(namespace="other", title="printer offline"), actor="user:a", cause=CAUSE)
    everywhere = await world.cases.search(CaseSearch(text="printer"), limit=10, cursor=None)
    here = await world.cases.search(CaseSearch(text="printer", namespaces=frozenset({"other"})), limit=10, cursor=None)
    assert (len(everywhere.items), [entry.value.title for entry in here.items]) == (2, ["printer offline"])
