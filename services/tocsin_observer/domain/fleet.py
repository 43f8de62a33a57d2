"""How every part of the platform is: what replicas say of themselves, what silence says, and what it means for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from fnmatch import fnmatchcase
from typing import Final

SILENT: Final = timedelta(seconds=16)  # three beats; silence for so long means gone or cut off
FORGOTTEN: Final = timedelta(hours=1)  # a silent replica is shown for so long
EXPECTED: Final = ("auth", "trigger", "scheduler", "executor", "lineage", "case", "observer", "gateway")
_BEHIND: Final = 10_000  # messages that wait for a consumer

# What it means when a component cannot work, by the pattern of its name.
_MODES: Final = (
    ("bus", "cut off from NATS: takes nothing in; what it has said waits in its outbox"),
    ("store", "cut off from MongoDB: takes nothing in and answers nothing"),
    ("consumer:*", "does not get on with its messages; they wait in the stream"),
    ("relay", "what it has said is not published; it waits in the outbox"),
    ("engine*", "runs do not go on; they wait in the log"),
    ("*.http", "does not answer over HTTP"),
    ("authenticator", "knows no valid keys: logins and tokens are refused"),
)


class ReplicaState(Enum):
    """How a replica is."""

    READY = "ready"
    DEGRADED = "degraded"
    SILENT = "silent"


Fact = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a replica."""

    name: str
    ready: bool
    detail: str
    facts: Mapping[str, Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A replica as it last said.

    Attributes:
        service: Short name.
        instance: Host and port.
        version: Of the distribution.
        started: When it started.
        heard: When it was heard last.
        components: Its parts.
    """

    service: str
    instance: str
    version: str
    started: str
    heard: datetime
    components: tuple[Component, ...]

    def state(self, now: datetime) -> ReplicaState:
        """How it is now."""
        if now - self.heard > SILENT:
            return ReplicaState.SILENT
        return ReplicaState.DEGRADED if self.modes() else ReplicaState.READY

    def told(self, now: datetime) -> tuple[str, ...]:
        """What is not well with it now, in words."""
        if self.state(now) is not ReplicaState.SILENT:
            return self.modes()
        silent = timedelta(seconds=int((now - self.heard).total_seconds()))
        return (f"not heard for {silent.total_seconds():g} s: it has ended, hangs, or is cut off from NATS",)

    def modes(self) -> tuple[str, ...]:
        """The ways in which it said that it is degraded, in words."""
        found = [_mode(part) for part in self.components if not part.ready]
        for part in self.components:
            stuck, lag = part.facts.get("stuck"), part.facts.get("lag")
            if isinstance(stuck, int) and stuck > 0:
                found.append(f"{stuck} outboxes cannot be published: {part.detail}")
            if isinstance(lag, int) and lag > _BEHIND:
                found.append(f"{part.name} is {lag} messages behind")
            missed = part.facts.get("lost")
            if isinstance(missed, int) and missed > 0:
                found.append(f"{part.name} never saw {missed} signals: the stream dropped them before it came to them")
        return tuple(found)


def _mode(part: Component) -> str:
    meaning = next((text for pattern, text in _MODES if fnmatchcase(part.name, pattern)), f"{part.name} cannot work")
    return f"{meaning} ({part.detail})"


def absent(replicas: Mapping[str, Replica], now: datetime) -> tuple[str, ...]:
    """Services of which no replica is heard."""
    alive = {one.service for one in replicas.values() if one.state(now) is not ReplicaState.SILENT}
    return tuple(name for name in EXPECTED if name not in alive)


def measures(replicas: Mapping[str, Replica], now: datetime) -> dict[str, float]:
    """Numbers that alert rules can watch: ``<service>.<component>.<fact>`` (the worst replica), and replicas by service."""
    found: dict[str, float] = {f"{name}.replicas": 0.0 for name in EXPECTED}
    for one in replicas.values():
        if one.state(now) is ReplicaState.SILENT:
            continue
        found[f"{one.service}.replicas"] = found.get(f"{one.service}.replicas", 0.0) + 1
        degraded = f"{one.service}.degraded"
        found[degraded] = found.get(degraded, 0.0) + (one.state(now) is ReplicaState.DEGRADED)
        for part in one.components:
            for fact, value in part.facts.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    name = f"{one.service}.{part.name}.{fact}"
                    found[name] = max(found.get(name, float("-inf")), float(value))
    return found
