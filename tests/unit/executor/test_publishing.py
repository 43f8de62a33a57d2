"""What happens before a definition is published, and in which order."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tocsin.definitions import Definition, DefinitionInvalid, load
from tocsin.errors import Forbidden
from tocsin.signals import Cause, root
from tocsin_executor.application.definitions import Definitions
from tocsin_executor.application.programs import ProgramCache
from tocsin_executor.ports import Version, Workflow
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


class Store:
    """Published versions; a read says what was there when it began, and takes its time."""

    def __init__(self, clock: ManualClock) -> None:
        self.versions: tuple[Version, ...] = ()
        self._clock = clock

    async def keep(self, digest: str, document: Mapping[str, Any]) -> None:
        """Nothing looks at it."""

    async def workflow(self, namespace: str, name: str) -> Workflow | None:
        """What is there now, told later."""
        found = Workflow(namespace, name, self.versions)
        await self._clock.sleep(0.3)
        return found

    async def publish(self, namespace: str, name: str, version: Version, cause: Cause) -> bool:
        """One after the other."""
        self.versions = (*self.versions, version)
        return True


@pytest.mark.parametrize("ahead", [0.0, 0.1, 0.2, 0.29, 0.5, 0.9])
@pytest.mark.parametrize("alone", [True, False])
async def test_nobody_starts_an_old_version_after_a_publication_was_answered(ahead: float, alone: bool) -> None:
    """Neither the replica that answered nor another one, whenever they have read it last."""
    clock = ManualClock()
    store: Any = Store(clock)

    async def others() -> bool:
        return not alone

    one, two = (Definitions(store, ProgramCache(store), clock, None, others) for _ in range(2))
    asked = [one] if alone else [one, two]
    first, second = (
        load(f"document: {{dsl: 1.0.3, namespace: n, name: w, version: {number}.0.0}}\ndo: []\n".encode(), "x")
        for number in (1, 2)
    )
    async with asyncio.TaskGroup() as group:
        publishing = group.create_task(one.publish(first, actor=None, cause=root("test")))
        await clock.advance(5)
        assert publishing.done()
        for replica in asked:
            group.create_task(replica.resolve("n", "w", None))
        await clock.advance(ahead)
        publishing = group.create_task(one.publish(second, actor=None, cause=root("test")))
        while not publishing.done():
            await clock.advance(0.05)
        for later in (0.0, 0.4, 0.4):
            await clock.advance(later)
            found = [group.create_task(replica.resolve("n", "w", None)) for replica in asked]
            await clock.advance(0.31)
            assert {task.result().version for task in found} == {"2.0.0"}


async def test_slips_come_with_the_definition_and_refuse_nothing() -> None:
    """Those of the text and those of the schedule, with their places; a timetable that never fires is refused."""
    nothing: Any = None
    definitions = Definitions(nothing, ProgramCache(nothing), ManualClock())
    text = (
        b"document: {dsl: 1.0.3, namespace: n, name: x, version: 1.0.0}\n"
        b"schedule: {every: PT1H}\ninput: {schema: {document: {required: [x]}}}\nuse: {functions: {f: {set: {x: 1}}}}\ndo: []\n"
    )
    found = await definitions.check(text)
    assert [(slip.pointer, slip.line) for slip in found.slips] == [("/schedule/every", 2), ("/use/functions/f", 4)]
    with pytest.raises(DefinitionInvalid) as caught:
        await definitions.check(text.replace(b"every: PT1H", b"cron: 0 0 30 2 *"))
    assert [(wrong.pointer, wrong.line) for wrong in caught.value.violations] == [("/schedule/cron", 2)]
