"""What we tell other catalogues is valid OpenLineage."""

import json
import pathlib

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from tests.conformance.suites import standards

from tocsin.signals import derive, root
from tocsin.signals.catalogue import executor as runs
from tocsin.signals.make import make_signal, subject_of
from tocsin.signals.subjects import parse_signal
from tocsin_kit.testing.clocks import START
from tocsin_lineage.domain.emission import Emitter, dataset_of, run_id
from tocsin_lineage.domain.openlineage import Stage, key_of_dataset, read_event

STANDARDS = standards()
SPEC = (STANDARDS or pathlib.Path("absent")) / "openlineage" / "spec"
RUN = derive("run", "r1")
NAME = f"nightly-{RUN}.default"
TASK = {"workflow": NAME, "task": "/do/0/load"}
ERROR = runs.ErrorObject(type="https://example.com/boom", status=500, title="boom")
TOLD = [
    (runs.WORKFLOW_STARTED, {"definition": {"name": "nightly", "namespace": "default", "version": "1.0.0"}}),
    (runs.TASK_STARTED, {}),
    (
        runs.TASK_ASSETS_REPORTED,
        {
            "consumed": [{"asset": "s3://raw/orders"}],
            "produced": [{"asset": "tidy", "version": "7"}],
        },
    ),
    (runs.TASK_COMPLETED, {}),
    (runs.TASK_FAULTED, {"error": ERROR}),
    (runs.TASK_CANCELLED, {}),
    (runs.WORKFLOW_COMPLETED, {}),
    (runs.WORKFLOW_FAULTED, {"error": ERROR}),
    (runs.WORKFLOW_CANCELLED, {}),
]


def told(kind, more):
    """The OpenLineage event of a signal of ours."""
    of_task = kind.entity == "task"
    moment = next(name for name in kind.payload.model_fields if name.endswith("_at"))
    payload = kind.payload.model_validate({**(TASK if of_task else {"name": NAME}), moment: START, **more})
    signal = make_signal(
        kind,
        namespace="default",
        entity_id=RUN,
        sequence=1,
        time=START,
        payload=payload,
        cause=root("c"),
        extensions={"activation": "h:1"} if of_task else {},
    )
    return Emitter("tocsin", "0.1.0").event_of(parse_signal(subject_of(signal)), signal)


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """The schema of events with those of all facets."""
    if not SPEC.is_dir():
        pytest.skip("the standards folder is not here")
    documents = [
        json.loads(path.read_text()) for path in (SPEC / "OpenLineage.json", *sorted((SPEC / "facets").glob("*.json")))
    ]
    registry = Registry().with_resources([(one["$id"], Resource.from_contents(one)) for one in documents])
    return Draft202012Validator(documents[0], registry=registry, format_checker=FormatChecker())


@pytest.mark.parametrize(("kind", "more"), TOLD, ids=lambda one: getattr(one, "type", ""))
def test_every_event_is_valid_against_the_schema_and_its_facets(kind, more, validator):
    """With identifiers that are UUIDs, and facets that are what they say they are."""
    event = told(kind, more)
    assert list(validator.iter_errors(event)) == []
    facets = {**event["run"]["facets"], **event["job"]["facets"]}
    facets.update({f"d{n}": facet for n, one in enumerate(event["outputs"]) for facet in one["facets"].values()})
    for facet in facets.values():
        path = SPEC / "facets" / facet["_schemaURL"].rpartition("/")[2]
        schema = json.loads(path.read_text())
        inner = Draft202012Validator(
            {"$ref": next(iter(schema["properties"].values()))["$ref"], "$defs": schema["$defs"]}, registry=validator._registry
        )
        assert list(inner.iter_errors(facet)) == []


def test_our_own_intake_reads_what_we_tell():
    """Stages, the parent, and data under the same keys as ours."""
    events = [read_event(told(kind, more)) for kind, more in TOLD]
    stages = [event.stage for event in events]
    assert stages[:4] == [Stage.START, Stage.START, Stage.RUNNING, Stage.COMPLETE]
    assert stages[4:] == [Stage.FAIL, Stage.ABORT, Stage.COMPLETE, Stage.FAIL, Stage.ABORT]
    task = events[2]
    assert task.parent == events[0].run == run_id("run", RUN)
    assert task.job == "tocsin/default/nightly.load"
    assert [one.key for one in task.inputs] == ["s3://raw/orders"]
    assert [one.key for one in task.outputs] == ["tocsin/default/tidy"]


def test_keys_of_foreign_datasets_are_given_back_as_they_came():
    """A dataset's key parts into the namespace and the name that it was made of."""
    for namespace, name in (("s3://raw", "orders/2026"), ("postgres://db:5432", "shop.orders")):
        assert dataset_of(key_of_dataset(namespace, name), "own") == (namespace, name)
    assert dataset_of("tidy/orders", "own") == ("own", "tidy/orders")


def test_signals_that_openlineage_has_no_word_for_are_not_told():
    """A status of waiting, say."""
    assert told(runs.WORKFLOW_STATUS_CHANGED, {"status": "waiting"}) is None
