"""Our own scenarios hold on the real platform."""

import pathlib

import pytest
from tests.conformance.live import FEATURES, own, read

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_every_scenario_of_ours_holds_on_the_platform() -> None:
    """All of them at once on one platform, with its bus, database and workers, each in a namespace of its own."""
    outcome = own(pathlib.Path())
    assert outcome.failed == []
    assert outcome.passed == len(read(sorted(FEATURES.glob("*.feature")))) >= 150
