"""Taking partitions over: what their new owner has to know before it folds the first input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from tocsin.errors import Conflict, NotFound
from tocsin_executor.domain.program import ListenSpec
from tocsin_executor.domain.values import Millis
from tocsin_executor.ports import DetachedTask, Heard, Listening, Programs, RunStore

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Taken:
    """What was found.

    Attributes:
        folded: Up to where each partition is folded and saved.
        alarms: Least due time of each run that has one.
        heard: How far events are matched for each partition.
        listening: Subscriptions of their runs, with what they listen for.
        looked: For which start of the broker lost tasks were looked for.
        detached: Tasks that no run waits for.
    """

    folded: dict[int, int]
    alarms: Sequence[tuple[Millis, str]]
    heard: dict[int, Heard]
    listening: Sequence[tuple[Listening, ListenSpec]]
    looked: dict[int, str]
    detached: Sequence[DetachedTask]


async def take_over(store: RunStore, programs: Programs, epochs: Mapping[int, int]) -> tuple[Taken, Conflict | None]:
    """Become the owner of these partitions under these epochs.

    Returns:
        What is known of them; and why one of them could not be taken, if so: it is not among those that were.

    Raises:
        Unavailable: The database does not answer. Some may have been taken; to take them again does no harm.
    """
    folded: dict[int, int] = {}
    refused: Conflict | None = None
    for partition, epoch in epochs.items():
        try:
            folded[partition] = await store.take_over(partition, epoch)
        except Conflict as error:
            refused = error
    taken = list(folded)
    alarms = await store.alarms(taken)
    heard, known = await store.listening(taken)
    listening = [(found, spec) for found in known if (spec := await _spec_of(found, programs)) is not None]
    looked, detached = await store.detached(taken)
    return Taken(folded, alarms, heard, listening, looked, detached), refused


async def _spec_of(listening: Listening, programs: Programs) -> ListenSpec | None:
    try:
        program = programs.cached(listening.digest) or await programs.load(listening.digest)
    except NotFound:  # one run that lost its definition must not keep the partition from the others
        log.error("engine.deaf", run=listening.run, digest=listening.digest)
        return None
    spec = program.nodes[listening.node].spec
    return spec if isinstance(spec, ListenSpec) else None
