"""Open Workflow documents to programs."""

from dataclasses import dataclass

from tocsin_executor.domain.program import Program
from tocsin_executor.domain.values import Json


@dataclass(frozen=True, slots=True)
class Offered:
    """What the runtime around the engine can do; everything else is refused when a definition is published.

    Attributes:
        calls: Names of ``call`` that have a runner.
        runs: Kinds of ``run``.
        languages: Languages of ``run.script``.
    """

    calls: frozenset[str] = frozenset({"http", "noop"})
    runs: frozenset[str] = frozenset({"script", "shell", "workflow"})
    languages: frozenset[str] = frozenset({"python", "js"})


def compile_workflow(document: dict[str, Json], digest: str, offered: Offered | None = None) -> Program:
    """Compile a definition.

    Args:
        document: A document that passed ``tocsin.definitions.validate``; YAML already parsed.
        digest: Its content digest.
        offered: What the runtime offers; the default is what this version's workers run.

    Raises:
        Invalid: With one violation for each thing that is wrong, or that is not offered yet.
    """
    raise NotImplementedError(document, digest, offered)
