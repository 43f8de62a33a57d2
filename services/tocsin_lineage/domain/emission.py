"""Our runs and tasks as OpenLineage events.

A workflow's run is a run of the job ``<workflow>``, a task's activation one of ``<workflow>.<task>`` with the workflow's run as
its parent. The data that a task declares is in an event of its own, between its start and its end: OpenLineage adds events up.

Source:
    OpenLineage 2-0-2, and the facets parent 1-1-0, errorMessage 1-0-1, jobType 2-0-3, processing_engine 1-1-1.
"""

import hashlib
from dataclasses import dataclass

from tocsin.signals import CloudEvent, Json
from tocsin.signals.subjects import SignalSubject
from tocsin_lineage.domain.jobs import task_path, workflow_of

PRODUCER = "https://tocsin.dev"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_STAGES = {"started": "START", "completed": "COMPLETE", "faulted": "FAIL", "cancelled": "ABORT", "assets-reported": "RUNNING"}


@dataclass(frozen=True, slots=True)
class Emitter:
    """How our events look outside.

    Attributes:
        namespace: Of our jobs at the receiver; ours is put behind it.
        version: Of Tocsin.
    """

    namespace: str
    version: str

    @staticmethod
    def tells(place: SignalSubject) -> bool:
        """Whether there is a word for such a signal outside."""
        return place.entity in {"run", "task"} and place.transition in _STAGES

    def event_of(self, place: SignalSubject, event: CloudEvent) -> dict[str, Json] | None:
        """The OpenLineage event that says what a signal says; ``None`` for a signal that it has no word for."""
        stage = _STAGES.get(place.transition)
        data = event.payload if isinstance(event.payload, dict) else {}
        qualified = data.get("workflow") if place.entity == "task" else data.get("name")
        if stage is None or place.entity not in {"run", "task"} or not isinstance(qualified, str) or event.time is None:
            return None
        workflow, run = workflow_of(qualified), run_id("run", place.id)
        facets: dict[str, Json] = {
            "processing_engine": self._facet("1-1-1/ProcessingEngineRunFacet.json", version=self.version)
        }
        name, kind = workflow, "WORKFLOW"
        if place.entity == "task":
            pointer, activation = str(data.get("task", "")), str(event.extensions.get("activation", ""))
            above: dict[str, Json] = {"run": {"runId": run}, "job": self._job(place.namespace, workflow)}
            facets["parent"] = self._facet("1-1-0/ParentRunFacet.json", **above, root=above)
            name, kind, run = f"{workflow}.{task_path(pointer)}", "TASK", run_id("task", place.id, activation)
        error = data.get("error")
        if stage == "FAIL" and isinstance(error, dict):
            told = str(error.get("detail") or error.get("title") or error.get("type"))
            facets["errorMessage"] = self._facet("1-0-1/ErrorMessageRunFacet.json", message=told, programmingLanguage="none")
        about = self._facet("2-0-3/JobTypeJobFacet.json", processingType="BATCH", integration="TOCSIN", jobType=kind)
        return {
            "eventType": stage,
            "eventTime": event.time.isoformat(),
            "producer": PRODUCER,
            "schemaURL": SCHEMA,
            "run": {"runId": run, "facets": facets},
            "job": {**self._job(place.namespace, name), "facets": {"jobType": about}},
            "inputs": self._datasets(place.namespace, data.get("consumed")),
            "outputs": self._datasets(place.namespace, data.get("produced")),
        }

    def _job(self, namespace: str, name: str) -> dict[str, Json]:
        return {"namespace": f"{self.namespace}/{namespace}", "name": name}

    @staticmethod
    def _facet(path: str, **members: Json) -> dict[str, Json]:
        return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}/{path}", **members}

    def _datasets(self, namespace: str, mentions: Json) -> list[Json]:
        found: list[Json] = []
        for one in mentions if isinstance(mentions, list) else ():
            key = one.get("asset") if isinstance(one, dict) else None
            if isinstance(one, dict) and isinstance(key, str):
                place = dataset_of(key, f"{self.namespace}/{namespace}")
                version = one.get("version")
                facets: dict[str, Json] = {}
                if isinstance(version, str):
                    facets["version"] = self._facet("1-0-1/DatasetVersionDatasetFacet.json", datasetVersion=version)
                found.append({"namespace": place[0], "name": place[1], "facets": facets})
        return found


def dataset_of(key: str, own: str) -> tuple[str, str]:
    """Namespace and name of an asset as a dataset: a URI's is its authority, ours is our own."""
    scheme, mark, rest = key.partition("://")
    authority, slash, name = rest.partition("/")
    if mark and slash and name and scheme.isalnum():
        return f"{scheme}://{authority}", name
    return own, key


def run_id(*parts: str) -> str:
    """A UUID (of version 8) that is a function of ``parts``."""
    digest = hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"
