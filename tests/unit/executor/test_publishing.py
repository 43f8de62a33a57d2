"""What happens before a definition is published, and in which order."""

from collections.abc import Mapping
from typing import Any

import pytest

from tocsin.definitions import Definition
from tocsin.errors import Forbidden
from tocsin_executor.application.definitions import Definitions
from tocsin_executor.application.programs import ProgramCache
from tocsin_kit.testing import ManualClock

TEXT = b"""document: {dsl: 1.0.3, namespace: theirs, name: x, version: 1.0.0}
use: {secrets: [key], catalogs: {far: {endpoint: {uri: 'https://example.com', authentication: {bearer: {use: key}}}}}}
do: [{a: {call: 'f:1.0.0@far'}}]
"""


class Importer:
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.asked = 0

    async def bundled(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing of it is to be had."""
        self.asked += 1
        return dict(document)


async def test_nothing_is_imported_for_who_may_not_publish() -> None:
    """An import may send a secret of the document's namespace to an address that the document names."""
    importer: Any = Importer()
    store: Any = None
    definitions = Definitions(store, ProgramCache(store), ManualClock(), importer)

    def permit(found: Definition) -> None:
        raise Forbidden(f"not in {found.namespace}")

    with pytest.raises(Forbidden, match="not in theirs"):
        await definitions.check(TEXT, permit=permit)
    assert importer.asked == 0
