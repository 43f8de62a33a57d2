"""Signals come in any order and any number of times: replicas are killed, and what they had in hand is delivered again."""

from itertools import permutations

import pytest

from tocsin.signals import derive, encode, root
from tocsin.signals.catalogue import executor as words
from tocsin.signals.kinds import ErrorObject
from tocsin.signals.make import make_signal, subject_of
from tocsin_case.domain.rules import Rule
from tocsin_kit.bus.delivery import Delivery

from .conftest import ADA, World


def end(number: int, world: World, *, faulted: bool, workflow: str = "orders") -> Delivery:
    """The end of a run, as it lies at this place of the stream."""
    run, now = derive("run", number), world.clock.now()
    error = ErrorObject(type="https://example.com/boom", status=500, title="boom")
    name, cause = f"{workflow}-{run}.default", root("test")
    payload = (
        words.WorkflowFaulted(name=name, faulted_at=now, error=error)
        if faulted
        else words.WorkflowCompleted(name=name, completed_at=now)
    )
    kind = words.WORKFLOW_FAULTED if faulted else words.WORKFLOW_COMPLETED
    event = make_signal(kind, namespace="default", entity_id=run, sequence=1, time=now, payload=payload, cause=cause)
    return Delivery(subject_of(event), encode(event), {}, "SIGNALS", "case-signals", number, 1, now, "")


def failure(number: int, world: World) -> Delivery:
    return end(number, world, faulted=True)


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


@pytest.mark.parametrize("ends", ["F.", "FF.", "F.F", ".FF"])
async def test_a_case_is_open_if_the_last_end_was_a_failure_in_whatever_order_ends_are_heard(world: World, ends: str) -> None:
    """A recovery that is heard before the failure that it follows resolves the case of that failure all the same."""
    await world.put(Rule(namespace="default", name="all"))
    for number, order in enumerate(permutations(range(len(ends)))):
        for place in order:
            told = end(number * 10 + place + 1, world, faulted=ends[place] == "F", workflow=f"orders{number}")
            await world.parts.intake.hear(told)
        cases = [case for case in await world.all() if case.title.startswith(f"orders{number} ")]
        assert sum(case.occurrences for case in cases) == ends.count("F")
        assert any(case.stage.is_active for case in cases) is ends.endswith("F"), order
        assert all(case.resolution for case in cases if not case.stage.is_active)


async def test_what_no_rule_watches_is_not_remembered(world: World) -> None:
    """The recoveries of a busy platform cost nothing where nobody asked for cases."""
    await world.put(Rule(namespace="default", name="bills", subject="bills"))
    await world.parts.intake.hear(end(1, world, faulted=False))
    await world.parts.intake.hear(end(2, world, faulted=False, workflow="bills"))
    known = await world.database.collection("recoveries").distinct("_id")
    assert known == ["default/run/bills"]
