"""Cells to bytes and back. Large values leave the cell and are kept apart, addressed by their content.

A cell must stay small however large a run's data is, so a value above ``INLINE_LIMIT`` is replaced by its digest; the saver
stores it under that digest (insert-only: equal digests are equal values) and hands it back when the cell is loaded. Short keys
and absent defaults keep a cell of a plain sequence at a few hundred bytes.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tocsin.errors import Defect
from tocsin_executor.domain.codec_parts import (
    PARKED,
    Reader,
    Writer,
    dump_dying,
    dump_outcome,
    dump_parked,
    dump_revocation,
    dump_state,
    load_dying,
    load_outcome,
    load_revocation,
    load_state,
)
from tocsin_executor.domain.inputs import Parent
from tocsin_executor.domain.large import Large, holds
from tocsin_executor.domain.state import FORMAT, HEAD, Cell, Head, Hold, Instance, Phase, RunState, RunStatus, Token
from tocsin_executor.domain.values import Json, Millis

INLINE_LIMIT = 4096
"""Bytes of JSON up to which a value stays inside its cell."""


@dataclass(slots=True)
class Encoded:
    """A cell ready to be saved.

    Attributes:
        key: Key of the cell within its run.
        body: The cell as JSON.
        values: Large values by digest, as JSON, that the cell's earlier bodies did not refer to; each is written once.
        refs: All digests the cell refers to; to be loaded with it.
        wake: Its least due time, for the index.
    """

    key: str
    body: bytes
    values: dict[str, bytes]
    refs: list[str]
    wake: Millis | None


class _Spill:
    """Decides for each value whether it stays inline: ``{"i": value}``, ``{"r": digest}``, or a scalar as it is.

    A large value is a reference already: ``{"b": digest, "n": size}``; what has one inside is written part by part.
    """

    def __init__(self, known: dict[int, tuple[Json, str]]) -> None:
        self._known = known
        self.met: dict[int, tuple[Json, str]] = {}
        self.values: dict[str, bytes] = {}

    def write(self, value: Json) -> Any:
        if value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) < 512):
            return value
        found = self._known.get(id(value)) or self.met.get(id(value))
        if found is not None and found[0] is value:
            self.met[id(value)] = found
            return {"r": found[1]}
        if type(value) is Large:
            return {"b": value.digest, "n": value.size}
        try:
            raw = orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
        except TypeError:
            if holds(value):
                return self._parts(value)
            raw = orjson.dumps(value)
        if len(raw) <= INLINE_LIMIT:
            return {"i": orjson.Fragment(raw)}
        digest = hashlib.sha256(raw).hexdigest()
        self.values[digest] = raw
        self.met[id(value)] = (value, digest)
        return {"r": digest}

    def _parts(self, value: Json) -> dict[str, Any]:
        if isinstance(value, list | tuple):
            return {"l": [self.write(part) for part in value]}
        assert isinstance(value, Mapping)
        return {"d": {name: self.write(part) for name, part in value.items()}}


class _Fetch:
    """The other way round; equal digests give one shared object."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = values
        self._loaded: dict[str, Json] = {}
        self.met: dict[int, tuple[Json, str]] = {}

    def read(self, data: Any) -> Json:
        if not isinstance(data, dict):
            found: Json = data
            return found
        if "i" in data:
            inline: Json = data["i"]
            return inline
        if "b" in data:
            return Large(data["b"], data["n"])
        if "l" in data:
            return [self.read(part) for part in data["l"]]
        if "d" in data:
            return {name: self.read(part) for name, part in data["d"].items()}
        digest = data["r"]
        if digest not in self._loaded:
            if digest not in self._values:
                raise Defect("a value of the run is missing", digest=digest)
            value = self._loaded[digest] = orjson.loads(self._values[digest])
            self.met[id(value)] = (value, digest)
        return self._loaded[digest]


def encode_cell(run: RunState, key: str) -> Encoded:
    """One cell of a run as it is now; O(size of the cell)."""
    spill = _Spill(run.spilled)
    cell = run.cells[key]
    body: dict[str, Any] = {"f": FORMAT, "key": key, "n": cell.count}
    if cell.tokens:
        body["t"] = [_dump_token(token, spill.write) for token in cell.tokens.values()]
        body["s"] = [_dump_instance(instance, spill.write) for instance in cell.scopes.values()]
    if cell.timers:
        body["w"] = cell.timers
    if key == HEAD and run.head is not None:
        body["h"] = _dump_head(run.head, spill.write)
    raw = orjson.dumps(body)
    run.spilled = spill.met
    return Encoded(key, raw, spill.values, [digest for _, digest in spill.met.values()], cell.wake)


def decode_run(run: str, bodies: Iterable[bytes], values: Mapping[str, bytes]) -> RunState:
    """The state of a run from its saved cells (at least the head) and the values they refer to.

    Raises:
        Defect: A value is missing, or a body's format is newer than this engine.
    """
    state = RunState(run)
    fetch = _Fetch(values)
    for raw in bodies:
        body = orjson.loads(raw)
        if body["f"] > FORMAT:
            raise Defect("the run was saved by a newer engine", run=run, format=body["f"])
        key = body["key"]
        cell = Cell(key, body["n"])
        for data in body.get("t", ()):
            token = _load_token(data, fetch.read)
            cell.tokens[token.id] = token
        for data in body.get("s", ()):
            instance = _load_instance(data, fetch.read)
            cell.scopes[instance.id] = instance
        cell.timers = [(due, token_id, purpose) for due, token_id, purpose in body.get("w", ())]
        state.cells[key] = cell
        if key == HEAD:
            state.home = cell
            state.head = _load_head(body["h"], fetch.read)
    state.spilled = fetch.met
    return state


def _dump_token(token: Token, write: Writer) -> dict[str, Any]:
    data: dict[str, Any] = {"i": token.id, "n": token.node, "s": token.scope, "h": token.hold.value, "c": token.created}
    if token.value is not None:
        data["v"] = write(token.value)
    if token.input is not token.value:
        data["x"] = write(token.input)
    if token.attempt:
        data["a"] = token.attempt
    if token.started is not None:
        data["b"] = token.started
    if token.worker is not None:
        data["w"] = token.worker
    if token.output is not None:
        data["o"] = write(token.output)
    if token.target:
        data["g"] = token.target
    if token.ending:
        data["e"] = True
    if token.timers:
        data["m"] = token.timers
    if token.kids is not None:
        data["k"] = token.kids
    data["p"] = token.phase.value
    if token.ticket is not None:
        data["q"] = token.ticket
    if token.asked:
        data["j"] = token.asked
    if token.memo is not None:
        data["y"] = write(token.memo)
    if token.state is not None:
        data["z"] = dump_state(token.state, write)
    return data


def _load_token(data: dict[str, Any], read: Reader) -> Token:
    value = read(data.get("v"))
    memo = read(data.get("y"))
    return Token(
        data["i"],
        data["n"],
        data["s"],
        Hold(data["h"]),
        value,
        read(data["x"]) if "x" in data else value,
        data["c"],
        data.get("a", 0),
        data.get("b"),
        data.get("w"),
        read(data.get("o")),
        data.get("g", 0),
        data.get("e", False),
        data.get("m", 0),
        data.get("k"),
        Phase(data["p"]),
        data.get("q"),
        data.get("j", 0),
        memo if isinstance(memo, dict) else None,
        load_state(data["z"], read) if "z" in data else None,
    )


def _dump_instance(instance: Instance, write: Writer) -> dict[str, Any]:
    data: dict[str, Any] = {"i": instance.id, "d": instance.scope, "t": instance.tokens}
    if instance.owner is not None:
        data["o"] = instance.owner
    if instance.index is not None:
        data["x"] = instance.index
    if instance.names is not None:
        data["v"] = {name: write(value) for name, value in instance.names.items()}
    if instance.tried:
        data["y"] = instance.tried
    return data


def _load_instance(data: dict[str, Any], read: Reader) -> Instance:
    names = data.get("v")
    loaded = None if names is None else {name: read(value) for name, value in names.items()}
    return Instance(data["i"], data["d"], data.get("o"), data["t"], data.get("x"), loaded, data.get("y", ""))


def _dump_head(head: Head, write: Writer) -> dict[str, Any]:
    data: dict[str, Any] = {
        "digest": head.digest, "ns": head.namespace, "name": head.name, "ver": head.version, "st": head.status.value,
        "log": head.log, "now": head.now, "seed": head.seed, "ctx": write(head.context), "in": write(head.input),
        "depth": head.depth, "labels": head.labels, "t0": head.started, "seq": head.sequence, "gen": head.generation,
    }  # fmt: skip
    if head.parent is not None:
        data["up"] = [head.parent.run, head.parent.attempt]
    if head.traceparent is not None:
        data["trace"] = head.traceparent
    if head.ended is not None:
        data["t1"] = head.ended
    if head.agenda:
        data["agenda"] = head.agenda
    if head.jumps:
        data["jumps"] = head.jumps
    if head.suspended:
        data["susp"] = True
    if head.parked:
        data["parked"] = [dump_parked(message, write) for message in head.parked]
    if head.revoking:
        data["rev"] = {attempt: dump_revocation(item) for attempt, item in head.revoking.items()}
    if head.dying:
        data["dying"] = {token: dump_dying(item) for token, item in head.dying.items()}
    if head.fin is not None:
        data["fin"] = dump_outcome(head.fin, write)
    if head.heard:
        data["heard"] = head.heard
    if head.origin is not None:
        data["from"] = head.origin
        data["again"] = write(head.reuse)
        data["took"] = head.reused
    if head.undo:
        data["undo"] = [[node, write(output)] for node, output in head.undo]
    if head.large:
        data["big"] = head.large
    return data


def _load_head(data: dict[str, Any], read: Reader) -> Head:
    up = data.get("up")
    return Head(
        data["digest"], data["ns"], data["name"], data["ver"], RunStatus(data["st"]), data["log"], data["now"], data["seed"],
        read(data["ctx"]), read(data["in"]), None if up is None else Parent(up[0], up[1]), data["depth"], data["labels"],
        data["t0"], data.get("trace"), data.get("t1"), data["seq"], data.get("agenda", []), data["gen"], data.get("jumps", 0),
        data.get("susp", False), [PARKED[item["k"]](item, read) for item in data.get("parked", ())],
        {attempt: load_revocation(item) for attempt, item in data.get("rev", {}).items()},
        {token: load_dying(item) for token, item in data.get("dying", {}).items()},
        load_outcome(data["fin"], read) if "fin" in data else None, data.get("heard", {}), _plan(read(data.get("again"))),
        data.get("took", {}), data.get("from"),
        [(node, read(output)) for node, output in data.get("undo", ())], data.get("big", {}),
    )  # fmt: skip


def _plan(value: Json) -> dict[str, dict[str, list[Json]]] | None:
    """What was written by ``_dump_head``."""
    return value if isinstance(value, dict) else None
