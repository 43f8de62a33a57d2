"""Publishing definitions and finding them: names and versions point to immutable documents."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import orjson

from tocsin.definitions import Definition, DefinitionInvalid, load
from tocsin.definitions import digest as digest_of
from tocsin.errors import Conflict, NotFound, Violation
from tocsin.errors import Invalid as InvalidInput
from tocsin.signals import Cause
from tocsin_executor.application.programs import ProgramCache
from tocsin_executor.domain.limits import rule_of
from tocsin_executor.domain.program import CallSpec
from tocsin_executor.domain.scheduling import schedule_faults, schedule_slips
from tocsin_executor.domain.values import Json
from tocsin_executor.ports import Version, Workflow
from tocsin_kit.clock import Clock

VERSIONS = 500
"""Versions of one workflow; more are refused, delete old ones first."""

LATEST = "latest"
"""The word of the language for whichever version was published last; no version is called that."""

_FRESH = 1.0  # seconds for which what is the newest version may be remembered; whoever changes it waits for that long


_RECENT = timedelta(minutes=1)  # clocks of replicas may differ by nearly as much


class VersionTaken(Conflict):
    """This version of the workflow is published already, with another content."""

    code = "version_taken"


class DefinitionStore(Protocol):
    """Where definitions are kept."""

    async def keep(self, digest: str, document: Mapping[str, Json]) -> None:
        """Keep a document; one that is there is the same."""
        ...

    async def read(self, digest: str) -> dict[str, Json]:
        """The document of a digest; raises ``NotFound``."""
        ...

    async def workflow(self, namespace: str, name: str) -> Workflow | None:
        """The named workflow."""
        ...

    async def publish(self, namespace: str, name: str, version: Version, cause: Cause) -> bool:
        """Add a version, with its signal; ``False`` when it is there already with the same digest.

        Raises:
            VersionTaken: It is there with another digest.
        """
        ...

    async def delete(self, namespace: str, name: str, version: str | None, actor: str | None, cause: Cause) -> None:
        """Delete a version or all, with the signal; raises ``NotFound``."""
        ...


class Importer(Protocol):
    """Fetches what definitions take from elsewhere."""

    async def bundled(self, document: Mapping[str, Json]) -> dict[str, Json]:
        """The document with its imports inside; raises ``Invalid`` with the place of what is not to be had."""
        ...


class Definitions:
    """Use cases of definitions.

    Args:
        store: Where they are kept.
        programs: Compiled ones.
        clock: Time.
        imports: Fetches functions of catalogs and schemas; nobody if ``None``.
        others: Whether there are other replicas, which remember versions too.
    """

    def __init__(
        self,
        store: DefinitionStore,
        programs: ProgramCache,
        clock: Clock,
        imports: Importer | None = None,
        others: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._others = others
        self._changes = 0
        self._imports = imports
        self._store = store
        self._programs = programs
        self._clock = clock
        self._latest: dict[tuple[str, str], tuple[float, Workflow]] = {}

    async def check(
        self, text: bytes, source: str = "definition", *, permit: Callable[[Definition], None] | None = None
    ) -> Definition:
        """Parse, validate, import and compile; nothing is stored. In a thread: YAML takes some milliseconds a kilobyte.

        Args:
            text: YAML or JSON.
            source: Its name, for messages.
            permit: Raises if the definition may not be published. It is asked before anything is imported: that may take
                secrets of the namespace that the document names.

        Returns:
            The definition with all that it imports inside, which its digest covers, and with its slips.

        Raises:
            DefinitionInvalid: With every violation and its place.
        """
        definition = await asyncio.to_thread(load, text, source)
        if permit is not None:
            permit(definition)
        try:
            if faults := schedule_faults(definition.document):
                raise InvalidInput(faults[0].detail, hint=faults[0].hint, violations=faults)
            if self._imports is not None:
                definition = _with(definition, await self._imports.bundled(definition.document))
            self._programs.compile(definition.document, definition.digest)
            rule_of(definition.document)
        except InvalidInput as error:
            placed = [_placed(definition, violation) for violation in error.violations]
            raise DefinitionInvalid(error.detail, hint=error.hint, violations=placed, source=source) from error
        slips = [_placed(definition, slip) for slip in schedule_slips(definition.document, self._clock.now())]
        return replace(definition, slips=(*slips, *definition.slips))

    def called_namespaces(self, definition: Definition) -> frozenset[str]:
        """Where a checked definition starts other workflows."""
        program = self._programs.cached(definition.digest) or self._programs.compile(definition.document, definition.digest)
        return frozenset(node.spec.namespace for node in program.nodes if isinstance(node.spec, CallSpec))

    async def publish(self, definition: Definition, *, actor: str | None, cause: Cause) -> tuple[Version, bool]:
        """Make a checked definition known under its name and version.

        Returns:
            The version, and whether it is new.

        Raises:
            VersionTaken: That version has another content; definitions never change.
            Conflict: There are too many versions.
        """
        key = (definition.namespace, definition.name)
        await self._store.keep(definition.digest, definition.document)
        version = Version(definition.version, definition.digest, self._clock.now(), actor)
        new = await self._store.publish(*key, version, cause)
        if new or await self._is_recent(*key, version):
            await self.changed(*key)
        return version, new

    async def _is_recent(self, namespace: str, name: str, version: Version) -> bool:
        """Whether a version that was there already came a moment ago, perhaps by a replica that has not answered yet."""
        workflow = await self._store.workflow(namespace, name)
        held = workflow.find(version.version) if workflow is not None else None
        return held is None or version.published_at - held.published_at < _RECENT

    async def resolve(self, namespace: str, name: str, version: str | None) -> Version:
        """The version that a start means; the one published last when it names none, or ``latest``.

        Raises:
            NotFound: No such workflow, or no such version.
        """
        wanted = None if version == LATEST else version
        return _found(await self._remembered(namespace, name), namespace, name, wanted)

    async def show(self, namespace: str, name: str, version: str | None) -> tuple[Version, Workflow, dict[str, Json]]:
        """A version with its document.

        Raises:
            NotFound: There is none.
        """
        workflow = await self._store.workflow(namespace, name)
        found = _found(workflow, namespace, name, None if version == LATEST else version)
        assert workflow is not None
        return found, workflow, await self._store.read(found.digest)

    async def delete(self, namespace: str, name: str, version: str | None, *, actor: str | None, cause: Cause) -> None:
        """Forget a version, or the workflow; runs that began stay on their definition."""
        await self._store.delete(namespace, name, version, actor, cause)
        await self.changed(namespace, name)

    async def changed(self, namespace: str, name: str) -> None:
        """A workflow was changed: returns when no replica starts any more what was its newest version before.

        Nobody is asked: each replica remembers a workflow for a moment only, counted from before it was read.
        """
        self._latest.pop((namespace, name), None)
        self._changes += 1  # whoever is reading it now does not remember what was read
        if self._others is not None and await self._others():
            await self._clock.sleep(_FRESH)

    async def _remembered(self, namespace: str, name: str) -> Workflow | None:
        key, now = (namespace, name), self._clock.monotonic()
        known = self._latest.get(key)
        if known is not None and now < known[0]:
            return known[1]
        changes = self._changes
        workflow = await self._store.workflow(namespace, name)
        if workflow is None:
            self._latest.pop(key, None)
            return None
        if len(self._latest) > 10_000:
            self._latest.clear()
        if changes == self._changes:
            self._latest[key] = (now + _FRESH, workflow)
        return workflow


def _found(workflow: Workflow | None, namespace: str, name: str, version: str | None) -> Version:
    found = workflow.find(version) if workflow is not None else None
    if found is None:
        what = f"version {version} of workflow" if version is not None and workflow is not None else "workflow"
        raise NotFound(
            f"There is no {what} {namespace}/{name}.",
            hint="`tocsin workflow list` shows what is published here, `tocsin workflow apply FILE` publishes more.",
            namespace=namespace,
            workflow=name,
            version=version,
        )
    return found


def _with(definition: Definition, document: dict[str, Json]) -> Definition:
    if document == definition.document:
        return definition
    plain = orjson.loads(orjson.dumps(document))
    return replace(definition, document=plain, digest=digest_of(plain))


def _placed(definition: Definition, violation: Violation) -> Violation:
    line, column = definition.position(violation.pointer)
    return Violation(violation.pointer, violation.detail, violation.hint, line, column)
