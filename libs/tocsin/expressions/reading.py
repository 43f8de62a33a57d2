"""Whether an expression looks at its value at all, or only at variables: then a value that is far away need not be fetched."""

from tocsin.expressions.tree import (
    Array,
    Attempt,
    Binary,
    Bind,
    Choice,
    Comma,
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
)

_DEEPEST = 64  # nesting that is looked into; nobody writes deeper by hand


def reads_value(node: Node | None, depth: int = 0) -> bool:
    """Whether ``.`` matters; ``True`` where that is not certain (a function may look at it)."""
    if depth > _DEEPEST:
        return True
    below = depth + 1
    match node:
        case Literal() | Variable():
            return False
        case Index(target, key):
            return reads_value(target, below) or reads_value(key, below)
        case Slice(target, low, high):
            return any(reads_value(part, below) for part in (target, low, high) if part is not None)
        case Iterate(target):
            return reads_value(target, below)
        case Attempt(body, _) | Negate(body):
            return reads_value(body, below)
        case Pipe(left, _):
            return reads_value(left, below)
        case Comma(left, right) | Binary(_, left, right):
            return reads_value(left, below) or reads_value(right, below)
        case Text(_, parts):
            return any(reads_value(part, below) for part in parts if not isinstance(part, str))
        case Array(body):
            return body is not None and reads_value(body, below)
        case Object(entries):
            return any(reads_value(name, below) or reads_value(held, below) for name, held in entries)
        case Choice(condition, chosen, otherwise):
            return reads_value(condition, below) or reads_value(chosen, below) or reads_value(otherwise, below)
        case Bind(source, _, body):
            return reads_value(source, below) or reads_value(body, below)
        case _:
            return True
