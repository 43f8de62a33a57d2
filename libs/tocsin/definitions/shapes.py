"""The vocabulary that the grammar is written in: what a value may look like.

Data only; :mod:`tocsin.definitions.checking` walks a document along shapes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """A string.

    Attributes:
        choices: The only values allowed, if any.
        pattern: What the whole of it must match, if anything; a strict expression passes where ``expression`` is true.
        expects: The pattern in words, for the message.
        expression: Whether ``${ ... }`` may stand here.
    """

    choices: tuple[str, ...] = ()
    pattern: str | None = None
    expects: str = "a string"
    expression: bool = True


@dataclass(frozen=True, slots=True)
class Condition:
    """A runtime expression; ``${ }`` may be left out.

    Attributes:
        text: Whether it may be plain text in loose mode: what does not evaluate there is its own result.
    """

    text: bool = False


@dataclass(frozen=True, slots=True)
class Strict:
    """A runtime expression inside ``${ }``."""


@dataclass(frozen=True, slots=True)
class Data:
    """Any data; strings in it may be strict expressions."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Any data that is never evaluated: schemas, metadata."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer."""

    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""


@dataclass(frozen=True, slots=True)
class Duration:
    """An ISO 8601 duration, an expression that gives one, or an object of days, hours, minutes, seconds, milliseconds."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of a reusable component in a section of ``use``."""

    section: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where the flow goes: a directive, or a task of the same list."""


@dataclass(frozen=True, slots=True)
class Variable:
    """The name of a variable that this document declares."""


@dataclass(frozen=True, slots=True)
class Record:
    """An object with known members.

    Attributes:
        members: Shapes by name.
        required: Names that must be there.
        one_of: Groups of names; exactly one group must be there, whole.
        open: Whether other members are allowed (they are data).
        least: How many members at least.
    """

    members: Mapping[str, "Shape"]
    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    open: bool = False
    least: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """An object with any names."""

    value: "Shape"
    least: int = 0


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    value: "Shape"
    least: int = 0


@dataclass(frozen=True, slots=True)
class Named:
    """A list of objects with one member each: name and value."""

    value: "Shape"
    least: int = 0


@dataclass(frozen=True, slots=True)
class Tasks:
    """A list of named tasks.

    Attributes:
        jumps: Whether ``then`` may name a task of this list; branches of a fork may not be jumped between.
    """

    jumps: bool = True


@dataclass(frozen=True, slots=True)
class Task:
    """One task: its kind is the one member that says what to do."""


@dataclass(frozen=True, slots=True)
class Either:
    """One of several shapes, told apart by the JSON type of the value."""

    shapes: tuple["Shape", ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A shape of the grammar by name; what makes it recursive."""

    name: str


Shape: TypeAlias = (
    Text
    | Condition
    | Strict
    | Data
    | Verbatim
    | Whole
    | Flag
    | Duration
    | Reference
    | Target
    | Variable
    | Record
    | Table
    | Items
    | Named
    | Tasks
    | Task
    | Either
    | Rule
)
