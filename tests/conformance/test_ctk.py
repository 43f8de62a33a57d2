"""The conformance kit passes on the engine's core."""

import pytest
from tests.conformance.ctk import ctk
from tests.conformance.suites import standards


def test_every_scenario_of_the_conformance_kit_passes() -> None:
    """All of them; without the folder of standards there is nothing to judge by."""
    folder = standards()
    if folder is None:
        pytest.skip("the folder of standards is absent")
    outcome = ctk(folder)
    assert outcome.failed == []
    assert outcome.passed > 20
