"""Taking OpenLineage events from many senders at once, with stores that keep nothing."""

import asyncio

import pytest

from tocsin.signals import root
from tocsin_lineage.application import Intake
from tocsin_lineage.application.intake import MENTIONS
from tocsin_lineage.domain.openlineage import DATASETS_LIMIT, InvalidLineageEvent

FROM = {"namespace": "default", "actor": "key:spark", "cause": root("test")}


class Stores:
    """The ports of intake: what was kept together, and a job whose events never come to an end."""

    def __init__(self) -> None:
        self.kept: list[list[str]] = []
        self.reports: list[int] = []
        self.begun = asyncio.Event()

    async def keep_many(self, events):
        """Keep them, unless one is of that job."""
        self.begun.set()
        jobs = [event.job for _, _, event in events]
        if "etl/endless" in jobs:
            await asyncio.Event().wait()
        self.kept.append(jobs)

    async def add(self, namespace, edges):
        """Nothing."""

    async def add_columns(self, namespace, edges):
        """Nothing."""

    async def record(self, reports):
        """Count them."""
        self.reports.append(len(reports))


@pytest.fixture
def stores() -> Stores:
    return Stores()


@pytest.fixture
def intake(stores) -> Intake:
    return Intake(stores, stores, stores)


def event(job: str, datasets: int = 1, **more: object) -> dict[str, object]:
    """A run that wrote so many datasets."""
    outputs = [{"namespace": "db", "name": f"{job}{number}"} for number in range(datasets)]
    about = {"eventType": "COMPLETE", "eventTime": "2026-03-02T09:00:00Z", "run": {"runId": job}}
    return {**about, "job": {"namespace": "etl", "name": job}, "outputs": outputs, **more}


def nested(levels: int) -> dict[str, object]:
    """An object within an object, so many times."""
    inner: dict[str, object] = {}
    for _ in range(levels):
        inner = {"a": inner}
    return inner


async def test_an_event_whose_sender_gave_up_does_not_hold_up_those_who_come_after(intake, stores):
    """It is not what the next one takes first: it would be given up again, and so on for ever."""
    async with asyncio.TaskGroup() as group:
        endless, waiting, gone = (group.create_task(intake.take(event(job), **FROM)) for job in ("endless", "waiting", "gone"))
        await stores.begun.wait()  # the first is being taken, the others wait
        gone.cancel()
        endless.cancel()
    assert waiting.result()
    assert await intake.take(event("after"), **FROM)
    assert stores.kept == [["etl/waiting"], ["etl/after"]]


async def test_all_who_come_at_once_are_answered_from_few_transactions(intake, stores):
    """A thousand senders, an answer each, half a thousand events a time."""
    ids = await asyncio.gather(*(intake.take(event(f"job{number}"), **FROM) for number in range(1000)))
    assert len(set(ids)) == 1000
    assert len(stores.kept) <= 3


async def test_events_of_many_datasets_have_transactions_of_their_own(intake, stores):
    """Bounded by what they name, not by how many events there are; what is too much for one has several."""
    many = [event("wide", DATASETS_LIMIT), *(event(f"half{number}", MENTIONS // 2 + 1) for number in range(3)), event("small")]
    await intake.take_many(many, **FROM)
    assert stores.kept == [["etl/wide"], ["etl/half0"], ["etl/half1"], ["etl/half2", "etl/small"]]
    assert max(stores.reports) <= MENTIONS
    assert sum(stores.reports) == DATASETS_LIMIT + 3 * (MENTIONS // 2 + 1) + 1


async def test_what_is_nested_too_deep_or_names_too_much_is_refused_and_the_rest_of_its_batch_taken(intake, stores):
    """Said with the limit; a text of JSON has no more levels, and an answer needs some of them around the event."""
    deep = event("deep", run={"runId": "r", "facets": {"x": nested(245)}})
    wide = event("wide", DATASETS_LIMIT + 1)
    refused = await intake.take_batch([deep, event("good"), wide, None], **FROM)
    assert set(refused) == {0, 2, 3}
    assert "240 levels" in refused[0]
    assert f"event: names {DATASETS_LIMIT + 1} datasets, at most {DATASETS_LIMIT}" in refused[2]
    assert stores.kept == [["etl/good"]]
    with pytest.raises(InvalidLineageEvent, match="240 levels"):
        await intake.take(deep, **FROM)
    assert await intake.take(event("fine", run={"runId": "r", "facets": {"x": nested(200)}}), **FROM)
