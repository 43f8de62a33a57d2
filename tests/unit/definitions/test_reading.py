"""Text becomes plain data with positions, or is refused before it can do harm."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.definitions import DefinitionInvalid, parse

HEAD = "document: {dsl: 1.0.3, namespace: n, name: w, version: 1.0.0}\n"


def test_it_reads_yaml_1_2() -> None:
    """``on`` and ``no`` are strings, dates are strings, octal needs 0o."""
    document = parse(
        "on: yes\nday: 2024-01-01\nold: 0755\noct: 0o17\nhex: 0xff\nf: 1e3\nn: ~\ne:\n"
        "t: true\nq: 'true'\nv: 1.0.0\ns: !!str 12\n",
        "x",
    ).document
    assert document == {
        "on": "yes", "day": "2024-01-01", "old": 755, "oct": 15, "hex": 255, "f": 1000.0, "n": None, "e": None,
        "t": True, "q": "true", "v": "1.0.0", "s": "12",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "appears twice"),
        ("a: [1, 2\nb: 3\n", 2, 1, ""),
        ("a: &x [*x]\n", 1, 8, "nothing complete"),
        ("a: !!python/object:os.system x\n", 1, 4, "tag"),
        ("- a\n", 1, 1, "object"),
        ("", 1, 1, "empty"),
        ("a: 1\n---\nb: 2\n", 2, 1, "more than one"),
        ("a: .inf\n", 1, 4, "JSON number"),
        ("a: 99999999999999999999\n", 1, 4, "64 bits"),
        (f"a: {'9' * 5000}\n", 1, 4, "64 bits"),
        ("a: 1e999\n", 1, 4, "JSON number"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, 3, "no merge keys"),
        ("? [a, b]\n: 1\n", 1, 3, "plain string"),
        ("a: \x01\n", 1, 1, ""),
    ],
)
def test_what_is_refused_is_shown_where_it_is(text: str, line: int, column: int, says: str) -> None:
    """File, line, column and reason."""
    with pytest.raises(DefinitionInvalid) as caught:
        parse(text, "order.yaml")
    violation = caught.value.violations[0]
    assert says in violation.detail
    assert str(caught.value).startswith("order.yaml:")
    if says:
        assert (violation.line, violation.column) == (line, column)


def test_bombs_are_stopped() -> None:
    """Size, depth and the expansion of aliases are bounded before anything is built."""
    laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(8)
    )
    for text, says in (
        (laughs, "aliases"),
        ("[" * 100, "deeper"),
        ("a: " + "x" * 1_100_000, "bytes"),
        (b"a: \xff\xfe", "UTF-8"),
    ):
        with pytest.raises(DefinitionInvalid, match=says):
            parse(text, "bomb")


def test_aliases_are_data() -> None:
    """Anchors and aliases work where they are small."""
    assert parse("a: &x {k: 1}\nb: *x\n", "x").document == {"a": {"k": 1}, "b": {"k": 1}}


def test_positions_are_of_keys_and_items() -> None:
    """A pointer is found where a person would look."""
    definition = parse(HEAD + "do:\n  - greet:\n      set:\n        x: 1\n", "x")
    assert definition.position("/do/0/greet/set") == (4, 7)
    assert definition.position("/do/0") == (3, 5)
    assert definition.position("/do/0/greet/set/none/such") == (4, 7)


def test_the_digest_is_of_what_the_document_says() -> None:
    """Layout, order of keys, comments and the choice of YAML or JSON do not matter; content does."""
    text = HEAD + "do:\n  - greet: {set: {x: 1}}  # hi\n"
    one = parse(text, "a")
    two = parse(json.dumps(dict(reversed(list(one.document.items()))), indent="\t"), "b")
    assert one.digest == two.digest
    assert parse(text.replace("x: 1", "x: 2"), "a").digest != one.digest


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
DATA = st.dictionaries(
    st.text(max_size=6),
    st.recursive(
        SCALARS, lambda d: st.lists(d, max_size=3) | st.dictionaries(st.text(max_size=4), d, max_size=3), max_leaves=10
    ),
    max_size=4,
)


@given(DATA)
def test_json_is_read_as_json(data: dict[str, Any]) -> None:
    """Every JSON object is a document, with the same value."""
    assert parse(json.dumps(data), "x").document == data


def test_a_key_that_looks_like_a_merge_may_be_meant() -> None:
    """In quotes it is a key like any other."""
    assert parse('"<<": 1\n', "w.yaml").document == {"<<": 1}
