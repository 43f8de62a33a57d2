"""Decisions about many entities as one statement."""

from tocsin_kit.store.crowds import Decided, together


def test_a_crowd_of_large_messages_is_several_statements_that_the_database_takes() -> None:
    """Every entity is in exactly one of them, in order, and none is near the 16 MiB that a statement may have."""
    decided = [Decided(f"k{n}", n, {"v": {"n": n}}, 200 * 1024) for n in range(40)]
    statements = list(together(decided))
    keys = [statement._filter["_id"]["$in"] for statement in statements]
    assert [key for each in keys for key in each] == [one.key for one in decided]
    assert len(statements) > 1
    assert max(map(len, keys)) * 2 * 200 * 1024 < 8 * 1024 * 1024


def test_a_crowd_of_small_messages_is_one_statement() -> None:
    """That is what it is for."""
    assert len(list(together([Decided(f"k{n}", 1, {}, 1500) for n in range(250)]))) == 1
    assert list(together([])) == []
