"""External resources that definitions name: documents, scripts, protos; fetched through the guard, kept for a moment.

``file:`` resources and relative ones come from one folder that the operator names, and from nowhere else: a definition must
not read the worker's disk.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import orjson

from tocsin.definitions.reading import DefinitionInvalid, read
from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.calling import Caller, Request, where
from tocsin_executor.worker.policies import Policy, read_policy
from tocsin_executor.worker.tasks import Failed, Task
from tocsin_kit.clock import Clock

LIMIT: Final = 8 * 1024 * 1024  # bytes of a resource; the largest public OpenAPI documents have about six megabytes
_FRESH: Final = 60.0  # seconds; a loop over ten thousand items fetches its document once a minute
_KEPT: Final = 64


class Resources:
    """Fetches resources.

    Args:
        caller: Its connections.
        clock: Time.
        folder: Where ``file:`` resources are, if anywhere.
    """

    def __init__(self, caller: Caller, clock: Clock, folder: Path | None) -> None:
        self._caller = caller
        self._clock = clock
        self._folder = folder.resolve() if folder is not None else None
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._parsed: OrderedDict[str, Json] = OrderedDict()
        self._busy: dict[str, asyncio.Lock] = {}

    async def fetch(self, task: Task, resource: Json) -> tuple[str, bytes]:
        """Where a resource is, and its bytes.

        Raises:
            Failed: ``configuration`` when it says no place, ``communication`` when it is not to be had.
        """
        endpoint = resource.get("endpoint") if isinstance(resource, Mapping) else resource
        uri = endpoint.get("uri") if isinstance(endpoint, Mapping) else endpoint
        if not isinstance(uri, str) or not uri:
            raise Failed(ErrorKind.CONFIGURATION, "A resource needs an endpoint with a URI.")
        parts = urlsplit(uri)
        if parts.scheme in {"http", "https"}:
            given = endpoint.get("authentication") if isinstance(endpoint, Mapping) else None
            return uri, await self._fetched(task, uri, given)
        if parts.scheme in {"", "file"}:
            return uri, await asyncio.to_thread(self._read, unquote(parts.netloc + parts.path))
        raise Failed(ErrorKind.CONFIGURATION, f"Resources by {parts.scheme[:20]}: are not offered; use https: or file:.")

    async def document(self, task: Task, resource: Json) -> tuple[str, Json]:
        """The same, read as JSON or YAML."""
        uri, content = await self.fetch(task, resource)
        digest = hashlib.sha256(content).hexdigest()
        async with self._alone(digest):
            if digest not in self._parsed:
                self._parsed[digest] = await asyncio.to_thread(_parse, uri, content)
                while len(self._parsed) > _KEPT:
                    self._parsed.popitem(last=False)
            return uri, self._parsed[digest]

    @asynccontextmanager
    async def _alone(self, key: str) -> AsyncIterator[None]:
        """Many tasks that want the same at once wait for the first of them, and find what it got."""
        lock = self._busy.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._busy.pop(key, None)

    async def _fetched(self, task: Task, uri: str, given: Json) -> bytes:
        policy = read_policy(task, given)
        # Whoever may read it with other credentials is another reader.
        key = hashlib.sha256(orjson.dumps([uri, given, task.secrets if given else None])).hexdigest()
        async with self._alone(key):
            kept = self._kept.get(key)
            if kept is not None and kept[0] > self._clock.monotonic():
                return kept[1]
            content = await self._asked(task, uri, policy)
            self._kept[key] = self._clock.monotonic() + _FRESH, content
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return content

    async def _asked(self, task: Task, uri: str, policy: Policy | None) -> bytes:
        headers = {"Accept": "application/json, application/yaml, text/plain, */*"}
        answer = await self._caller.send(task, Request("GET", uri, headers, limit=LIMIT), policy)
        if answer.status != 200:
            detail = f"The resource {where(uri)} is not to be had: {answer.status}."
            raise Failed(ErrorKind.COMMUNICATION, detail, status=answer.status if answer.status >= 400 else 502)
        return answer.content

    def _read(self, path: str) -> bytes:
        if self._folder is None:
            detail = "This worker reads no resources from files; the setting worker.resources names a folder for them."
            raise Failed(ErrorKind.CONFIGURATION, detail)
        file = (self._folder / path.lstrip("/")).resolve()
        if not file.is_relative_to(self._folder):
            raise Failed(ErrorKind.AUTHORIZATION, "The resource is outside the folder of this worker's resources.")
        try:
            if file.stat().st_size > LIMIT:
                raise Failed(ErrorKind.CONFIGURATION, f"The resource is above the limit of {LIMIT} bytes.")
            return file.read_bytes()
        except OSError as error:
            detail = f"The resource {path[:200]!r} is not to be had: {error.strerror}."
            raise Failed(ErrorKind.COMMUNICATION, detail, status=404) from error


def _parse(uri: str, content: bytes) -> Json:
    try:
        value: Json = orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            value = read(content, "resource")[0]
        except DefinitionInvalid as error:
            detail = f"The document {where(uri)} is neither JSON nor YAML: {error.detail}"
            raise Failed(ErrorKind.CONFIGURATION, detail) from error
    return value
