"""URI templates of calls: what a value may and may not do to the address."""

from typing import Any

import pytest

from tocsin_executor.domain.requests import UriUnresolved, expand


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("http://h/{a}/x", "b/../c", "http://h/b%2F..%2Fc/x"),
        ("http://h/v{a}", 1.0, "http://h/v1"),
        ("http://h/{a}", None, "http://h/"),
        ("http://h/x{a}json", ".", "http://h/x.json"),
        ("http://h/{a}", "...", "http://h/..."),
        ("http://h/?q={a}", "..", "http://h/?q=.."),
        ("http://h/{a}", "a?b#c", "http://h/a%3Fb%23c"),
    ],
)
def test_a_value_is_a_part_of_where_it_stands(text: str, value: Any, found: str) -> None:
    """Never a delimiter."""
    assert expand(text, {"a": value}) == found


@pytest.mark.parametrize("text", ["http://h/{a}/x", "http://h/{a}", "http://h/x/{a}?q", "/{a}#f"])
@pytest.mark.parametrize("value", ["..", ".", [1], {"b": 1}])
def test_a_value_is_no_step_to_another_path(text: str, value: Any) -> None:
    """Which HTTP clients make of a segment of dots; nor is it an array or object."""
    with pytest.raises(UriUnresolved):
        expand(text, {"a": value})
