"""The reference page of metrics, read from the source: who declares which metric, with which labels, meaning what.

Read and not run, because a metric exists only once its service does; and so no list has to be kept by hand.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_KINDS: Final = ("counter", "gauge", "histogram")
_SUFFIXES: Final = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
_HEAD: Final = """# Metrics

Generated from the code by `make docs`. Every process serves them at `/metrics` of its operations port. All have the label
`service`; a label's values are bounded by the code. Counters end in `_total`; a histogram has `_bucket`, `_sum` and `_count`.

| metric | kind | labels | of | what |
| --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True, slots=True, order=True)
class Declared:
    """One metric as the source declares it.

    Attributes:
        name: With ``tocsin_``, without a suffix.
        kind: ``counter``, ``gauge`` or ``histogram``.
        labels: Beside ``service``.
        owner: The service, or ``all``.
        about: What it says.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    owner: str
    about: str

    @property
    def series(self) -> tuple[str, ...]:
        """Its names as Prometheus has them."""
        return tuple(self.name + suffix for suffix in _SUFFIXES[self.kind])


def declared(root: Path) -> list[Declared]:
    """All metrics of a source tree, by name; one that several declare is one of ``all``.

    Args:
        root: Has ``libs`` and ``services``.
    """
    found: dict[str, Declared] = {}
    for path in sorted((*root.glob("libs/**/*.py"), *root.glob("services/**/*.py"))):
        text = path.read_text(encoding="utf-8")
        if not any(f".{kind}(" in text for kind in _KINDS):
            continue
        place = path.relative_to(root).parts
        owner = place[1].removeprefix("tocsin_") if place[0] == "services" else "all"
        tree = ast.parse(text)
        constants = dict(_constants(tree))
        for name, kind, about, labels in _calls(tree, constants):
            known = found.get(name)
            shared = known is not None and known.owner != owner
            found[name] = Declared(name, kind, labels, "all" if shared else owner, about or (known.about if known else ""))
    return sorted(found.values())


def metrics_page(root: Path) -> str:
    """The page."""
    return _HEAD + "".join(
        f"| `{one.name}{'_total' if one.kind == 'counter' else ''}` | {one.kind} "
        f"| {', '.join(f'`{label}`' for label in one.labels)} | {one.owner} | {one.about} |\n"
        for one in declared(root)
    )


def _calls(tree: ast.AST, constants: dict[str, str]) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _KINDS):
            continue
        texts = [_text(argument, constants) for argument in node.args[:2]]
        if len(texts) == 2 and texts[0] is not None:
            labels = tuple(word.arg for word in node.keywords if word.arg is not None and word.arg != "buckets")
            yield f"tocsin_{texts[0]}", node.func.attr, texts[1] or "", labels


def _constants(tree: ast.Module) -> Iterable[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from ((target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name))


def _text(node: ast.expr, constants: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id, "")
    return None
