"""Events to bytes and back, in all modes."""

import contextlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.errors import UnsupportedMedia
from tocsin.signals import ABSENT, CloudEvent, InvalidEvent
from tocsin.signals.codec import (
    decode,
    decode_batch,
    decode_http,
    decode_nats,
    encode,
    encode_batch,
    encode_http_binary,
    encode_nats_binary,
    parse_time,
)

STRUCTURED = "application/cloudevents+json; charset=UTF-8"


def allowed(text: str) -> bool:
    try:
        CloudEvent(id=text, source="/s", type="t")
    except InvalidEvent:
        return False
    return True


texts = st.text(min_size=1, max_size=12).filter(allowed)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8).filter(lambda t: t.isprintable()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4).filter(str.isprintable), inner, max_size=3),
    max_leaves=6,
)
payloads = st.one_of(
    st.just({}),
    st.builds(lambda value: {"data": value}, json_values),
    st.builds(lambda value: {"data": value, "datacontenttype": "application/json"}, json_values),
    st.builds(lambda value: {"data": value, "datacontenttype": "text/plain; charset=utf-8"}, texts),
    st.builds(lambda value: {"data_base64": value, "datacontenttype": "image/png"}, st.binary(min_size=1, max_size=16)),
    st.builds(lambda value: {"data_base64": value}, st.binary(min_size=1, max_size=16)),
)
NAMES = ["sequence", "namespace", "traceparent", "com2example", "x"]


@st.composite
def events(draw: st.DrawFn, numbers: bool = True) -> CloudEvent:
    values = texts | (st.integers(-(2**31), 2**31 - 1) | st.booleans() if numbers else st.nothing())
    extensions: dict[str, str | int] = draw(st.dictionaries(st.sampled_from(NAMES), values, max_size=4))
    if draw(st.booleans()):
        extensions["depth"] = draw(st.integers(0, 99))
    return CloudEvent(
        id=draw(texts),
        source=draw(st.sampled_from(["/a/b", "urn:x:1", "https://example.com/a?b=c#d", "%41"])),
        type=draw(texts),
        time=draw(st.none() | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))]))),
        subject=draw(st.none() | texts),
        dataschema=draw(st.sampled_from([None, "https://example.com/schema"])),
        extensions=extensions,
        **draw(payloads),
    )


def same(left: CloudEvent, right: CloudEvent) -> bool:
    """Equal but for what a binding must add: the media type that JSON data implies."""
    implied = left.datacontenttype or ("application/json" if left.data is not ABSENT else None)
    return implied == (right.datacontenttype or implied) and all(
        getattr(left, name) == getattr(right, name)
        for name in ("id", "source", "type", "time", "subject", "dataschema", "data", "data_base64", "extensions")
    )


@settings(deadline=None)
@given(events())
def test_structured_json_loses_nothing(event):
    """Every attribute with its type, every payload, null apart from absent."""
    assert decode(encode(event)) == event


@settings(deadline=None)
@given(st.lists(events(), max_size=3))
def test_a_batch_loses_nothing(batch):
    """And keeps the order."""
    assert decode_batch(encode_batch(batch)) == batch
    assert decode_http({"Content-Type": "application/cloudevents-batch+json"}, encode_batch(batch)) == batch


@settings(deadline=None)
@given(events(numbers=False))
def test_binary_mode_over_nats_loses_nothing(event):
    """Header values are ASCII, whatever the attributes hold."""
    headers, body = encode_nats_binary(event)
    assert all(value.isascii() and value.isprintable() and " " not in value for value in headers.values())
    assert same(event, decode_nats(headers, body))


@settings(deadline=None)
@given(events(numbers=False))
def test_binary_mode_over_http_loses_nothing(event):
    """The media type is the Content-Type and nothing else."""
    headers, body = encode_http_binary(event)
    assert "ce-datacontenttype" not in headers
    (back,) = decode_http({name.title(): value for name, value in headers.items()}, body)
    assert same(event, back)


@settings(deadline=None)
@given(events())
def test_structured_json_is_valid_by_the_official_form(event):
    """Core members are what the JSON format says they are."""
    members = json.loads(encode(event))
    assert members["specversion"] == "1.0"
    assert ("data" in members) == (event.data is not ABSENT)
    assert not {"data", "data_base64"} <= members.keys()
    assert all(isinstance(v, str | int | bool) for k, v in members.items() if k != "data")


@settings(deadline=None)
@given(st.binary(max_size=64) | json_values.map(lambda v: json.dumps(v).encode()))
def test_garbage_is_refused_and_never_crashes(payload):
    """An unexpected payload is the sender's error, with a code."""
    for read in (decode, decode_batch, lambda p: decode_nats(None, p), lambda p: decode_http({}, p)):
        try:
            read(payload)
        except InvalidEvent:
            continue
        assert payload.strip().startswith(b"[")  # only an empty batch passes


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["ce-id", "ce-type", "ce-source", "ce-specversion", "ce-time", "ce-x", "Content-Type"]),
        st.text(max_size=20),
    ),
    st.binary(max_size=20),
)
def test_strange_headers_are_refused_and_never_crash(headers, body):
    """Only our own errors leave the codec."""
    for read in (decode_nats, decode_http):
        with contextlib.suppress(InvalidEvent, UnsupportedMedia):
            read(headers, body)


BASE = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"specversion": "1.0", "id": "1", "source": "/s"}, "type"),
        ({**BASE, "id": 5}, "id"),
        ({**BASE, "id": None}, "id"),
        ({**BASE, "time": "2026-01-31"}, "time"),
        ({**BASE, "time": "2026-13-31T00:00:00Z"}, "time"),
        ({**BASE, "time": "2026-01-31T00:00:00"}, "time"),
        ({**BASE, "data_base64": "***"}, "data_base64"),
        ({**BASE, "x": {"a": 1}}, "x"),
        ({**BASE, "x": 1.5}, "x"),
        ({**BASE, "under_score": "a"}, "under_score"),
        ({**BASE, "data": 1, "data_base64": "AA=="}, "data_base64"),
        ({**BASE, "datacontenttype": "text/plain", "data": {"a": 1}}, "data"),
    ],
)
def test_a_refusal_says_what_is_wrong(members, pointer):
    """With the name of the attribute, so that the sender finds it."""
    with pytest.raises(InvalidEvent) as caught:
        decode(json.dumps(members))
    assert caught.value.violations[0].pointer == pointer


def test_a_refusal_in_a_batch_says_which_event():
    """By its place."""
    with pytest.raises(InvalidEvent) as caught:
        decode_batch(json.dumps([BASE, {**BASE, "time": "now"}]))
    assert caught.value.violations[0].pointer == "/1/time"


def test_null_attributes_are_absent_but_null_data_is_data():
    """As the JSON format demands."""
    event = decode(json.dumps({**BASE, "subject": None, "unsetextension": None, "data": None}))
    assert event.subject is None
    assert event.extensions == {}
    assert event.data is None


def test_the_examples_of_the_bindings_are_read():
    """The percent-encoding example, quoted strings of older senders, and unnecessary encoding."""
    base = {
        "ce-specversion": "1.0",
        "ce-type": "com.example.someevent",
        "ce-id": "1234-1234-1234",
        "ce-source": "/mycontext/subcontext",
    }
    headers = {**base, "CE-Time": "2018-04-05T03:56:24Z", "ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80"}
    event = decode_nats({**headers, "ce-datacontenttype": "application/json"}, b'{"a":1}')
    assert event.subject == "Euro € 😀"
    assert event.data == {"a": 1}
    assert event.time == datetime(2018, 4, 5, 3, 56, 24, tzinfo=UTC)
    assert decode_nats({**base, "ce-subject": r'"a \"quoted\" b"'}, b"").subject == 'a "quoted" b'
    assert decode_nats({**base, "ce-subject": "%41%42c"}, b"").subject == "ABc"
    for bad in ("%C0%A0", "%zz", "50%"):
        with pytest.raises(InvalidEvent):
            decode_nats({**base, "ce-subject": bad}, b"")


def test_modes_are_told_apart_by_the_content_type():
    """Structured, batch, binary; an unknown format is refused as such."""
    payload = json.dumps(BASE).encode()
    assert decode_http({"content-type": STRUCTURED}, payload) == [decode(payload)]
    assert decode_nats({"Content-Type": "APPLICATION/CLOUDEVENTS+JSON"}, payload) == decode(payload)
    assert decode_nats(None, payload) == decode(payload)
    assert decode_nats({"Nats-Msg-Id": "1"}, payload) == decode(payload)
    for headers in ({"content-type": "application/cloudevents+avro"}, {"content-type": "application/cloudevents-batch+xml"}):
        with pytest.raises(UnsupportedMedia):
            decode_http(headers, payload)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31t12:00:00.5z", datetime(2026, 1, 31, 12, 0, 0, 500000, UTC)),
        ("2026-01-31T12:00:00.123456789+01:00", datetime(2026, 1, 31, 11, 0, 0, 123456, UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999999, UTC)),
    ],
)
def test_times_are_rfc_3339(text, expected):
    """Including nanoseconds and leap seconds, which Python has no place for."""
    assert parse_time(text) == expected
