"""Where tasks are in a document: a walk that follows the language instead of the names of keys.

A task may be called ``do``, ``set`` or ``metadata``, and data may look like a task; only what stands where the language
has tasks is one. It expects a document that follows the grammar, and passes over whatever does not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tocsin.definitions.reading import Value
from tocsin.definitions.wording import token

Object: TypeAlias = Mapping[str, Value]

_EACH = ("with", "subscription", "foreach", "do")


@dataclass(frozen=True, slots=True)
class Spot:
    """A task where it stands.

    Attributes:
        pointer: JSON pointer.
        name: Its name; of a function, the function's.
        task: The task.
        around: The tasks that it is in, outermost first.
    """

    pointer: str
    name: str
    task: Object
    around: tuple["Spot", ...]


@dataclass(frozen=True, slots=True)
class TaskList:
    """A list of tasks that follow one another.

    Attributes:
        pointer: JSON pointer.
        spots: Its tasks.
        follows: Whether they follow one another; branches of a fork do not.
    """

    pointer: str
    spots: tuple[Spot, ...]
    follows: bool


def task_lists(document: Object) -> Iterator[TaskList]:
    """Every list of tasks of a document, those inside others after the ones they are in."""
    yield from _list(document.get("do"), "/do", ())
    use = mapping(document.get("use"))
    for name, task in mapping(use.get("functions")).items():
        spot = Spot(f"/use/functions/{token(name)}", name, mapping(task), ())
        yield TaskList(spot.pointer, (spot,), follows=False)
        yield from _inside(spot)
    extensions = use.get("extensions")
    for index, item in enumerate(extensions if isinstance(extensions, list) else ()):
        for name, extension in mapping(item).items():
            for part in ("before", "after"):
                place = f"/use/extensions/{index}/{token(name)}/{part}"
                yield from _list(mapping(extension).get(part), place, ())


def spots(document: Object) -> list[Spot]:
    """Every task of a document."""
    return [spot for listed in task_lists(document) for spot in listed.spots]


def below(spot: Spot) -> list[Spot]:
    """The tasks in a task, at any depth."""
    return [inner for listed in _inside(spot) for inner in listed.spots]


def mapping(value: Value) -> Object:
    """An object, or an empty one where there is none."""
    return value if isinstance(value, Mapping) else {}


def _list(value: Value, pointer: str, around: tuple[Spot, ...], *, follows: bool = True) -> Iterator[TaskList]:
    if not isinstance(value, list):
        return
    found = tuple(
        Spot(f"{pointer}/{index}/{token(name)}", name, mapping(task), around)
        for index, item in enumerate(value)
        for name, task in mapping(item).items()
    )
    yield TaskList(pointer, found, follows)
    for spot in found:
        yield from _inside(spot)


def _inside(spot: Spot) -> Iterator[TaskList]:
    task, around = spot.task, (*spot.around, spot)
    yield from _list(task.get("do"), f"{spot.pointer}/do", around)
    yield from _list(task.get("try"), f"{spot.pointer}/try", around)
    yield from _list(mapping(task.get("catch")).get("do"), f"{spot.pointer}/catch/do", around)
    yield from _list(mapping(task.get("fork")).get("branches"), f"{spot.pointer}/fork/branches", around, follows=False)
    yield from _list(mapping(task.get("foreach")).get("do"), f"{spot.pointer}/foreach/do", around)
    undoing = mapping(task.get("metadata")).get("compensate")
    yield from _list(undoing, f"{spot.pointer}/metadata/compensate", ())  # they run when all of this has ended
    each: Value = dict(task) if task.get("call") == "asyncapi" else {}
    for part in _EACH:
        each = mapping(each).get(part)
    yield from _list(each, f"{spot.pointer}/{'/'.join(_EACH)}", around)
