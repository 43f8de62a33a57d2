"""What a definition's metadata says about its runs."""

from typing import Any

import pytest

from tocsin.errors import Invalid
from tocsin_executor.domain.limits import Gate, Policy, Rate, rule_of, terms_of


def document(stated: Any) -> dict[str, Any]:
    """A definition with this under ``metadata.tocsin``."""
    return {"document": {"metadata": {"tocsin": stated}}}


def test_limits_rates_pools_and_priorities_are_read() -> None:
    """All of it, and the key is taken from the input."""
    rule = rule_of(
        document(
            {
                "concurrency": {"limit": 2, "key": "${ .customer }", "policy": "skip"},
                "rate": {"limit": 5, "every": "PT1M"},
                "pools": ["gpu", "gpu"],
                "priority": 7,
            }
        )
    )
    assert rule is not None
    terms = terms_of(rule, "default", "flow", {"customer": "acme"})
    assert terms.gate == Gate("workflow:default/flow#acme", 2, Rate(5, 60_000), Policy.SKIP)
    assert (terms.pools, terms.priority) == (("pool:default/gpu",), 7)
    assert terms_of(rule, "default", "flow", {}, priority=999, key="mine").keys[0] == "workflow:default/flow#mine"


def test_keys_that_are_no_text_and_very_long_ones_have_a_stable_name() -> None:
    """Objects whatever the order of their members; long texts by their digest."""
    rule = rule_of(document({"concurrency": {"limit": 1, "key": "."}}))
    assert rule is not None
    one, two = (terms_of(rule, "n", "w", given).keys for given in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))
    assert one == two == ('workflow:n/w#{"a":1,"b":2}',)
    assert len(terms_of(rule, "n", "w", "x" * 10_000).keys[0]) < 80


def test_an_input_without_a_usable_key_is_refused() -> None:
    """The expression fails on it: the start is refused and says so."""
    rule = rule_of(document({"concurrency": {"limit": 1, "key": ".a.b"}}))
    assert rule is not None
    with pytest.raises(Invalid, match="cannot be told"):
        terms_of(rule, "n", "w", {"a": 1})


@pytest.mark.parametrize(
    ("stated", "pointer"),
    [
        ([], ""),
        ({"concurency": {}}, "/concurency"),
        ({"concurrency": {"key": ".a"}}, "/concurrency"),
        ({"concurrency": {"limit": 0}}, "/concurrency/limit"),
        ({"concurrency": {"limit": 1, "policy": "drop"}}, "/concurrency/policy"),
        ({"concurrency": {"limit": 1, "key": "${ .a ++ }"}}, "/concurrency/key"),
        ({"concurrency": {"limit": 1, "key": "[range(.n)]"}}, "/concurrency/key"),
        ({"rate": {"limit": 1}}, "/rate"),
        ({"rate": {"limit": 1, "every": "often"}}, "/rate/every"),
        ({"pools": "gpu"}, "/pools"),
        ({"priority": 101}, "/priority"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(stated: Any, pointer: str) -> None:
    """At publication, with a pointer into the document."""
    with pytest.raises(Invalid) as caught:
        rule_of(document(stated))
    assert f"/document/metadata/tocsin{pointer}" in {violation.pointer for violation in caught.value.violations}


def test_a_definition_that_says_nothing_has_no_limits() -> None:
    """Most do not."""
    assert rule_of({"document": {"metadata": {"team": "a"}}}) is None
