"""Cells to bytes and back. Large values leave the cell and are kept apart, addressed by their content.

A cell must stay small however large a run's data is, so a value above ``INLINE_LIMIT`` is replaced by its digest; the saver stores
it under that digest (insert-only, equal digests are equal values) and hands it back when the cell is loaded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tocsin_executor.domain.state import RunState
from tocsin_executor.domain.values import Millis

INLINE_LIMIT = 4096
"""Bytes of JSON up to which a value stays inside its cell."""


@dataclass(slots=True)
class Encoded:
    """A cell ready to be saved.

    Attributes:
        key: Key of the cell within its run.
        body: The cell as JSON.
        values: Large values by digest, as JSON; each is written once, whoever wrote it first.
        refs: All digests the cell refers to (``values`` has those met now); to be loaded with it.
        wake: Its least due time, for the index.
    """

    key: str
    body: bytes
    values: dict[str, bytes]
    refs: list[str]
    wake: Millis | None


def encode_cell(run: RunState, key: str) -> Encoded:
    """One cell of a run as it is now; O(size of the cell)."""
    raise NotImplementedError(run, key)


def decode_run(run: str, bodies: Iterable[bytes], values: Mapping[str, bytes]) -> RunState:
    """The state of a run from its saved cells (at least the head) and the values they refer to.

    Raises:
        Defect: A value is missing, or a body's format is newer than this engine.
    """
    raise NotImplementedError(run, bodies, values)
