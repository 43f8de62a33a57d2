"""Which secrets a jq text names."""

import re
from typing import Final

_SECRET: Final = re.compile(
    r"\$secrets\b(?:\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)|\s*\.?\s*\[\s*\"([^\"\\]+)\"\s*\]|\s*\.\s*\"([^\"\\]+)\")?"
)


def secrets_in(text: str) -> tuple[frozenset[str], bool]:
    """The names that a jq text takes from ``$secrets``, and whether it also takes them in a way that does not say which."""
    names, unnamed = set(), False
    for match in _SECRET.finditer(text):
        name = match[1] or match[2] or match[3]
        if name is None:
            unnamed = True
        else:
            names.add(name)
    return frozenset(names), unnamed
