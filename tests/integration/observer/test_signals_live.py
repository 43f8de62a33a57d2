"""Signals kept, searched and followed on a real stream and database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.signals import root
from tocsin.signals.catalogue import case as words
from tocsin.signals.make import make_signal, subject_of
from tocsin_kit.bus import Bus
from tocsin_kit.bus.api import call
from tocsin_kit.testing.components import running
from tocsin_kit.testing.waiting import eventually
from tocsin_kit.web import Namespaces
from tocsin_observer.application import Observer
from tocsin_observer.domain.viewing import PositionGone
from tocsin_observer.ports import Search

EVERYWHERE = Namespaces(everywhere=True)


def signal(number: int, namespace: str = "default", actor: str | None = None):
    return make_signal(
        words.CASE_OPENED,
        namespace=namespace,
        entity_id=f"c{number}",
        sequence=1,
        time=datetime(2026, 3, 2, 9, 0, number % 60, tzinfo=UTC),
        payload=words.CaseOpened(title=f"case {number}"),
        cause=root(f"cause{number}"),
        actor=actor,
    )


@pytest.fixture
async def world(ground):
    observer = Observer(ground.signals, ground.stream, clock=ground.clock, retention=timedelta(days=1))
    async with running(ground.keeping(observer)):
        yield observer, ground.bus


async def say(bus: Bus, *signals) -> None:
    for one in signals:
        await bus.publish_event(subject_of(one), one)


async def found(observer: Observer, **search):
    return (await observer.search(Search(**search), limit=500, cursor=None)).records


async def test_every_signal_is_kept_once(world):
    """Redelivered or published again after the server forgot it, it is there once."""
    observer, bus = world
    signals = [signal(n) for n in range(300)]
    await say(bus, *signals)

    async def all_there():
        return len(await found(observer)) == 300

    await eventually(all_there)
    record = (await found(observer, entity_id="c7"))[0]
    await observer._store.keep([record])
    assert len(await found(observer)) == 300


async def test_searches_keep_to_their_namespaces_and_filters(world):
    """A reader of one namespace sees nothing of another; the audit shows only what somebody did."""
    observer, bus = world
    await say(bus, signal(1), signal(2, "other", actor="user:ada"), signal(3, actor="user:bob"))

    async def all_there():
        return len(await found(observer)) == 3

    await eventually(all_there)
    assert [r.entity_id for r in await found(observer, namespaces={"other"})] == ["c2"]
    assert [r.entity_id for r in await found(observer, with_actor=True)] == ["c3", "c2"]
    assert [r.entity_id for r in await found(observer, actor="user:ada")] == ["c2"]
    assert [r.entity_id for r in await found(observer, since=datetime(2026, 3, 2, 9, 0, 3, tzinfo=UTC))] == ["c3"]


async def test_a_follower_resumes_without_a_gap(world):
    """What was said while it was away comes first, in order, and nothing twice."""
    observer, bus = world
    follower = await observer.follow("signals.default.>", permitted=EVERYWHERE, after=0)
    await say(bus, signal(1), signal(2, "other"), signal(3))
    first = await anext(follower)
    await follower.aclose()
    await say(bus, signal(4))
    follower = await observer.follow("signals.default.>", permitted=EVERYWHERE, after=first.position)
    rest = [await anext(follower) for _ in range(2)]
    await follower.aclose()
    assert [s.subject.rsplit(".", 1)[1] for s in (first, *rest)] == ["c1", "c3", "c4"]


async def test_a_follower_resumes_from_what_is_kept_where_the_stream_has_dropped_it(world):
    """In order and filtered as ever; where nobody has it any more, and behind the end, it is refused instead of passed over."""
    observer, bus = world
    await say(bus, *[signal(n, "other" if n % 2 else "default") for n in range(6)])

    async def all_there():
        return len(await found(observer)) == 6

    await eventually(all_there)
    first, last = await observer._stream.bounds()
    await call(bus, "STREAM.PURGE.SIGNALS")
    await say(bus, signal(6))
    follower = await observer.follow("signals.default.>", permitted=EVERYWHERE, after=first)
    seen = [await anext(follower) for _ in range(3)]
    await follower.aclose()
    assert [(one.position, one.subject.rsplit(".", 1)[1]) for one in seen] == [
        (first + 2, "c2"),
        (first + 4, "c4"),
        (last + 1, "c6"),
    ]
    with pytest.raises(PositionGone, match="another"):
        await observer.follow("signals.>", permitted=EVERYWHERE, after=last + 100)
    await observer._store._collection.delete_many({"position": {"$lte": first + 1}})
    with pytest.raises(PositionGone) as refused:
        await observer.follow("signals.>", permitted=EVERYWHERE, after=first)
    assert refused.value.fields == {"first": first + 2}


async def test_a_follower_from_now_does_not_get_the_past(world):
    """Without a position it begins with the next signal."""
    observer, bus = world
    await say(bus, signal(1))
    follower = await observer.follow("signals.>", permitted=EVERYWHERE, after=None)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        following = group.create_task(anext(follower))

        async def until_seen():
            number = 2
            while not following.done():
                await say(bus, signal(number))
                number += 1

        group.create_task(until_seen())
    assert following.result().subject != "signals.default.case.opened.c1"
    await follower.aclose()
