"""The store's pure parts: filters, outbox numbers, cursors, translated errors."""

from datetime import UTC, datetime

import pytest
from pymongo import errors

from tocsin.errors import Defect, Invalid, TooLarge
from tocsin.signals import CloudEvent
from tocsin_kit.store import EVERYTHING, AlreadyExists, Filter, Index, Outgoing, RevisionConflict, Sort, StoreUnavailable
from tocsin_kit.store.errors import translate
from tocsin_kit.store.outbox import last_sequence


def test_a_filter_wraps_every_value_in_an_operator_of_ours() -> None:
    """Whatever the values are, the operators are the methods'."""
    made = Filter().eq("name", "$gt").at_least("age", 3).query("v")
    assert made == {"$and": [{"v.name": {"$eq": "$gt"}}, {"v.age": {"$gte": 3}}]}
    assert EVERYTHING.query() == {}
    assert Filter().prefix("_id", "a.b").query("v") == {"_id": {"$regex": r"^a\.b"}}
    either = Filter().any_of(Filter().eq("a", 1), Filter().eq("b", 2)).query("v")
    assert either == {"$or": [{"v.a": {"$eq": 1}}, {"v.b": {"$eq": 2}}]}


@pytest.mark.parametrize("field", ["$where", "a b", "", "a..b", "a.$b"])
def test_a_field_name_that_is_none_is_our_mistake(field: str) -> None:
    """Field names come from code; one that is none never reaches the database."""
    with pytest.raises(Defect):
        Filter().eq(field, 1)


def test_a_filter_value_that_is_no_scalar_is_refused() -> None:
    """A dictionary from outside has no way in."""
    with pytest.raises(Invalid):
        Filter().one_of("a", [{"$ne": 1}])  # type: ignore[list-item]


def test_the_outbox_counts_signals_and_not_commands() -> None:
    """Signals are numbered without gaps; commands in between have no number."""
    items = [Outgoing("s", b"", "1", 4), Outgoing("c", b"", "2"), Outgoing("s", b"", "3", 5)]
    assert last_sequence(items, 3) == 5
    with pytest.raises(Defect):
        last_sequence(items, 4)


def test_a_signal_above_the_limit_is_refused_before_anything_is_written() -> None:
    """The limit is named with the size."""
    event = CloudEvent(id="1", source="/x", type="t", data="x" * 300_000)
    with pytest.raises(TooLarge) as caught:
        Outgoing.of("signals.a.b.c.d", event)
    assert caught.value.fields["limit"] == 256 * 1024


def test_an_outgoing_message_survives_its_document() -> None:
    """What the relay reads is what the commit wrote."""
    item = Outgoing("s", b"\x00x", "id")
    assert Outgoing.from_document(item.document()) == item


def test_an_index_is_named_by_its_fields() -> None:
    """A changed index is another index."""
    assert Index(("v.name", "-v.at")).name == "v_name_down_v_at"
    assert Index(("v.name",), unique=True).model().document["partialFilterExpression"] == {"v.name": {"$exists": True}}
    assert Sort("name").within("v") == Sort("v.name")
    assert Sort().within("v") == Sort()
    assert datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.DuplicateKeyError("x", 11000), AlreadyExists),
        (errors.OperationFailure("x", 112), RevisionConflict),
        (errors.ServerSelectionTimeoutError("x"), StoreUnavailable),
        (errors.NotPrimaryError("x"), StoreUnavailable),
        (errors.DocumentTooLarge("x"), TooLarge),
        (errors.OperationFailure("x", 2), Defect),
        (errors.OperationFailure("x", 11600), StoreUnavailable),
        (errors.OperationFailure("x", 11601), StoreUnavailable),  # its session was ended: it may or may not have been done
        (errors.BulkWriteError({"writeErrors": [{"code": 11000}]}), AlreadyExists),
        (errors.BulkWriteError({"writeErrors": [{"code": 112}]}), RevisionConflict),
        (errors.BulkWriteError({"writeConcernErrors": [{"code": 91}]}), StoreUnavailable),
        (errors.BulkWriteError({"writeErrors": [{"code": 2}]}), Defect),
    ],
)
def test_each_error_of_the_driver_says_what_happens_next(error: errors.PyMongoError, kind: type[Exception]) -> None:
    """By class and code, never by text."""
    assert type(translate(error, "things")) is kind
