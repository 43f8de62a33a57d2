"""What runs that events start are given."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.definitions import start_events
from tocsin.expressions import compile_template
from tocsin_trigger.domain.wishes import Wish, managed_trigger

REF = "/api/v1/runs/r/values/0"


@pytest.mark.parametrize(
    ("event", "given"),
    [
        ({"data": {"n": 1}}, {"n": 1}),
        ({"data": {"n": 1}, "dataref": REF}, {"n": 1}),
        ({"data": False}, False),
        ({"dataref": REF}, {"dataref": REF}),
        ({"data_base64": "AA=="}, "AA=="),
        ({}, None),
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_data_that_lies_elsewhere_is_told_by_its_address(event: dict[str, Any], given: Any, together: bool) -> None:
    """Nothing would look as if the event had none."""
    filters = [{"with": {"type": "a"}}, {"with": {"type": "b"}}]
    on, wrong = start_events({"on": {"all": filters} if together else {"one": filters[0]}})
    assert on is not None
    assert not wrong
    trigger = managed_trigger(Wish("n", "w", 1, None), on, datetime(2026, 1, 1, tzinfo=UTC))
    whole = {"specversion": "1.0", "id": "1", "source": "/s", "type": "a", **event}
    value: Any = {"events": [whole, whole]} if together else whole
    made = compile_template(trigger.input, frozenset()).evaluate_anyway(value, {})
    assert made == ([given, given] if together else [given])
