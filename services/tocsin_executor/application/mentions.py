"""What the tasks of a definition say about data, as far as it is known before they run; carried by the signals of definitions.

Keys that are expressions are left out: the signal of the completed task (``task.assets-reported``) has them.
"""

from collections.abc import Iterator, Mapping

from tocsin.signals.catalogue.executor import AssetMention, TaskAssets
from tocsin_executor.domain.compile.builder import escape
from tocsin_executor.domain.declared import constant_items, declared_parts
from tocsin_executor.domain.values import Json

TASKS_LIMIT = 200  # of one signal
_LISTS = ("do", "try", "branches", "before", "after")
_OBJECTS = ("fork", "catch", "foreach", "subscription")


def assets_of(document: Mapping[str, Json]) -> list[TaskAssets] | None:
    """The tasks of a document that name data, in order; ``None`` when none does."""
    found = []
    for pointer, task in _tasks(document.get("do"), "/do"):
        parts = declared_parts(task.get("metadata")) or {}
        consumes, produces = (_mentions(parts.get(part)) for part in ("consumes", "produces"))
        if consumes or produces:
            found.append(TaskAssets(task=pointer, consumes=consumes, produces=produces))
    return found[:TASKS_LIMIT] or None


def _mentions(value: Json) -> list[AssetMention]:
    return [AssetMention.model_validate(item) for item in constant_items(value)] if value is not None else []


def _tasks(items: Json, pointer: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for index, item in enumerate(items if isinstance(items, list) else []):
        for name, task in item.items() if isinstance(item, Mapping) else ():
            if isinstance(task, Mapping):
                here = f"{pointer}/{index}/{escape(name)}"
                yield here, task
                yield from _inside(task, here)


def _inside(task: Mapping[str, Json], pointer: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for part in _LISTS:
        yield from _tasks(task.get(part), f"{pointer}/{part}")
    for part in _OBJECTS:
        inner = task.get(part)
        if isinstance(inner, Mapping):
            yield from _inside(inner, f"{pointer}/{part}")
