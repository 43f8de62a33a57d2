"""One platform for all tests of this folder, and a machine on which somebody has just logged in."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.machine import EASY_PASSWORDS, Machine, Platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The whole platform on free ports, with the examples loaded."""
    made = Platform(tmp_path_factory.mktemp("platform"), "--ephemeral", environment=EASY_PASSWORDS)
    try:
        yield made.wait()
    finally:
        code = made.stop(signal.SIGTERM)
    assert code == 0


@pytest.fixture(scope="session")
def newcomer(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which nobody has logged in yet."""
    return Machine(tmp_path_factory.mktemp("machine"), platform.url, Path(platform.ready["data"]))


@pytest.fixture(scope="session")
def machine(newcomer: Machine) -> Machine:
    """The same machine after `tocsin login --local`."""
    newcomer.shell("tocsin login --local")
    newcomer.token = newcomer.json("auth", "api-key", "create", "e2e")["api_key"]
    return newcomer
