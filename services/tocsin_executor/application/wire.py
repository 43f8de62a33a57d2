"""The engine's inputs and effects as bytes: what lies in the partition's log and in the queues of the workers.

Inputs are JSON objects with a ``kind``; position and time are the broker's. Written by hand, not by a model, because every
step passes here twice.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from tocsin.errors import Invalid
from tocsin_executor.domain import effects, inputs
from tocsin_executor.domain.inputs import Input, Parent, StopKind, Verb
from tocsin_executor.domain.large import dump_document, load_document
from tocsin_executor.domain.reuse import Plan
from tocsin_executor.domain.values import Json, Problem

PARTITIONS = 16
"""Partitions when the settings do not say otherwise; fixed for the life of a deployment."""

EXPRESSIONS = "expressions"
"""The queue that the executor itself serves: open expressions."""

LARGEST = 7 * 1024 * 1024
"""Bytes of a message; the server takes 8 MiB with everything around it."""

TOGETHER = 256 * 1024
"""Bytes of a message that holds several inputs of one run, at most."""

Outgoing = tuple[str, bytes]


def partition_of(run: str, partitions: int) -> int:
    """The partition that a run's inputs go to; the same everywhere and for ever."""
    return zlib.crc32(run.encode()) % partitions


def input_subject(run: str, partitions: int) -> str:
    """Where the inputs of a run are published."""
    return f"executor.in.{zlib.crc32(run.encode()) % partitions}.{run}"


def run_of(subject: str) -> tuple[int, str]:
    """Partition and run of an input's subject."""
    words = subject.split(".")
    return int(words[2]), words[3]


# ---- inputs ------------------------------------------------------------------------------------------------------


def start(
    *,
    id: str,  # noqa: A002
    digest: str,
    input: Json,  # noqa: A002
    seed: int,
    fresh: bool,
    correlation: str,
    cause: str | None = None,
    actor: str | None = None,
    traceparent: str | None = None,
    labels: dict[str, str] | None = None,
    trigger: dict[str, Json] | None = None,
    parent: Parent | None = None,
    depth: int = 0,
    slots: Sequence[str] = (),
    reuse: Plan | None = None,
    origin: str | None = None,
) -> bytes:
    """Begin a run.

    ``fresh``: the run's id was drawn for this message, so nobody need look whether it exists. ``slots``: limits it holds.
    ``reuse``: outputs of the run ``origin`` to take.
    """
    document: dict[str, Json] = {
        "kind": "start",
        "id": id,
        "digest": digest,
        "input": input,
        "seed": seed,
        "correlation": correlation,
        "depth": depth,
    }
    if fresh:
        document["fresh"] = True
    if parent is not None:
        document["parent"] = {"run": parent.run, "attempt": parent.attempt}
    optional: dict[str, Json] = {"cause": cause, "actor": actor, "traceparent": traceparent, "trigger": trigger}
    document.update({name: value for name, value in optional.items() if value is not None})
    if labels:
        document["labels"] = dict(labels)
    if slots:
        document["slots"] = list(slots)
    if reuse is not None:
        document["reuse"], document["origin"] = reuse, origin
    return dump_document(document, "input", "reuse")


def result(
    attempt: str,
    *,
    output: Json = None,
    error: Problem | None = None,
    started: int | None = None,
    ended: int | None = None,
    worker: str | None = None,
    traceparent: str | None = None,
    detached: bool = False,
) -> bytes:
    """An attempt ended. ``detached``: its run does not wait for it."""
    document: dict[str, Json] = {"kind": "result", "attempt": attempt, "started": started, "ended": ended, "worker": worker}
    if detached:
        document["detached"] = True
    if error is not None:
        document["error"] = error
    else:
        document["output"] = output
    if traceparent is not None:
        document["traceparent"] = traceparent
    return dump_document(document, "output")


def claimed(attempt: str, worker: str, at: int) -> bytes:
    """A worker holds an attempt for longer than a moment."""
    return orjson.dumps({"kind": "claimed", "attempt": attempt, "worker": worker, "at": at})


def stopped(attempt: str, how: StopKind) -> bytes:
    """A revoked attempt runs no more."""
    return orjson.dumps({"kind": "stopped", "attempt": attempt, "how": how.value})


def lost(attempt: str, why: str, *, detached: bool = False) -> bytes:
    """An attempt's worker is gone, or its dispatch."""
    return orjson.dumps({"kind": "lost", "attempt": attempt, "why": why, **({"detached": True} if detached else {})})


def wake(cell: str, at: int) -> bytes:
    """An alarm may be due."""
    return orjson.dumps({"kind": "wake", "cell": cell, "at": at})


def evaluated(ticket: str, value: Json = None, error: str | None = None) -> bytes:
    """An open expression was evaluated."""
    if error is not None:
        return orjson.dumps({"kind": "evaluated", "ticket": ticket, "error": error})
    return dump_document({"kind": "evaluated", "ticket": ticket, "value": value}, "value")


def streamed(attempt: str, session: str, n: int, value: Json) -> bytes:
    """A call that subscribes to messages has one."""
    return dump_document({"kind": "streamed", "attempt": attempt, "session": session, "n": n, "value": value}, "value")


def child(attempt: str, output: Json, error: Problem | None, cancelled: bool) -> bytes:
    """A child run ended."""
    document = {"kind": "child", "attempt": attempt, "output": output, "error": error, "cancelled": cancelled}
    return dump_document(document, "output")


def event(subscription: str, n: int, document: bytes, *, channel: str, position: int, cause: str | None = None) -> bytes:
    """An event (JSON, as it was read) was matched to a subscription; ``cause`` is its id."""
    about = {
        "kind": "event",
        "id": f"{subscription}/{channel}/{n}",
        "subscription": subscription,
        "n": n,
        "filter": -1,
        "channel": channel,
        "at": position,
        "event": orjson.Fragment(document),
        "cause": cause,
    }
    return orjson.dumps(about)


def control(
    command: str,
    verb: Verb,
    *,
    actor: str | None = None,
    reason: str | None = None,
    token: str | None = None,
    output: Json = None,
) -> bytes:
    """A person or program asks something of the run, or of one of its tasks."""
    document: dict[str, Json] = {"kind": "control", "id": command, "verb": verb.value, "actor": actor, "reason": reason}
    if token is not None or output is not None:
        document |= {"token": token, "output": output}
    return dump_document(document, "output")


_Reader = Callable[[str, int, int, dict[str, Any]], Input]


def _envelope(document: dict[str, Any], pos: int) -> dict[str, Any]:
    return {
        "id": document.get("id") or f"in:{pos}",
        "cause": document.get("cause"),
        "traceparent": document.get("traceparent"),
        "actor": document.get("actor"),
    }


def _start(run: str, pos: int, ts: int, d: dict[str, Any]) -> Input:
    above = d.get("parent")
    return inputs.Start(
        run,
        pos,
        ts,
        d["digest"],
        d.get("input"),
        d["seed"],
        Parent(above["run"], above["attempt"]) if above else None,
        d.get("depth", 0),
        d.get("labels") or {},
        d.get("reuse"),
        d.get("origin"),
        **_envelope(d, pos),
    )


def _result(run: str, pos: int, ts: int, d: dict[str, Any]) -> Input:
    return inputs.Result(
        run,
        pos,
        ts,
        d["attempt"],
        d.get("output"),
        d.get("error"),
        d.get("started"),
        d.get("ended"),
        d.get("worker"),
        **_envelope(d, pos),
    )


def _control(run: str, pos: int, ts: int, d: dict[str, Any]) -> Input:
    rest = _envelope(d, pos)
    return inputs.Control(run, pos, ts, rest["id"], Verb(d["verb"]), d.get("reason"), d.get("token"), d.get("output"), **rest)


_READERS: dict[str, _Reader] = {
    "start": _start,
    "result": _result,
    "control": _control,
    "claimed": lambda r, p, t, d: inputs.Claimed(r, p, t, d["attempt"], d["worker"], d["at"], **_envelope(d, p)),
    "stopped": lambda r, p, t, d: inputs.Stopped(r, p, t, d["attempt"], StopKind(d["how"]), **_envelope(d, p)),
    "lost": lambda r, p, t, d: inputs.Lost(r, p, t, d["attempt"], d["why"], **_envelope(d, p)),
    "wake": lambda r, p, t, d: inputs.Wake(r, p, t, d["cell"], d["at"], **_envelope(d, p)),
    "evaluated": lambda r, p, t, d: inputs.Evaluated(r, p, t, d["ticket"], d.get("value"), d.get("error"), **_envelope(d, p)),
    "streamed": lambda r, p, t, d: inputs.Streamed(
        r, p, t, d["attempt"], d["session"], d["n"], d.get("value"), **_envelope(d, p)
    ),
    "continue": lambda r, p, t, d: inputs.Continue(r, p, t, d["generation"], **_envelope(d, p)),
    "child": lambda r, p, t, d: inputs.Child(
        r, p, t, d["attempt"], d.get("output"), d.get("error"), d.get("cancelled", False), **_envelope(d, p)
    ),
    "event": lambda r, p, t, d: inputs.Event(
        r, p, t, d["subscription"], d["n"], d["filter"], d["event"], d["channel"], d["at"], **_envelope(d, p)
    ),
}


def together(messages: Sequence[Outgoing]) -> list[Outgoing]:
    """The same inputs in fewer messages: those of one run, next to each other or not, in one while they are small.

    What a hundred slots of a worker end at once for one run costs the broker one message, one disk sync and one delivery. The
    order of a run's inputs stays; that of different runs has no meaning.
    """
    collected: dict[str, list[bytes]] = {}
    for subject, payload in messages:
        collected.setdefault(subject, []).append(payload)
    if len(collected) == len(messages):
        return list(messages)
    merged: list[Outgoing] = []
    for subject, payloads in collected.items():
        at = 0
        while at < len(payloads):
            upto, size = at + 1, len(payloads[at])
            while upto < len(payloads) and size + len(payloads[upto]) < TOGETHER:
                size += len(payloads[upto]) + 1
                upto += 1
            few = payloads[at:upto]
            merged.append((subject, few[0] if len(few) == 1 else b'{"kind":"several","inputs":[%b]}' % b",".join(few)))
            at = upto
    return merged


def read_documents(payload: bytes) -> list[dict[str, Any]]:
    """The JSON objects of a message: one input, or several of the same run.

    Raises:
        Invalid: One is none, or of a kind that nobody knows.
    """
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"An input of a run is not JSON: {error}") from error
    several = isinstance(document, dict) and document.get("kind") == "several"
    found = document.get("inputs") if several else [document]
    if not isinstance(found, list) or not all(isinstance(each, dict) and each.get("kind") in _READERS for each in found):
        raise Invalid("An input of a run is not an object of a known kind.")
    return [load_document(each) if "packed" in each else each for each in found]


def read_input(document: dict[str, Any], run: str, position: int, time_ms: int) -> Input:
    """The input of a document.

    Raises:
        Invalid: A field is missing or has no sense.
    """
    try:
        return _READERS[document["kind"]](run, position, time_ms, document)
    except (KeyError, ValueError, TypeError) as error:
        raise Invalid(f"An input of kind {document['kind']} lacks or garbles {error}.") from error


# ---- effects -----------------------------------------------------------------------------------------------------


def dispatch(effect: effects.Dispatch, reply_to: str, namespace: str) -> Outgoing:
    """A task for the workers of a queue; the result goes to ``reply_to``."""
    return (
        f"executor.task.{effect.queue}.{effect.run}",
        dump_document(
            {
                "run": effect.run,
                "attempt": effect.attempt,
                "runner": effect.runner,
                "name": effect.name,
                "reference": effect.reference,
                "spec": effect.spec,
                "input": effect.input,
                "variables": effect.variables,
                "deadline": effect.deadline,
                "traceparent": effect.traceparent,
                "reply": reply_to,
                "namespace": namespace,
                **({"detached": True} if effect.detached else {}),
            },
            "spec",
            "input",
            "variables",
        ),
    )


def evaluate(effect: effects.Evaluate, reply_to: str, namespace: str) -> Outgoing:
    """An open expression for the executor's own queue."""
    return (
        f"executor.evaluate.{effect.run}",
        dump_document(
            {
                "run": effect.run,
                "attempt": effect.ticket,
                "runner": "evaluate",
                "name": effect.ticket,
                "reference": "",
                "spec": {
                    "expression": effect.expression,
                    "template": effect.template,
                    "schema": effect.schema,
                    "apart": effect.apart,
                    "always": effect.always,
                    **({"carried": True} if effect.carried else {}),
                },
                "input": effect.value,
                "variables": effect.variables,
                "deadline": None,
                "traceparent": None,
                "reply": reply_to,
                "namespace": namespace,
            },
            "input",
            "variables",
        ),
    )


def revoke(effect: effects.Revoke) -> Outgoing:
    """Stop an attempt."""
    return (
        f"executor.revoke.{effect.queue}.{effect.run}",
        orjson.dumps({"run": effect.run, "attempt": effect.attempt, "grace": effect.grace}),
    )


def allow(effect: effects.Allow) -> Outgoing:
    """A call may send more messages."""
    order = {"run": effect.run, "attempt": effect.attempt, "session": effect.session, "allow": effect.upto}
    return f"executor.revoke.{effect.queue}.{effect.run}", orjson.dumps(order)


def go_on(effect: effects.ContinueRun) -> bytes:
    """The next slice of a long step."""
    return orjson.dumps({"kind": "continue", "generation": effect.generation})
