"""How an expression may be evaluated: natively, by libjq inside a step, or only where it can be killed.

A time limit is not deterministic: the same expression may pass once and time out when it is folded again. So the amount of work
is estimated here, from the text alone, as a polynomial in the size of the input. What is linear is harmless at 32 KiB, what is
quadratic at 2 KiB; everything else, and everything that is not known here, is OPEN.

A node is judged on a *stream* of values: how many there are, and how large they are together. That is what makes
``[.items[].name]`` linear, though each of n items might be n large.
"""

from dataclasses import dataclass
from enum import Enum

from tocsin.expressions.tree import (
    Array,
    Attempt,
    Binary,
    Bind,
    Call,
    Choice,
    Comma,
    Fold,
    Identity,
    Index,
    Iterate,
    Literal,
    Negate,
    Node,
    Object,
    Pipe,
    Slice,
    Text,
    Variable,
    depth,
)


class Cost(Enum):
    """How an expression may be evaluated."""

    NATIVE = "native"
    BOUNDED = "bounded"
    OPEN = "open"


LINEAR_BYTES = 32 * 1024  # engine-ir: libjq reads 37 KB in 3.3 ms, which is the longest a step should wait
QUADRATIC_BYTES = 2 * 1024  # at most 1,000 elements, so 1,000,000 visits: tens of milliseconds
_REPEATS = 1_000.0  # how often a text may repeat its input before its output is no longer about the input's size
_DEEPEST = 100  # of a tree that is judged: some 400 frames, so that the answer never depends on how deep the caller is
_RANGE = 1_000  # a literal range up to this is as good as a literal array

# Functions whose work and result are linear in their value and their arguments together; one result each.
_PLAIN = frozenset(
    """
    @base64 @base64d @csv @html @json @sh @text @tsv @uri @urid abs add all any ascii ascii_downcase ascii_upcase bsearch
    ceil date dateadd datesub delpaths endswith error exp exp10 exp2 explode fabs first flatten floor from_entries
    fromdate fromdateiso8601 fromjson getpath gmtime has implode in infinite isinfinite isnan isnormal join keys
    keys_unsorted last length log log10 log2 ltrim ltrimstr max min mktime nan not now nth pow reverse round rtrim
    rtrimstr setpath sort sqrt startswith strftime strptime to_entries toarray toboolean todate todateiso8601 tojson
    tonumber tostring transpose trim trimstr trunc type unique utf8bytelength
    """.split()  # noqa: SIM905 - a word a line would be a page
)
_ESCAPES = frozenset(
    """
    @base64 @csv @html @json @sh @text @tsv @uri explode tojson tostring
    """.split()  # noqa: SIM905 - a word a line would be a page
)
_SEARCHES = frozenset({"contains", "inside", "index", "rindex", "indices", "split"})  # each element against each: a product
_FILTERS = frozenset(
    """
    arrays booleans empty iterables nulls numbers objects scalars select strings values
    """.split()  # noqa: SIM905 - a word a line would be a page
)
_EACH = frozenset(
    """
    add all any del error first group_by isempty last map map_values max_by min_by pick sort_by unique_by with_entries
    """.split()  # noqa: SIM905 - a word a line would be a page
)


class _OpenError(Exception):
    """The cost is not known here."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A polynomial in the size of the input: coefficients by degree, up to the second."""

    constant: float = 0.0
    linear: float = 0.0
    square: float = 0.0

    def __add__(self, other: "Growth") -> "Growth":
        return Growth(self.constant + other.constant, self.linear + other.linear, self.square + other.square)

    def __mul__(self, other: "Growth") -> "Growth":
        if (self.square and (other.linear or other.square)) or (self.linear and other.square):
            raise _OpenError
        return Growth(
            self.constant * other.constant,
            self.constant * other.linear + self.linear * other.constant,
            self.constant * other.square + self.linear * other.linear + self.square * other.constant,
        )


@dataclass(frozen=True, slots=True)
class Stream:
    """Values that flow past a point.

    Attributes:
        count: How many.
        total: How large, all together.
        time: How much work made them.
    """

    count: Growth
    total: Growth
    time: Growth = Growth()


_ONE = Growth(1.0)
_SIZE = Growth(0.0, 1.0)
_Names = dict[str, Stream]


def limit_bytes(node: Node | None) -> int:
    """How large the input may be for libjq to evaluate this inside a step; 0 means never."""
    if node is None or depth(node) > _DEEPEST:
        return 0
    try:
        made = _judge(node, Stream(_ONE, Growth(1.0, 1.0)), {})
    except _OpenError:
        return 0
    work = made.time + made.total
    if max(work.constant, work.linear, work.square) > _REPEATS:
        return 0
    return QUADRATIC_BYTES if work.square else LINEAR_BYTES


def _judge(node: Node, at: Stream, names: _Names) -> Stream:
    """What a node makes of a stream; variables not in ``names`` are as large as the input."""
    match node:
        case Identity():
            return Stream(at.count, at.total, at.count)
        case Literal() | Array(None):
            return Stream(at.count, at.count, at.count)
        case Variable(name):
            return _variable(at, names.get(name))
        case Index(target, key):
            return _narrowed(_judge(target, at, names), (_judge(key, at, names),), at)
        case Slice(target, low, high):
            ends = tuple(_judge(end, at, names) for end in (low, high) if end is not None)
            return _narrowed(_judge(target, at, names), ends, at)
        case Iterate(target):
            made = _judge(target, at, names)
            return Stream(made.total, made.total, made.time + made.total)
        case Attempt(body, handler):
            made = _judge(body, at, names)
            return made if handler is None else _both(made, _judge(handler, at, names))
        case Pipe(left, right):
            made = _judge(left, at, names)
            rest = _judge(right, made, names)
            return Stream(rest.count, rest.total, made.time + rest.time)
        case Comma(left, right):
            return _both(_judge(left, at, names), _judge(right, at, names))
        case Negate(body):
            return _judge(body, at, names)
        case Array(body):
            made = _judge(body or Identity(), at, names)
            return Stream(at.count, made.total + at.count, made.time + made.total)
        case Choice(condition, chosen, otherwise):
            test = _judge(condition, at, names)
            branch = _both(_judge(chosen, at, names), _judge(otherwise, at, names))
            if test.count != at.count:
                raise _OpenError
            return Stream(_larger(branch.count, chosen, otherwise, at), branch.total, test.time + branch.time)
        case _:
            return _composite(node, at, names)


def _composite(node: Node, at: Stream, names: _Names) -> Stream:
    match node:
        case Binary(sign, left, right):
            return _binary(sign, (left, right), at, names)
        case Object(entries):
            return _combined(tuple(_judge(part, at, names) for entry in entries for part in entry), at)
        case Text(_, parts):
            made = _combined(tuple(_judge(part, at, names) for part in parts if not isinstance(part, str)), at)
            return Stream(made.count, made.total * Growth(2.0), made.time)
        case Bind(source, bound, body):
            return _bind(_judge(source, at, names), bound, body, at, names)
        case Fold():
            return _fold(node, at, names)
        case Call(name, arguments):
            return _call(name, arguments, at, names)
        case _:
            raise _OpenError


def _single(made: Stream, at: Stream) -> bool:
    """Whether there is at most one output for each value of the stream."""
    return made.count == at.count


def _larger(both: Growth, one: Node, two: Node, at: Stream) -> Growth:
    """One branch is taken, not both: for branches that give one value each, the count stays."""
    return at.count if both == at.count + at.count else both


def _both(one: Stream, two: Stream) -> Stream:
    return Stream(one.count + two.count, one.total + two.total, one.time + two.time)


def _variable(at: Stream, bound: Stream | None) -> Stream:
    if bound is not None and bound.count == at.count:
        return Stream(at.count, bound.total, at.count)
    return Stream(at.count, at.count * (_SIZE if bound is None else bound.total), at.count)


def _narrowed(target: Stream, keys: tuple[Stream, ...], at: Stream) -> Stream:
    """A part of a value: never larger than the value."""
    made = _combined((target, *keys), at)
    return Stream(made.count, target.total if all(_single(k, at) for k in keys) else made.total, made.time)


def _combined(parts: tuple[Stream, ...], at: Stream) -> Stream:
    """One value from several, for every combination of their outputs."""
    count, total, time = at.count, at.count, at.count
    for part in parts:
        time = time + part.time
        if _single(part, at):
            total = total + (part.total if count == at.count else count * part.total)
        else:
            total = total * part.count + count * part.total
            count = part.count if count == at.count and at.count == _ONE else count * part.count
            time = time + count
    return Stream(count, total, time)


def _binary(sign: str, sides: tuple[Node, Node], at: Stream, names: _Names) -> Stream:
    left, right = (_judge(side, at, names) for side in sides)
    if sign == "//":
        made = _both(left, right)
        return Stream(_larger(made.count, *sides, at), made.total, made.time)
    made = _combined((left, right), at)
    if sign in ("==", "!=", "<", "<=", ">", ">=", "and", "or"):
        return Stream(made.count, made.count, made.time + made.total)
    if sign.endswith("="):
        if sign in ("|=", "//="):
            right = _judge(sides[1], Stream(left.count, left.total), names)
        elif not _single(right, at):
            raise _OpenError
        updated = at.total + left.total + (right.total if sign == "|=" else left.count * right.total)
        return Stream(at.count, updated, left.time + right.time + left.count)
    return made


def _bind(source: Stream, bound: frozenset[str], body: Node, at: Stream, names: _Names) -> Stream:
    inner = at if _single(source, at) else Stream(source.count, source.count * at.total)
    known = names | dict.fromkeys(bound, Stream(inner.count, source.total))
    made = _judge(body, inner, known)
    return Stream(made.count, made.total, source.time + made.time)


def _fold(node: Fold, at: Stream, names: _Names) -> Stream:
    """A fold is tame only while what it carries grows by a constant: its update may read ``.`` once and call nothing on it."""
    source = _judge(node.source, at, names)
    start = _judge(node.start, at, names)
    if _reads(node.update) > 1 or not _single(start, at):
        raise _OpenError
    each = Stream(source.count, source.count)
    update = _judge(node.update, each, names | dict.fromkeys(node.names, Stream(each.count, source.total)))
    if not _single(update, each):
        raise _OpenError
    carried = start.total + source.total + update.total
    time = source.time + start.time + update.time
    if not node.emits:
        return Stream(at.count, carried, time)
    if node.extract is not None and not isinstance(node.extract, Identity):
        raise _OpenError
    return Stream(source.count, source.count * carried, time)


def _reads(node: Node) -> int:
    """How often a node can read its value; 2 when that is not plain to see."""
    match node:
        case Identity():
            return 1
        case Literal() | Variable() | Array(None):
            return 0
        case Index(target, key):
            return _reads(target) + _reads(key)
        case Negate(body):
            return _reads(body)
        case Array(body):
            return _reads(body or Identity())
        case Binary("|=" | "//=", _, _):
            return 2
        case Binary(_, left, right):
            return _reads(left) + _reads(right)
        case Object(entries):
            return sum(_reads(part) for entry in entries for part in entry)
        case Choice(
            Binary("==" | "!=" | "<" | "<=" | ">" | ">=", Index() | Variable() | Literal() | Identity(), _), chosen, otherwise
        ):
            return max(_reads(chosen), _reads(otherwise))  # the condition only looks: it cannot make the carried value grow
        case _:
            return 2


def _call(name: str, arguments: tuple[Node, ...], at: Stream, names: _Names) -> Stream:
    if name == "range":
        return _range(arguments, at)
    if not arguments and name in ("recurse", "paths"):
        return Stream(at.total, at.total * (_SIZE if name == "recurse" else _ONE), at.total)
    if name in _FILTERS and len(arguments) <= 1:
        tests = tuple(_judge(argument, at, names) for argument in arguments)
        if not all(_single(test, at) for test in tests):
            raise _OpenError
        return Stream(at.count, at.total, sum((test.time for test in tests), at.count))
    if name in _EACH and len(arguments) == 1:
        inner = _judge(arguments[0], Stream(at.total, at.total), names)
        return Stream(at.count, inner.total + at.total, inner.time + at.total)
    if name in _PLAIN or (name in _SEARCHES and len(arguments) == 1):
        made = _combined(tuple(_judge(argument, at, names) for argument in arguments), at)
        total = (made.total + at.total) * Growth(2.0 if name in _ESCAPES else 1.0)
        return Stream(made.count, total, made.time + (at.total * made.total if name in _SEARCHES else total))
    raise _OpenError


def _range(arguments: tuple[Node, ...], at: Stream) -> Stream:
    """A literal range; a computed one may be of any length."""
    match arguments:
        case (Literal(int(last)),) if last <= _RANGE:
            count = at.count * Growth(float(max(last, 1)))
            return Stream(count, count, count)
        case _:
            raise _OpenError
