"""A run in the memory of the engine that owns its partition, and how its effects become messages."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import structlog

from tocsin.errors import Defect
from tocsin.signals import CloudEvent, encode, subjects
from tocsin.signals.codec import parse_time
from tocsin.signals.ids import derive
from tocsin_executor.application import wire
from tocsin_executor.application.signals import SignalWriter, instant
from tocsin_executor.domain import effects
from tocsin_executor.domain.codec import Encoded, encode_cell
from tocsin_executor.domain.correlation import EVENTS, SIGNALS
from tocsin_executor.domain.effects import Effect, Record, Transition
from tocsin_executor.domain.inputs import Event, Input
from tocsin_executor.domain.large import APART, Large
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.questions import questions_of
from tocsin_executor.domain.remembered import ListenState
from tocsin_executor.domain.state import RunState
from tocsin_executor.domain.values import ErrorKind, Problem, problem
from tocsin_executor.ports import DetachedTask, Listening, RunMeta, RunSave, RunSummary

log = structlog.get_logger()

_ERROR_TEXT = 2000  # characters of an error that can be searched for
_DECISIONS = 20  # refused inputs kept for explanations


@dataclass(slots=True)
class Live:
    """One run in memory.

    Attributes:
        run: Its id.
        state: What ``step`` works on.
        program: Its definition, compiled.
        meta: What is known besides.
        writer: Writes its signals.
        reply_to: Subject of its inputs.
        records: Finished activations that are not saved yet.
        saving: Those that are being saved now.
        journal: Inputs folded since the last save, to fold again if one meets a defect.
        dirty: Something is to be saved.
        position: Of the last input.
        listens: Its subscriptions by token; ``None`` for a run that never had any.
    """

    run: str
    state: RunState
    program: Program
    meta: RunMeta
    reply_to: str
    writer: SignalWriter | None = None
    records: list[Record] = field(default_factory=list)
    saving: list[Record] = field(default_factory=list)
    journal: deque[Input] = field(default_factory=deque)
    dirty: bool = False
    position: int = 0
    listens: dict[str, Listening] | None = None

    def signal_writer(self) -> SignalWriter:
        """The writer; the run must have been started."""
        if self.writer is None:
            if self.state.head is None:
                raise Defect(f"Run {self.run} signals before it is started.", run=self.run)
            self.writer = SignalWriter(self.run, self.state.head, self.meta)
        return self.writer

    def listen(self, effect: effects.Subscribe | effects.Unsubscribe) -> None:
        """Keep a subscription for the next owner of the run, or forget it."""
        listens = self.listens = {} if self.listens is None else self.listens
        if isinstance(effect, effects.Unsubscribe):
            listens.pop(effect.subscription, None)
            return
        listens[effect.subscription] = Listening(
            run=self.run,
            token=effect.subscription,
            node=effect.node,
            namespace=self.program.namespace,
            digest=self.program.digest,
            since=effect.since,
            expected=effect.expected,
            variables=effect.variables,
            cursors={},
            after=dict(effect.after),
        )

    def heard(self, message: Input) -> list[tuple[str, dict[str, int], int]]:
        """After a fold: each subscription with the numbers that were folded, and how many events wait in its state."""
        found = []
        for token, listening in (self.listens or {}).items():
            held = self.state.home.tokens.get(token)
            if held is None or not isinstance(held.state, ListenState):
                continue
            cursors = {EVENTS: held.state.cursor, SIGNALS: held.state.signals}
            if isinstance(message, Event) and message.subscription == token and message.n == cursors.get(message.channel):
                listening.after[message.channel] = max(message.at, listening.after.get(message.channel, 0))
            listening.cursors = {channel: n for channel, n in cursors.items() if n}
            found.append((token, cursors, len(held.state.queue)))
        return found

    def listening(self) -> list[Listening] | None:
        """Its subscriptions as they are now, to be saved; ``None`` for a run that never had any."""
        if self.listens is None:
            return None
        known = self.listens.values()
        return [replace(found, cursors=dict(found.cursors), after=dict(found.after)) for found in known]

    def take(self) -> RunSave:
        """What is to be saved of it, as bytes, which counts as saved from now on.

        A state that cannot be written is a defect of this run alone: it stays as it was saved last and is put aside.
        """
        try:
            cells = [encode_cell(self.state, key) for key in self.state.changed]
        except Exception as error:  # as where inputs are folded: one run must not keep the others from being saved
            log.error("run.not_written", run=self.run, position=self.position, exc_info=error)
            self.meta.parked.append({"position": self.position, "error": f"{type(error).__name__}: {error}"})
            cells = []
        self.state.changed.clear()
        self.saving, self.records = self.records, []
        self.dirty = False
        return self.to_save(cells, self.saving)

    def to_save(self, cells: list[Encoded], records: list[Record]) -> RunSave:
        """Everything that is to be saved of it, with the cells that changed and what has ended."""
        large = [] if self.state.head is None else list(self.state.head.large)
        return RunSave(
            self.run, self.meta, self.summary(), cells, self.state.wake, records, self.position, self.listening(), large
        )

    def summary(self) -> RunSummary:
        """What lists show of it."""
        head = self.state.head
        if head is None:
            raise Defect(f"Run {self.run} has no state.", run=self.run)
        return RunSummary(
            namespace=head.namespace,
            name=head.name,
            version=head.version,
            digest=head.digest,
            status=head.status.value,
            labels=head.labels,
            started=head.started,
            ended=head.ended,
            parent=head.parent.run if head.parent else None,
            error=error_text(head.fin.error) if head.fin is not None and head.fin.error is not None else None,
            questions=questions_of(self.run, self.program, self.state) if self.program.asks else [],
        )


def error_text(error: Problem) -> str:
    """What a search for an error looks at: its kind, title and detail."""
    parts = (error.get(name) for name in ("type", "title", "detail", "instance"))
    return " ".join(str(part) for part in parts if part is not None)[:_ERROR_TEXT]


def _too_much(size: int) -> str:
    return (
        f"what the task is given has {size} bytes in values of up to {APART} bytes each; together the limit is "
        f"{wire.LARGEST}. Give it fewer of them at a time."
    )


@dataclass(slots=True)
class Output:
    """What a cycle has to publish, by stream.

    Attributes:
        tasks: Dispatches (stream TASKS); their order does not matter.
        detached: Those of them that no run waits for.
        work: Inputs, expressions and revocations (stream EXECUTOR); their order does not matter.
        signals: What the signals of a run are written from, in order: for :meth:`said`.
        events: Stream EVENTS, in order.
        commands: Stream COMMANDS.
        replies: Answers to commands, for whoever waits in this process.
        listens: Runs that begin or end to listen, in order.
        heard: What listening runs have folded: run, token, numbers by channel, events that wait in the state.
        urgent: A run has ended; signals of runs that go on may wait a moment for more of them.
    """

    tasks: list[wire.Outgoing] = field(default_factory=list)
    detached: list[DetachedTask] = field(default_factory=list)
    work: list[wire.Outgoing] = field(default_factory=list)
    signals: list[tuple[SignalWriter, effects.Signal, Input]] = field(default_factory=list)
    events: list[wire.Outgoing] = field(default_factory=list)
    commands: list[wire.Outgoing] = field(default_factory=list)
    replies: list[effects.Reply] = field(default_factory=list)
    listens: list[tuple[Live, effects.Subscribe | effects.Unsubscribe]] = field(default_factory=list)
    heard: list[tuple[str, str, dict[str, int], int]] = field(default_factory=list)
    urgent: bool = False

    def said(self) -> list[wire.Outgoing]:
        """The signals as messages (stream SIGNALS), in order. Apart from the rest, because work need not wait for it."""
        return [
            writer.write(
                signal,
                cause=message.cause or message.id,
                actor=message.actor,
                traceparent=writer.traceparent or message.traceparent,
            )
            for writer, signal, message in self.signals
        ]

    def marks(self) -> tuple[int, ...]:
        """Where it ends now, for :meth:`cut`."""
        return tuple(len(part) for part in self._parts())

    def cut(self, marks: tuple[int, ...]) -> None:
        """Take back what an input left behind that met a defect."""
        for part, mark in zip(self._parts(), marks, strict=True):
            del part[mark:]

    def _parts(self) -> tuple[list[Any], ...]:
        return self.tasks, self.detached, self.work, self.signals, self.events, self.commands, self.replies, self.listens


class Outbound:
    """Turns effects into messages.

    Args:
        partitions: How many partitions there are.
    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._transitions: Counter[Transition] = Counter()

    def take_transitions(self) -> Mapping[Transition, int]:
        """How many transitions of each kind there were since the last call."""
        taken, self._transitions = self._transitions, Counter()
        return taken

    def write(self, live: Live, message: Input, made: list[Effect], out: Output) -> None:
        """Append the messages of these effects; records and decisions stay with the run."""
        for effect in made:
            kind = type(effect)
            if kind is effects.Signal:
                self._transitions[effect.type] += 1  # type: ignore[union-attr]
                # narrowed by the identity of its class, which is faster than isinstance
                out.signals.append((live.signal_writer(), effect, message))  # type: ignore[arg-type]
            elif kind is effects.Record:
                live.records.append(effect)  # type: ignore[arg-type]
            elif kind is effects.Dispatch:
                self._dispatch(live, effect, out)  # type: ignore[arg-type]
            else:
                self._rarer(live, message, effect, out)

    @staticmethod
    def _dispatch(live: Live, effect: effects.Dispatch, out: Output) -> None:
        """To the workers; what is too much for a message is the task's error, or it would wait for ever."""
        sent = wire.dispatch(effect, live.reply_to, live.program.namespace)
        if len(sent[1]) > wire.LARGEST:
            error = problem(ErrorKind.VALIDATION, _too_much(len(sent[1])), title="Request Too Large")
            out.work.append((live.reply_to, wire.result(effect.attempt, error=error)))
            return
        out.tasks.append(sent)
        if effect.detached:
            out.detached.append(DetachedTask(live.run, live.meta.partition, effect.attempt, *sent))

    def _rarer(self, live: Live, message: Input, effect: Effect, out: Output) -> None:
        match effect:
            case effects.Decision():
                live.meta.decisions.append(
                    {"input": effect.input, "kind": effect.kind, "reason": effect.reason, "at": effect.at}
                )
                del live.meta.decisions[:-_DECISIONS]
            case effects.Evaluate():
                sent = wire.evaluate(effect, live.reply_to, live.program.namespace)
                if len(sent[1]) > wire.LARGEST:
                    sent = (live.reply_to, wire.evaluated(effect.ticket, error=_too_much(len(sent[1]))))
                out.work.append(sent)
            case effects.Revoke():
                out.work.append(wire.revoke(effect))
            case effects.Allow():
                out.work.append(wire.allow(effect))
            case effects.ContinueRun():
                out.work.append((live.reply_to, wire.go_on(effect)))
            case effects.ReportParent():
                subject = wire.input_subject(effect.parent, self._partitions)
                out.work.append((subject, wire.child(effect.attempt, effect.output, effect.error, effect.cancelled)))
            case effects.StopRun():
                out.commands.append(self._stop(live, message, effect))
            case effects.Emit():
                out.events.append(self._emit(live, message, effect))
            case effects.StartRun():
                out.commands.append(self._start(live, message, effect))
            case effects.Reply():
                out.replies.append(effect)
            case effects.Subscribe() | effects.Unsubscribe():
                live.listen(effect)
                out.listens.append((live, effect))
            case _:
                raise Defect(f"Nobody carries out {type(effect).__name__}.", run=live.run)

    def _emit(self, live: Live, message: Input, effect: effects.Emit) -> wire.Outgoing:
        head = live.state.head
        assert head is not None
        event = dict(effect.event)
        kind = str(event["type"])
        event["namespace"] = head.namespace  # never the author's: a run speaks for the namespace it is in
        event["correlationid"] = event.get("correlationid") or live.meta.correlation
        event["causationid"] = message.cause or message.id
        event["depth"] = head.depth + 1
        if (traceparent := live.signal_writer().traceparent or message.traceparent or head.traceparent) is not None:
            event.setdefault("traceparent", traceparent)
        return subjects.event(head.namespace, kind), orjson.dumps(event)

    def _stop(self, live: Live, message: Input, effect: effects.StopRun) -> wire.Outgoing:
        """Behind the start on the same stream, so that a child that has not begun yet is cancelled as well."""
        data = {"actor": message.actor, "reason": "its parent run was cancelled"}
        event = self._command(live, message, effect.child, "cancel", id=derive("stop", live.run, effect.attempt), data=data)
        return subjects.command("executor", "cancel", effect.child), encode(event)

    def _start(self, live: Live, message: Input, effect: effects.StartRun) -> wire.Outgoing:
        head = live.state.head
        assert head is not None
        behind = (live.meta.trigger or {}).get("person")  # whoever wants four eyes wants them of the children's starter, too
        data: dict[str, Any] = {
            "run": effect.child,
            "namespace": effect.namespace,
            "workflow": effect.name,
            "version": effect.version,
            "input": effect.input,
            "labels": {},
            "trigger": {"kind": "run", "name": head.name, "event": effect.run, **({"person": behind} if behind else {})},
            "actor": live.meta.actor,
        }
        if isinstance(effect.input, Large):
            data["large"] = True  # the input is a reference
        if effect.awaited:
            data["parent"] = {"run": effect.run, "attempt": effect.attempt}
        event = self._command(live, message, effect.child, "start", id=derive("start", effect.run, effect.attempt), data=data)
        return subjects.command("executor", "start", effect.child), encode(event)

    def _command(self, live: Live, message: Input, child: str, verb: str, *, id: str, data: dict[str, Any]) -> CloudEvent:  # noqa: A002
        """What is asked of a child run."""
        head = live.state.head
        assert head is not None
        traceparent = live.signal_writer().traceparent or head.traceparent
        return CloudEvent(
            id=id,
            source=f"/namespaces/{head.namespace}/runs/{live.run}",
            type=f"io.tocsin.command.run.{verb}.v1",
            subject=child,
            time=parse_time(instant(message.ts)),
            datacontenttype="application/json",
            data=data,
            extensions={
                "namespace": data.get("namespace", head.namespace),
                "correlationid": live.meta.correlation,
                "causationid": message.cause or message.id,
                "depth": head.depth + 1,
                **({} if traceparent is None else {"traceparent": traceparent}),
            },
        )
