"""How many items of a ``for`` go on at once, which the language leaves to a runtime's metadata."""

from collections.abc import Mapping
from typing import Final

from tocsin_executor.domain.compile.builder import Builder, Place
from tocsin_executor.domain.values import Json

MAX_CONCURRENCY: Final = 1_000
"""Items of one ``for`` that may be alive at once."""


def concurrency_of(builder: Builder, task: Mapping[str, Json], place: Place) -> int | None:
    """``metadata.concurrency``: how many items may be alive at once; the outputs are then an array in the items' order."""
    metadata = task.get("metadata")
    stated = metadata.get("concurrency") if isinstance(metadata, Mapping) else None
    if stated is None:
        return None
    if isinstance(stated, bool) or not isinstance(stated, int) or not 1 <= stated <= MAX_CONCURRENCY:
        builder.wrong(place.at("metadata", "concurrency"), f"a whole number from 1 to {MAX_CONCURRENCY} is expected")
        return None
    return stated
