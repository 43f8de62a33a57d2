"""The audit trail as a hash chain: how a record is sealed, what an export looks like, and its proof without a platform.

Each record's hash covers the hash before it, its number and a digest of its bytes; now and then a hash is signed (Ed25519). So
nobody can change, drop or insert a record behind a checkpoint without the private key. A record that somebody may not see, or
whose time to be kept is over, is represented by its digest alone, and the chain still proves that nothing else is missing.

An export is JSON lines: a ``header``, then ``record``, ``withheld`` and ``checkpoint`` lines in the order of their numbers.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tocsin.errors import Invalid

FORMAT: Final = "tocsin-audit/1"
_TAG: Final = FORMAT.encode() + b"\0"

CHANGED: Final = (
    "Export the same period again and verify that: if it is proven, this file was changed after it was exported; if it breaks "
    "at the same record, the trail in the database was, and an older export or a backup shows what was there."
)
CUT: Final = "The file is not whole: export it again, and see that the whole answer is written."
UNKNOWN: Final = (
    "The key was rotated, or somebody else signed: `tocsin audit status` shows all keys that ever did; compare them with those "
    "that you have written down, and give the ones you trust with --key."
)

Body = Mapping[str, Any]
"""What a record says: texts, numbers and nulls by name; the signal itself as the text that was published."""


class NoExport(Invalid):
    """This is not an export of the audit trail."""

    code = "no_audit_export"


def canonical(body: Body) -> bytes:
    """The bytes that are hashed: JSON in UTF-8, members sorted, no white space."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def digest_of(body: bytes) -> bytes:
    """The digest that represents a record, 32 bytes."""
    return hashlib.sha256(body).digest()


def genesis(chain: str) -> bytes:
    """The hash before the first record of a chain."""
    return hashlib.sha256(_TAG + chain.encode()).digest()


def link(previous: bytes, number: int, digest: bytes) -> bytes:
    """The hash of a record.

    Args:
        previous: Hash of the record before it.
        number: Its place in the chain, from 1, without gaps.
        digest: Of its canonical bytes.
    """
    return hashlib.sha256(_TAG + previous + number.to_bytes(8, "big") + digest).digest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed hash: everything up to a record was like this at a time.

    Attributes:
        chain: Id of the chain.
        number: Of the last record it covers.
        hash: Of that record.
        position: How far the stream of signals had been read.
        time: When, RFC 3339.
        kid: Which key signed.
        signature: Ed25519, 64 bytes.
    """

    chain: str
    number: int
    hash: bytes
    position: int
    time: str
    kid: str
    signature: bytes = b""

    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        return _TAG + canonical(
            {
                "chain": self.chain,
                "number": self.number,
                "hash": self.hash.hex(),
                "position": self.position,
                "time": self.time,
                "kid": self.kid,
            }
        )

    def line(self) -> dict[str, Any]:
        """As it stands in an export."""
        return {
            "kind": "checkpoint",
            "chain": self.chain,
            "number": self.number,
            "hash": self.hash.hex(),
            "position": self.position,
            "time": self.time,
            "kid": self.kid,
            "signature": base64.b64encode(self.signature).decode(),
        }


def header_bytes(header: Mapping[str, Any]) -> bytes:
    """What the signature of an export's header is over: where the export begins and ends, so that cutting it is seen."""
    return _TAG + b"header\0" + canonical({name: value for name, value in header.items() if name != "signature"})


def key_id(public: bytes) -> str:
    """The name of a public key: the beginning of its digest; enough to compare by eye."""
    return hashlib.sha256(public).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Break:
    """The first thing that is wrong.

    Attributes:
        number: Of the record.
        why: One sentence.
        line: Line of the file, from 1.
        hint: What to do about it.
    """

    number: int
    why: str
    line: int
    hint: str


@dataclass(slots=True)
class Verdict:
    """What an export proves.

    Attributes:
        chain: Which chain.
        exported: When it was exported, RFC 3339; what came later is in another export.
        first: Number of the first record; 0 when there is none.
        last: Of the last one.
        records: Shown in full.
        withheld: Represented by their digest.
        checkpoints: Signatures that hold.
        proven: The last number that a signature covers.
        keys: Ids of the keys that signed.
        broken: The first thing that is wrong, or ``None``.
    """

    chain: str = ""
    exported: str = ""
    first: int = 0
    last: int = 0
    records: int = 0
    withheld: int = 0
    checkpoints: int = 0
    proven: int = 0
    keys: list[str] = field(default_factory=list)
    broken: Break | None = None

    @property
    def holds(self) -> bool:
        """Whether everything is there, unchanged and signed."""
        return self.broken is None


def verify(lines: Iterable[bytes], trusted: Mapping[str, bytes] | None = None) -> Verdict:
    """Prove an export.

    Args:
        lines: Of the file.
        trusted: Public keys by id that the reader got another way; without them those of the export are believed.

    Raises:
        NoExport: It is none.
    """
    return _Reader(trusted).read(lines)


class _Wrong(NamedTuple):
    number: int
    why: str
    hint: str = CHANGED


class _Reader:
    def __init__(self, trusted: Mapping[str, bytes] | None) -> None:
        self._trusted = trusted
        self._keys: Mapping[str, bytes] = trusted or {}
        self._verdict = Verdict()
        self._hash = b""
        self._next = 0
        self._to = 0

    def read(self, lines: Iterable[bytes]) -> Verdict:
        at, verdict = 0, self._verdict
        for at, raw in enumerate(lines, start=1):  # the last value says where the file ended
            if not raw.strip():
                continue
            if not verdict.chain:
                problem = self._begin(_parsed(raw, at))
                if problem is not None:
                    verdict.broken = Break(problem.number, problem.why, at, problem.hint)
                    return verdict
                continue
            problem = self._line(raw, at)
            if problem is not None:
                verdict.broken = Break(problem.number, problem.why, at, problem.hint)
                return verdict
        if not verdict.chain:
            raise NoExport("the file is empty")
        if self._next <= self._to:
            verdict.broken = Break(self._next, f"record {self._next} is missing: the file ends before {self._to}", at, CUT)
        elif verdict.proven < verdict.last:
            unproven = max(verdict.proven + 1, verdict.first)
            verdict.broken = Break(unproven, f"no checkpoint behind record {unproven} proves it", at, CUT)
        return verdict

    def _begin(self, line: Mapping[str, Any]) -> _Wrong | None:
        try:
            if line["kind"] != "header" or line["format"] != FORMAT:
                raise NoExport("the file does not begin with the header of an audit export")
            chain, after, to = str(line["chain"]), int(line["after"]), int(line["to"])
            self._hash = bytes.fromhex(line["hash"])
            if not self._trusted:
                self._keys = {str(kid): base64.b64decode(key) for kid, key in dict(line["keys"]).items()}
        except (KeyError, TypeError, ValueError) as error:
            raise NoExport(f"the header of the export cannot be read: {error}") from error
        if after == 0 and self._hash != genesis(chain):
            raise NoExport("the header does not fit the beginning of its chain")
        self._verdict.chain, self._next, self._to = chain, after + 1, to
        self._verdict.exported = str(line.get("exported", ""))
        kid = str(line.get("kid"))
        if self._keys.get(kid) is None:
            return _Wrong(after + 1, f"the header is signed with the key {kid}, which is not known", UNKNOWN)
        try:
            signature = base64.b64decode(str(line.get("signature")))
            Ed25519PublicKey.from_public_bytes(self._keys[kid]).verify(signature, header_bytes(line))
        except (InvalidSignature, ValueError):
            why = "the signature of the header is not genuine: something before or behind may have been cut off"
            return _Wrong(after + 1, why)
        return None

    def _line(self, raw: bytes, at: int) -> _Wrong | None:
        try:
            line = _parsed(raw, at)
        except NoExport as error:
            return _Wrong(self._next, f"the line of record {self._next} cannot be read: {error.detail}")
        if orjson.dumps(line) != raw.rstrip(b"\r\n"):  # a name that stands twice reads differently elsewhere
            return _Wrong(self._next, f"the line of record {self._next} is not written as an export writes it")
        return self._one(line)

    def _one(self, line: Mapping[str, Any]) -> _Wrong | None:
        kind = line.get("kind")
        try:
            if kind == "checkpoint":
                return self._checkpoint(line)
            if kind in {"record", "withheld"}:
                return self._record(line, shown=kind == "record")
        except (KeyError, TypeError, ValueError) as error:
            return _Wrong(self._next, f"the line of record {self._next} cannot be read: {error}")
        return _Wrong(self._next, f"a line of the unknown kind {kind!r} stands where record {self._next} is expected")

    def _record(self, line: Mapping[str, Any], *, shown: bool) -> _Wrong | None:
        number, verdict = int(line["number"]), self._verdict
        if number > self._next:
            return _Wrong(self._next, f"record {self._next} is missing")
        if number < self._next:
            return _Wrong(number, f"record {number} stands twice or out of order")
        digest = digest_of(canonical(line["body"])) if shown else bytes.fromhex(line["digest"])
        computed = link(self._hash, number, digest)
        if computed != bytes.fromhex(line["hash"]):
            return _Wrong(number, f"record {number} was changed, or stands behind another one than it was written behind")
        self._hash, self._next = computed, number + 1
        verdict.first = verdict.first or number
        verdict.last = number
        verdict.records += shown
        verdict.withheld += not shown
        return None

    def _checkpoint(self, line: Mapping[str, Any]) -> _Wrong | None:
        point = Checkpoint(
            chain=str(line["chain"]),
            number=int(line["number"]),
            hash=bytes.fromhex(line["hash"]),
            position=int(line["position"]),
            time=str(line["time"]),
            kid=str(line["kid"]),
            signature=base64.b64decode(line["signature"]),
        )
        unproven = self._verdict.proven + 1
        if point.chain != self._verdict.chain:
            return _Wrong(point.number, f"the checkpoint at {point.number} is of another chain")
        if point.number != self._next - 1:
            return _Wrong(self._next, f"record {self._next} is missing: a checkpoint names {point.number}")
        key = self._keys.get(point.kid)
        if key is None:
            why = f"the checkpoint at {point.number} is signed with the key {point.kid}, which is not known"
            return _Wrong(point.number, why, UNKNOWN)
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(point.signature, point.signed_bytes())
        except (InvalidSignature, ValueError):
            return _Wrong(point.number, f"the signature of the checkpoint at {point.number} is not genuine")
        if point.hash != self._hash:
            return _Wrong(unproven, f"something between record {unproven} and {point.number} is not what was signed")
        self._verdict.checkpoints += 1
        self._verdict.proven = point.number
        if point.kid not in self._verdict.keys:
            self._verdict.keys.append(point.kid)
        return None


def _parsed(raw: bytes, at: int) -> Mapping[str, Any]:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise NoExport(f"line {at} is not JSON: {error}") from error
    if not isinstance(line, dict):
        raise NoExport(f"line {at} is not a JSON object")
    return line
