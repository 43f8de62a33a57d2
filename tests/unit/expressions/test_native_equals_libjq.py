"""The fast path and libjq agree, on values and on failures, whatever the data."""

from typing import Any

import jq
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.expressions import Cost, ExpressionFailed, compile_expression

NAMES = st.sampled_from(["a", "b", "c"])
NUMBERS = (
    st.integers(-5, 5) | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.5, 2.0, -1.5])
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=4)
DATA = st.recursive(SCALARS, lambda d: st.lists(d, max_size=3) | st.dictionaries(NAMES, d, max_size=3), max_leaves=8)
VARIABLES = frozenset({"context", "item"})


def _texts() -> st.SearchStrategy[str]:
    paths = st.lists(NAMES.map(".{}".format) | st.integers(-2, 2).map("[{}]".format), min_size=1, max_size=3).map(
        lambda parts: "".join(parts) if parts[0].startswith(".") else "." + "".join(parts)
    )
    literals = st.sampled_from(["null", "true", "false", "0", "1", "2.5", "-3", '"x"', '"a"', "[]", "{}"])
    leaves = paths | literals | st.sampled_from([".", "$context", "$item.a", "$context.b[0]"])

    def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "and", "or", "//", "+", "-", "*", "/", "%"])
        functions = st.sampled_from(["not", "length", "keys", "type", "tostring"])
        return st.one_of(
            st.tuples(inner, signs, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
            st.tuples(inner, inner).map(lambda t: f"({t[0]} | {t[1]})"),
            st.tuples(inner, functions).map(lambda t: f"({t[0]} | {t[1]})"),
            st.tuples(inner, inner, inner).map(lambda t: f"if {t[0]} then {t[1]} else {t[2]} end"),
            st.tuples(inner, inner).map(lambda t: f"{{a: {t[0]}, b: {t[1]}}}"),
            st.lists(inner, max_size=3).map(lambda parts: "[" + ", ".join(parts) + "]"),
            inner.map(lambda t: f'"<\\({t})>"'),
            inner.map(lambda t: f"(. | map({t}))"),
            inner.map(lambda t: f"[.[] | {t}]"),
            st.just("[.[].a]"),
            inner.map(lambda t: f"(-({t}))"),
        )

    return st.recursive(leaves, deeper, max_leaves=5)


def _libjq(text: str, value: Any, variables: dict[str, Any]) -> Any:
    wrapped = f"(.[1]) as $context | (.[2]) as $item | .[0] | ({text})"
    try:
        return jq.compile(wrapped).input_value([value, variables["context"], variables["item"]]).first()
    except StopIteration:
        return None
    except ValueError:
        return ExpressionFailed


def _same(one: Any, two: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are, 1 and true are not; doubles to what jq prints."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, int | float) and isinstance(two, int | float):
        return one == two or abs(one - two) <= 1e-15 * max(abs(one), abs(two))
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_same(one[k], two[k]) for k in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(_same(a, b) for a, b in zip(one, two, strict=True))
    return one is two if isinstance(one, type) or isinstance(two, type) else one == two


@settings(max_examples=400, deadline=None)
@given(_texts(), DATA, DATA, DATA)
def test_the_fast_path_gives_what_libjq_gives(text: str, value: Any, context: Any, item: Any) -> None:
    """Values, nulls, missing fields and type errors: the same answer or the same refusal."""
    variables = {"context": context, "item": item}
    expression = compile_expression(text, VARIABLES)
    try:
        found = (
            expression.evaluate_anyway(value, variables)
            if expression.cost is Cost.OPEN
            else expression.evaluate(value, variables)
        )
    except ExpressionFailed:
        found = ExpressionFailed
    assert _same(found, _libjq(text, value, variables)), (text, value, variables)


def test_the_property_is_not_vacuous() -> None:
    """Most of what it generates takes the fast path."""
    for text in (".a", ".a[0].b == 1", "{a: .b, b: $context}", "[.[] | (.a + 1)]", "[.[].a]", 'if .a then "x" else .b end'):
        assert compile_expression(text, VARIABLES).cost is Cost.NATIVE, text
