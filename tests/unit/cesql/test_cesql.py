"""CESQL: total, precise about mistakes, and never slower than its input deserves."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.cesql import CesqlInvalid, FaultKind, parse
from tocsin.signals import CloudEvent

EVENT = CloudEvent(
    id="1", source="/shop", type="order.placed", subject="A-17", extensions={"hop": "5", "ttl": 10, "gift": True}
)


@pytest.mark.parametrize(
    "text",
    [
        "type = 'order.placed'",
        "subject LIKE 'A-%' AND hop < ttl",
        "EXISTS gift AND gift",
        "source IN ('/shop', '/mall') XOR FALSE",
        "NOT (type LIKE 'order._laced' AND hop = 6)",
        "CONCAT_WS('-', 'A', 17) = subject",
        "7 / -2 = -3 AND -7 % 2 = -1",
        "1 - 1 = 0 AND 1-1=0 AND - -1 = 1 AND -2147483648 < 0",
    ],
)
def test_these_hold(text):
    """Operators, casts, precedence and rounding as the specification says."""
    assert parse(text).evaluate(EVENT).holds


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("missing * 5", 0, FaultKind.MISSING_ATTRIBUTE),
        ("1 / 0", 0, FaultKind.MATH),
        ("2147483647 + 1", 0, FaultKind.MATH),
        ("NOPE(1)", False, FaultKind.MISSING_FUNCTION),
        ("subject + 1", 1, FaultKind.CAST),
        ("LEFT('abc', -1)", "abc", FaultKind.FUNCTION_EVALUATION),
    ],
)
def test_what_goes_wrong_is_said_beside_a_value(text, value, kind):
    """A filter with a fault does not hold, whatever its value."""
    found = parse(text).evaluate(EVENT)
    assert (found.value, [fault.kind for fault in found.faults]) == (value, [kind])
    assert not found.holds


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("a = ", 4),
        ("a LIKE b", 7),
        ("(a", 2),
        ("a b", 2),
        ("'open", 0),
        ("a IN ()", 6),
        ("99999999999", 0),
        ("a ? b", 2),
    ],
)
def test_mistakes_have_a_position(text, position):
    """0-based offset in the fields, 1-based in the text."""
    with pytest.raises(CesqlInvalid) as refused:
        parse(text)
    assert refused.value.fields["position"] == position


def test_depth_and_length_have_limits():
    """A refusal, not a crash of the interpreter."""
    for text in ("(" * 5000 + "1" + ")" * 5000, "a" * 20_000, "NOT " * 2000 + "TRUE", "1" + "+1" * 5000, "NOT a OR " * 900):
        with pytest.raises(CesqlInvalid):
            parse(text)
    assert parse("(" * 150 + "TRUE" + ")" * 150).evaluate({}).value is True
    assert parse(f"subject IN ({', '.join(str(n) for n in range(1000))})").evaluate({"subject": "999"}).value is True


def test_many_wildcards_cost_no_more_than_the_text():
    """The pattern that makes backtracking matchers run for years."""
    assert not parse(f"subject LIKE '{'%a' * 30}b'").evaluate({"subject": "a" * 5000}).value


WORDS = st.sampled_from(
    [
        "subject",
        "hop",
        "missing",
        "1",
        "-3",
        "'a'",
        "'5'",
        "TRUE",
        "AND",
        "OR",
        "XOR",
        "NOT",
        "LIKE",
        "IN",
        "EXISTS",
        "=",
        "!=",
        "<",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "(",
        ")",
        ",",
        "ABS(",
        "LENGTH(",
        "LEFT(",
    ]
)


@given(st.lists(WORDS, max_size=14))
def test_whatever_parses_evaluates(words):
    """No expression fails on any event: CESQL is total."""
    with contextlib.suppress(CesqlInvalid):
        found = parse(" ".join(words)).evaluate(EVENT)
        assert isinstance(found.value, str | int | bool)


LETTERS = st.text("ab%_\\", max_size=8)


@given(st.text("ab%_", max_size=8), LETTERS)
def test_like_agrees_with_a_plain_model(text, pattern):
    """Against the definition, written as a recursion."""

    def model(t: str, p: list[str]) -> bool:
        if not p:
            return t == ""
        if p[0] == "%":
            return any(model(t[n:], p[1:]) for n in range(len(t) + 1))
        return bool(t) and p[0] in ("_", t[0], "\\" + t[0]) and model(t[1:], p[1:])

    pieces, at = [], 0
    while at < len(pattern):
        step = 2 if pattern[at] == "\\" and pattern[at + 1 : at + 2] in ("%", "_") else 1
        pieces.append(pattern[at : at + step])
        at += step
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        return  # the last backslash would escape the quote
    expression = parse(f"subject LIKE '{pattern}'")
    assert expression.evaluate({"subject": text}).value is model(text, pieces)
