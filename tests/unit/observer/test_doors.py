"""What the observer takes in over HTTP."""

from datetime import datetime
from typing import get_args

import pytest

from tocsin_kit.web import Input
from tocsin_observer.http import alert_schemas, analytics_routes, audit_schemas, schemas, webhook_schemas

BODIES = [
    one
    for module in (alert_schemas, analytics_routes, audit_schemas, schemas, webhook_schemas)
    for one in vars(module).values()
    if isinstance(one, type) and issubclass(one, Input) and not one.__name__.endswith("View")
]


@pytest.mark.parametrize("body", BODIES, ids=lambda one: one.__name__)
def test_times_that_are_taken_in_have_a_zone(body):
    """One without could not be compared with ours: an answer of 500, or a mute at another hour than its author meant."""
    for name, field in body.model_fields.items():
        assert datetime not in {field.annotation, *get_args(field.annotation)}, name
