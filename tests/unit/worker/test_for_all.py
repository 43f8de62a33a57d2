"""What holds for all values and all ways in which they come: lines of a stream, parts of an address, fields of a form."""

import re
from collections.abc import AsyncIterator
from email.parser import BytesParser
from email.policy import HTTP
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote

from hypothesis import given
from hypothesis import strategies as st

from tocsin_executor.worker.bodies import FORM, MULTIPART, encoded
from tocsin_executor.worker.rpc import events, lines
from tocsin_executor.worker.styles import in_cookie, in_path

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PIECE = st.one_of(st.binary(max_size=6), st.just(b"\xef\xbb\xbf"))
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def answer(whole: bytes, cuts: list[int]) -> Any:
    """An answer that comes in these pieces."""
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})

    async def pieces() -> AsyncIterator[bytes]:
        for begin, end in pairwise(places):
            yield whole[begin:end]

    return SimpleNamespace(content=SimpleNamespace(iter_any=pieces))


@given(st.lists(st.tuples(PIECE, ENDS)), PIECE, st.lists(st.integers(0, 60), max_size=8))
async def test_lines_are_the_same_however_they_come(parts: list[tuple[bytes, bytes]], last: bytes, cuts: list[int]) -> None:
    """In whatever pieces, also where one ends between CR and LF."""
    whole = b"".join(text + end for text, end in parts) + last
    wanted = re.split(rb"\r\n|\n|\r", whole.removeprefix(b"\xef\xbb\xbf"))
    if not wanted[-1]:
        wanted.pop()
    assert [line async for line in lines(answer(whole, cuts))] == wanted


@given(
    st.lists(TEXT.map(lambda text: re.sub(r"[\r\n]", " ", text)).filter(bool)), ENDS, st.lists(st.integers(0, 200), max_size=8)
)
async def test_events_say_what_was_sent(said: list[str], end: bytes, cuts: list[int]) -> None:
    """Each whole, in their order."""
    whole = b"".join(b"data: " + text.encode() + end + end for text in said)
    assert [data.decode() async for _, data in events(answer(whole, cuts))] == said


@given(TEXT, st.sampled_from(["simple", "label", "matrix"]), st.booleans())
def test_a_value_in_a_path_stays_one(value: str, style: str, explode: bool) -> None:
    """It begins no segment, no query, no fragment; and it can be read again."""
    made = in_path({"style": style, "explode": explode}, "v", value)
    assert not set(made) & set("/?#{} ")
    lead = {"simple": "", "label": ".", "matrix": ";v=" if value else ";v"}[style]
    assert unquote(made.removeprefix(lead)) == value


@given(TEXT)
def test_a_value_in_a_cookie_stays_one(value: str) -> None:
    """It ends with no semicolon, comma, space or line."""
    assert re.fullmatch(r"[!#-+\--:<-\[\]-~]*", in_cookie({}, value))


@given(st.dictionaries(TEXT.filter(bool), st.one_of(TEXT, st.lists(TEXT, max_size=3)), max_size=4))
def test_forms_can_be_read_again(fields: dict[str, Any]) -> None:
    """Both kinds: every field, every value, in their order."""
    pairs = [(name, each) for name, held in fields.items() for each in (held if isinstance(held, list) else [held])]
    assert parse_qsl(encoded(fields, FORM)[0].decode(), keep_blank_values=True) == pairs
    content, media = encoded(fields, MULTIPART)
    boundary = b"--" + media.partition("boundary=")[2].encode()
    parts = content.split(boundary)
    assert (parts[0], parts[-1], len(parts)) == (b"", b"--\r\n", len(pairs) + 2)
    for part, (_, value) in zip(parts[1:-1], pairs, strict=True):
        head, _, body = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        assert BytesParser(policy=HTTP).parsebytes(head)["Content-Disposition"].startswith("form-data")
        assert body.removesuffix(b"\r\n").decode() == value
