"""What was begun with a credential that is taken away: a stream of signals, a NATS connection."""

import pytest

from security.wire import Refused, connected
from security.world import HOME, World

pytestmark = pytest.mark.server


def test_a_person_who_is_shut_out_hears_nothing_more(world: World) -> None:
    """The stream through the gateway ends by itself, and so does the connection to NATS; neither begins again."""
    token = world.user("shut-out", ("viewer", HOME))
    bus = world.good("POST", "/api/v1/auth/nats-credentials", {"name": "bus"}, token=token)
    path = f"/api/v1/signals/stream?subject=signals.{HOME}.%3E"
    with world.open(path, token) as stream, connected(world.ready["nats"], bus["user"], bus["password"]) as wire:
        assert stream.readline()
        assert wire.may_subscribe(f"signals.{HOME}.>")
        world.good("PATCH", "/api/v1/users/shut-out", {"disabled": True})
        beats = 0
        while line := stream.readline():  # until it ends
            beats += line.startswith(b": still here")
            assert beats < 4, "a minute later it goes on"
        wire.until_closed()
    assert world.ask("GET", path, token=token).status == 401
    with pytest.raises(Refused), connected(world.ready["nats"], bus["user"], bus["password"]):
        pass
