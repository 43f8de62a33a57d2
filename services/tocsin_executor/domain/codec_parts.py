"""The smaller parts of a cell as JSON: what operations remember, parked inputs, revocations, outcomes."""

from collections.abc import Callable
from typing import Any, TypeAlias, assert_never

from tocsin_executor.domain.inputs import Child, Evaluated, Lost, Result
from tocsin_executor.domain.remembered import ApprovalState, ForkState, ListenState, LoopState, MapState, OpState, TryState
from tocsin_executor.domain.state import Dying, Ghost, Outcome, Parked, Revocation, RunStatus
from tocsin_executor.domain.values import Json

Writer: TypeAlias = Callable[[Json], Any]
"""Makes a value storable: inline, or a reference to where it is stored apart."""

Reader: TypeAlias = Callable[[Any], Json]
"""The other way round."""


def dump_state(state: OpState, write: Writer) -> dict[str, Any]:
    """What an operation remembers; ``k`` says which."""
    match state:
        case LoopState():
            return {"k": "loop", **_dump_cursor(state, write)}
        case MapState():
            pages = [[write(part) for part in page] if isinstance(page, list) else write(page) for page in state.pages]
            left = [[page, count] for page, count in state.left.items()]
            cursor = _dump_cursor(state.cursor, write)
            return {"k": "map", "c": cursor, "n": state.alive, "out": pages, "left": left, "ask": state.asked}
        case ForkState():
            out = [write(result) for result in state.results]
            return {"k": "fork", "out": out, "open": state.open, "n": state.begun}
        case TryState():
            return {"k": "try", "n": state.retries, "t": state.since, "e": write(state.error), "h": state.handling}
        case ListenState():
            return {
                "k": "listen",
                "n": state.cursor,
                "got": write(state.consumed),
                "met": state.taken,
                "keys": write(state.keys),
                "queue": [write(event) for event in state.queue],
                "end": state.closing,
                "sig": state.signals,
                "seen": state.seen,
                "exp": write(state.expected),
                **({"from": state.session, "c": state.count} if state.session or state.count else {}),
                **({"item": write(state.item)} if state.item is not None else {}),
            }
        case ApprovalState():
            said = {"a": state.answers, "d": state.delegations}
            more = {name: [write(one) for one in told] for name, told in said.items() if told}
            return {"k": "ask", "q": write(state.request), "n": state.reminders, **more}
        case never:
            assert_never(never)


def _dump_cursor(cursor: LoopState, write: Writer) -> dict[str, Any]:
    data: dict[str, Any] = {"items": write(cursor.items), "i": cursor.index}
    if cursor.source is not None:
        data |= {"of": write(cursor.source), "n": cursor.total, "f": cursor.first, "s": cursor.step}
    return data


def _load_cursor(data: dict[str, Any], read: Reader) -> LoopState:
    found = read(data["items"])
    items = found if isinstance(found, list) else []
    if "of" not in data:
        return LoopState(items, data["i"], None, len(items))
    return LoopState(items, data["i"], read(data["of"]), data["n"], data["f"], data["s"])


def load_state(data: dict[str, Any], read: Reader) -> OpState:
    """The other way round."""
    match data["k"]:
        case "loop":
            return _load_cursor(data, read)
        case "map":
            pages = [[read(part) for part in page] if isinstance(page, list) else read(page) for page in data["out"]]
            left = dict(data["left"])
            return MapState(_load_cursor(data["c"], read), data["n"], pages, left, data["ask"])
        case "fork":
            results = [read(result) for result in data["out"]]
            return ForkState(results, data["open"], data.get("n", len(results)))
        case "ask":
            request = read(data["q"])
            answers, handed = ([one for part in data.get(name, ()) if isinstance(one := read(part), dict)] for name in "ad")
            return ApprovalState(request if isinstance(request, dict) else {}, data["n"], answers, handed)
        case "try":
            error = read(data["e"])
            return TryState(data["n"], data["t"], error if isinstance(error, dict) else None, data["h"])
        case _:
            keys, got, expected = read(data["keys"]), read(data["got"]), read(data.get("exp"))
            return ListenState(
                data["n"],
                got if isinstance(got, list) else [],
                data["met"],
                keys if isinstance(keys, dict) else {},
                [read(event) for event in data["queue"]],
                data["end"],
                data.get("sig", 0),
                data.get("seen", []),
                expected if isinstance(expected, dict) else {},
                data.get("from", ""),
                data.get("c", 0),
                read(data["item"]) if "item" in data else None,
            )


def _common(message: Parked) -> dict[str, Any]:
    return {
        "k": type(message).__name__,
        "m": [message.run, message.pos, message.ts, message.id, message.cause, message.traceparent, message.actor],
    }


def dump_parked(message: Parked, write: Writer) -> dict[str, Any]:
    """An input that waits for a resume."""
    data = _common(message)
    match message:
        case Result():
            data["a"], data["o"], data["e"] = message.attempt, write(message.output), write(message.error)
            data["t"] = [message.started, message.ended, message.worker]
        case Child():
            data["a"], data["o"], data["e"] = message.attempt, write(message.output), write(message.error)
            data["c"] = message.cancelled
        case Evaluated():
            data["a"], data["o"], data["e"] = message.ticket, write(message.value), message.error
        case Lost():
            data["a"], data["e"] = message.attempt, message.why
        case never:
            assert_never(never)
    return data


def _problem(value: Json) -> dict[str, Json] | None:
    return value if isinstance(value, dict) else None


def _envelope(data: dict[str, Any]) -> tuple[str, int, int, dict[str, Any]]:
    run, pos, ts, message_id, cause, traceparent, actor = data["m"]
    return run, pos, ts, {"id": message_id, "cause": cause, "traceparent": traceparent, "actor": actor}


def _result(data: dict[str, Any], read: Reader) -> Parked:
    run, pos, ts, rest = _envelope(data)
    return Result(run, pos, ts, data["a"], read(data["o"]), _problem(read(data["e"])), *data["t"], **rest)


def _child(data: dict[str, Any], read: Reader) -> Parked:
    run, pos, ts, rest = _envelope(data)
    return Child(run, pos, ts, data["a"], read(data["o"]), _problem(read(data["e"])), data["c"], **rest)


def _evaluated(data: dict[str, Any], read: Reader) -> Parked:
    run, pos, ts, rest = _envelope(data)
    return Evaluated(run, pos, ts, data["a"], read(data["o"]), data["e"], **rest)


def _lost(data: dict[str, Any], read: Reader) -> Parked:
    run, pos, ts, rest = _envelope(data)
    return Lost(run, pos, ts, data["a"], data["e"], **rest)


PARKED: dict[str, Callable[[dict[str, Any], Reader], Parked]] = {
    "Result": _result,
    "Child": _child,
    "Evaluated": _evaluated,
    "Lost": _lost,
}


def _dump_ghost(ghost: Ghost) -> list[Any]:
    return [ghost.token, ghost.node, ghost.scope, ghost.index, ghost.created, ghost.started, ghost.attempt]


def dump_revocation(item: Revocation) -> dict[str, Any]:
    """An attempt that has not confirmed."""
    ghost = None if item.ghost is None else _dump_ghost(item.ghost)
    return {"g": ghost, "t": item.asked, "u": item.above, **({"c": True} if item.child else {})}


def load_revocation(data: dict[str, Any]) -> Revocation:
    """The other way round."""
    return Revocation(None if data["g"] is None else Ghost(*data["g"]), data["t"], data["u"], data.get("c", False))


def dump_dying(item: Dying) -> dict[str, Any]:
    """A cancelled composite that waits."""
    return {"g": _dump_ghost(item.ghost), "n": item.pending, "u": item.above}


def load_dying(data: dict[str, Any]) -> Dying:
    """The other way round."""
    return Dying(Ghost(*data["g"]), data["n"], data["u"])


def dump_outcome(outcome: Outcome, write: Writer) -> dict[str, Any]:
    """How the run ends."""
    return {"st": outcome.status.value, "o": write(outcome.output), "e": write(outcome.error)}


def load_outcome(data: dict[str, Any], read: Reader) -> Outcome:
    """The other way round."""
    return Outcome(RunStatus(data["st"]), read(data["o"]), _problem(read(data["e"])))
