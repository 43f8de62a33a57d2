"""What comes from the log, made ready to be folded: decoded, with its runs and definitions in memory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from tocsin.errors import NotFound, TocsinError
from tocsin_executor.application import wire
from tocsin_executor.application.memory import Memory
from tocsin_executor.ports import Entry, Programs

log = structlog.get_logger()

_FAR = 1 << 62  # of a partition that is not owned


class Intake:
    """Prepares inputs.

    Args:
        memory: Where runs are.
        programs: Where programs are.
        put_aside: Buries an input that is none.
    """

    def __init__(self, memory: Memory, programs: Programs, put_aside: Callable[[Entry, Exception], None]) -> None:
        self._memory = memory
        self._programs = programs
        self._put_aside = put_aside

    async def prepare(self, entries: Sequence[Entry], folded: Mapping[int, int]) -> list[list[dict[str, Any]]]:
        """Decode, and load what is not in memory.

        Args:
            entries: What came.
            folded: Up to where each partition that is owned is folded.

        Returns:
            For each entry the documents of its inputs; none for what is not to be folded.

        Raises:
            Unavailable: The database does not answer; ask again.
        """
        documents: list[list[dict[str, Any]]] = []
        runs: list[str] = []
        digests: set[str] = set()
        for entry in entries:
            partition, run = wire.run_of(entry.subject)
            if entry.position <= folded.get(partition, _FAR):
                documents.append([])
                continue
            try:
                found = wire.read_documents(entry.payload)
            except TocsinError as error:
                self._put_aside(entry, error)
                documents.append([])
                continue
            documents.append(found)
            for document in found:
                if document["kind"] == "start":
                    digests.add(document["digest"])
                elif document.get("verb") == "migrate":
                    digests.add(document["output"]["digest"])
            if run in self._memory or not (found and found[0].get("fresh")):  # only a fresh start needs nobody to look
                runs.append(run)
        self._memory.hold(runs)  # whoever is here now is still here when it is folded
        if missing := [run for run in runs if run not in self._memory]:
            await self._memory.load(missing)
        for digest in digests:
            if self._programs.cached(digest) is None:
                await self._load_program(digest)
        return documents

    async def _load_program(self, digest: str) -> None:
        try:
            await self._programs.load(digest)
        except NotFound:
            log.warning("engine.unknown_definition", digest=digest)  # the start is put aside when it is folded
