"""Run and task signals as bytes: the catalogue's types and payloads, put together fast.

The general way (``tocsin.signals.make_signal``) builds and validates models; a step has three signals and a budget of
microseconds, so this writes the same JSON from parts that are prepared once for each run. A test holds every signal made here
against the catalogue's models.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from pydantic.alias_generators import to_camel

from tocsin.signals import subjects
from tocsin.signals.catalogue import approvals, executor
from tocsin.signals.kinds import LifecyclePayload, Severity, SignalType
from tocsin.signals.make import format_sequence, signal_ids, source_of
from tocsin_executor.domain.effects import Signal, Transition
from tocsin_executor.domain.state import Head
from tocsin_executor.domain.values import Json, Millis
from tocsin_executor.ports import RunMeta
from tocsin_kit.telemetry import lasting, recording

PARTITION_LABEL = "tocsin.partition"
"""Label of a run that is for one partition of an asset; its signals say which in the extension ``assetpartition``."""

_OURS = {Transition.WORKFLOW_CANCEL_REQUESTED: "RUN_CANCEL_REQUESTED", Transition.WORKFLOW_MIGRATED: "RUN_MIGRATED"}
_AUTH_TYPES = {"user": "user", "service": "service_account", "key": "api_key"}


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all signals of one transition share."""

    subject: str
    type: str
    moment: str
    of_task: bool
    fixed: dict[str, Json]
    fields: frozenset[str]


def _kind(transition: Transition) -> _Kind:
    name = _OURS.get(transition, transition.name)
    kind: SignalType[Any] = getattr(approvals if name.startswith("APPROVAL_") else executor, name)
    fields = kind.payload.model_fields
    moment = next(field for field in fields if field.endswith("_at"))
    camel = issubclass(kind.payload, LifecyclePayload)
    fixed: dict[str, Json] = {"datacontenttype": "application/json"}
    if kind.severity is not Severity.INFO:
        fixed["severitynumber"] = kind.severity.value
        fixed["severitytext"] = kind.severity.name
    return _Kind(
        subject=f"{subjects.escape(kind.entity)}.{subjects.escape(kind.transition)}",
        type=kind.type,
        moment=to_camel(moment) if camel else moment,
        of_task=kind.entity in {"task", "approval"},
        fixed=fixed,
        fields=frozenset(fields),
    )


_KINDS = {transition: _kind(transition) for transition in Transition}


@lru_cache(maxsize=4096)
def instant(at: Millis) -> str:
    """RFC 3339 text of an instant; many signals of a cycle share one."""
    return moment_of(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(at: Millis) -> datetime:
    """An instant of the engine's as everybody else has it."""
    return datetime.fromtimestamp(at / 1000, UTC)


class SignalWriter:
    """Writes the signals of one run.

    Args:
        run: Its id.
        head: Its head; only what never changes is taken from it.
        meta: What is known besides.
    """

    __slots__ = ("_definition", "_head", "_ids", "_qualified", "_shared", "_tail", "namespace", "traceparent")

    def __init__(self, run: str, head: Head, meta: RunMeta) -> None:
        self.namespace = head.namespace
        # Where spans are recorded: that of the run, for all that comes of it. Elsewhere only what came with an input goes on.
        self.traceparent = lasting(head.traceparent, run) if recording() else None
        self._head = f"signals.{head.namespace}."
        self._tail = f".{run}"
        source = source_of(head.namespace, "runs", run)
        self._ids = signal_ids(source)
        self._qualified = f"{head.name}-{run}.{head.namespace}"
        self._definition: dict[str, Json] = {"name": head.name, "namespace": head.namespace, "version": head.version}
        self._shared: dict[str, Json] = {
            "specversion": "1.0",
            "source": source,
            "subject": run,
            "namespace": head.namespace,
            "partitionkey": run,
            "correlationid": meta.correlation,
        }
        if head.depth:
            self._shared["depth"] = head.depth
        if (partition := head.labels.get(PARTITION_LABEL)) is not None:
            self._shared["assetpartition"] = partition

    def write(
        self, signal: Signal, *, cause: str | None = None, actor: str | None = None, traceparent: str | None = None
    ) -> tuple[str, bytes]:
        """Subject and payload of one signal."""
        kind = _KINDS[signal.type]
        at = instant(signal.at)
        event = self._shared.copy()
        event["id"] = self._ids.derive(signal.sequence)
        event["type"] = kind.type
        event["time"] = at
        event["sequence"] = format_sequence(signal.sequence)
        event.update(kind.fixed)
        if cause is not None:
            event["causationid"] = cause
        if traceparent is not None:
            event["traceparent"] = traceparent
        if actor is not None:
            event["authtype"] = _AUTH_TYPES.get(actor.partition(":")[0], "unknown")
            event["authid"] = actor
        data: dict[str, Json]
        if kind.of_task:
            event["activation"] = signal.token
            data = {"workflow": self._qualified, "task": signal.reference, kind.moment: at}
        else:
            data = {"name": self._qualified, kind.moment: at}
            if signal.type is Transition.WORKFLOW_STARTED:
                data["definition"] = self._definition
        if signal.data:
            self._more(kind, signal.data, event, data)
        event["data"] = data
        return f"{self._head}{kind.subject}{self._tail}", _as_json(event)

    @staticmethod
    def _more(kind: _Kind, facts: dict[str, Json], event: dict[str, Json], data: dict[str, Json]) -> None:
        for name, value in facts.items():
            if value is None:
                continue
            if name == "attempt":
                event["attempt"] = value
            elif name == "keys" and "correlation_keys" in kind.fields:
                data["correlationKeys"] = value
            elif name in kind.fields:
                data[name] = value
            elif name == "reason":  # where the language's own lifecycle data has no room for it
                event["reason"] = value


def _as_json(event: dict[str, Json]) -> bytes:
    """The event's bytes, whatever is in it: what it says has happened, and the work that follows from it is on its way."""
    try:
        return orjson.dumps(event)
    except TypeError:  # text that is no Unicode, or an integer beyond 64 bits
        return json.dumps(event, ensure_ascii=False, default=str, skipkeys=True).encode("utf-8", "replace")
