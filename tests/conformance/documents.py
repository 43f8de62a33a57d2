"""The specification's own documents: its examples and the whole ones in its texts are valid, its invalid ones are not."""

import pathlib
import re
import sys
from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from tests.conformance.suites import Outcome, standards

from tocsin.definitions import DefinitionInvalid, load

_FENCE = re.compile(r"^ *```ya?ml\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_DOCSTRING = re.compile(r'^ *"""yaml\n(.*?)^ *"""', re.DOTALL | re.MULTILINE)
# A snippet is a whole document when it says which language it is in; the others are fragments.
_WHOLE = re.compile(r"^document:\s*\n\s+dsl:", re.MULTILINE)


def documents(folder: pathlib.Path) -> Outcome:
    """Judge every document; each counts once."""
    outcome = Outcome("documents")
    home = folder / "open-workflow"
    for path in sorted(home.glob("examples/*.yaml")):
        _expect(outcome, path.read_text(encoding="utf-8"), path.name, valid=True)
    for path in sorted(home.glob("invalid/*.yaml")):
        _expect(outcome, path.read_text(encoding="utf-8"), path.name, valid=False)
    for name, text in _texts(home):
        if _WHOLE.search(text) and _is_yaml(text):
            _expect(outcome, text, name, valid=True)
        else:
            outcome.skipped += 1
    return outcome


def snippets(folder: pathlib.Path) -> list[tuple[str, str]]:
    """The documents that are to be accepted, with names for them."""
    home = folder / "open-workflow"
    found = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(home.glob("examples/*.yaml"))]
    return [*found, *((name, text) for name, text in _texts(home) if _WHOLE.search(text) and _is_yaml(text))]


def _texts(home: pathlib.Path) -> Iterator[tuple[str, str]]:
    """What stands in the specification's texts as YAML, whole documents and fragments."""
    sources = [
        *((path, _FENCE) for path in (home / "dsl.md", home / "dsl-reference.md", *sorted(home.glob("use-cases/*/*.md")))),
        *((path, _DOCSTRING) for path in sorted(home.glob("ctk/features/*.feature"))),
    ]
    for path, pattern in sources:
        text = path.read_text(encoding="utf-8")
        for found in pattern.finditer(text):
            yield f"{path.name}:{text[: found.start()].count(chr(10)) + 1}", _dedented(found[1])


def _is_yaml(text: str) -> bool:
    """Two of the specification's texts are not: an escape in double quotes that there is none of, a colon in a plain line."""
    try:
        list(YAML(typ="safe", pure=True).parse(text))
    except YAMLError:
        return False
    return True


def _dedented(text: str) -> str:
    margin = min((len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip()), default=0)
    return "\n".join(line[margin:] for line in text.splitlines()) + "\n"


def _expect(outcome: Outcome, text: str, name: str, *, valid: bool) -> None:
    try:
        load(text, name)
    except DefinitionInvalid as refusal:
        if valid:
            outcome.failed.append(f"{name} is refused: {'; '.join(v.detail for v in refusal.violations[:3])}")
            return
    else:
        if not valid:
            outcome.failed.append(f"{name} is accepted")
            return
    outcome.passed += 1


if __name__ == "__main__":
    where = standards()
    if where is not None:
        result = documents(where)
        print(result.line())
        print("\n".join(result.failed), file=sys.stderr)
