"""What an answer says, as data: whatever it claims to be, it becomes text, JSON or base64, in linear time."""

import base64
from typing import Any

import orjson
import pytest

from tocsin_executor.worker.calling import Answer
from tocsin_executor.worker.runners.http import body_of, headers_of, parsed_content
from tocsin_executor.worker.tasks import Failed


@pytest.mark.parametrize(
    ("header", "content", "found"),
    [
        ("text/plain", "ä".encode(), "ä"),
        ("text/plain; charset=latin1", b"\xe4", "ä"),
        ('text/plain; charset="utf-16"', "ä".encode("utf-16"), "ä"),
        ("text/plain; charset=utf-7", b"+2AA-", None),
        ("text/plain; charset=unicode_escape", rb"\ud800", None),
        ("text/plain; charset=punycode", b"a" * 100_000 + b"-" + b"b" * 100_000, None),
        ("text/plain; charset=idna", b"xn--a" * 100_000, None),
        ("text/plain; charset=rot13", b"x", None),
        ("text/plain; charset=nonsense", b"x", None),
        ("text/plain", b"\xff", None),
    ],
)
def test_a_charset_is_one_of_the_web_or_the_content_stays_bytes(header: str, content: bytes, found: str | None) -> None:
    """Half a character in a text would be no JSON."""
    answer = Answer(200, "OK", "http://x/", {}, {"Content-Type": header}, header.partition(";")[0], content)
    given = parsed_content(answer)
    assert given == (base64.b64encode(content).decode() if found is None else found)
    orjson.dumps(given)


def test_headers_are_texts_and_null_is_none() -> None:
    """Names and values are only what a header can hold: nothing can be smuggled in."""
    assert headers_of({"A": 1, "B": None, "C": "ü", "D": {"x": 1}}) == {"A": "1", "C": "ü", "D": '{"x":1}'}
    for wrong in ({"A B": "x"}, {"A:": "x"}, {"": "x"}, {"A": "x\r\nB: y"}, {"A\r\nB": "y"}, {"A": "\0"}):
        with pytest.raises(Failed) as caught:
            headers_of(wrong)
        assert caught.value.problem["status"] == 400


@pytest.mark.parametrize(
    ("header", "content"),
    [
        ("application/json", b'\xef\xbb\xbf{"a": "\xc3\xa4"}'),
        ("application/problem+json; charset=latin1", b'{"a": "\xe4"}'),
        ("application/json; charset=utf-16", '{"a": "ä"}'.encode("utf-16")),
    ],
)
def test_json_is_read_as_servers_write_it(header: str, content: bytes) -> None:
    """With a mark of byte order before it, or in a character set of their own."""
    assert parsed_content(Answer(200, "OK", "http://x/", {}, {"Content-Type": header}, header.partition(";")[0], content)) == {
        "a": "ä"
    }


def test_what_only_says_that_it_is_json_is_an_error() -> None:
    """Not a text."""
    for content in (b"{nope", b"NaN", b"\xff"):
        with pytest.raises(Failed):
            parsed_content(Answer(200, "OK", "http://x/", {}, {}, "application/json", content))


@pytest.mark.parametrize(
    ("media", "body", "content"),
    [
        ("text/plain; charset=latin1", "ä", b"\xe4"),
        ("text/plain; charset=utf-16le", "a", b"a\0"),
        ("text/plain", "ä", "ä".encode()),
        ("application/x-www-form-urlencoded", {"a": [1, 2], "b": "c d"}, b"a=1&a=2&b=c+d"),
        ("application/xml", "<a/>", b"<a/>"),
        (None, {"a": 1}, b'{"a":1}'),
    ],
)
def test_a_body_is_what_its_header_says(media: str | None, body: Any, content: bytes) -> None:
    """In its character set, too."""
    headers = {} if media is None else {"content-type": media}
    assert body_of(body, headers) == content


def test_a_form_of_several_parts_says_where_they_end() -> None:
    """In the header that the caller gave, whatever its letters."""
    headers = {"content-type": "multipart/form-data"}
    content = body_of({"a": [1, 2], "b": {"c": 1}}, headers)
    boundary = headers["content-type"].removeprefix("multipart/form-data; boundary=").encode()
    assert content is not None
    assert content.count(b"--" + boundary) == 4
    assert list(headers) == ["content-type"]


def test_a_text_that_its_character_set_has_not_is_an_error() -> None:
    """Instead of other letters."""
    for media in ("text/plain; charset=latin1", "text/plain; charset=none-such"):
        with pytest.raises(Failed, match="character set"):
            body_of("\u20ac", {"Content-Type": media})
