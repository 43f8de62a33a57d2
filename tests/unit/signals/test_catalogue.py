"""The catalogue, the signals made from it, and the documents generated from it."""

import dataclasses
import json
import pathlib
import re
from datetime import UTC, datetime

import jsonschema
import pytest

from tocsin.signals import CloudEvent, root
from tocsin.signals.asyncapi import ENVELOPE_EXTENSIONS, document
from tocsin.signals.catalogue import CATALOGUE, UnknownSignal, executor, scheduler
from tocsin.signals.codec import encode
from tocsin.signals.kinds import Severity
from tocsin.signals.make import InvalidSignal, make_signal, read_payload, subject_of
from tocsin.signals.reference import pages

NOW = datetime(2026, 7, 26, 16, 59, 57, tzinfo=UTC)
REFERENCE = pathlib.Path(__file__).parents[3] / "docs" / "reference"


def started(**changes):
    arguments = {
        "kind": executor.WORKFLOW_STARTED,
        "namespace": "samples",
        "entity_id": "01jrun",
        "sequence": 1,
        "time": NOW,
        "payload": executor.WorkflowStarted(
            name="orderPet-01jrun.samples",
            definition=executor.DefinitionReference(name="orderPet", namespace="samples", version="1.0.0"),
            started_at=NOW,
        ),
        "cause": root("request-1", "00-trace"),
    }
    kind = changes.pop("kind", arguments.pop("kind"))
    return make_signal(kind, **{**arguments, **changes})


def test_a_lifecycle_signal_is_what_open_workflow_specifies():
    """Type and data to the letter."""
    event = started()
    assert event.type == "io.serverlessworkflow.workflow.started.v1"
    assert event.data == {
        "name": "orderPet-01jrun.samples",
        "definition": {"name": "orderPet", "namespace": "samples", "version": "1.0.0"},
        "startedAt": "2026-07-26T16:59:57Z",
    }


def test_a_signal_has_its_place_its_cause_and_its_actor():
    """Everything that a reader needs without opening the data."""
    event = started(actor="user:ada", severity=Severity.WARN, sequence=12, extensions={"attempt": 2})
    assert subject_of(event) == "signals.samples.run.started.01jrun"
    assert event.source == "/namespaces/samples/runs/01jrun"
    assert event.sequence == 12
    assert event.extensions == {
        "namespace": "samples",
        "sequence": "000000000012",
        "partitionkey": "01jrun",
        "correlationid": "request-1",
        "causationid": "request-1",
        "traceparent": "00-trace",
        "authtype": "user",
        "authid": "user:ada",
        "severitynumber": 13,
        "severitytext": "WARN",
        "attempt": 2,
    }


def test_the_same_signal_has_the_same_id_and_another_has_another():
    """A redelivery repeats the id; nothing else does."""
    ids = {started().id, started(sequence=2).id, started(entity_id="01jother").id, started(namespace="other").id}
    assert started().id == started().id
    assert len(ids) == 4


def test_a_task_shares_the_source_and_order_of_its_run():
    """One sequence covers a run and its tasks."""
    payload = executor.TaskCompleted(workflow="orderPet-01jrun.samples", task="/do/0/x", completed_at=NOW)
    event = make_signal(
        executor.TASK_COMPLETED, namespace="samples", entity_id="01jrun", sequence=2, time=NOW, payload=payload, cause=root("r")
    )
    assert event.source == started().source
    assert subject_of(event) == "signals.samples.task.completed.01jrun"
    assert event.data == {"workflow": "orderPet-01jrun.samples", "task": "/do/0/x", "completedAt": "2026-07-26T16:59:57Z"}


def test_what_is_not_in_the_catalogue_cannot_be_made():
    """Not another kind, not another payload, not a place before the first."""
    with pytest.raises(UnknownSignal):
        started(kind=dataclasses.replace(executor.WORKFLOW_STARTED, type="io.example.other.v1"))
    with pytest.raises(InvalidSignal):
        started(payload=scheduler.ScheduleDeleted(name="x"))
    with pytest.raises(InvalidSignal):
        started(sequence=0)
    with pytest.raises(UnknownSignal):
        subject_of(CloudEvent(id="1", source="/s", type="com.example.order"))


def test_a_reader_gets_the_payload_back():
    """As the model that the publisher used."""
    assert read_payload(executor.WORKFLOW_STARTED, started()).definition.name == "orderPet"


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.type)
def test_every_entry_follows_the_rules(kind):
    """Names are tokens, types carry their version, summaries are sentences."""
    assert re.fullmatch(r"io\.(tocsin|serverlessworkflow)\.[a-z-]+\.[a-z-]+\.v\d+", kind.type)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.entity)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.transition)
    assert kind.summary.endswith(".")
    assert kind.payload.model_config["extra"] == "forbid"


def test_all_lifecycle_events_of_open_workflow_are_there():
    """The required and the optional ones."""
    both = {"started", "suspended", "resumed", "cancelled", "faulted", "completed", "status-changed"}
    wanted = {f"workflow.{t}" for t in both | {"correlation-started", "correlation-completed"}}
    wanted |= {f"task.{t}" for t in both | {"created", "retried"}}
    assert {
        t[len("io.serverlessworkflow.") : -len(".v1")] for t in CATALOGUE if t.startswith("io.serverlessworkflow")
    } == wanted


def test_two_payload_models_never_share_a_name():
    """Their schemas would collide in the document."""
    models = {kind.payload for kind in CATALOGUE.values()}
    assert len({model.__name__ for model in models}) == len(models)


def test_the_generated_pages_are_what_the_code_says():
    """A page that can be generated cannot lie."""
    stale = [name for name, text in pages().items() if (REFERENCE / name).read_text(encoding="utf-8") != text]
    assert stale == [], "run: python -m tocsin.signals.reference"


def test_the_asyncapi_document_has_the_shape_of_version_3():
    """Every reference leads somewhere, every parameter of an address is described, every operation has a channel."""
    doc = json.loads(json.dumps(document()))
    assert doc["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= doc["info"].keys()
    for reference in _references(doc):
        _resolve(doc, reference)
    for channel in doc["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == channel["parameters"].keys()
        assert channel["messages"]
    for operation in doc["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert operation["channel"]["$ref"].startswith("#/channels/")
        assert all(m["$ref"].startswith(operation["channel"]["$ref"] + "/messages/") for m in operation["messages"])
    for message in doc["components"]["messages"].values():
        jsonschema.Draft202012Validator.check_schema(message["payload"])
    assert all("protocol" in server and "host" in server for server in doc["servers"].values())


def test_a_real_signal_is_valid_by_the_document():
    """What is generated describes what is sent."""
    doc = document()
    message = doc["components"]["messages"]["run.started"]
    schema = {**message["payload"], "components": doc["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(encode(started(actor="key:1"))))
    assert set(started(actor="key:1").extensions) <= ENVELOPE_EXTENSIONS.keys()


def _references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _resolve(doc, reference):
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        doc = doc[part.replace("~1", "/").replace("~0", "~")]
