"""A definition: the document, where its parts stand, and the digest that names it for ever."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson

from tocsin.definitions.checking import Check
from tocsin.definitions.grammar import DOCUMENT
from tocsin.definitions.reading import DefinitionInvalid, Mark, Value, read
from tocsin.definitions.scope import VARIABLES, Scope
from tocsin.definitions.sense import check_sense
from tocsin.definitions.slips import find_slips
from tocsin.definitions.spots import spots
from tocsin.definitions.wording import nearest, token
from tocsin.errors import Violation

_SECTIONS = ("authentications", "errors", "functions", "retries", "timeouts", "catalogs")


@dataclass(frozen=True, slots=True)
class Definition:
    """One parsed document; not necessarily a valid one.

    Attributes:
        document: Plain data, in the order of the text.
        digest: SHA-256 of the canonical JSON (sorted keys, no spaces), in hexadecimal: equal documents have equal digests,
            whatever their layout and comments.
        source: Name of the file it came from.
        marks: Where each JSON pointer stands.
        slips: What is right and most likely not what was meant; known of a definition that was loaded.
    """

    document: dict[str, Value]
    digest: str
    source: str
    marks: Mapping[str, Mark]
    slips: tuple[Violation, ...] = ()

    @property
    def namespace(self) -> str:
        """``document.namespace``; empty when the document has none."""
        return self._head("namespace")

    @property
    def name(self) -> str:
        """``document.name``."""
        return self._head("name")

    @property
    def version(self) -> str:
        """``document.version``, a semantic version."""
        return self._head("version")

    @property
    def dsl(self) -> str:
        """``document.dsl``: the version of the language."""
        return self._head("dsl")

    def position(self, pointer: str) -> tuple[int, int]:
        """1-based line and column of a JSON pointer, or of the nearest part around it that is in the text."""
        while pointer and pointer not in self.marks:
            pointer = pointer.rpartition("/")[0]
        mark = self.marks.get(pointer)
        return (mark.line, mark.column) if mark else (1, 1)

    def _head(self, member: str) -> str:
        head = self.document.get("document")
        value = head.get(member) if isinstance(head, dict) else None
        return value if isinstance(value, str) else ""


def parse(text: str | bytes, source: str) -> Definition:
    """Read a document (YAML 1.2 or JSON) without judging what it says.

    Args:
        text: The document.
        source: Name of the file, for messages.

    Raises:
        DefinitionInvalid: It is not YAML, not an object, has duplicate keys, or is over a limit.
    """
    value, marks = read(text, source)
    if not isinstance(value, dict):
        violation = Violation("", "a definition is an object with 'document' and 'do'", None, 1, 1)
        raise DefinitionInvalid(f"{source}:1:1: {violation.detail}", violations=(violation,), source=source)
    return Definition(value, digest(value), source, marks)


def digest(document: Mapping[str, Value]) -> str:
    """SHA-256 of a document's canonical JSON, in hexadecimal."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def validate(definition: Definition) -> list[Violation]:
    """Everything that is wrong with a definition, in the order of the text; empty when it is valid.

    Grammar, references, flow targets, durations and expressions are judged; whether a runtime offers a feature is not.
    """
    return judged(definition)[0]


def judged(definition: Definition) -> tuple[list[Violation], list[Violation]]:
    """Everything that is wrong with a definition, and its slips: what is right and most likely not what was meant.

    Slips are looked for only where nothing is wrong. Both are in the order of the text.
    """
    document = definition.document
    evaluate = document.get("evaluate")
    options = evaluate if isinstance(evaluate, dict) else {}
    evaluates, loose = options.get("language", "jq") == "jq", options.get("mode") == "loose"
    elsewhere = {spot.name: spot.pointer for spot in reversed(spots(document))}
    check = Check(definition.marks, _used(document), evaluates, loose, elsewhere)
    for key, held in document.items():
        # Reusable components are evaluated where they are used, so any variable of the document may be there.
        scope = Scope(VARIABLES | _declared(document)) if key == "use" else Scope()
        if key in DOCUMENT.members:
            check.walk(DOCUMENT.members[key], held, f"/{key}", scope)
    for key in document.keys() - DOCUMENT.members.keys():
        check.report(f"/{token(key)}", f"'{key}' is not known here", nearest(key, DOCUMENT.members))
    for name in DOCUMENT.required:
        if name not in document:
            check.report("", f"'{name}' is missing")
    if definition.dsl and not definition.dsl.startswith("1."):
        check.report("/document/dsl", f"version {definition.dsl} of the language is not known", "Known: 1.0.x.")
    check_sense(check, document)
    if check.violations:
        return _ordered(check.violations), []
    find_slips(document, check.warn)
    return [], _ordered(check.slips)


def _ordered(found: list[Violation]) -> list[Violation]:
    return sorted(found, key=lambda violation: (violation.line or 0, violation.column or 0))


def load(text: str | bytes, source: str) -> Definition:
    """Parse and validate.

    Raises:
        DefinitionInvalid: With every violation.
    """
    definition = parse(text, source)
    violations, slips = judged(definition)
    if violations:
        first = violations[0]
        raise DefinitionInvalid(
            f"{source}:{first.line}:{first.column}: {first.detail}", hint=first.hint, violations=violations, source=source
        )
    return replace(definition, slips=tuple(slips))


def _used(document: Mapping[str, Value]) -> dict[str, frozenset[str]]:
    use = document.get("use")
    sections = use if isinstance(use, dict) else {}
    found: dict[str, frozenset[str]] = {}
    for name in _SECTIONS:
        held = sections.get(name)
        found[name] = frozenset(held) if isinstance(held, dict) else frozenset()
    secrets = sections.get("secrets")
    found["secrets"] = (
        frozenset(name for name in secrets if isinstance(name, str)) if isinstance(secrets, list) else frozenset()
    )
    return found


def _declared(value: Value) -> frozenset[str]:
    """Names of variables that a document declares anywhere."""
    found = {"item", "index", "error"}
    pending: list[Value] = [value]
    while pending:
        held = pending.pop()
        if isinstance(held, dict):
            found |= {str(held[key]) for key in ("each", "at", "as", "item") if isinstance(held.get(key), str)}
            pending.extend(held.values())
        elif isinstance(held, list):
            pending.extend(held)
    return frozenset(found)
