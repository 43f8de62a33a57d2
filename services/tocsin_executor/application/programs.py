"""Compiled definitions, kept by digest: a definition never changes, so neither does its program."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

from tocsin_executor.domain.compile import Offered, compile_workflow
from tocsin_executor.domain.program import Program
from tocsin_executor.domain.values import Json

_KEPT = 500  # programs; a small one takes 20 KiB, and compiling it again takes about a millisecond


class ProgramCache:
    """The programs of this process.

    Args:
        read: Reads a definition's document by its digest; raises ``NotFound``.
        offered: What this deployment offers to workflows.
        kept: How many programs stay in memory.
    """

    def __init__(
        self,
        read: Callable[[str], Awaitable[dict[str, Json]]],
        offered: Offered | None = None,
        kept: int = _KEPT,
    ) -> None:
        self._read = read
        self._offered = offered or Offered()
        self._kept = kept
        self._programs: OrderedDict[str, Program] = OrderedDict()

    def cached(self, digest: str) -> Program | None:
        """The program, if it is in memory."""
        program = self._programs.get(digest)
        if program is not None:
            self._programs.move_to_end(digest)
        return program

    async def load(self, digest: str) -> Program:
        """The program of a digest, read and compiled if need be.

        Raises:
            NotFound: No such definition.
            Invalid: It does not compile: it was published by another version of the executor.
        """
        program = self.cached(digest)
        if program is None:
            program = self.compile(await self._read(digest), digest)
        return program

    def compile(self, document: Mapping[str, Json], digest: str) -> Program:
        """Compile a definition and remember its program.

        Raises:
            Invalid: It does not compile.
        """
        program = compile_workflow(document, digest, self._offered)
        self._programs[program.digest] = program
        while len(self._programs) > self._kept:
            self._programs.popitem(last=False)
        return program
