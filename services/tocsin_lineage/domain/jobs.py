"""What the tasks of our workflows are called in the graph: ``<namespace>/<workflow>.<names of the tasks on the way>``."""

from itertools import pairwise

from tocsin_lineage.domain.graph import JOB

_STRUCTURE = frozenset({"do", "try", "catch", "fork", "branches", "for", "foreach", "before", "after", "listen"})
RUN_ID = 26  # characters; the name of a run is <workflow>-<run id>.<namespace>


def workflow_of(qualified: str) -> str:
    """The workflow's name in the qualified name of a run."""
    name = qualified.rpartition(".")[0]
    return name[: -RUN_ID - 1]


def task_path(pointer: str) -> str:
    """Names of the tasks that a JSON pointer into a definition leads through."""
    parts = pointer.strip("/").split("/")
    # A pointer alternates between structure, index and name: only what follows an index is a name.
    names = [part for before, part in pairwise(parts) if before.isdecimal()]
    kept = names or [part for part in parts if part not in _STRUCTURE]
    return ".".join(name.replace("~1", "/").replace("~0", "~") for name in kept)


def declared_node(namespace: str, key: str, maker: str | None) -> str:
    """The node that joins an asset to what a person declared it to be made of: its maker, for this asset alone."""
    return f"{JOB}{namespace}/{maker or 'declared'}[{key}]"


def job_node(namespace: str, workflow: str, pointer: str | None = None) -> str:
    """The node of a workflow, or of one of its tasks."""
    task = f".{task_path(pointer)}" if pointer else ""
    return f"{JOB}{namespace}/{workflow}{task}"
