"""Fixtures for all tests: real NATS and MongoDB (see ``tocsin_kit.testing.fixtures``); what Hypothesis draws; who runs what."""

import pytest
from hypothesis import settings

from sharing import BySharing, rank

pytest_plugins = ["tocsin_kit.testing.fixtures"]

# The same examples at every run, so that a change is judged by what it changes. `make fuzz` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("fuzz", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("same")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> BySharing:
    """With several workers; see :mod:`sharing`."""
    return BySharing(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker, long tests come first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.nodeid))
