"""Signals come in any order and any number of times: replicas are killed, and what they had in hand is delivered again."""

from tocsin.signals import derive, encode, root
from tocsin.signals.catalogue import executor as words
from tocsin.signals.kinds import ErrorObject
from tocsin.signals.make import make_signal, subject_of
from tocsin_case.domain.rules import Rule
from tocsin_kit.bus.delivery import Delivery

from .conftest import ADA, World


def failure(number: int, world: World) -> Delivery:
    """The end of a run, as it lies at this place of the stream."""
    run, now = derive("run", number), world.clock.now()
    error = ErrorObject(type="https://example.com/boom", status=500, title="boom")
    payload = words.WorkflowFaulted(name=f"orders-{run}.default", faulted_at=now, error=error)
    event = make_signal(
        words.WORKFLOW_FAULTED, namespace="default", entity_id=run, sequence=1, time=now, payload=payload, cause=root("test")
    )
    return Delivery(subject_of(event), encode(event), {}, "SIGNALS", "case-signals", number, 1, now, "")


async def test_each_failure_is_counted_once_in_whatever_order_and_however_often_it_comes(world: World) -> None:
    """Late, twice, and again after the case was resolved: four failures are one case that happened four times."""
    await world.put(Rule(namespace="default", name="all"))
    failures = {number: failure(number, world) for number in (1, 2, 3, 4)}
    for number in (3, 1, 4, 1, 3, 2, 4):
        await world.parts.intake.hear(failures[number])
    (case,) = await world.all()
    assert case.occurrences == 4
    assert {link.target for link in case.links} == {derive("run", number) for number in failures}
    await world.cases.move(case.id, "resolved", by=ADA, resolution="by hand")
    for number in (1, 4, 3):
        await world.parts.intake.hear(failures[number])
    assert [case.occurrences for case in await world.all()] == [4]
