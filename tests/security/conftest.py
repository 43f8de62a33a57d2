"""One platform for all attacks, with people of every kind on it."""

import signal
from collections.abc import Iterator

import pytest

from e2e.machine import Platform
from security.world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The whole platform on free ports, and who attacks it."""
    platform = Platform(tmp_path_factory.mktemp("attacked"), "--ephemeral")
    try:
        platform.wait()
        yield World(platform.ready)
    finally:
        assert platform.stop(signal.SIGTERM) == 0
