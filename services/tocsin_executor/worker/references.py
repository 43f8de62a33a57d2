"""References in OpenAPI documents: within one, and to others, which are asked for when they are needed. Pure.

What a reference leads to in another document is copied with its own references made absolute, so that they are still understood
where it is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import Failed

_DEPTH: Final = 32  # references to references


class Wanted(Exception):  # no error: the next document to fetch
    """A reference leads to a document that is not there yet."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.uri = uri


@dataclass(frozen=True, slots=True)
class Documents:
    """A document, and the others that it refers to.

    Attributes:
        uri: Where the document came from.
        root: The document.
        others: Further ones by their addresses.
    """

    uri: str
    root: Mapping[str, Json]
    others: Mapping[str, Json]

    def resolved(self, value: Json) -> Mapping[str, Json]:
        """An object, behind its references.

        Raises:
            Wanted: Another document has to be fetched first.
            Failed: ``configuration``: a reference leads to no object, or from the web to a file.
        """
        for _ in range(_DEPTH):
            if not isinstance(value, Mapping):
                break
            reference = value.get("$ref")
            if not isinstance(reference, str):
                return value
            value = self._at(reference)
        raise Failed(ErrorKind.CONFIGURATION, "A reference in the OpenAPI document leads to no object.")

    def _at(self, reference: str) -> Json:
        uri, _, pointer = reference.partition("#")
        if not uri:
            return _pointed(self.root, pointer)
        place = urljoin(self.uri, uri)
        if place == self.uri:
            return _pointed(self.root, pointer)
        if urlsplit(self.uri).scheme in {"http", "https"} and urlsplit(place).scheme not in {"http", "https"}:
            detail = f"The OpenAPI document refers to what is not of the web: {reference[:200]!r}."
            raise Failed(ErrorKind.CONFIGURATION, detail)
        if place not in self.others:
            raise Wanted(place)
        return _absolute(_pointed(self.others[place], pointer), place, 0)


def _pointed(document: Json, pointer: str) -> Json:
    found: Any = document
    for step in unquote(pointer).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            found = found.get(name) if isinstance(found, Mapping) else None
    held: Json = found
    return held


def _absolute(value: Json, base: str, depth: int) -> Json:
    if depth > 64:
        return value  # nothing that a request is made of lies so deep
    if isinstance(value, Mapping):
        return {
            name: urljoin(base, held) if name == "$ref" and isinstance(held, str) else _absolute(held, base, depth + 1)
            for name, held in value.items()
        }
    return [_absolute(held, base, depth + 1) for held in value] if isinstance(value, list) else value
