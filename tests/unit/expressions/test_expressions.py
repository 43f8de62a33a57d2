"""What expressions are allowed, what they cost, and how they fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.expressions import (
    Cost,
    EvaluateElsewhere,
    ExpressionFailed,
    ExpressionInvalid,
    Json,
    compile_condition,
    compile_expression,
    compile_template,
    loosened,
    truthy,
)

VARIABLES = frozenset({"context", "input", "secrets", "task", "workflow"})


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        (".a.b[0]", Cost.NATIVE),
        ('.status == "ok" and (.n > 3 or $context.force)', Cost.NATIVE),
        ('"order \\(.id)"', Cost.NATIVE),
        ("[.items[].price]", Cost.NATIVE),
        (".items | map(.price * .quantity) | add", Cost.BOUNDED),
        (".items[] | select(.ok)", Cost.BOUNDED),
        ("reduce .items[] as $i (0; . + $i.price)", Cost.BOUNDED),
        (".a |= . + 1", Cost.BOUNDED),
        ("with_entries(.value += 1)", Cost.BOUNDED),
        ("now | todate", Cost.BOUNDED),
        ("def f: f; f", Cost.OPEN),
        ("[range(.n)]", Cost.OPEN),
        ("[recurse(.a)]", Cost.OPEN),
        ("until(. > 10; . + 1)", Cost.OPEN),
        ('test("(a+)+$")', Cost.OPEN),
        ("reduce .[] as $x (0; . + .)", Cost.OPEN),
        ("[.[] as $a | .[] as $b | .[] as $c | 1]", Cost.OPEN),
        ("[combinations]", Cost.OPEN),
        ("walk([., .])", Cost.OPEN),
        ("|".join(["[., .]"] * 30), Cost.OPEN),
        ("|".join(["tojson"] * 30), Cost.OPEN),
    ],
)
def test_the_cost_is_known_from_the_text(text: str, cost: Cost) -> None:
    """What could run for long is never evaluated inside a step; what is harmless is not sent away."""
    assert compile_expression(text, VARIABLES).cost is cost


@pytest.mark.parametrize(
    "text",
    [
        "env",
        "$ENV.PATH",
        "input",
        "[inputs]",
        "debug",
        "halt",
        "1 | halt_error",
        "$__loc__",
        "input_filename",
        "localtime",
        '$secrets | getpath(["a"])',
        '"\\(env)"',
        "{a: env}",
        "{(env): 1}",
        "get_search_list",
        "$__in",
    ],
)
def test_what_reads_the_world_is_refused(text: str) -> None:
    """No environment, no other input, no clock of the machine, no way out of the process; inside strings too."""
    with pytest.raises(ExpressionInvalid):
        compile_expression(text, VARIABLES)


def test_keys_may_have_any_name() -> None:
    """Only calls are refused: a field or a key named like a function is data."""
    assert compile_expression("{env: .env, halt, a: .input.debug}", VARIABLES).evaluate(
        {"env": 1, "halt": 2, "input": {}}, {}
    ) == {
        "env": 1,
        "halt": 2,
        "a": None,
    }


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        (".a +", 1, 4, "unexpected end of file"),
        ("$contxt.x", 1, 1, "'$contxt' is not a variable here"),
        ("1 +\n  $zz", 2, 3, "'$zz' is not a variable here"),
        (".a) | (.b", 1, 3, "closes nothing"),
        ("[1,\n 2", 1, 1, "never closed"),
        (".a | foo(1)", 1, 6, "foo/1 is not defined"),
        ('"abc', 1, 1, "never closed"),
        ("  ", 1, 1, "empty"),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, line: int, column: int, says: str) -> None:
    """Line and column inside the expression, and what is wrong there."""
    with pytest.raises(ExpressionInvalid) as caught:
        compile_expression(text, VARIABLES)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert says in caught.value.detail


def test_an_unknown_variable_is_answered_with_the_nearest() -> None:
    """People mistype."""
    with pytest.raises(ExpressionInvalid) as caught:
        compile_expression("$contxt", VARIABLES)
    assert caught.value.hint == "Did you mean '$context'?"


def test_the_variables_in_use_are_known() -> None:
    """Only those are handed over, since handing libjq the whole context costs 90 us a KB."""
    assert compile_expression("$context.a + ($input | length) + now", VARIABLES).names == {"context", "input", "now"}


def test_now_is_what_the_caller_says() -> None:
    """Folding an input again gives the same answer."""
    assert compile_expression("now | todate", VARIABLES).evaluate(None, {"now": 0}) == "1970-01-01T00:00:00Z"
    assert compile_expression("[now, now] | add", frozenset()).evaluate(None, {"now": 2}) == 4


def test_no_output_is_null_and_several_are_the_first() -> None:
    """The DSL wants one value."""
    assert compile_expression("empty", VARIABLES).evaluate(1, {}) is None
    assert compile_expression(".[]", VARIABLES).evaluate([7, 8], {}) == 7


def test_a_failure_says_what_jq_says_but_never_shows_secrets() -> None:
    """Libjq quotes the data in its errors; with secrets in play the text is constant."""
    with pytest.raises(ExpressionFailed, match="cannot be added"):
        compile_expression('.a + "x"', VARIABLES).evaluate({"a": 1}, {})
    with pytest.raises(ExpressionFailed) as caught:
        compile_expression("$secrets.key + 1", VARIABLES).evaluate(None, {"secrets": {"key": "hunter2"}})
    assert "hunter2" not in str(caught.value)


def test_a_large_value_is_evaluated_elsewhere() -> None:
    """A step must not wait for libjq to read megabytes; the limit is on bytes, so it is the same when folded again."""
    expression = compile_expression(".items | map(.a) | add", VARIABLES)
    assert expression.evaluate({"items": [{"a": 1}] * 100}, {}) == 100
    with pytest.raises(EvaluateElsewhere):
        expression.evaluate({"items": [{"a": 1}] * 10_000}, {})
    assert compile_expression(".items[0]", VARIABLES).evaluate({"items": [{"a": 1}] * 10_000}, {}) == {"a": 1}


def test_repeating_a_string_cannot_eat_the_memory() -> None:
    """``"x" * 1e9`` is a gigabyte in plain jq."""
    with pytest.raises(ExpressionFailed, match="8 KiB"):
        compile_expression(".s * .n", VARIABLES).evaluate({"s": "x" * 100, "n": 1e6}, {})
    assert compile_expression(".s * .n", VARIABLES).evaluate({"s": "xy", "n": 2}, {}) == "xyxy"
    assert compile_expression("[(1, 2) * (3, 4)]", VARIABLES).evaluate(None, {}) == [3, 6, 4, 8]


def test_integers_beyond_doubles_pass_through() -> None:
    """An id of 19 digits is not rounded on its way."""
    assert compile_expression("{id: .id}", VARIABLES).evaluate({"id": 9007199254740993}, {}) == {"id": 9007199254740993}
    assert compile_expression(".id", VARIABLES).evaluate({"id": 10**30}, {}) == 10**30


def test_only_whole_strings_in_strict_syntax_are_expressions() -> None:
    """Data is data: what does not look like ``${ }`` from end to end stays as it is, and nothing at run time is looked at."""
    data = {"a": "${ .x }", "b": "x ${ .x }", "c": ["$x", {"d": " ${ .y + 1 }\n"}], "e": 3}
    template = compile_template(data, VARIABLES)
    assert not template.constant
    assert template.evaluate({"x": "${ .y }", "y": 2}, {}) == {"a": "${ .y }", "b": "x ${ .x }", "c": ["$x", {"d": 3}], "e": 3}
    assert data["a"] == "${ .x }"


def test_constants_are_returned_as_they_are() -> None:
    """No copy for what has no expression."""
    data = {"a": [1, 2]}
    template = compile_template(data, VARIABLES)
    assert template.constant
    assert template.evaluate(None, {}) is data


def test_a_template_knows_its_cost_and_names() -> None:
    """The most expensive part decides."""
    template = compile_template({"a": "${ $context.x }", "b": "${ [range(.n)] }"}, VARIABLES)
    assert template.cost is Cost.OPEN
    assert template.names == {"context"}
    with pytest.raises(EvaluateElsewhere):
        template.evaluate({"n": 1}, {})


def test_a_mistake_in_a_template_has_a_pointer() -> None:
    """The definition's reader needs to find it."""
    with pytest.raises(ExpressionInvalid) as caught:
        compile_template({"a": {"b/c": ["ok", "${ .a + }"]}}, VARIABLES)
    assert caught.value.violations[0].pointer == "/a/b~1c/1"


def test_conditions_need_no_braces() -> None:
    """``if: .a`` and ``if: ${ .a }`` are the same."""
    assert compile_condition(".a", VARIABLES).evaluate({"a": 1}, {}) == 1
    assert compile_condition("${ .a }", VARIABLES).evaluate({"a": 1}, {}) == 1
    assert [truthy(v) for v in (0, "", [], None, False, True)] == [True, True, True, False, False, True]


@given(st.text(alphabet='.$abc()[]{}|,:;"\\+-*/% 01?#\n', max_size=40))
def test_any_text_is_compiled_or_refused_with_a_position(text: str) -> None:
    """Never anything else."""
    try:
        compile_expression(text, VARIABLES)
    except ExpressionInvalid as refusal:
        assert refusal.line >= 1  # noqa: PT017 - most texts are refused, some are not
        assert refusal.column >= 1  # noqa: PT017


@pytest.mark.parametrize(
    "text",
    [
        "(" * 2000 + "." + ")" * 2000,
        ".a" * 2000,
        "1" + "+1" * 2000,
        '"\\(' * 2000 + "." + ')"' * 2000,
        "{a:" * 2000 + "1" + "}" * 2000,
        "-" * 2000 + "1",
    ],
    ids=["brackets", "path", "sum", "strings", "objects", "signs"],
)
def test_very_deep_expressions_are_refused_or_open(text: str) -> None:
    """The answer does not depend on how deep the caller's stack is."""
    try:
        assert compile_expression(text, VARIABLES).cost is Cost.OPEN
    except ExpressionInvalid as refusal:
        assert "deep" in refusal.detail  # noqa: PT017 - libjq reads some of them


def test_escapes_beyond_sixteen_bits_are_one_character() -> None:
    """As in JSON, they are written in pairs."""
    text = r'"\ud83d\ude00 \(.a)"'
    assert compile_expression(text, VARIABLES).evaluate({"a": "x"}, {}) == "\U0001f600 x"


@pytest.mark.parametrize(
    ("text", "value", "gives"),
    [
        (".a", {"a": 1}, 1),
        ("${ .a }", {"a": 1}, 1),
        ("Hello, world!", {}, "Hello, world!"),
        ("https://example.com/{id}", {}, "https://example.com/{id}"),
        ("${ .a + }", {}, ".a +"),
        (".a.b", {"a": "text"}, ".a.b"),
        ('"quoted \\(.a)"', {"a": 1}, "quoted 1"),
        ("$unknown", {}, "$unknown"),
        (".a # why", {"a": 2}, 2),
        ("", {}, ""),
        ("no 'quotes\" are safe \\(.a)", {}, "no 'quotes\" are safe \\(.a)"),
    ],
)
def test_loose_mode_evaluates_what_it_can_and_leaves_the_rest_as_text(text: str, value: Json, gives: Json) -> None:
    """With ``${ }`` or without; what does not compile, or fails on the value, is a string with the expression in it."""
    template = compile_template(loosened({"x": [text]}, frozenset()), frozenset())
    assert template.evaluate_anyway(value, {}) == {"x": [gives]}
