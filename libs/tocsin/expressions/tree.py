"""The nodes of a jq expression, as the parser makes them and as cost and the native fast path read them."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Identity:
    """``.``."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a string without interpolation, ``null``, ``true``, ``false``."""

    value: bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Variable:
    """``$name``."""

    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """``target.key``, ``target[key]``; the key is evaluated on the outer value."""

    target: "Node"
    key: "Node"


@dataclass(frozen=True, slots=True)
class Slice:
    """``target[low:high]``."""

    target: "Node"
    low: "Node | None"
    high: "Node | None"


@dataclass(frozen=True, slots=True)
class Iterate:
    """``target[]``."""

    target: "Node"


@dataclass(frozen=True, slots=True)
class Attempt:
    """``body?`` and ``try body catch handler``."""

    body: "Node"
    handler: "Node | None"


@dataclass(frozen=True, slots=True)
class Text:
    """A string with interpolations, or with a format such as ``@base64``."""

    format: str | None
    parts: tuple["str | Node", ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function by name, with closures as arguments; also a bare format (``@json``)."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Pipe:
    """``left | right``."""

    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Comma:
    """``left , right``."""

    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, comparison, ``and``, ``or``, ``//`` and the updates (``=``, ``|=``, ``+=``, ...)."""

    sign: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Negate:
    """``-body``."""

    body: "Node"


@dataclass(frozen=True, slots=True)
class Array:
    """``[body]``."""

    body: "Node | None"


@dataclass(frozen=True, slots=True)
class Object:
    """``{key: value, ...}``."""

    entries: tuple[tuple["Node", "Node"], ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """``if condition then chosen else otherwise end``."""

    condition: "Node"
    chosen: "Node"
    otherwise: "Node"


@dataclass(frozen=True, slots=True)
class Bind:
    """``source as $name | body``; a destructuring pattern binds several names."""

    source: "Node"
    names: frozenset[str]
    body: "Node"


@dataclass(frozen=True, slots=True)
class Fold:
    """``reduce source as $name (start; update)`` and ``foreach`` (which has an extract)."""

    source: "Node"
    names: frozenset[str]
    start: "Node"
    update: "Node"
    extract: "Node | None"
    emits: bool


Node: TypeAlias = (
    Identity
    | Literal
    | Variable
    | Index
    | Slice
    | Iterate
    | Attempt
    | Text
    | Call
    | Pipe
    | Comma
    | Binary
    | Negate
    | Array
    | Object
    | Choice
    | Bind
    | Fold
)


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below."""
    pending: list[object] = [getattr(node, part.name) for part in fields(node)]
    while pending:
        held = pending.pop()
        if isinstance(held, tuple):
            pending.extend(held)
        elif isinstance(held, Node):
            yield held


def depth(node: Node) -> int:
    """How deep the tree is; without recursion, because some are very deep."""
    deepest, level = 0, [node]
    while level:
        deepest += 1
        level = [child for parent in level for child in children(parent)]
    return deepest
