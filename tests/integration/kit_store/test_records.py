"""Migrations, idempotency records and read models on a real MongoDB."""

import asyncio
import gc
from typing import Any

import pytest

from tocsin.errors import Defect, Unavailable
from tocsin_kit.store import (
    Answer,
    Database,
    IdempotencyRecords,
    Index,
    InProgress,
    KeyReused,
    Migration,
    Projected,
    ReadModel,
    StoreUnavailable,
    ensure_indexes,
    migrate,
)


async def test_migrations_run_once_in_order_with_any_number_of_replicas(database: Database) -> None:
    """Five replicas start at once: each migration is applied by one of them, in order."""
    applied: list[int] = []

    def step(number: int) -> Migration:
        async def apply(database: Database) -> None:
            applied.append(number)

        return Migration(number, f"step {number}", apply)

    steps = [step(1), step(2), step(3)]
    await asyncio.gather(*(migrate(database, steps[:2], holder=f"r{n}") for n in range(5)))
    assert applied == [1, 2]
    assert await migrate(database, steps, holder="r9") == 1
    assert applied == [1, 2, 3]
    assert await migrate(database, steps[:1], holder="old") == 0


async def test_a_failed_migration_is_tried_again_by_the_next(database: Database) -> None:
    """What failed is not recorded, and its lease is given back."""
    fails = [True]

    async def apply(database: Database) -> None:
        if fails:
            fails.clear()
            raise Unavailable("once")

    steps = [Migration(1, "fails once", apply)]
    with pytest.raises(Unavailable):
        await migrate(database, steps, holder="a")
    assert await migrate(database, steps, holder="b") == 1


async def test_numbers_of_migrations_have_no_gap(database: Database) -> None:
    """A gap would mean a migration that some database never gets."""

    async def apply(database: Database) -> None: ...

    with pytest.raises(Defect):
        await migrate(database, [Migration(2, "second", apply)], holder="a")


async def test_a_repeated_request_is_answered_as_the_first_was(database: Database) -> None:
    """Same key and request: the stored answer. Same key, other request: refused. Still running: conflict."""
    records = IdempotencyRecords(database)
    await records.start()
    assert await records.begin("user:a", "k", b"POST /x 1") is None
    with pytest.raises(InProgress):
        await records.begin("user:a", "k", b"POST /x 1")
    assert await records.begin("user:b", "k", b"POST /x 1") is None  # keys belong to who used them
    await records.finish("user:a", "k", Answer(201, b"{}", {"etag": "1"}))
    assert await records.begin("user:a", "k", b"POST /x 1") == Answer(201, b"{}", {"etag": "1"})
    with pytest.raises(KeyReused):
        await records.begin("user:a", "k", b"POST /x 2")
    await records.abandon("user:b", "k")
    assert await records.begin("user:b", "k", b"POST /y") is None


async def test_a_signal_changes_a_read_model_once(database: Database) -> None:
    """Repeats and what came before are ignored; sources count apart."""
    model = ReadModel(database, "model")

    def seen(position: int, source: str = "one") -> Projected:
        return Projected("a", position, {"$inc": {"count": 1}, "$set": {"last": position}}, source)

    assert await model.apply(seen(1))
    assert not await model.apply(seen(1))
    assert await model.apply(seen(2))
    assert not await model.apply(seen(1))
    assert await model.apply(seen(1, "two"))
    await model.apply_many([seen(2), seen(3), seen(3), seen(4), seen(1, "two"), seen(2, "two")])
    document = await database.collection("model").find_one({"_id": "a"})
    assert document is not None
    assert document["count"] == 6
    assert document["_at"] == {"one": 4, "two": 2}


async def test_indexes_are_made_by_any_number_of_replicas(database: Database) -> None:
    """Making the same indexes at once is harmless."""
    wanted = {"things": [Index(("v.name", "-v.age")), Index(("v.email",), unique=True)]}
    await asyncio.gather(*(ensure_indexes(database, wanted) for _ in range(5)))
    made = await database.collection("things").index_information()
    assert {"_id_", "v_name_down_v_age", "v_email_unique"} == set(made)


async def test_no_database_is_one_clear_sentence() -> None:
    """A start without MongoDB says where it looked and what to check."""
    from datetime import timedelta

    database = Database("mongodb://127.0.0.1:9/?replicaSet=rs0", name="x", start_timeout=timedelta(milliseconds=200))
    with pytest.raises(StoreUnavailable, match="No answer from MongoDB") as caught:
        await database.start()
    assert not database.health().ready
    assert "mongo.url" in str(caught.value.hint)
    del database, caught  # what did not start is closed: a connection that is left open warns, and warnings are errors
    gc.collect()


async def test_a_url_that_is_none_is_refused(database: Any) -> None:
    """A mistake in the settings is told as one."""
    with pytest.raises(Defect, match=r"mongo\.url"):
        await Database("nonsense://x", name="x").start()
