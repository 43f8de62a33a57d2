"""What an expression looks at, so that a value far away is fetched only where it matters."""

import pytest

from tocsin.expressions import compile_expression, compile_template

NAMES = frozenset({"item", "index"})


@pytest.mark.parametrize(
    "text", ["$item", "$item.a[0]", "{n: $item.n, i: $index}", "[1, $index] ", '"a\\($index)"', "$item | length"]
)
def test_what_names_only_variables_reads_no_value(text: str) -> None:
    """Paths, constructions and what is piped from a variable."""
    assert not compile_expression(text, NAMES).reads


@pytest.mark.parametrize("text", [".", ".a", "{n: .n}", "$item[.k]", "length", "[.[] | $item]", "if . then $item else 1 end"])
def test_what_may_look_at_the_value_reads_it(text: str) -> None:
    """Functions count as looking."""
    assert compile_expression(text, NAMES).reads


def test_a_template_reads_if_one_of_its_expressions_does() -> None:
    """Constants do not."""
    assert not compile_template({"a": "${ $item }", "b": 1}, NAMES).reads
    assert compile_template({"a": "${ $item }", "b": "${ . }"}, NAMES).reads
