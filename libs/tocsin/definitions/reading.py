"""From text to plain data with positions: YAML 1.2 (its core schema) and JSON, which is inside it.

The events of the YAML parser are folded here, without recursion: ``on`` and ``yes`` are strings, dates are strings, duplicate
keys are refused, and depth, size and the expansion of aliases are bounded before anything is built.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from tocsin.definitions.limits import DEEPEST, LARGEST_BYTES, MOST_VALUES
from tocsin.errors import Invalid, Violation

Value: TypeAlias = bool | int | float | str | list["Value"] | dict[str, "Value"] | None
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST_INTEGER = 2**63
_SHOWN = 40  # characters of a number in a message


class DefinitionInvalid(Invalid):
    """The definition is not valid."""

    code = "definition_invalid"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something stands in the text; lines and columns count from 1.

    Attributes:
        line: Line of a member's key, of an item, or of the document.
        column: Its column.
        text_line: Line where the text of a scalar begins: after the quote, or below the ``|``.
        text_column: Its column.
    """

    line: int
    column: int
    text_line: int
    text_column: int

    def inside(self, text: str, line: int, column: int) -> tuple[int, int]:
        """Where in the file a position of an expression is that stands here, with or without ``${ }``; all count from 1."""
        before = text[: text.index("${") + 2] if text.strip().startswith("${") else ""
        there = self.text_line + before.count("\n") + line - 1
        if line > 1:
            return there, self.text_column - 1 + column  # only block scalars keep lines; their indentation was cut
        return there, self.text_column + len(before) - (before.rfind("\n") + 1) + column - 1


@dataclass(slots=True)
class _Container:
    """A mapping or list that is being filled."""

    value: dict[str, Value] | list[Value]
    pointer: str
    anchor: str | None
    count_before: int
    key: str | None = None
    key_mark: tuple[int, int] | None = None


@dataclass(slots=True)
class _Fold:
    lines: list[str]
    source: str
    marks: dict[str, Mark] = field(default_factory=dict)
    anchors: dict[str, tuple[Value, int]] = field(default_factory=dict)
    stack: list[_Container] = field(default_factory=list)
    count: int = 0
    root: Value = None
    documents: int = 0


def read(text: str | bytes, source: str) -> tuple[Value, Mapping[str, Mark]]:
    """Parse one document.

    Args:
        text: YAML or JSON.
        source: Name of the file, for messages.

    Returns:
        The data, and where each JSON pointer stands.

    Raises:
        DefinitionInvalid: Not UTF-8, not YAML, a duplicate key, or over a limit; with the position.
    """
    content = _decoded(text, source)
    fold = _Fold(content.split("\n"), source)
    try:
        for event in _events(content):
            _take(fold, event)
    except MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _invalid(source, str(failure.problem or failure.context or "not valid YAML"), line, column) from None
    except YAMLError as failure:
        raise _invalid(source, str(failure).splitlines()[0], 1, 1) from None
    if not fold.documents:
        raise _invalid(source, "the document is empty", 1, 1)
    return fold.root, fold.marks


def _decoded(text: str | bytes, source: str) -> str:
    if len(text) > LARGEST_BYTES:
        raise _invalid(source, f"the document has {len(text)} bytes; at most {LARGEST_BYTES} are allowed", 1, 1)
    if isinstance(text, bytes):
        raw = text
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as failure:
            line = raw[: failure.start].count(b"\n") + 1
            raise _invalid(source, "the document is not UTF-8", line, 1) from None
    if text.lstrip()[:1] == "{":
        # JSON allows tabs between its parts where this YAML parser does not; inside JSON strings a raw tab is not allowed
        # anyway.
        text = text.replace("\t", " ")
    return text


def _events(content: str) -> Iterator[Event]:
    yaml = YAML(typ="safe", pure=True)
    events: Iterator[Event] = yaml.parse(content)
    return events


def _invalid(
    source: str, detail: str, line: int, column: int, *, pointer: str = "", hint: str | None = None
) -> DefinitionInvalid:
    violation = Violation(pointer, detail, hint, line, column)
    return DefinitionInvalid(f"{source}:{line}:{column}: {detail}", hint=hint, violations=(violation,), source=source)


def _take(fold: _Fold, event: Event) -> None:
    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    match event:
        case DocumentStartEvent():
            fold.documents += 1
            if fold.documents > 1:
                raise _invalid(fold.source, "there is more than one document in the text", line, column)
        case MappingStartEvent() | SequenceStartEvent():
            if len(fold.stack) >= DEEPEST:
                raise _invalid(fold.source, f"nested deeper than {DEEPEST}", line, column)
            pointer = _placed(fold, line, column, (line, column))
            opened: dict[str, Value] | list[Value] = {} if isinstance(event, MappingStartEvent) else []
            fold.count += 1
            fold.stack.append(_Container(opened, pointer, event.anchor, fold.count))
        case MappingEndEvent() | SequenceEndEvent():
            done = fold.stack.pop()
            if done.anchor:
                fold.anchors[done.anchor] = (done.value, fold.count - done.count_before + 1)
            _put(fold, done.value)
        case ScalarEvent():
            _scalar(fold, event, line, column)
        case AliasEvent():
            if event.anchor not in fold.anchors:
                raise _invalid(fold.source, f"'*{event.anchor}' refers to nothing complete", line, column)
            value, size = fold.anchors[event.anchor]
            fold.count += size
            _placed(fold, line, column, (line, column))
            _put(fold, value)
    if fold.count > MOST_VALUES:
        raise _invalid(fold.source, f"more than {MOST_VALUES} values, aliases included", line, column)


def _scalar(fold: _Fold, event: ScalarEvent, line: int, column: int) -> None:
    fold.count += 1
    if _SURROGATE.search(event.value):
        event.value = _joined(fold, event.value, line, column)
    top = fold.stack[-1] if fold.stack else None
    if top is not None and isinstance(top.value, dict) and top.key is None:
        if event.value == "<<" and event.style is None:
            hint = "Write the members out, or put the key in quotes if it is one."
            raise _invalid(fold.source, "YAML 1.2 has no merge keys, nothing would be merged", line, column, hint=hint)
        if event.value in top.value:
            hint = "Remove one of them, or write tasks as a list of single entries."
            raise _invalid(
                fold.source,
                f"the key '{event.value}' appears twice",
                line,
                column,
                pointer=f"{top.pointer}/{_escape(event.value)}",
                hint=hint,
            )
        top.key, top.key_mark = event.value, (line, column)
        return
    value = _resolved(fold, event, line, column)
    _placed(fold, line, column, _text_start(fold, event, line, column))
    if event.anchor:
        fold.anchors[event.anchor] = (value, 1)
    _put(fold, value)


def _joined(fold: _Fold, text: str, line: int, column: int) -> str:
    """JSON writes what is beyond 16 bits as a pair of escapes; half a pair is no character."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _invalid(fold.source, "half a surrogate pair is not a character", line, column) from None


def _text_start(fold: _Fold, event: ScalarEvent, line: int, column: int) -> tuple[int, int]:
    if event.style in ("|", ">"):
        for below, content in enumerate(fold.lines[line:], start=line + 1):
            if content.strip():
                return below, len(content) - len(content.lstrip()) + 1
    return line, column + (1 if event.style in ("'", '"') else 0)


def _resolved(fold: _Fold, event: ScalarEvent, line: int, column: int) -> Value:
    """The core schema of YAML 1.2, without what JSON cannot say."""
    text: str = event.value
    tag = str(event.tag) if event.tag else ""
    if tag.endswith((":str", "!")) or (event.style is not None and not tag):
        return text
    if tag and not tag.endswith((":int", ":float", ":bool", ":null")):
        raise _invalid(fold.source, f"the tag '{tag}' is not allowed", line, column, hint="Only plain data is read.")
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) or text.startswith(("0x", "0o")):
        return _integer(fold, text, line, column)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    if _FLOAT.fullmatch(text) or _NOT_JSON.fullmatch(text):
        text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        raise _invalid(fold.source, f"{text} is not a JSON number", line, column, hint="Quote it if it is text.")
    return text


def _integer(fold: _Fold, text: str, line: int, column: int) -> Value:
    try:
        number = int(text, 0) if text.startswith(("0x", "0o")) else int(text)
    except ValueError:
        if not _INTEGER.fullmatch(text):
            return text
        number = _LARGEST_INTEGER  # more digits than Python reads
    if abs(number) >= _LARGEST_INTEGER:
        raise _invalid(fold.source, "the number does not fit into 64 bits", line, column, hint="Quote it if it is text.")
    return number


def _placed(fold: _Fold, line: int, column: int, text: tuple[int, int]) -> str:
    """Remember where the value that comes now stands, and give its pointer."""
    if not fold.stack:
        fold.marks[""] = Mark(line, column, *text)
        return ""
    top = fold.stack[-1]
    if isinstance(top.value, list):
        pointer = f"{top.pointer}/{len(top.value)}"
    elif top.key is None:
        raise _invalid(fold.source, "a key must be a plain string", line, column, pointer=top.pointer)
    else:
        pointer = f"{top.pointer}/{_escape(top.key)}"
        line, column = top.key_mark or (line, column)
    fold.marks[pointer] = Mark(line, column, *text)
    return pointer


def _put(fold: _Fold, value: Value) -> None:
    if not fold.stack:
        fold.root = value
        return
    top = fold.stack[-1]
    if isinstance(top.value, list):
        top.value.append(value)
    elif top.key is not None:
        top.value[top.key] = value
        top.key = None


def _escape(key: str) -> str:
    """A key as a reference token of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
