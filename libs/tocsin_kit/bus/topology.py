"""All streams and durable consumers of the platform, as data.

Whoever wants to know who reads what looks here; permissions.py derives from here what each service's NATS user may do.
Streams and consumers are created idempotently by every service that uses them, in any order, any number at once.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from tocsin.errors import NotFound
from tocsin_kit.bus.api import call, ensure_consumer, ensure_stream
from tocsin_kit.bus.connection import Bus

log = structlog.get_logger()

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One stream.

    Attributes:
        name: Its name, upper case.
        subjects: What it stores.
        summary: What it is for, one sentence.
        max_age: Messages older than this go; zero: they stay until somebody removes them.
        dedupe: The window in which the server recognises a repeated ``Nats-Msg-Id``. Short: every id in it costs memory, and
            consumers are idempotent anyway.
        max_bytes: The oldest go above this; -1 for no limit.
        atomic: Whether atomic batches (ADR-50) are allowed.
        newest_only: Only the last message of each subject is kept.
        made_anew: Its last messages may be lost with the server, because whoever published them finds out and makes them anew:
            they need not be on the disk before they are acknowledged.
    """

    name: str
    subjects: tuple[str, ...]
    summary: str
    max_age: timedelta
    dedupe: timedelta = timedelta(seconds=30)
    max_bytes: int = -1
    atomic: bool = False
    newest_only: bool = False
    made_anew: bool = False


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """One durable pull consumer.

    Attributes:
        service: Who reads with it.
        name: Its durable name; unique in its stream; one NATS token.
        stream: What it reads.
        filters: Which subjects; a single one is enforced by the server's permissions, several only by this table.
        ack_wait: A delivery that is neither settled nor reported in progress for so long is delivered again: how long what a
            killed replica had in hand waits for another one.
        max_ack_pending: Bound of deliveries in hand over all replicas.
        max_deliver: After so many failed deliveries a message is dead-lettered by the consumer loop (never by the server).
        from_now: Start with what is published from now on instead of what the stream still has.
    """

    service: str
    name: str
    stream: str
    filters: tuple[str, ...]
    ack_wait: timedelta = timedelta(seconds=10)
    max_ack_pending: int = 2000
    max_deliver: int = 6
    from_now: bool = False

    def config(self, replicas: int = 0) -> dict[str, Any]:
        """The server's JSON. ``max_deliver`` is not in it: the loop counts, so that nothing is dropped silently."""
        config: dict[str, Any] = {
            "name": self.name,
            "durable_name": self.name,
            "deliver_policy": "new" if self.from_now else "all",
            "ack_policy": "explicit",
            "ack_wait": _nanoseconds(self.ack_wait),
            "max_ack_pending": self.max_ack_pending,
            "max_deliver": -1,
            "replay_policy": "instant",
            "num_replicas": replicas,
        }
        if len(self.filters) == 1:
            config["filter_subject"] = self.filters[0]
        else:
            config["filter_subjects"] = list(self.filters)
        return config


@dataclass(frozen=True, slots=True)
class TopologyLimits:
    """What an operator chooses about the streams.

    Attributes:
        replicas: Copies of each stream: 1 on one node, 3 in production.
        max_age: Retention by stream name, where it differs from the table below.
        max_bytes: Size limit by stream name.
    """

    replicas: int = 1
    max_age: dict[str, timedelta] = field(default_factory=dict)
    max_bytes: dict[str, int] = field(default_factory=dict)


STREAMS: tuple[StreamSpec, ...] = (
    StreamSpec("EVENTS", ("events.>",), "Custom events, from anyone who may.", max_age=7 * DAY, atomic=True),
    StreamSpec(
        "COMMANDS",
        ("commands.>",),
        "What one service asks of another; a command waits here until it is carried out.",
        max_age=7 * DAY,
        dedupe=timedelta(minutes=2),
        atomic=True,
    ),
    StreamSpec("DEAD", ("dead.>",), "What could not be handled, with the reason; waits for redrive.", max_age=30 * DAY),
    StreamSpec(
        "EXECUTOR",
        ("executor.in.>", "executor.evaluate.>", "executor.revoke.>"),
        "What runs are told, expressions to be evaluated by workers, and which tasks are to stop.",
        max_age=7 * DAY,
        dedupe=timedelta(seconds=10),
        atomic=True,
    ),
    StreamSpec(
        "TASKS",
        ("executor.task.>",),
        "Tasks for workers. What the server loses of them when it dies, the engine dispatches anew.",
        max_age=7 * DAY,
        dedupe=timedelta(seconds=10),
        made_anew=True,
    ),
    StreamSpec(
        "LOGS",
        ("logs.>",),
        "What tasks print, `logs.<namespace>.<run>.<activation>`: to follow a run; the executor keeps them for later.",
        max_age=DAY,
        dedupe=timedelta(seconds=10),
        max_bytes=512 * 1024 * 1024,
        atomic=True,
    ),
    StreamSpec(
        "SIGNALS",
        ("signals.>",),
        "Every change of state of anything, for everyone who may read.",
        max_age=14 * DAY,
        atomic=True,
    ),
    StreamSpec(
        "VALUES",
        ("values.>",),
        "Large values of runs by digest, in pieces: `values.<digest>.<n>`, and `values.<digest>.all` when all are there. "
        "Kept as long as a run refers to them.",
        max_age=timedelta(0),
        newest_only=True,
    ),
)

CONSUMERS: tuple[ConsumerSpec, ...] = (
    ConsumerSpec("trigger", "trigger-events", "EVENTS", ("events.>",), max_ack_pending=10_000),
    # What this list says and what triggers listen to: the service adds filters as triggers come.
    ConsumerSpec("trigger", "trigger-signals", "SIGNALS", ("signals.*.run.refused.>", "signals.*.definition.>")),
    ConsumerSpec("executor", "executor-commands", "COMMANDS", ("commands.executor.>",)),
    ConsumerSpec("executor", "executor-logs", "LOGS", ("logs.>",)),
    ConsumerSpec("scheduler", "scheduler-commands", "COMMANDS", ("commands.scheduler.>",)),
    ConsumerSpec("scheduler", "scheduler-runs", "SIGNALS", ("signals.*.run.>", "signals.*.schedule.fired.>")),
    ConsumerSpec("scheduler", "scheduler-definitions", "SIGNALS", ("signals.*.definition.>",)),
    ConsumerSpec(
        "lineage",
        "lineage-signals",
        "SIGNALS",
        (
            "signals.*.definition.>",
            "signals.*.run.>",
            "signals.*.task.assets-reported.>",
            "signals.*.schedule.>",
            "signals.*.asset.>",
        ),
    ),
    # Only where runs are told to another catalogue.
    ConsumerSpec("lineage", "lineage-emission", "SIGNALS", ("signals.*.run.>", "signals.*.task.>"), from_now=True),
    ConsumerSpec("case", "case-signals", "SIGNALS", ("signals.>",)),
)

# Which streams a service publishes to or reads, and therefore makes sure of.
_USES: dict[str, tuple[str, ...]] = {
    "auth": ("SIGNALS", "DEAD"),
    "trigger": ("EVENTS", "COMMANDS", "SIGNALS", "DEAD"),
    "scheduler": ("COMMANDS", "SIGNALS", "DEAD"),
    "executor": ("EVENTS", "COMMANDS", "EXECUTOR", "TASKS", "LOGS", "SIGNALS", "DEAD", "VALUES"),
    "lineage": ("COMMANDS", "SIGNALS", "DEAD"),
    "case": ("COMMANDS", "SIGNALS", "DEAD"),
    "observer": ("SIGNALS", "DEAD"),
}


def streams_of(service: str) -> tuple[str, ...]:
    """The streams that this service makes sure of at its start; none for gateway and workers."""
    return _USES.get(service, ())


def stream(name: str) -> StreamSpec:
    """The stream of this name.

    Raises:
        KeyError: There is none; a name is a constant of the code, so this is a mistake in the code.
    """
    return _STREAMS[name]


def consumer(name: str) -> ConsumerSpec:
    """The consumer of this name, for example ``trigger-events``.

    Raises:
        KeyError: There is none.
    """
    return _CONSUMERS[name]


def stream_config(spec: StreamSpec, limits: TopologyLimits, *, clustered: bool = False) -> dict[str, Any]:
    """The server's JSON for a stream."""
    config: dict[str, Any] = {
        "name": spec.name,
        "description": spec.summary,
        "subjects": list(spec.subjects),
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_age": _nanoseconds(limits.max_age.get(spec.name, spec.max_age)),
        "max_bytes": limits.max_bytes.get(spec.name, spec.max_bytes),
        "max_msgs": -1,
        "max_msgs_per_subject": 1 if spec.newest_only else -1,
        "max_consumers": -1,
        "max_msg_size": -1,
        "num_replicas": limits.replicas,
        "duplicate_window": _nanoseconds(spec.dedupe),
        "allow_direct": True,
    }
    if spec.atomic:
        config["allow_atomic"] = True
    if spec.made_anew and limits.replicas == 1 and not clustered:  # of a single server everyone sees that it was started anew
        config["persist_mode"] = "async"
    return config


async def ensure_streams(bus: Bus, limits: TopologyLimits | None = None, *names: str) -> None:
    """Create or update these streams (all of the platform without names). Harmless if others do the same now."""
    for spec in STREAMS:
        if not names or spec.name in names:
            config = stream_config(spec, limits or TopologyLimits(), clustered=bus.clustered)
            if spec.made_anew:
                await _drop_if_kept_otherwise(bus, config)
            await ensure_stream(bus, config)


async def _drop_if_kept_otherwise(bus: Bus, config: dict[str, Any]) -> None:
    """The server does not change how a stream is kept; what is in this one is made anew."""
    name = config["name"]
    try:
        info = await call(bus, f"STREAM.INFO.{name}")
        if info["config"].get("persist_mode", "default") != config.get("persist_mode", "default"):
            log.warning("stream.made_anew", stream=name)
            await call(bus, f"STREAM.DELETE.{name}")
    except NotFound:
        return


async def ensure(bus: Bus, spec: ConsumerSpec, limits: TopologyLimits | None = None) -> None:
    """Create or update a durable consumer; its stream must exist."""
    await ensure_consumer(bus, spec.stream, spec.config())


def _nanoseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1) * 1000


_STREAMS = {spec.name: spec for spec in STREAMS}
_CONSUMERS = {spec.name: spec for spec in CONSUMERS}
