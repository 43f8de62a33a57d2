"""Searches over cases: whatever index answers, what is found is what the plain words of the search say."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement

import pytest

from tocsin.signals import derive
from tocsin_case.adapters.counting import SCALARS
from tocsin_case.adapters.documents import case_document, read_case
from tocsin_case.adapters.indexes import CASE_INDEXES, answering
from tocsin_case.adapters.searching import BEGINNING
from tocsin_case.adapters.stores import CASES, MongoCaseStore
from tocsin_case.domain.access import Viewer
from tocsin_case.domain.calendars import ALWAYS
from tocsin_case.domain.cases import Case, Link, Sla
from tocsin_case.domain.flow import tick, with_promise
from tocsin_case.domain.measures import Opened, Window
from tocsin_case.domain.types import Priority, Stage, Targets
from tocsin_case.ports import CaseSearch
from tocsin_kit.bus import Bus
from tocsin_kit.store import Creation, Database, Relay, Repository

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ADA = Viewer("user:ada", frozenset({"a/night"}))
STATUSES = (("open", Stage.NEW), ("in-progress", Stage.ACTIVE), ("waiting", Stage.PAUSED), ("resolved", Stage.RESOLVED))


def some_case(number: int, chance: random.Random) -> Case:
    status, stage = chance.choice(STATUSES)
    case = Case(
        id=derive("found", number),
        namespace=chance.choice(("a", "b", "b.c")),
        kind=chance.choice(("incident", "request")),
        title=f"{chance.choice(('printer', 'disk'))} {chance.choice(('broke', 'broken', 'smokes'))}",
        description="",
        status=status,
        stage=stage,
        priority=chance.choice(list(Priority)),
        severity=chance.randint(1, 5),
        owner=chance.choice((None, "user:ada", "user:bob")),
        team=chance.choice((None, "day", "night")),
        queue=chance.choice((None, "first")),
        tags=tuple(chance.sample(("db", "net", "odd,one"), chance.randint(0, 2))),
        fields={"floor": chance.randint(1, 3)},
        links=(Link("run", chance.choice(("r1", "r2"))),),
        restricted=chance.random() < 0.3,
        opened_at=NOW + chance.randint(0, 50) * HOUR,
        opened_by=chance.choice(("user:ada", "user:eve")),
        updated_at=NOW + chance.randint(0, 90) * HOUR,
        rule=chance.choice((None, "a/all")),
    )
    if number % 3:
        case = replace(case, answered_at=case.opened_at + number % 7 * HOUR)
    if not stage.is_active:
        return replace(case, resolved_at=case.updated_at, merged_into="f" * 26 if number % 5 == 0 else None)
    promised = with_promise(case, Sla(targets=Targets(resolution=8 * HOUR)), case.opened_at, ALWAYS)
    return tick(promised, case.opened_at + 10 * HOUR) if chance.random() < 0.5 else promised


def fits(case: Case, search: CaseSearch) -> bool:
    """The search in plain words."""
    checks = (
        (search.namespaces, lambda v: case.namespace in v or case.namespace.startswith(search.prefixes or ("?",))),
        (search.kind, lambda v: case.kind == v),
        (search.owner, lambda v: case.owner == v),
        (search.team, lambda v: case.team == v),
        (search.queue, lambda v: case.queue == v),
        (search.tag, lambda v: v in case.tags),
        (search.link, lambda v: v in [link.target for link in case.links]),
        (search.rule, lambda v: case.rule == v),
        (search.status or None, lambda v: case.status in v),
        (search.stage or None, lambda v: case.stage.value in v),
        (search.priority or None, lambda v: case.priority.value in v),
        (search.severity, lambda v: case.severity == v),
        (search.active, lambda v: case.stage.is_active == v),
        (search.unowned or None, lambda _: case.owner is None),
        (search.overdue, lambda v: any(c.breached and not c.met for c in case.clocks.values()) == v),
        (
            search.text,
            lambda v: all(any(w.startswith(a[:-1]) if a[-1] == "*" else w == a for w in words(case)) for a in v.split()),
        ),
        (search.fields.get("floor"), lambda v: str(case.fields["floor"]) == v),
        (search.viewer, lambda v: v.sees(case)),
        (search.sort == "next_due" or None, lambda _: case.next_due is not None),
    )
    return all(value is None or check(value) for value, check in checks)


def words(case: Case) -> list[str]:
    return [*case.title.split(), *",".join(case.tags).split(",")]


CHOICES: tuple[dict[str, object], ...] = (
    {},
    {"active": True},
    {"active": False},
    {"overdue": True},
    {"overdue": False},
    {"kind": "request"},
    {"kind": "nothing"},
    {"status": ("waiting",)},
    {"stage": ("new", "paused")},
    {"priority": ("high", "low")},
    {"severity": 2},
    {"owner": "user:ada"},
    {"unowned": True},
    {"team": "night"},
    {"queue": "first"},
    {"tag": "db"},
    {"link": "r1"},
    {"rule": "a/all"},
    {"text": "disk brok*"},
    {"fields": {"floor": "2"}},
)
PLACES: tuple[dict[str, object], ...] = (
    {},
    {"namespaces": frozenset({"b"})},
    {"namespaces": frozenset({"a"}), "prefixes": ("b.",)},
)


@pytest.fixture
async def known(mongo_url, mongo_prefix):
    """A store with cases of every sort."""
    database = Database(mongo_url, name=f"{mongo_prefix}_case")
    await database.start()
    relay = Relay(database, Bus("nats://127.0.0.1:1", name="case"), (CASES,))
    store, chance = MongoCaseStore(database, relay), random.Random(5)
    await store.prepare()
    cases = [some_case(number, chance) for number in range(150)]
    laid: Repository[Case] = Repository(database, CASES, encode=case_document, decode=read_case, wake=relay.wake)
    await laid.create_many([Creation(case.id, case) for case in cases])
    yield store, cases
    await database.stop()


async def test_whatever_is_asked_for_is_found_in_order_and_nothing_else(known):
    """Every two conditions together, in one namespace, several or all, for somebody who does not see everything."""
    store, cases = known
    asked = set()
    pairs = [
        {**one, **other}
        for one, other in combinations_with_replacement(CHOICES, 2)
        if not set(one) & set(other) or one is other
    ]
    for number, conditions in enumerate(pairs):
        search = CaseSearch(
            **conditions, **PLACES[number % 3], viewer=ADA, sort=(None, "opened_at", "next_due", "updated_at")[number % 4]
        )
        asked.add(answering(search))
        page = await store.search(search, limit=200, cursor=None)
        expected = [case for case in cases if fits(case, search)]
        key = {"updated_at": "updated_at", "opened_at": "opened_at", "next_due": "next_due"}[search.order]
        expected.sort(key=lambda case: (getattr(case, key), case.id), reverse=search.order != "next_due")
        assert [entry.key for entry in page.items] == [case.id for case in expected], search
    made = {model.document["name"] for model in CASE_INDEXES}
    assert asked - {None} <= made
    assert {"by_change", "active_by_change", "rank_by_change", "by_due", "namespace_by_due", "by_opening", None} <= asked


async def test_counts_beside_a_list_are_those_of_the_list(known):
    """By every field and by tags, with the restricted cases that one sees and without the others."""
    store, cases = known
    for number, conditions in enumerate(CHOICES):
        search = CaseSearch(**conditions, **PLACES[number % 3], viewer=ADA)
        found = [case for case in cases if fits(case, search)]
        facets = await store.facets(search)
        assert (facets.counted, facets.complete) == (len(found), True), search
        for name in SCALARS:
            values = [getattr(case, name) for case in found if getattr(case, name) is not None]
            assert facets.counts[name] == Counter(str(getattr(value, "value", value)) for value in values), (search, name)
        assert facets.counts["tags"] == Counter(tag for case in found for tag in case.tags), search


async def test_numbers_about_cases_are_those_of_all_cases_of_the_window(known):
    """Answers, ends and broken promises of what was opened in it, merged cases not twice; the whole backlog."""
    store, cases = known
    middle = sorted(case.opened_at for case in cases)[len(cases) // 3]
    for window in (Window(BEGINNING, NOW + timedelta(days=999)), Window(middle, middle + timedelta(days=2)), Window(NOW, NOW)):
        for number, conditions in enumerate(CHOICES):
            search = CaseSearch(**conditions, **PLACES[number % 3], viewer=ADA)
            found = [case for case in cases if fits(case, search)]
            opened = [c for c in found if window.since <= c.opened_at < window.until and c.merged_into is None]
            clocks = [clock for case in opened for clock in case.clocks.values()]
            assert await store.opened(search, window) == Opened(
                opened=len(opened),
                active=sum(case.stage.is_active for case in opened),
                answered=sum(case.answered_at is not None for case in opened),
                until_answered=sum((c.answered_at - c.opened_at for c in opened if c.answered_at), timedelta()),
                ended=sum(case.resolved_at is not None for case in opened),
                until_ended=sum((c.resolved_at - c.opened_at for c in opened if c.resolved_at), timedelta()),
                promised=len(clocks),
                breached=sum(clock.breaches > 0 for clock in clocks),
            ), search
            standing = [case for case in found if case.stage.is_active]
            backlog = await store.backlog(search, NOW + 200 * HOUR)
            assert sum(count for _, count in backlog.ages) == len(standing)
            week = sum(NOW + 200 * HOUR - case.opened_at >= 168 * HOUR for case in standing)
            assert dict(backlog.ages)["older"] == week
            assert backlog.oldest == min((case.opened_at for case in standing), default=None)


async def test_pages_neither_skip_nor_repeat(known):
    """Page by page through every order is the whole list."""
    store, cases = known
    for sort in (None, "opened_at", "next_due"):
        search, cursor, seen = CaseSearch(viewer=ADA, sort=sort), None, []
        while True:
            page = await store.search(search, limit=7, cursor=cursor)
            seen += [entry.key for entry in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(seen) == len(set(seen))
        assert set(seen) == {case.id for case in cases if fits(case, search)}
