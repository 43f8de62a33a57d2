"""Server-sent events: lines in, events out.

Source:
    HTML Living Standard, section "Server-sent events".
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of a stream.

    Attributes:
        id: What to send as ``Last-Event-ID`` to go on behind it; ``None`` before the first id.
        event: Its kind; ``message`` unless the server says otherwise.
        data: Its lines, joined.
    """

    id: str | None
    event: str
    data: str


class Parser:
    """Takes a stream apart, line by line; holds at most one event."""

    def __init__(self) -> None:
        """At the beginning of a stream."""
        self.last_id: str | None = None
        self.retry_ms: int | None = None
        self._event = ""
        self._data: list[str] = []

    def feed(self, line: str) -> ServerEvent | None:
        """The event that ``line`` (without its end) completes, if it does."""
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self.last_id = value or None
        elif name == "retry" and value.isdecimal():
            self.retry_ms = int(value)
        return None

    def _dispatch(self) -> ServerEvent | None:
        data, kind = self._data, self._event
        self._data, self._event = [], ""
        return ServerEvent(self.last_id, kind or "message", "\n".join(data)) if data else None
