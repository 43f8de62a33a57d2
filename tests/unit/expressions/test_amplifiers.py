"""No few characters make gigabytes: neither while an expression is compiled nor while it is evaluated in a step."""

import resource

import jq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.expressions.amplifiers import BEHIND, LONGEST
from tocsin.expressions.cost import Cost
from tocsin.expressions.failures import ExpressionFailed, ExpressionInvalid
from tocsin.expressions.json_values import Json
from tocsin.expressions.program import compile_expression

NONE: frozenset[str] = frozenset()


def evaluate(text: str, value: Json = None) -> Json:
    return compile_expression(text, NONE).evaluate(value, {})


@pytest.mark.parametrize(
    "text",
    [
        '"a" * 1e9',
        '1e9 * "a"',
        '{x: ("a" * 1e8)}',
        '("a" * 1000) * 1000 * 1000',
        '(1e9 + 0) * "a"',
        '"a" * (1 / 0.000000001)',
        '("a" + "b") * 1e9',
        '"\\("a" * 1e9)"',
        '.a //= ("a" * 1e9)',
        'def f: "a" * 1e9; f',
        'def f: ("a") * (1e9 + 0); f',
        'label $out | "a" * 1e9',
        '"a" * 1e9999',
    ],
)
def test_a_constant_that_would_be_large_is_refused_before_it_is_made(text: str) -> None:
    """Libjq multiplies constants while it compiles: checking a definition would take the memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ExpressionInvalid, match="repeated string"):
        compile_expression(text, NONE)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "KiB"


@pytest.mark.parametrize(
    "text", [".a * .n", ".n * .a", ".a *= 1000000", 'reduce .l[] as $x ("a"; . * 5000)', "[.l[] | .x * 9999]"]
)
def test_a_string_of_the_data_is_repeated_within_bounds_too(text: str) -> None:
    """Also one for each of thousands of elements."""
    with pytest.raises(ExpressionFailed, match="repeated string"):
        evaluate(text, {"a": "a", "n": 1_000_000_000, "l": [{"x": "x"}, {"x": "y"}]})


@pytest.mark.parametrize(
    "text",
    [
        ".l[200000000] = 1",
        ".l[.n] = 1",
        ".l[.n] |= 1",
        ".l[.n] += 1",
        ".l[.n] //= 1",
        'setpath(["l", .n]; 1)',
        "pick(.l[200000000])",
        "[.l, .l | .[1000000] = 1]",
        ".new[1000000] = 1",
        ".l[0][1000000].x = 1",
        "def f: .l[.n] = 1; f",
    ],
)
def test_an_element_far_behind_the_end_is_refused(text: str) -> None:
    """It would fill everything before it with nulls, sixteen bytes each."""
    with pytest.raises(ExpressionFailed, match="places behind the end"):
        compile_expression(text, NONE).evaluate_anyway({"l": [[]], "n": 200_000_000}, {})


@pytest.mark.parametrize(
    "text", ["def __near(p): p; 1", "__setpath([1]; 1)", "def _assign(a; b): a; 1", "_modify(.; .)", "__times(1; 2)"]
)
def test_what_stands_guard_cannot_be_replaced_or_gone_around(text: str) -> None:
    """Its names are reserved."""
    with pytest.raises(ExpressionInvalid, match="reserved"):
        compile_expression(text, NONE)


@given(st.lists(st.integers(), max_size=6), st.integers(0, BEHIND + 6), st.integers())
def test_updates_mean_what_they_meant(items: list[int], place: int, value: int) -> None:
    """Within the bound an assignment does what jq does: as a list in Python, filled with nulls."""
    items, value = [one % 2**31 for one in items], value % 2**31
    if place > BEHIND + len(items):
        return
    filled: list[Json] = [*items, *([None] * (place + 1 - len(items)))]
    filled[place] = value
    assert evaluate(".l[.p] = .v | .l", {"l": list(items), "p": place, "v": value}) == filled


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"-" * 80', None),
        (f'"x" * {LONGEST}', None),
        (".[.k] = 1 | .a.b.c = 2 | (.x, .y) |= 3", {"k": "k"}),
        ("(.[] | select(. > 1)) |= empty", [1, 2, 3, 4]),
        (".[1:3] = [9]", [1, 2, 3, 4]),
        (".[1:3] |= map(. * 2)", [1, 2, 3, 4]),
        ("pick(.a[1].b)", {"a": [1, {"b": 2, "c": 3}]}),
        ("[.a = (1, 2) | .a]", {}),
        ('[setpath((["a"], ["b"]); (1, 2))]', {}),
        ("setpath([]; 1)", {}),
        (".. |= (numbers |= . + 1)", {"a": [1, [2]]}),
        ("to_entries | map(.value += 1) | from_entries", {"a": 1}),
        (".[-1] = 9", [1, 2]),
        ("reduce range(5) as $i ([]; .[$i] = $i * $i)", None),
        (".a += 1 | .b -= 1 | .c *= 2 | .d /= 2 | .e %= 2 | .f //= 5", {"a": 1, "b": 1, "c": 2, "d": 4, "e": 3}),
        ("first(.[] | select(.a)) = 5", [{"a": 1}, {"a": 2}]),
        ("del(.[0]) | .[0] = null", [1, 2]),
        ("{a: 1} * {a: {b: 2}}", None),
    ],
)
def test_what_is_ordinary_means_what_plain_jq_says(text: str, value: Json) -> None:
    """Paths by name and by several at once, slices, deletions by update, the order of combinations."""
    assert compile_expression(text, NONE).evaluate_anyway(value, {}) == jq.compile(text).input_value(value).first()


def test_what_was_cheap_stays_cheap() -> None:
    """The common product of two numbers needs no libjq."""
    assert compile_expression(".price * .count", NONE).cost is Cost.NATIVE
