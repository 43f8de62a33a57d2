"""What an answer says, as data: whatever it claims to be, it becomes text, JSON or base64, in linear time."""

import base64

import orjson
import pytest

from tocsin_executor.worker.calling import Answer
from tocsin_executor.worker.runners.http import parsed_content


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
