"""Text that is right by the language and most likely not what was meant: half an expression, a member that no argument has."""

import itertools
import re
from collections.abc import Iterator
from typing import Final

from tocsin.definitions.grammar import KINDS, TASK
from tocsin.definitions.wording import nearest
from tocsin.expressions.lexer import Kind, tokenize
from tocsin.expressions.policy import flatten

_PART: Final = re.compile(r"\$\{\s*(?:\.|\$[a-z]+\b)[^}]*\}")  # no shell writes ${.x} or ${$x}
_BARE: Final = re.compile(r"\$(?:context|input|workflow|task|runtime|secrets)(?:\.[A-Za-z_][A-Za-z0-9_]*|\[[^\]]*\])+")
_OWN: Final = tuple(member for members, _ in KINDS.values() for member in members)  # a task's definition is beside the rest
_MEMBERS: Final = {
    "workflow": ("id", "definition", "input", "startedAt"),
    "task": ("name", "reference", "definition", "input", "output", "startedAt", *TASK, *_OWN),
    "runtime": ("name", "version", "metadata"),
    "authorization": ("scheme", "parameter"),
}
_SHOWN: Final = 60
_READ: Final = 2_000  # characters of a text that are looked at


def odd_text(text: str) -> tuple[str, str] | None:
    """Why a text that is no expression looks as if it was to be one, and what to write; ``None`` if it does not."""
    if found := _PART.search(text[:_READ]):
        inner = found[0][2:-1].strip()
        before, after = text[: found.start()], text[found.end() :]
        whole = f'${{ "{before}\\({inner}){after}" }}' if len(text) <= _SHOWN and '"' not in text else '${ "... \\(.x) ..." }'
        detail = f"'{found[0][:_SHOWN]}' stays text: only a whole value is an expression"
        return detail, f"Write {whole}." if "\n" not in whole else "Make the whole value an expression, with \\( ) inside."
    if _BARE.fullmatch(text.strip()[:_READ]):
        return f"'{text.strip()[:_SHOWN]}' is text here, and no expression", f"Write ${{ {text.strip()[:_SHOWN]} }}."
    return None


def odd_members(expression: str) -> Iterator[tuple[str, str | None]]:
    """Members that an argument of the language does not have, each with a hint; of an expression that compiles."""
    tokens = list(flatten(tokenize(expression)))
    for variable, member in itertools.pairwise(tokens):
        known = _MEMBERS.get(variable.text) if variable.kind is Kind.VARIABLE else None
        adjacent = member.kind is Kind.FIELD and member.offset == variable.offset + len(variable.text) + 1
        if known is not None and adjacent and member.text not in known:
            yield f"'${variable.text}' has no '{member.text}', so this is null", nearest(member.text, known)
