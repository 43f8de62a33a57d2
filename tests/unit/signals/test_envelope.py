"""What is a CloudEvent, and what is not."""

from datetime import UTC, datetime

import pytest

from tocsin.signals import ABSENT, CloudEvent, InvalidEvent
from tocsin.signals.envelope import is_json

LEAST = {"id": "1", "source": "/s", "type": "t"}


def test_the_least_event_has_an_id_a_source_and_a_type():
    """Everything else is optional, and an absent payload is not a null one."""
    event = CloudEvent(**LEAST)
    assert event.data is ABSENT
    assert event.payload is None
    assert event.depth == 0


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("id", ""),
        ("id", 7),
        ("id", "a\nb"),
        ("id", "\ud800"),
        ("type", ""),
        ("type", "\ufffe"),
        ("source", ""),
        ("source", "with space"),
        ("source", "50%"),
        ("specversion", "0.3"),
        ("subject", ""),
        ("time", datetime(2026, 1, 1)),  # noqa: DTZ001 - a naive time is what is refused
        ("dataschema", "relative/path"),
        ("datacontenttype", "json"),
        ("extensions", {"UPPER": "x"}),
        ("extensions", {"with-dash": "x"}),
        ("extensions", {"data": "x"}),
        ("extensions", {"type": "x"}),
        ("extensions", {"number": 2**31}),
        ("extensions", {"number": 1.5}),
        ("extensions", {"nested": {}}),
        ("extensions", {"text": "a\x00b"}),
    ],
)
def test_an_event_that_breaks_the_specification_cannot_be_made(attribute, value):
    """Each refusal names the attribute."""
    with pytest.raises(InvalidEvent) as caught:
        CloudEvent(**{**LEAST, attribute: value})
    named = caught.value.violations[0].pointer
    assert named == (next(iter(value)) if attribute == "extensions" else attribute)


def test_all_that_is_wrong_is_said_at_once():
    """A sender fixes it in one go."""
    with pytest.raises(InvalidEvent) as caught:
        CloudEvent(id="", source="", type="", extensions={"X": "y"})
    assert [v.pointer for v in caught.value.violations] == ["id", "type", "source", "X"]


def test_data_is_json_or_text_or_bytes_and_only_one_of_them():
    """Text needs a media type that is not JSON; a structure cannot have one."""
    CloudEvent(**LEAST, datacontenttype="text/plain", data="hello")
    CloudEvent(**LEAST, datacontenttype="application/vnd.x+json; charset=utf-8", data={"a": 1})
    CloudEvent(**LEAST, data_base64=b"\x00")
    with pytest.raises(InvalidEvent):
        CloudEvent(**LEAST, datacontenttype="text/plain", data={"a": 1})
    with pytest.raises(InvalidEvent):
        CloudEvent(**LEAST, data=1, data_base64=b"")


def test_international_text_is_text():
    """Only control characters and noncharacters are forbidden."""
    event = CloudEvent(
        id="Euro € 😀", source="/s", type="größe", subject="naïve file.txt", time=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert event.subject == "naïve file.txt"


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        (None, True),
        ("application/json", True),
        ("TEXT/JSON;charset=utf-8", True),
        ("application/a+json", True),
        ("text/xml", False),
        ("application/jsonx", False),
    ],
)
def test_json_is_recognized_by_its_media_type(media_type, expected):
    """As the JSON format says: */json and */*+json, without regard to case or parameters."""
    assert is_json(media_type) is expected
