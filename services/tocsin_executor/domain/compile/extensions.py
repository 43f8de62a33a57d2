"""Which extensions apply to a task: tasks before and after that its author did not write into the list."""

from collections.abc import Mapping
from dataclasses import dataclass

from tocsin_executor.domain.compile.builder import Builder, Place
from tocsin_executor.domain.values import Json

_KINDS = {"do": "composite", "fork": "composite"}


@dataclass(frozen=True, slots=True)
class Extension:
    """One of ``use.extensions``."""

    index: int
    place: Place
    spec: Mapping[str, Json]
    when: str | None


def extensions_of(builder: Builder, kind: str) -> tuple[Extension, ...]:
    """The extensions of a kind of task, in order: the first is the outermost."""
    listed = builder.use.get("extensions")
    found = []
    for index, item in enumerate(listed) if isinstance(listed, list) else ():
        if not isinstance(item, Mapping) or len(item) != 1:
            continue
        name, spec = next(iter(item.items()))
        if not isinstance(spec, Mapping) or spec.get("extend") not in ("all", kind, _KINDS.get(kind)):
            continue
        ref = Place("", "", "", frozenset(), 0).at("use", "extensions", index, name)
        when = spec.get("when")
        found.append(Extension(index, ref, spec, when if isinstance(when, str) else None))
    return tuple(found)
