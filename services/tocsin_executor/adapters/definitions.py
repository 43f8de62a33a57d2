"""Definitions in MongoDB: immutable documents by digest, and named workflows that point to them."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from bson.binary import Binary

from tocsin.errors import Conflict, NotFound
from tocsin.signals import Cause
from tocsin.signals.catalogue.executor import (
    DEFINITION_DELETED,
    DEFINITION_PUBLISHED,
    DefinitionDeleted,
    DefinitionPublished,
)
from tocsin.signals.kinds import SignalType
from tocsin.signals.make import make_signal, subject_of
from tocsin_executor.application.definitions import VERSIONS, VersionTaken
from tocsin_executor.application.mentions import assets_of
from tocsin_executor.application.schedules import schedule_of
from tocsin_executor.domain.values import Json
from tocsin_executor.ports import Version, Workflow
from tocsin_kit.store import (
    Database,
    Entry,
    Filter,
    Outgoing,
    Page,
    Relay,
    Repository,
    Sort,
    Transaction,
    translated,
    undisputed,
)
from tocsin_kit.store.changes import changes

WORKFLOWS = "workflows"


class MongoDefinitions:
    """The definition store.

    Args:
        database: The executor's database.
        relay: Publishes the signals of commits.
    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._workflows: Repository[Workflow] = Repository(database, WORKFLOWS, encode=_encode, decode=_decode, wake=relay.wake)

    async def keep(self, digest: str, document: Mapping[str, Json]) -> None:
        """Keep a document; one that is there is the same."""
        with translated("definitions"):
            await self._database.collection("definitions").update_one(
                {"_id": digest}, {"$setOnInsert": {"body": Binary(orjson.dumps(document))}}, upsert=True
            )

    async def read(self, digest: str) -> dict[str, Json]:
        """The document of a digest."""
        with translated("definitions"):
            found = await self._database.collection("definitions").find_one({"_id": digest})
        if found is None:
            raise NotFound(f"There is no definition {digest}.", digest=digest)
        document: dict[str, Json] = orjson.loads(bytes(found["body"]))
        return document

    async def workflow(self, namespace: str, name: str) -> Workflow | None:
        """The named workflow."""
        return (await self._workflows.load(_key(namespace, name))).value

    async def page(self, where: Filter, limit: int, cursor: str | None) -> Page[Entry[Workflow]]:
        """Workflows in the order of namespace and name."""
        return await self._workflows.page(where, sort=Sort(), limit=limit, cursor=cursor)

    @undisputed
    async def publish(self, namespace: str, name: str, version: Version, cause: Cause) -> bool:
        """Add a version, with its signal."""
        return await self.publish_within(None, (namespace, name), version, cause)

    async def publish_within(
        self, together: Transaction | None, place: tuple[str, str], version: Version, cause: Cause
    ) -> bool:
        """The same, together with what else is written, and tried once: a transaction that met another one is over."""
        namespace, name = place
        entry = await self._workflows.load(_key(namespace, name))
        versions = entry.value.versions if entry.value is not None else ()
        known = next((held for held in versions if held.version == version.version), None)
        if known is not None and known.digest == version.digest:
            return False
        if known is not None:
            raise VersionTaken(
                f"Version {version.version} of {namespace}/{name} is published with another content.",
                hint="A published version never changes: publish under a new version.",
            )
        if len(versions) >= VERSIONS:
            raise Conflict(f"{namespace}/{name} has {VERSIONS} versions.", hint="Delete old versions first.")
        document = await self.read(version.digest)
        after = Workflow(namespace, name, (*versions, version))
        payload = DefinitionPublished(
            namespace=namespace,
            name=name,
            version=version.version,
            digest=version.digest,
            proposed_by=version.published_by if version.approved_by is not None else None,
            schedule=schedule_of(document),
            assets=assets_of(document),
            changes=changes(_told(entry.value), _told(after)),
        )
        signal = _signal(DEFINITION_PUBLISHED, entry, version, payload, cause)
        await self._workflows.commit(entry, after, outbox=[signal], within=together)
        return True

    @undisputed
    async def delete(self, namespace: str, name: str, version: str | None, actor: str | None, cause: Cause) -> None:
        """Delete a version or all, with the signal."""
        await self.delete_within(None, (namespace, name), version, actor, cause)

    async def delete_within(
        self,
        together: Transaction | None,
        place: tuple[str, str],
        version: str | None,
        actor: str | None,
        cause: Cause,
    ) -> None:
        """The same, together with what else is written, and tried once."""
        namespace, name = place
        entry = await self._workflows.load(_key(namespace, name))
        workflow = entry.value
        gone = workflow.find(version) if workflow is not None else None
        if workflow is None or gone is None:
            raise NotFound(f"There is no workflow {namespace}/{name}{f' {version}' if version else ''}.")
        left = tuple(held for held in workflow.versions if version is not None and held.version != version)
        schedule = schedule_of(await self.read(left[-1].digest)) if left else None
        after = Workflow(namespace, name, left) if left else None
        found = changes(_told(workflow), _told(after))
        payload = DefinitionDeleted(namespace=namespace, name=name, version=version, schedule=schedule, changes=found)
        by = Version(gone.version, gone.digest, self._database.clock.now(), actor)
        signal = _signal(DEFINITION_DELETED, entry, by, payload, cause)
        await self._workflows.commit(entry, after, outbox=[signal], within=together)


def _signal(
    kind: SignalType[Any],
    entry: Entry[Workflow],
    version: Version,
    payload: DefinitionPublished | DefinitionDeleted,
    cause: Cause,
) -> Outgoing:
    event = make_signal(
        kind,
        namespace=payload.namespace,
        entity_id=payload.name,
        sequence=entry.sequence + 1,
        time=version.published_at,
        payload=payload,
        cause=cause,
        actor=version.approved_by or version.published_by,
    )
    return Outgoing.of(subject_of(event), event)


def _told(workflow: Workflow | None) -> dict[str, object] | None:
    """The newest version, which starts without a version run, and all that there are."""
    if workflow is None:
        return None
    newest = workflow.versions[-1]
    return {"version": newest.version, "digest": newest.digest, "versions": [held.version for held in workflow.versions]}


def _key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}"


def _encode(workflow: Workflow) -> dict[str, Any]:
    return {
        "namespace": workflow.namespace,
        "name": workflow.name,
        "versions": [
            {"version": v.version, "digest": v.digest, "at": v.published_at, "by": v.published_by, "approved": v.approved_by}
            for v in workflow.versions
        ],
    }


def _decode(document: Mapping[str, Any]) -> Workflow:
    held: Iterable[Mapping[str, Any]] = document["versions"]
    versions = tuple(Version(v["version"], v["digest"], v["at"], v.get("by"), v.get("approved")) for v in held)
    return Workflow(document["namespace"], document["name"], versions)
