"""Which workers a task is for: a queue, and labels that a worker must have.

A task that names labels goes to a queue of its own, whose name is made of the queue's and the labels'; a worker serves, beside
its queues, those of its labels, one by one and two by two. So a delivery reaches nobody whom it does not fit, and nobody has to
give it back.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final
from urllib.parse import unquote

MOST_LABELS: Final = 2
"""Labels that one task may ask for."""

MOST_SERVED: Final = 8
"""Labels of a worker that count for placement, in alphabetical order: with more, it would serve too many queues."""

QUEUE: Final = r"[A-Za-z0-9_-]{1,64}"
"""What a queue may be called: the name is part of a subject and of a consumer's name, where dots and spaces mean something."""

LONGEST: Final = 200
"""Bytes of a queue's name together with the labels asked for."""

_NAME: Final = re.compile(QUEUE)
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def is_queue(name: object) -> bool:
    """Whether a queue may be called that."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def queue_for(queue: str, labels: Mapping[str, str]) -> str:
    """The queue of tasks that need a worker with these labels; the queue itself without any."""
    return "~".join([queue, *(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(labels.items()))])


def queues_for(queue: str, labels: Mapping[str, str]) -> Iterator[str]:
    """All queues that a worker with labels serves for the sake of one queue, that one first."""
    counting = sorted(labels.items())[:MOST_SERVED]
    for size in range(MOST_LABELS + 1):
        for some in combinations(counting, size):
            yield queue_for(queue, dict(some))


def told(queue: str) -> str:
    """A queue in words."""
    name, *labels = queue.split("~")
    needed = ", ".join(unquote(label) for label in labels)
    return f"queue '{name}'" + (f" for workers with {needed}" if needed else "")


def _quoted(text: str) -> str:
    """As it may be a part of a subject and of a consumer's name."""
    return "".join(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in text.encode())
