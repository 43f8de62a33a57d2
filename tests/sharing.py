"""Which tests stay with one worker, and which begin first, when the suite runs on several.

A file stays with one worker, so that what its tests share is made once; a folder whose tests share a whole platform does too.
Long ones begin first: a worker that begins a minute of pages when the others are done is waited for by all.
"""

from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

FIRST: Final = (
    "tests/e2e/test_how_to.py",
    "tests/security/",
    "tests/e2e/",
    "tests/contract/http/",
    "tests/integration/cli/",
    "tests/integration/kit_platform/",
    "tests/conformance/",
    "tests/faults/",
    "tests/integration/",
    "tests/contract/",
)
TOGETHER: Final = ("tests/security/", "tests/e2e/")  # folders with one platform for all


def rank(path: str) -> int:
    """When a file begins: its place in :data:`FIRST`, or behind all of them."""
    return next((place for place, start in enumerate(FIRST) if path.startswith(start)), len(FIRST))


class BySharing(LoadScopeScheduling):
    """Hands out files, and folders that share a platform, to workers, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = False  # the order is ours
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        place = rank(path)
        return FIRST[place] if place < len(FIRST) and FIRST[place] in TOGETHER else path
