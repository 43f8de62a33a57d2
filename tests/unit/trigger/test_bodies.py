"""What bodies say, in the ways that senders write them; and what no body may do."""

import base64
import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Rejected, UnsupportedMedia
from tocsin_trigger.domain.bodies import kept_extensions, read
from tocsin_trigger.domain.errors import MalformedWebhook

JSON = {"content-type": "application/json"}


def of(kind: str, body: bytes, query: str = "", **headers: str) -> list:
    return [said.data for said in read({"content-type": kind, **headers}, body, query)]


def test_json_forms_and_lines_are_read() -> None:
    """A form's repeated names become a list; each line of NDJSON is an event with its number."""
    assert of("application/json; charset=utf-8", b'{"a": 1}') == [{"a": 1}]
    assert of("application/vnd.github+json", b"[1]") == [[1]]
    assert of("application/x-www-form-urlencoded", b"a=1&b=x%20y&b=") == [{"a": "1", "b": ["x y", ""]}]
    lines = read({"content-type": "application/x-ndjson"}, b'{"a":1}\r\n\n{"a":2}')
    assert [(said.data, said.line) for said in lines] == [({"a": 1}, 1), ({"a": 2}, 2)]
    assert [said.data for said in read({}, b"", "a=1&b=2")] == [{"a": "1", "b": "2"}]


def test_a_multipart_form_carries_small_files() -> None:
    """Text is text, a file is its name, type, size and bytes."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xc3\xa4\r\n'
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\n'
        b"Content-Type: application/zip\r\n\r\n\x00\xff\r\n--x--\r\n"
    )
    (data,) = of("multipart/form-data; boundary=x", body)
    file = {"filename": "a.bin", "content_type": "application/zip", "size": 2, "base64": base64.b64encode(b"\x00\xff").decode()}
    assert data == {"a": "ä", "f": file}


def test_cloud_events_are_read_in_all_modes_and_never_speak_for_the_platform() -> None:
    """Structured, batch, binary; what only the platform says is dropped."""
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "t",
        "data": {"a": 1},
        "authid": "user:root",
        "color": "red",
    }
    (structured,) = read({"content-type": "application/cloudevents+json"}, orjson.dumps(event))
    assert structured.event is not None
    assert (structured.event.id, structured.event.data, kept_extensions(structured.event)) == ("1", {"a": 1}, {"color": "red"})
    batch = read({"content-type": "application/cloudevents-batch+json"}, orjson.dumps([event, {**event, "id": "2"}]))
    assert [said.line for said in batch] == [1, 2]
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-namespace": "system", **JSON}
    (binary,) = read(headers, b'{"a": 1}')
    assert binary.event is not None
    assert (binary.event.data, kept_extensions(binary.event)) == ({"a": 1}, {})


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b""),
        ("application/x-ndjson", b""),
        ("application/x-ndjson", b"{}\n{"),
        ("application/x-ndjson", b"1\n" * 1001),
        ("application/x-www-form-urlencoded", b"\xff=1"),
        ("application/x-www-form-urlencoded", b"a&" * 1001),
        ("multipart/form-data; boundary=x", b"nothing"),
        ("multipart/form-data", b"--x\r\n"),
        ("application/cloudevents+json", b"{}"),
        ("application/cloudevents-batch+json", b"[]"),
    ],
)
def test_what_is_not_what_it_says_is_refused(kind: str, body: bytes) -> None:
    """With a reason, and never half of it."""
    with pytest.raises(MalformedWebhook):
        of(kind, body)


def test_other_content_is_not_read() -> None:
    """Nothing is guessed."""
    with pytest.raises(UnsupportedMedia):
        of("text/xml", b"<a/>")


KINDS = st.sampled_from(
    [
        "application/json",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        'multipart/form-data; boundary*="',
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "",
    ]
)


@given(KINDS | st.text(max_size=30), st.binary(max_size=200), st.text(max_size=30))
def test_no_body_breaks_the_reader(kind: str, body: bytes, query: str) -> None:
    """Whatever comes: an answer that is JSON, or a refusal."""
    with contextlib.suppress(Rejected):
        for said in read({"content-type": kind}, body, query):
            orjson.dumps(said.data)
