"""What a case is found by: the words of its texts, and its custom fields as ``name=value``.

Kept with the case as plain lists, so that an index answers for any number of cases: a text index of the database reads every
match before it can say which are the newest.
"""

import re
from collections.abc import Mapping
from typing import Final

from tocsin_case.domain.types import FieldValue

WORDS: Final = 400  # of one case that are found
LONGEST: Final = 64  # characters of a word that count
ASKED: Final = 16  # words of one question
_WORD = re.compile(r"\w+")


def words_of(*texts: str) -> list[str]:
    """The words of texts, each once, in their order; of very long ones the first."""
    found: dict[str, None] = {}
    for text in texts:
        for match in _WORD.finditer(text.casefold()):
            found[match[0][:LONGEST]] = None
            if len(found) >= WORDS:
                return list(found)
    return list(found)


def asked(text: str) -> tuple[list[str], list[str]]:
    """The words that must be there, and the beginnings of words (``fail*``) that must."""
    whole: dict[str, None] = {}
    begun: dict[str, None] = {}
    for part in text.casefold().split():
        words = _WORD.findall(part)
        if part.endswith("*") and words:
            begun[words.pop()[:LONGEST]] = None
        whole |= dict.fromkeys(word[:LONGEST] for word in words)
    return list(whole)[:ASKED], list(begun)[:ASKED]


def facts_of(fields: Mapping[str, FieldValue]) -> list[str]:
    """Custom fields as ``name=value``; of a list each member."""
    facts: list[str] = []
    for name, value in fields.items():
        members = value if isinstance(value, tuple | list) else (value,)
        facts += [fact(name, member) for member in members if member is not None]
    return facts


def fact(name: str, value: str | float | bool) -> str:
    """One field with its value; numbers in one way of writing them."""
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    try:
        number = float(value)
    except ValueError:
        return f"{name}={value}"[:512]
    return f"{name}={number:.15g}"
