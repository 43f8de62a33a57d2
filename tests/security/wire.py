"""A NATS client that keeps to the wire: what the server refuses is seen in its own words and in order."""

import contextlib
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit


class Refused(Exception):
    """The server did not let the connection in."""


class Wire:
    """One connection, synchronous."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._subscriptions = 0
        self.heard: list[str] = []

    def introduce(self, user: str, password: str) -> None:
        """Log in."""
        assert self._lines.readline().startswith(b"INFO ")
        options = {"user": user, "pass": password, "verbose": False, "pedantic": False, "headers": True, "protocol": 1}
        self._connection.sendall(b"CONNECT " + json.dumps(options).encode() + b"\r\n")
        try:
            errors = self.errors()
        except OSError as error:
            raise Refused("closed") from error
        if errors:
            raise Refused(errors[0])

    def errors(self) -> list[str]:
        """What the server complained about until it had seen all that was sent."""
        self._connection.sendall(b"PING\r\n")
        found = []
        while line := self._lines.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            match verb:
                case "PONG":
                    return found
                case "PING":
                    self._connection.sendall(b"PONG\r\n")
                case "-ERR":
                    found.append(rest)
                case "MSG" | "HMSG":
                    self.heard.append(rest.split(" ")[0])
                    self._lines.read(int(rest.split(" ")[-1]) + 2)
                case _:
                    continue
        return found or ["closed"]

    def may_publish(self, subject: str, *, reply: str = "") -> bool:
        """Whether the server takes a message."""
        self._connection.sendall(f"PUB {subject} {reply + ' ' if reply else ''}2\r\n{{}}\r\n".encode())
        return not self.errors()

    def say(self, subject: str, payload: bytes, headers: dict[str, str]) -> list[str]:
        """Publish with headers; what the server complained about."""
        head = b"NATS/1.0\r\n" + b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items()) + b"\r\n"
        sizes = f"{len(head)} {len(head) + len(payload)}"
        self._connection.sendall(f"HPUB {subject} {sizes}\r\n".encode() + head + payload + b"\r\n")
        return self.errors()

    def may_subscribe(self, subject: str) -> bool:
        """Whether the server lets it listen."""
        self._subscriptions += 1
        self._connection.sendall(f"SUB {subject} {self._subscriptions}\r\n".encode())
        return not self.errors()

    def until_closed(self) -> None:
        """Read until the server ends the connection; a minute at most.

        Raises:
            TimeoutError: It does not.
        """
        self._connection.settimeout(60)
        with contextlib.suppress(ConnectionError):
            while line := self._lines.readline():
                assert not line.startswith(b"PING"), "two minutes have gone"

    def close(self) -> None:
        """End it."""
        self._lines.close()
        self._connection.close()


@contextlib.contextmanager
def connected(url: str, user: str, password: str) -> Iterator[Wire]:
    """A connection that was let in.

    Raises:
        Refused: It was not.
    """
    parts = urlsplit(url)
    wire = Wire(socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10))
    try:
        wire.introduce(user, password)
        yield wire
    finally:
        wire.close()
