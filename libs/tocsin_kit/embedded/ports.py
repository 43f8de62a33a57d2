"""Ports of this machine: whether one is free, and which one is.

Only loopback is ever asked for: an embedded server is for one developer or one test run.
"""

import errno
import itertools
import os
import socket
from typing import Final

from tocsin_kit.embedded.errors import PortTaken, ServerFailed

LOOPBACK = "127.0.0.1"


# Below those that systems give to connections that go out (32,768 on Linux, 49,152 elsewhere): of these, any connection of any
# process may take one before whoever was told that it is free has bound it.
_FIRST: Final = 20_000
_COUNT: Final = 12_000

_next = itertools.count(os.getpid() * 61)  # processes that ask at the same time begin at different places


def free_ports(count: int) -> list[int]:
    """``count`` different ports that nobody listens on at this moment, and that no connection takes by chance."""
    found: list[socket.socket] = []
    try:
        for _ in range(_COUNT):
            if len(found) == count:
                break
            each = socket.socket()
            try:
                each.bind((LOOPBACK, _FIRST + next(_next) % _COUNT))
            except OSError:
                each.close()
            else:
                found.append(each)
        while len(found) < count:  # a machine with so many servers: whatever the system gives
            found.append(socket.socket())
            found[-1].bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in found]
    finally:
        for each in found:
            each.close()


def require_free(port: int, *, purpose: str, change: str) -> None:
    """Refuse a port that somebody else uses.

    Args:
        port: The wanted port.
        purpose: Who wants it, for the sentence (``NATS``).
        change: How to choose another one, for the hint.

    Raises:
        PortTaken: Somebody listens there.
        ServerFailed: The port may not be used at all (below 1024 without the right).
    """
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT after a quick restart is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                detail = f"Port {port}, wanted for {purpose}, is taken by another program."
                raise PortTaken(detail, hint=f"End that program, or {change}.", port=port) from error
            raise ServerFailed(
                f"Port {port} cannot be used for {purpose}: {error.strerror}.", hint=change, port=port
            ) from error
