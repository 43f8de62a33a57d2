"""The bus's pure parts: topology, permissions, deliveries, translated errors."""

from collections import Counter

import pytest
from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import errors as js_errors

from tocsin.errors import Defect, TocsinError, TooLarge
from tocsin.signals.catalogue import CATALOGUE
from tocsin.signals.subjects import matches
from tocsin_kit.bus import BusUnavailable, Delivery, WrongSequence
from tocsin_kit.bus.errors import translate
from tocsin_kit.bus.permissions import SERVICES, permissions_of
from tocsin_kit.bus.topology import CONSUMERS, STREAMS, TopologyLimits, stream_config, streams_of


def test_streams_do_not_overlap_and_consumers_are_named_once() -> None:
    """A subject is stored once; a durable name belongs to one reader, which makes sure of the stream it reads."""
    subjects = Counter(subject for spec in STREAMS for subject in spec.subjects)
    assert max(subjects.values()) == 1
    assert max(Counter(spec.name for spec in CONSUMERS).values()) == 1
    assert [spec.name for spec in CONSUMERS if spec.stream not in streams_of(spec.service)] == []
    assert [spec.name for spec in CONSUMERS if not spec.name.startswith(spec.service + "-")] == []


def test_an_operator_chooses_replicas_and_retention() -> None:
    """What limits say goes into the server's configuration."""
    spec = next(spec for spec in STREAMS if spec.name == "EVENTS")
    config = stream_config(spec, TopologyLimits(replicas=3, max_bytes={"EVENTS": 10}))
    assert (config["num_replicas"], config["max_bytes"]) == (3, 10)


def test_every_signal_may_be_published_by_its_owner_and_by_nobody_else() -> None:
    """Permissions follow the catalogue."""
    for kind in CATALOGUE.values():
        subject = f"signals.default.{kind.entity}.{kind.transition}.x"
        owners = {s for s in SERVICES if any(matches(p, subject) for p in permissions_of(s).publish)}
        if kind.owner == "any":
            assert owners >= set(SERVICES) - {"worker", "gateway"}
        else:
            assert owners == {kind.owner}


def test_no_service_may_use_everything() -> None:
    """No user has a permission that begins with a wildcard, or the whole of JetStream's API."""
    for service in SERVICES:
        allowed = permissions_of(service)
        for subject in (*allowed.publish, *allowed.subscribe):
            assert not subject.startswith((">", "*"))
            assert subject not in {"$JS.>", "$JS.API.>", "$SYS.>", "_INBOX.>"}
    with pytest.raises(KeyError):
        permissions_of("nobody")


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.ACK.EVENTS.trigger-events.2.77.5.1763848000123456789.3",
        "$JS.ACK._.accounthash.EVENTS.trigger-events.2.77.5.1763848000123456789.3.random",
    ],
)
def test_a_delivery_knows_its_place(reply: str) -> None:
    """Old and new servers name it in the reply subject in two ways."""
    delivery = Delivery.of(Msg(Client(), "events.default.x", reply, b"", {"traceparent": "00-1"}))
    assert (delivery.stream, delivery.consumer, delivery.attempt, delivery.sequence) == ("EVENTS", "trigger-events", 2, 77)
    assert delivery.published.year == 2025
    assert delivery.traceparent == "00-1"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (js_errors.BadRequestError(code=400, err_code=10071), WrongSequence),
        (js_errors.BadRequestError(code=400, err_code=10054), TooLarge),
        (js_errors.BadRequestError(code=400, err_code=1), Defect),
        (js_errors.ServiceUnavailableError(code=503), BusUnavailable),
        (nats_errors.MaxPayloadError(), TooLarge),
        (nats_errors.BadSubjectError(), Defect),
        (nats_errors.TimeoutError(), BusUnavailable),
        (nats_errors.NoRespondersError(), BusUnavailable),
        (ConnectionResetError(), BusUnavailable),
    ],
)
def test_each_error_of_the_client_says_what_happens_next(error: Exception, kind: type[TocsinError]) -> None:
    """By class and code, never by text."""
    assert type(translate(error, "x")) is kind
