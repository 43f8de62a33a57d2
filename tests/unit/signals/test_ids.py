"""Derived ids and chains of causes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.signals import DEPTH_LIMIT, CausationTooDeep, Cause, CloudEvent, derive, follow, root
from tocsin.signals.ids import Numbered

parts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.integers(), min_size=1, max_size=4)


@settings(deadline=None)
@given(parts, parts)
def test_equal_causes_have_equal_ids_and_others_do_not(left, right):
    """The boundary between parts counts, and so does their type."""
    assert (derive(*left) == derive(*right)) == ([*map(repr, left)] == [*map(repr, right)])


def test_an_id_is_what_it_was_last_year():
    """Stored ids are compared with derived ones for ever: changing this value loses idempotency over an upgrade."""
    assert derive("trigger", "default", "orders", "event-1") == "18xmyd3geffcm42hv1esb136p7"
    assert len(derive("x")) == 26
    assert derive("a", "bc") != derive("ab", "c")


def test_a_chain_of_causes_keeps_its_flow_and_counts_its_hops():
    """Each event says what caused it and what it all began with."""
    first = CloudEvent(id="e1", source="/s", type="t", extensions={"traceparent": "00-a"})
    cause = follow(first)
    assert cause == Cause("e1", "e1", 1, "00-a")
    second = CloudEvent(id="e2", source="/s", type="t", extensions=cause.attributes())
    assert follow(second) == Cause("e2", "e1", 2, "00-a")
    assert root("r").attributes() == {"correlationid": "r", "causationid": "r"}


def test_a_chain_that_feeds_itself_ends():
    """With an error that names the limit."""
    event = CloudEvent(id="e", source="/s", type="t", extensions={"depth": DEPTH_LIMIT})
    with pytest.raises(CausationTooDeep) as caught:
        follow(event)
    assert caught.value.fields["limit"] == DEPTH_LIMIT


@given(parts, st.integers(0, 2**63))
def test_numbered_ids_are_those_that_would_be_derived_one_by_one(common, number):
    """The engine takes the short way, everyone else the plain one, and a signal has one id."""
    assert Numbered(*common).derive(number) == derive(*common, number)
