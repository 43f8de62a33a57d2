"""A process that is killed in a transaction leaves it open at the server, with locks on all that it had written."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient, timeout
from pymongo.errors import OperationFailure, PyMongoError

from tocsin_kit.store import Database
from tocsin_kit.store.orphans import end_orphans

pytestmark = pytest.mark.server


class Dead:
    """What is left of a process that was killed in the middle."""

    def __init__(self, url: str, application: str, database: str) -> None:
        self.client = MongoClient[dict[str, Any]](url, appname=application)
        self.session = self.client.start_session()
        self.session.start_transaction()
        self.client[database]["things"].update_one({"_id": application}, {"$set": {"n": 1}}, upsert=True, session=self.session)

    def alive(self) -> bool:
        """Whether its transaction is still open."""
        try:
            self.client["admin"]["things"].find_one({}, session=self.session)
        except OperationFailure:
            return False
        return True


@pytest.fixture
def dead(mongo_url: str, database: Database) -> Iterator[dict[str, Dead]]:
    name = database.database_name
    database_client = MongoClient[dict[str, Any]](mongo_url)
    database_client[name].create_collection("things")
    database_client.close()
    left = {application: Dead(mongo_url, application, name) for application in (f"tocsin-{name}", f"tocsin-{name}-other")}
    yield left
    for one in left.values():
        one.session.end_session()
        one.client.close()


async def test_transactions_of_the_dead_are_ended_and_lock_nothing_any_more(database: Database, dead: dict[str, Dead]) -> None:
    """Only those of the service itself, and only those that nobody goes on with; the next writer need not wait for a minute."""
    own = f"tocsin-{database.database_name}"
    client = database.raw.client
    assert await end_orphans(client, own, idle=timedelta(hours=1)) == 0
    with pytest.raises(PyMongoError), timeout(0.2):
        await database.collection("things").update_one({"_id": own}, {"$set": {"n": 2}}, upsert=True)
    assert await end_orphans(client, own, idle=timedelta(0)) == 1
    await database.collection("things").update_one({"_id": own}, {"$set": {"n": 2}}, upsert=True)
    assert not dead[own].alive()
    assert dead[f"{own}-other"].alive()
