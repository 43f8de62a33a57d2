"""Ports of this machine: whether one is free, and which one is.

Only loopback is ever asked for: an embedded server is for one developer or one test run.
"""

import errno
import socket

from tocsin_kit.embedded.errors import PortTaken, ServerFailed

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """``count`` different ports that nobody listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
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
