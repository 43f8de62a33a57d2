"""Which signals a reader may follow."""

import pytest

from tocsin.errors import Forbidden, Invalid
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.web import Namespaces
from tocsin_observer.application import Observer
from tocsin_observer.domain.viewing import checked_filter, narrowed


@pytest.mark.parametrize("pattern", ["signals.>", "signals.default.>", "signals.*.run.*.>", "signals.a.run.started.x1"])
def test_filters_over_signals_are_taken(pattern):
    """Whole subjects, single wildcards, a last rest."""
    assert checked_filter(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        ">",
        "events.>",
        "signals",
        "signals.a.b",
        "signals.>.x",
        "signals.a*.>",
        "signals..>",
        "signals.a b.>",
        "signals.a.b.c.d.e",
    ],
)
def test_anything_else_is_refused(pattern):
    """Above all what would reach beyond signals."""
    with pytest.raises(Invalid):
        checked_filter(pattern)


def test_a_wide_filter_is_narrowed_to_what_the_reader_may_see():
    """One subscription for each namespace, never more."""
    assert narrowed("signals.>", {"b", "a"}) == ("signals.a.>", "signals.b.>")
    assert narrowed("signals.*.run.>", {"a"}) == ("signals.a.run.>",)
    assert narrowed("signals.c.>", {"a"}) == ()


class Stream:
    """Remembers what was asked for."""

    async def bounds(self):
        return 1, 9

    async def follow(self, subjects, *, after):
        yield subjects, after


@pytest.mark.parametrize(
    ("pattern", "permitted", "subjects"),
    [
        ("signals.>", Namespaces(everywhere=True), ("signals.>",)),
        ("signals.>", Namespaces(exact=frozenset({"a"})), ("signals.a.>",)),
        ("signals.team-x.>", Namespaces(prefixes=("team-",)), ("signals.team-x.>",)),
    ],
)
async def test_followers_get_their_namespaces(pattern, permitted, subjects):
    """What is permitted is what is subscribed to."""
    observer = Observer(None, Stream(), clock=ManualClock(), retention=None)
    follower = await observer.follow(pattern, permitted=permitted, after=4)
    assert await anext(follower) == (subjects, 4)
    await follower.aclose()


@pytest.mark.parametrize(
    ("pattern", "permitted"),
    [("signals.b.>", Namespaces(exact=frozenset({"a"}))), ("signals.>", Namespaces(prefixes=("team-",)))],
)
async def test_other_namespaces_are_forbidden(pattern, permitted):
    """Not an empty stream: the reader is told."""
    observer = Observer(None, Stream(), clock=ManualClock(), retention=None)
    with pytest.raises(Forbidden):
        await observer.follow(pattern, permitted=permitted, after=None)
