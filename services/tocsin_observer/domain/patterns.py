"""Which of many patterns over subjects fit a signal, without trying each: most signals interest nobody."""

from collections.abc import Iterable, Sequence
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

_ANY: Final = "*"
_PARTS: Final = 4  # namespace, entity, transition, id


class PatternIndex(Generic[Item]):
    """Items by the patterns that they wait for.

    Args:
        items: Each with a checked filter over signals (``viewing.checked_filter``).
    """

    def __init__(self, items: Iterable[tuple[str, Item]] = ()) -> None:
        self._places: dict[tuple[str, str], list[tuple[tuple[str, str], Item]]] = {}
        for pattern, item in items:
            namespace, entity, transition, entity_id = parts_of(pattern)
            self._places.setdefault((namespace, entity), []).append(((transition, entity_id), item))

    def __bool__(self) -> bool:
        """Whether anybody waits for anything."""
        return bool(self._places)

    def matching(self, subject: str) -> list[Item]:
        """The items whose pattern fits a signal's subject; each once for each of its patterns that fits."""
        tokens = subject.split(".")
        if len(tokens) != _PARTS + 1:
            return []
        _, namespace, entity, transition, entity_id = tokens
        found = []
        for place in ((namespace, entity), (namespace, _ANY), (_ANY, entity), (_ANY, _ANY)):
            for (wanted, wanted_id), item in self._places.get(place, ()):
                if wanted in {_ANY, transition} and wanted_id in {_ANY, entity_id}:
                    found.append(item)
        return found


def parts_of(pattern: str) -> Sequence[str]:
    """Namespace, entity, transition and id of a checked filter; ``*`` for all that a ``>`` stands for."""
    tokens = pattern.split(".")[1:]
    if tokens and tokens[-1] == ">":
        tokens = tokens[:-1]
    return [*tokens, *([_ANY] * (_PARTS - len(tokens)))]
