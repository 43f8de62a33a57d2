"""One platform for all attacks, with people of every kind on it.

At the end every attempt that any of them made has to be in the audit trail: refused is not enough, it has to be known.
"""

import signal
from collections.abc import Iterator

import pytest

from e2e.machine import EASY_PASSWORDS, Platform
from security.collector import Collector
from security.world import World
from tocsin_kit.clock import SystemClock

_CLOCK = SystemClock()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The whole platform on free ports, and who attacks it."""
    collector = Collector()
    settings = {
        **EASY_PASSWORDS,
        "TOCSIN_OTLP_ENDPOINT": collector.url,
        "TOCSIN_AUTH_ACCESS_LIFETIME": "1h",  # a slow machine takes longer over all tests than a quarter of an hour
    }
    platform = Platform(tmp_path_factory.mktemp("attacked"), "--ephemeral", environment=settings)
    try:
        platform.wait()
        world = World(platform.ready, traces=collector.bodies)
        yield world
        world.root = world.login("admin", world.admin_password)["access_token"]
        until = _CLOCK.monotonic() + 60  # for the trail to catch up
        while (missing := world.unrecorded()) and _CLOCK.monotonic() < until:
            pass
        assert not missing, f"refused and not recorded: {sorted(missing)[:10]}"
    finally:
        assert platform.stop(signal.SIGTERM) == 0
        collector.stop()
