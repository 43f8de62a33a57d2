"""A whole document: its reusable parts, the workflow itself as node 0, and the violations of everything at once."""

from collections.abc import Mapping

from tocsin.definitions import start_events
from tocsin.errors import Invalid, Violation
from tocsin_executor.domain.compile.builder import Builder, Offered, Place, Refused
from tocsin_executor.domain.compile.tasks import compile_list
from tocsin_executor.domain.placing import QUEUE, is_queue
from tocsin_executor.domain.program import Op, Program, SeqSpec, TaskSpec
from tocsin_executor.domain.values import Json

VERSION = "0.1.0"
"""``$runtime.version``; a test holds it equal to the distribution's."""


def compile_workflow(document: Mapping[str, Json], digest: str, offered: Offered | None = None) -> Program:
    """Compile a definition.

    Args:
        document: A document that passed ``tocsin.definitions.validate``; YAML already parsed.
        digest: Its content digest.
        offered: What the runtime offers; the default is what this version's workers run.

    Raises:
        Invalid: With one violation for each thing that is wrong, or that is not offered yet.
    """
    use = document.get("use")
    head = document.get("document")
    about = head if isinstance(head, Mapping) else {}
    metadata = about.get("metadata")
    queue = metadata.get("queue") if isinstance(metadata, Mapping) else None
    builder = Builder(document, use if isinstance(use, Mapping) else {}, offered or Offered())
    root = Place("", "", "", frozenset(), 0)
    if isinstance(queue, str) and is_queue(queue):
        builder.queue = queue
    elif queue is not None:
        builder.wrong(root.at("document", "metadata", "queue"), "this is not the name of a queue", f"It has to match {QUEUE}.")
    _unoffered(builder, root)
    _workflow(builder, document, root, str(about.get("name", "")))
    if builder.violations:
        raise Invalid("the definition cannot be run", violations=_sorted(builder.violations))
    return Program(
        digest,
        str(about.get("namespace", "default")),
        str(about.get("name", "")),
        str(about.get("version", "")),
        tuple(builder.nodes),
        tuple(builder.scopes),
        builder.keys,
        dict(document),
        frozenset(node.spec.queue for node in builder.nodes if isinstance(node.spec, TaskSpec)),
        {"name": "tocsin", "version": VERSION, "metadata": dict(builder.offered.metadata)},
        any(node.op is Op.APPROVE for node in builder.nodes),
    )


def _workflow(builder: Builder, document: Mapping[str, Json], place: Place, name: str) -> None:
    """Node 0 and what is in it."""
    outer = builder.add_scope(None, None)
    node = builder.add_node(Op.SEQ, outer.index, name, place, None)
    node.silent = True
    outer.entry = node.index
    inner = builder.add_scope(outer.index, node.index)
    node.spec = SeqSpec(inner.index)
    given: dict[str, Json] = {part: document[part] for part in ("input", "output") if part in document}
    for part in (_input, _output, _timeout):
        try:
            part(builder, node.index, given, place)
        except Refused:
            continue
    tasks = document.get("do")
    compile_list(builder, tasks, inner, place.at("do"))


def _input(builder: Builder, node: int, given: Mapping[str, Json], place: Place) -> None:
    builder.nodes[node].pre = builder.pre(given, place)


def _output(builder: Builder, node: int, given: Mapping[str, Json], place: Place) -> None:
    builder.nodes[node].post = builder.post(given, place)


def _timeout(builder: Builder, node: int, given: Mapping[str, Json], place: Place) -> None:
    builder.nodes[node].timeout = builder.timeout(builder.document.get("timeout"), place.at("timeout"))


def _unoffered(builder: Builder, place: Place) -> None:
    """Parts of a document that the language has and this version does not."""
    evaluate = builder.document.get("evaluate")
    if isinstance(evaluate, Mapping):
        language = evaluate.get("language", "jq")
        if language != "jq":
            builder.not_offered(place.at("evaluate", "language"), f"expressions in '{language}'", "Use jq.")
    for wrong in start_events(builder.document.get("schedule"))[1]:
        builder.wrong(place.at(*wrong.pointer.strip("/").split("/")), wrong.detail, wrong.hint)


def _sorted(violations: list[Violation]) -> list[Violation]:
    return sorted(set(violations), key=lambda violation: violation.pointer)
