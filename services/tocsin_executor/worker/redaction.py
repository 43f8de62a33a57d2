"""Takes secret values out of everything that leaves a task: output, log, errors.

An author sends a secret to a server that may send it back, or prints it by mistake, and what leaves a task is kept for long and
read by many. So the exact values are replaced. That is a net, not a wall: a program can write a value backwards. Values of less
than five characters are replaced only where they are the whole text, or they would spoil everything.

Errors say what was wrong in part, because it may be long, and in capitals where those do not matter: from them the beginnings
of values are taken as well, however they are written.
"""

import base64
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import orjson

from tocsin_executor.domain.values import Json

HIDDEN: Final = "***"
_SHORT: Final = 5  # characters
_TELLING: Final = 10  # of a beginning; more than `https://`, with which other things begin, too
# Members of an object that are known not to be secret in the language's authentication policies; redacting a user's name or a
# scope would spoil ordinary data.
_OPEN_MEMBERS: Final = frozenset({"username", "authority", "grant", "scopes", "audiences", "issuers", "type", "encoding", "id"})


class Redaction:
    """Takes secret values out of what leaves a task."""

    def __init__(self) -> None:
        self._anywhere: list[str] = []
        self._whole: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._anywhere or self._whole)

    def hide(self, value: Json) -> None:
        """Remember a value, or all texts in it, in the spellings that programs give them."""
        if isinstance(value, Mapping):
            for name, held in value.items():
                if name not in _OPEN_MEMBERS or not isinstance(held, str | list):
                    self.hide(held)
        elif isinstance(value, list):
            for held in value:
                self.hide(held)
        elif isinstance(value, str) and value:
            if len(value) < _SHORT:
                self._whole.add(value)
                return
            encoded = base64.b64encode(value.encode()).decode()
            spellings = {value, quote(value, safe=""), orjson.dumps(value).decode()[1:-1], encoded, *value.strip().splitlines()}
            known = {*self._anywhere, *(text for text in spellings if len(text) >= _SHORT)}
            self._anywhere = sorted(known, key=len, reverse=True)  # the longest first: one may hold another

    def text(self, text: str) -> str:
        """Without secrets."""
        if text in self._whole:
            return HIDDEN
        for value in self._anywhere:
            if value in text:
                text = text.replace(value, HIDDEN)
        return text

    def error(self, problem: Mapping[str, Json]) -> dict[str, Json]:
        """A problem without secrets, nor the beginning of one, where a longer text was cut off."""
        return {name: self.shown(held) if isinstance(held, str) else self.value(held) for name, held in problem.items()}

    def shown(self, text: str) -> str:
        """A text about what was done, without secrets or the beginning of one, in whatever letters."""
        text = self.text(text)
        for value in map(_lower, self._anywhere):
            at = _lower(text).find(value[:_TELLING])
            while at >= 0:
                lower, end = _lower(text), at + min(_TELLING, len(value))
                while end < len(text) and lower[at : end + 1] == value[: end + 1 - at]:
                    end += 1
                text = text[:at] + HIDDEN + text[end:]
                at = _lower(text).find(value[:_TELLING], at + len(HIDDEN))
        return text

    def value(self, value: Json) -> Json:
        """A copy without secrets, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(name): self.value(held) for name, held in value.items()}
        if isinstance(value, list):
            return [self.value(held) for held in value]
        return value


def _lower(text: str) -> str:
    """In small letters, of the same length: a few capitals have small forms of two characters."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(each if len(each.lower()) != 1 else each.lower() for each in text)
