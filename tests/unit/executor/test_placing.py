"""A task comes to the workers that have the labels it asks for, and to no others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Invalid
from tocsin_executor.domain.compile import compile_workflow
from tocsin_executor.domain.placing import MOST_LABELS, queue_for, queues_for, told
from tocsin_executor.domain.program import TaskSpec

LABELS = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=5)


@given(has=LABELS, asks=LABELS.filter(lambda labels: len(labels) <= MOST_LABELS), data=st.data())
def test_a_worker_serves_what_fits_it_and_nothing_else(has: dict[str, str], asks: dict[str, str], data: st.DataObject) -> None:
    """Whatever is in the labels: names of queues are parts of subjects."""
    if has and data.draw(st.booleans()):
        asks = {name: has[name] for name in data.draw(st.lists(st.sampled_from(sorted(has)), max_size=MOST_LABELS))}
    queue = queue_for("default", asks)
    assert (queue in set(queues_for("default", has))) == (asks.items() <= has.items())
    assert not set(queue) & set(". *>/\\\t\n")


def test_a_queue_is_told_in_words() -> None:
    """As its author wrote it."""
    assert told("default") == "queue 'default'"
    assert told(queue_for("gpu", {"zone": "eu.west", "a": "b"})) == "queue 'gpu' for workers with a=b, zone=eu.west"


def _program(metadata: dict[str, Any]) -> Any:
    head = {"dsl": "1.0.3", "namespace": "n", "name": "w", "version": "1.0.0"}
    tasks = [{"t": {"run": {"shell": {"command": "true"}}, "metadata": metadata}}]
    return compile_workflow({"document": head, "do": tasks}, "digest")


def test_a_task_asks_in_its_metadata() -> None:
    """For labels, within its queue."""
    spec = _program({"worker": {"zone": "eu"}}).nodes[1].spec
    assert isinstance(spec, TaskSpec)
    assert spec.queue == "default~zone=eu"
    assert _program({"queue": "gpu", "worker": {}}).nodes[1].spec.queue == "gpu"


@pytest.mark.parametrize(
    ("worker", "says"),
    [("eu", "object of strings"), ({"zone": 1}, "object of strings"), ({"a": "", "b": "", "c": ""}, "2 labels at most, not 3")],
)
def test_what_cannot_be_asked_for_is_refused(worker: Any, says: str) -> None:
    """When it is published."""
    with pytest.raises(Invalid) as refused:
        _program({"worker": worker})
    [violation] = refused.value.violations
    assert violation.pointer == "/do/0/t/metadata/worker"
    assert says in violation.detail
