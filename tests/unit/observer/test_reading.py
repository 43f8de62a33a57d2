"""Reading all signals in order: what the stream dropped meanwhile is noticed, told, and read from elsewhere if it is kept."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from tocsin.errors import Unavailable
from tocsin_kit.clock import SystemClock
from tocsin_kit.telemetry import Metrics
from tocsin_kit.testing.waiting import eventually
from tocsin_observer.application.reading import Reader
from tocsin_observer.domain.audit import Heard
from tocsin_observer.domain.reading import Gap, holes, lost

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def heard(position):
    return Heard(position, AT, f"signals.default.case.opened.c{position}", b"{}")


class Stream:
    """Signals by position, of which some are gone; hands over three at once."""

    def __init__(self, positions, last=None) -> None:
        self.positions = sorted(positions)
        self.last = last if last is not None else max(self.positions, default=0)
        self.retired: int | None = None
        self.asked_to_retire: list[str] = []

    async def bounds(self):
        return (self.positions[0] if self.positions else self.last + 1), self.last

    async def read(self, subjects, *, after, at_once):
        assert subjects == ("signals.>",)
        there = [heard(one) for one in self.positions if one > after]
        for at in range(0, len(there), 3):
            yield there[at : at + 3]
        await asyncio.Event().wait()

    async def retire(self, consumer):
        self.asked_to_retire.append(consumer)
        return self.retired


class Places:
    """In memory."""

    def __init__(self) -> None:
        self.at: dict[str, int] = {}
        self.missed: list[Gap] = []

    async def load(self, reader):
        return self.at.get(reader)

    async def keep(self, reader, position):
        self.at[reader] = position

    async def gaps(self, reader):
        return self.missed

    async def miss(self, reader, gap, *, most):
        self.missed = [*self.missed, gap][-most:]


async def read(stream, places, until, name="webhooks", **more):
    """What a reader hands over until ``until`` has come, and its facts then."""
    registry = CollectorRegistry()
    reader = Reader(name, stream, places, clock=SystemClock(), metrics=Metrics("observer", registry), **more)
    got: list[int] = []

    async def take(batch) -> None:
        got.extend(one.position for one in batch)

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.each(take))
        await eventually(lambda: until in got or reader.health().facts["lost"] >= until)
        facts = dict(reader.health().facts)
        reading.cancel()
    counted = registry.get_sample_value("tocsin_missed_signals_total", {"service": "observer", "reader": name}) or 0
    return got, facts, counted


@given(there=st.sets(st.integers(1, 60), min_size=1), after=st.integers(0, 60))
def test_holes_are_exactly_what_is_missing(there, after):
    """Whatever was dropped: every position between the place and the last one is there or in a hole, and none is in both."""
    positions = sorted(one for one in there if one > after)
    missing = {one for first, last in holes(after, positions) for one in range(first, last + 1)}
    assert missing.isdisjoint(positions)
    assert missing | set(positions) == set(range(after + 1, max(positions, default=after) + 1))


async def test_what_the_stream_dropped_is_counted_named_and_remembered():
    """At the beginning and in between; what follows is read nevertheless."""
    places = Places()
    places.at["webhooks"] = 2
    got, facts, counted = await read(Stream([6, 7, 9, 10]), places, 10)
    assert got == [6, 7, 9, 10]
    assert [(gap.first, gap.last, gap.lost) for gap in places.missed] == [(3, 5, 3), (8, 8, 1)]
    assert (facts["lost"], counted) == (4, 4)


async def test_what_is_kept_elsewhere_is_read_in_its_place():
    """Signals that the stream has dropped and the store has not come first, in order; only the rest is lost."""
    places = Places()
    places.at["webhooks"] = 1

    async def kept(first, last):
        yield [heard(one) for one in range(first, last + 1) if one != 4]

    got, facts, counted = await read(Stream([6, 7]), places, 7, restore=kept)
    assert got == [2, 3, 5, 6, 7]
    assert (places.missed[0].restored, facts["lost"], counted) == (3, 1, 1)


async def test_a_stream_that_is_empty_now_tells_of_what_it_had():
    """Everything is gone and nothing new has come: that is noticed before the next signal."""
    places = Places()
    places.at["search"] = 10
    got, facts, _ = await read(Stream([], last=25), places, 15, name="search")
    assert (got, facts["lost"]) == ([], 15)


async def test_a_reader_goes_on_in_a_stream_that_began_anew():
    """A place behind its end would wait for ever: it begins at the beginning."""
    places = Places()
    places.at["search"] = 5000
    got, facts, _ = await read(Stream([1, 2, 3]), places, 3, name="search")
    assert (got, facts["lost"]) == ([1, 2, 3], 0)


async def test_the_first_reader_begins_where_it_should():
    """With what the stream has, with the present, or where a durable consumer of before had come to."""
    for options, retired, wanted in (({}, None, [4, 5]), ({"before": "old"}, 4, [5])):
        stream, places = Stream([4, 5]), Places()
        stream.retired = retired
        got, facts, _ = await read(stream, places, 5, name="search", **options)
        assert (got, facts["lost"]) == (wanted, 0)
    places.at["search"] = 4
    await read(stream, places, 5, name="search", before="old")
    assert stream.asked_to_retire == ["old", "old"]  # also when it has a place: it may have been made again meanwhile
    places = Places()
    reader = Reader(
        "search", Stream([4, 5]), places, clock=SystemClock(), metrics=Metrics("x", CollectorRegistry()), from_now=True
    )
    await reader.prepare()
    assert places.at == {"search": 5}


def test_a_loss_is_told_for_a_day():
    """Then the log and the audit trail have it."""
    gaps = [Gap(1, 10, AT, restored=4), Gap(20, 20, AT + timedelta(hours=20))]
    assert lost(gaps, AT + timedelta(hours=21)) == 7
    assert lost(gaps, AT + timedelta(hours=30)) == 1


async def test_a_reader_that_fails_over_and_over_is_behind_and_says_so():
    """It would look as if nothing were left to read otherwise; one that is told to stop leaves the word to the next."""
    places = Places()
    places.at["audit"] = 2
    reader = Reader(
        "audit", Stream(range(1, 12)), places, clock=SystemClock(), metrics=Metrics("observer", CollectorRegistry())
    )

    async def fail(_) -> None:
        await SystemClock().sleep(0.01)
        raise Unavailable("the database is away")

    with pytest.raises(ExceptionGroup):
        await reader.each(fail)
    assert reader.health().facts["lag"] == 9

    async def wait(_) -> None:
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.each(wait))
        await SystemClock().sleep(0.01)
        reading.cancel()
    assert reader.health().facts["lag"] == 0
