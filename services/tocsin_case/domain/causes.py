"""What signals mean to cases: what failed, under which key, and what says that it is well again.

A family pairs the signal that something is wrong with the one that says it is over. Signals that no family knows can open cases
too: then the entity of the signal is the cause, and a rule may name the signal that resolves it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from enum import Enum
from typing import Final

from tocsin.cesql import Value
from tocsin.signals import CloudEvent, Json

TEXT: Final = 400  # characters of a detail taken from a signal
_RUN_ID: Final = 26  # characters; the name of a run is <workflow>-<run id>.<namespace>


class Meaning(Enum):
    """What a signal says about its cause."""

    BROKEN = "broken"
    WELL = "well"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One signal, read for its meaning.

    Attributes:
        namespace: Of what it is about.
        family: ``run``, ``schedule``, ``asset``, ``asset-check``, ``alert``, ``webhook``, or the entity of any other signal.
        name: What it is about: the workflow, the schedule, the asset ...
        meaning: Whether it broke or is well; ``None`` for signals of no family, which only mean something to rules.
        signal: ``<entity>.<transition>``.
        part: Which part of it, where parts break by themselves: a partition, a group of an alert.
        kind: Of the link to it: ``run``, ``schedule``, ``asset`` ...
        target: Of the link to it.
        detail: What is wrong, one line.
        position: Place of the signal in the stream of signals.
        attributes: What filters see.
        because: What the signal itself says is behind it: kinds and targets of further links.
    """

    namespace: str
    family: str
    name: str
    meaning: Meaning | None
    signal: str
    kind: str
    target: str
    detail: str
    position: int
    attributes: Mapping[str, Value]
    part: str = ""
    because: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """What occurrences of the same thing have in common."""
        return f"{self.namespace}/{self.family}/{self.name}" + (f"#{self.part}" if self.part else "")


_BROKEN: Final = frozenset({"failed", "fail", "stale", "overdue", "error", "violated", "breached", "missing"})
_BEHIND: Final[Mapping[str, str]] = {
    "failed-run": "run",
    "refused-run": "run",
    "running": "run",
    "waiting-slot": "run",
    "paused-schedule": "schedule",
    "late-upstream": "asset",
}
_WELL: Final = frozenset({"fresh", "ok", "passed", "pass", "succeeded", "healthy"})
_PAIRS: Final[Mapping[str, tuple[str, Meaning]]] = {
    "run.faulted": ("run", Meaning.BROKEN),
    "run.completed": ("run", Meaning.WELL),
    "run.refused": ("run", Meaning.BROKEN),
    "approval.expired": ("approval", Meaning.BROKEN),  # a deadline that passed; a later answer is to another question
    "schedule.missed": ("schedule", Meaning.BROKEN),
    "schedule.fired": ("schedule", Meaning.WELL),
    "alert.fired": ("alert", Meaning.BROKEN),
    "alert.resolved": ("alert", Meaning.WELL),
    "webhook.disabled": ("webhook", Meaning.BROKEN),
    "webhook.resumed": ("webhook", Meaning.WELL),
}


def read_occurrence(
    event: CloudEvent, *, namespace: str, entity: str, transition: str, subject: str, position: int
) -> Occurrence:
    """What a signal means.

    Args:
        event: The signal.
        namespace: From its subject on the bus.
        entity: The same.
        transition: The same.
        subject: Id or name of the entity.
        position: Place in the stream of signals.
    """
    data = event.payload if isinstance(event.payload, dict) else {}
    signal = f"{entity}.{transition}"
    family, meaning = _PAIRS.get(signal, (entity, None))
    name = _text(data.get("name")) or _text(data.get("rule")) or subject
    if entity in {"run", "approval"}:
        name = workflow_of(name) or _text(data.get("workflow")) or subject
    if signal in {"asset.freshness-changed", "asset.check-evaluated"}:
        meaning = _verdict(data)
        if signal == "asset.check-evaluated":
            family, name = "asset-check", f"{name}/{_text(data.get('check')) or 'check'}"
    target = subject if entity in {"run", "alert", "approval"} else _text(data.get("name")) or subject
    return Occurrence(
        namespace=namespace,
        family=family,
        name=name,
        meaning=meaning,
        signal=signal,
        kind=entity,
        target=target[:256],
        detail=_detail(signal, data),
        position=position,
        attributes=_attributes(event, data),
        part=_part(entity, data),
        because=_because(data),
    )


def workflow_of(name: str) -> str:
    """The workflow in the qualified name of a run, ``<workflow>-<run id>.<namespace>``; empty when it is none."""
    return name.rpartition(".")[0][: -_RUN_ID - 1]


def _part(entity: str, data: Mapping[str, Json]) -> str:
    group = data.get("group")
    if entity == "alert" and isinstance(group, dict):
        return ",".join(f"{name}={group[name]}" for name in sorted(group))[:256]
    return _text(data.get("partition")) if entity == "asset" else ""


def _because(data: Mapping[str, Json]) -> tuple[tuple[str, str], ...]:
    """What a signal says is behind it: the run that failed, the schedule that is paused, the asset that is late."""
    found: list[tuple[str, str]] = []
    causes = data.get("causes")
    for cause in causes if isinstance(causes, list) else ():
        subject = _text(cause.get("subject")) if isinstance(cause, dict) else ""
        if isinstance(cause, dict) and subject:
            kind = _BEHIND.get(_text(cause.get("kind")))
            found += [(kind, subject[:256])] if kind is not None else []  # of a change of code it is a version
    run = _text(data.get("run"))
    if run:
        found.append(("run", run[:256]))
    return tuple(dict.fromkeys(found))[:10]


def _verdict(data: Mapping[str, Json]) -> Meaning | None:
    for member in ("after", "state", "status", "result", "outcome"):
        word = _text(data.get(member)).lower()
        if word in _BROKEN:
            return Meaning.BROKEN
        if word in _WELL:
            return Meaning.WELL
    passed = data.get("passed")
    return None if not isinstance(passed, bool) else Meaning.WELL if passed else Meaning.BROKEN


def _detail(signal: str, data: Mapping[str, Json]) -> str:
    error = data.get("error")
    if isinstance(error, dict):
        return (_text(error.get("title")) or _text(error.get("detail")) or _text(error.get("type")))[:TEXT]
    for member in ("cause", "reason", "detail", "summary", "description", "message", "title"):
        if text := _text(data.get(member)):
            return text[:TEXT]
    causes = data.get("causes")
    if isinstance(causes, list) and causes and isinstance(causes[0], dict):
        return _text(causes[0].get("detail"))[:TEXT]
    if signal == "schedule.missed":
        return f"{data.get('count')} instants since {_text(data.get('first_at'))}"
    return signal


def _attributes(event: CloudEvent, data: Mapping[str, Json]) -> dict[str, Value]:
    """The context attributes, and each plain member of the data as ``data<name>`` in lower case without punctuation."""
    seen: dict[str, Value] = {
        "specversion": event.specversion,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        **event.extensions,
    }
    if event.subject is not None:
        seen["subject"] = event.subject
    if event.time is not None:
        seen["time"] = event.time.astimezone(UTC).isoformat().replace("+00:00", "Z")
    for name, value in data.items():
        if isinstance(value, str | bool | int):
            plain = "".join(c for c in name.lower() if c.isascii() and c.isalnum())
            seen[f"data{plain}"] = value if not isinstance(value, int) or abs(value) < 2**31 else str(value)
    return seen


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
