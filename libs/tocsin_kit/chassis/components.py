"""What a process is made of: components that start in order, work, and stop in reverse."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tocsin_kit.telemetry.health import Health


class Component(Protocol):
    """A part of a process with a life of its own. :class:`Part` has harmless defaults for everything but the name."""

    @property
    def name(self) -> str:
        """Short; unique in its service."""
        ...

    async def start(self) -> None:
        """Return when able to work.

        Raises:
            Unavailable: It cannot, and says why in one clear sentence.
        """
        ...

    async def serve(self) -> None:
        """Work in the background until cancelled; may return at once when there is nothing to do.

        Whatever it raises takes the process down: what can be coped with is coped with inside.
        """
        ...

    async def stop(self) -> None:
        """Drain: take nothing new, finish what is in hand. ``serve`` still runs and is cancelled afterwards."""
        ...

    def health(self) -> Health:
        """Whether it can do its work now. Asked often: answers from memory."""
        ...


@runtime_checkable
class Leaving(Protocol):
    """A component that wants to know of the stop before it begins."""

    def leave(self) -> None:
        """The process is at work for a while yet, but not ready any more: send others elsewhere."""
        ...


class Part:
    """A component that does nothing yet; override what applies.

    Args:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    async def start(self) -> None:
        """Nothing to do."""

    async def serve(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""

    def health(self) -> Health:
        """Ready."""
        return Health(ready=True, detail="ready")


@dataclass(frozen=True, slots=True)
class Chain:
    """Components that start one after another, each needing those before it; several chains start at the same time.

    Attributes:
        name: Of the service; bound to every log entry of these components.
        components: In the order of their start.
    """

    name: str
    components: Sequence[Component]
