"""Cases by the hundred thousand: searched as people search, through the use cases of the case service.

The cases are laid into MongoDB in bulk, a fifth of them active, with words of a vocabulary of 2,400, owners, teams, tags,
custom fields and clocks. Each kind of question is asked many times with other words; what counts is the answer, decoded.
"""

import random
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from tocsin.signals import derive
from tocsin_case.adapters.documents import case_document, read_case
from tocsin_case.adapters.stores import CASES, MongoCaseStore
from tocsin_case.domain.access import Viewer
from tocsin_case.domain.calendars import ALWAYS
from tocsin_case.domain.cases import Case, Link, Sla
from tocsin_case.domain.flow import with_promise
from tocsin_case.domain.measures import Window
from tocsin_case.domain.types import Priority, Stage, Targets
from tocsin_case.ports import CaseSearch
from tocsin_kit.bus import Bus
from tocsin_kit.embedded import DataFolder, MongoOptions, MongoServer, free_ports
from tocsin_kit.store import Creation, Database, Relay, Repository

CASES_THERE = 100_000
CURVE = (1_000, 10_000, 30_000, CASES_THERE)
ASKED = 40  # times each question
_BLOCK = 1000
_VIEWER = Viewer("user:p7", frozenset({"ns3/team3"}))
_NOUNS = [f"{first}{second}" for first in ("pay", "ship", "bill", "load", "sync", "mail") for second in range(400)]
_WORDS = ["failed", "timeout", "refused", "late", "stale", "duplicate", "missing", "slow", "full", "broken", *_NOUNS]
_ENDED = ("resolved", Stage.RESOLVED)


def case(number: int, chance: random.Random) -> Case:
    """One of many cases."""
    opened = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number * 3)
    active = number % 5 == 0
    status, stage = ("in-progress", Stage.ACTIVE) if active else _ENDED
    made = Case(
        id=derive("bench", number),
        namespace=f"ns{number % 20}",
        kind="incident" if number % 3 else "request",
        title=" ".join(chance.sample(_WORDS, 5)),
        description=" ".join(chance.choices(_WORDS, k=40)),
        status=status,
        stage=stage,
        priority=list(Priority)[number % 4],
        severity=number % 5 + 1,
        owner=f"user:p{number % 50}",
        team=f"team{number % 10}",
        tags=tuple(chance.sample(("db", "net", "eu", "us", "night", "billing", "vip"), 2)),
        fields={"customer": f"c{number % 500}", "floor": number % 9},
        links=(Link("run", derive("run", number), "caused-by"),),
        restricted=number % 50 == 0,
        opened_at=opened,
        opened_by="service:case",
        updated_at=opened + timedelta(minutes=chance.randrange(5000)),
        resolved_at=None if active else opened + timedelta(hours=2),
    )
    sla = Sla(targets=Targets(response=timedelta(hours=1), resolution=timedelta(hours=8)), warn_at=0.8)
    return with_promise(made, sla, opened, ALWAYS) if active else made


def questions(chance: random.Random) -> dict[str, Callable[[], CaseSearch]]:
    """What people ask."""
    namespaces = frozenset({"ns3"})
    return {
        "words": lambda: CaseSearch(text=" ".join(chance.sample(_NOUNS, 2)), viewer=_VIEWER),
        "words in a namespace": lambda: CaseSearch(text=chance.choice(_NOUNS), namespaces=namespaces, viewer=_VIEWER),
        "frequent words": lambda: CaseSearch(text=f"failed {chance.choice(_NOUNS)[:6]}*", viewer=_VIEWER),
        "newest of a namespace": lambda: CaseSearch(namespaces=namespaces, viewer=_VIEWER),
        "active of an owner": lambda: CaseSearch(owner=f"user:p{chance.randrange(50)}", active=True, viewer=_VIEWER),
        "status, priority, tag": lambda: CaseSearch(
            status=("in-progress",), priority=("critical",), tag="db", namespaces=namespaces, viewer=_VIEWER
        ),
        "custom field": lambda: CaseSearch(
            fields={"customer": f"c{chance.randrange(500)}"}, namespaces=namespaces, viewer=_VIEWER
        ),
        "by run": lambda: CaseSearch(link=derive("run", chance.randrange(1000)), viewer=_VIEWER),
        "next due": lambda: CaseSearch(namespaces=namespaces, sort="next_due", viewer=_VIEWER),
        "words by change": lambda: CaseSearch(text=chance.choice(_NOUNS), sort="updated_at", viewer=_VIEWER),
        "words, active, team": lambda: CaseSearch(text=chance.choice(_NOUNS), active=True, team=_team(chance), viewer=_VIEWER),
        "active of a team": lambda: CaseSearch(team=_team(chance), active=True, viewer=_VIEWER),
        "field, severity": lambda: CaseSearch(fields={"floor": str(chance.randrange(9))}, severity=2, viewer=_VIEWER),
        "overdue": lambda: CaseSearch(overdue=True, viewer=_VIEWER),  # none: every active case has to be looked at
        "severity and type, nowhere both": lambda: CaseSearch(severity=2, kind="nothing", viewer=_VIEWER),
    }


def counts(chance: random.Random) -> dict[str, Callable[[], CaseSearch]]:
    """What people have counted beside a list."""
    return {
        "facets": lambda: CaseSearch(viewer=_VIEWER),
        "facets of active ones": lambda: CaseSearch(active=True, viewer=_VIEWER),
        "facets of a namespace": lambda: CaseSearch(namespaces=frozenset({"ns3"}), viewer=_VIEWER),
        "facets of a word": lambda: CaseSearch(text=chance.choice(_NOUNS), viewer=_VIEWER),
    }


def _team(chance: random.Random) -> str:
    return f"team{chance.randrange(10)}"


async def cases() -> dict[str, object]:
    """Milliseconds of each kind of question at 100,000 cases, and how they grow."""
    chance = random.Random(7)
    curve: dict[str, object] = {}
    folder = DataFolder.temporary().open()
    server = MongoServer(folder.sub("mongo"), MongoOptions(port=free_ports(1)[0]))
    server.spawn()
    try:
        await server.ready()
        there = dict[str, dict[str, float]]()
        for count in CURVE:
            database = Database(server.url, name=f"bench{count}_case")
            await database.start()
            relay = Relay(database, Bus("nats://127.0.0.1:1", name="bench"), (CASES,))
            store = MongoCaseStore(database, relay)
            laid: Repository[Case] = Repository(database, CASES, encode=case_document, decode=read_case, wake=relay.wake)
            for begin in range(0, count, _BLOCK):
                made = [case(number, chance) for number in range(begin, min(begin + _BLOCK, count))]
                await laid.create_many([Creation(one.id, one) for one in made])
            await store.prepare()
            there = await _ask(store, chance)
            curve[str(count)] = there
            sys.stderr.write(f"{count}: {there}\n")
            await database.stop()
    finally:
        await server.stop()
        folder.close()
    worst = max(each["p95"] for name, each in there.items() if not name.startswith("numbers"))  # those read every case
    return {"value": worst, "unit": "ms p95 of the slowest question", "n": ASKED, "curve": curve}


async def _ask(store: MongoCaseStore, chance: random.Random) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, question in questions(chance).items():

        async def ask(question: Callable[[], CaseSearch] = question) -> object:
            return await store.search(question(), limit=50, cursor=None)

        found[name] = await _timed(ask, ASKED)
    for name, question in counts(chance).items():

        async def count(question: Callable[[], CaseSearch] = question) -> object:
            return await store.facets(question())

        found[name] = await _timed(count, ASKED)
    found["numbers of 90 days"] = await _timed(_numbers(store, timedelta(days=90)), ASKED)
    found["numbers of all cases"] = await _timed(_numbers(store, timedelta(days=9999)), ASKED // 4)
    found["page 200"] = await _timed(await _deep(store), ASKED)
    return found


def _numbers(store: MongoCaseStore, back: timedelta) -> Callable[[], Awaitable[object]]:
    """Asks for the numbers of the cases opened in the time until now, and for the backlog."""
    search, now = CaseSearch(viewer=_VIEWER), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=CASES_THERE * 3)

    async def ask() -> object:
        return await store.opened(search, Window(now - back, now)), await store.backlog(search, now)

    return ask


async def _deep(store: MongoCaseStore) -> Callable[[], Awaitable[object]]:
    """Asks for a page that is far from the first."""
    search, cursor = CaseSearch(viewer=_VIEWER), None
    for _ in range(20):
        page = await store.search(search, limit=500, cursor=cursor)
        cursor = page.next_cursor or cursor
    return lambda: store.search(search, limit=50, cursor=cursor)


async def _timed(ask: Callable[[], Awaitable[object]], times: int) -> dict[str, float]:
    await ask()
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return {"p50": round(taken[len(taken) // 2], 1), "p95": round(taken[int(len(taken) * 0.95) - 1], 1)}
