"""``call: openapi``: an operation by its id, from a document that is fetched."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.bodies import encoded
from tocsin_executor.worker.calling import Caller, Request
from tocsin_executor.worker.operations import Prepared, prepare
from tocsin_executor.worker.policies import read_policy
from tocsin_executor.worker.references import Wanted
from tocsin_executor.worker.resources import Resources
from tocsin_executor.worker.runners.http import as_mapping, headers_of, output_of
from tocsin_executor.worker.tasks import Failed, Outcome, Task

_DOCUMENTS: Final = 64


class OpenApiRunner:
    """Calls operations.

    Args:
        caller: Its connections.
        resources: Where documents come from.
    """

    def __init__(self, caller: Caller, resources: Resources) -> None:
        self._caller = caller
        self._resources = resources

    async def run(self, task: Task) -> Outcome:
        """One request."""
        spec = task.spec
        if not isinstance(spec, Mapping) or not isinstance(spec.get("operationId"), str):
            raise Failed(ErrorKind.CONFIGURATION, "An OpenAPI call needs a document and an operationId.")
        prepared = await self._prepared(task, spec)
        given = headers_of(prepared.headers)
        headers = {"Accept": "application/json, */*;q=0.5"} if "accept" not in map(str.lower, given) else {}
        headers |= given
        if prepared.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in prepared.cookies.items())
        body = None
        if prepared.media is not None:
            body, headers["Content-Type"] = encoded(prepared.body, prepared.media, prepared.files)
        request = Request(prepared.method, prepared.url, headers, prepared.query, body)
        answer = await self._caller.send(task, request, read_policy(task, spec.get("authentication")))
        return Outcome(output_of(task, spec, prepared.method, answer))

    async def _prepared(self, task: Task, spec: Mapping[str, Json]) -> Prepared:
        """The request, after the documents have been fetched that the document refers to."""
        resource = spec.get("document")
        uri, document = await self._resources.document(task, resource)
        values = as_mapping(spec.get("parameters"), "parameters")
        others: dict[str, Json] = {}
        while True:
            try:
                return prepare(document, uri, str(spec["operationId"]), values, others)
            except Wanted as wanted:
                if len(others) == _DOCUMENTS:
                    detail = f"The OpenAPI document refers to more than {_DOCUMENTS} others."
                    raise Failed(ErrorKind.CONFIGURATION, detail) from wanted
                beside = _beside(resource, uri, wanted.uri)
                others[wanted.uri] = (await self._resources.document(task, {"endpoint": beside}))[1]


def _beside(resource: Json, uri: str, wanted: str) -> Json:
    """A document that another one refers to; what opens that one opens this one, if both are in the same place."""
    endpoint = resource.get("endpoint") if isinstance(resource, Mapping) else None
    same = urlsplit(uri)[:2] == urlsplit(wanted)[:2]
    return {**endpoint, "uri": wanted} if isinstance(endpoint, Mapping) and same else {"uri": wanted}
