"""What an OpenLineage event says, in our words. Lenient where its senders differ, strict where nothing could be understood.

Source:
    OpenLineage 2-0-2: run, dataset and job events; facets are kept whole, also those nobody has specified.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from tocsin.errors import Invalid, Violation
from tocsin.signals import Json, derive

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_YEARS = (1900, 2999)
KEY_LIMIT = 512  # characters of an asset's key
DATASETS_LIMIT = 5000  # of one event


class InvalidLineageEvent(Invalid):
    """This is not an OpenLineage event."""

    code = "lineage.invalid_event"


def key_of_dataset(namespace: str, name: str) -> str:
    """What the asset of a dataset is called; the slash between the two is there once. What is too long ends in a digest."""
    key = _CONTROL.sub("", f"{namespace.rstrip('/')}/{name.lstrip('/')}")
    return key if len(key) <= KEY_LIMIT else f"{key[: KEY_LIMIT - 27]}~{derive('dataset', key)}"


class Stage(Enum):
    """Where a run is."""

    START = "START"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    ABORT = "ABORT"
    FAIL = "FAIL"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class DatasetMention:
    """A dataset that an event names.

    Attributes:
        key: The asset's key: OpenLineage's namespace and name.
        facets: What is said about it.
    """

    key: str
    facets: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEvent:
    """One event.

    Attributes:
        time: When it happened; UTC where the sender named no zone.
        stage: Of a run event; ``None`` for dataset and job events.
        run: The run's id.
        job: ``<namespace>/<name>`` of the job.
        inputs: What it reads.
        outputs: What it writes.
        parent: Id of the run that this one is part of.
        document: The event as it came.
    """

    time: datetime
    stage: Stage | None
    run: str | None
    job: str | None
    inputs: tuple[DatasetMention, ...]
    outputs: tuple[DatasetMention, ...]
    parent: str | None
    document: Mapping[str, Json]


def read_event(document: Json) -> LineageEvent:
    """Understand an event.

    Raises:
        InvalidLineageEvent: It is none, with every reason.
    """
    if not isinstance(document, dict):
        raise InvalidLineageEvent("an OpenLineage event is a JSON object")
    wrong: list[Violation] = []
    time = _time(document.get("eventTime"), wrong)
    run = _object(document, "run", wrong)
    job = _object(document, "job", wrong)
    dataset = _object(document, "dataset", wrong)
    if run is None and job is None and dataset is None:
        wrong.append(Violation("", "names neither a run, a job nor a dataset"))
    stage = None
    if run is not None:
        if not isinstance(run.get("runId"), str) or not run["runId"]:
            wrong.append(Violation("/run/runId", "must be a string"))
        try:
            stage = Stage(document.get("eventType", "OTHER"))
        except ValueError:
            wrong.append(Violation("/eventType", f"must be one of {', '.join(kind.value for kind in Stage)}"))
    if job is not None and not (isinstance(job.get("namespace"), str) and isinstance(job.get("name"), str)):
        wrong.append(Violation("/job", "needs a namespace and a name"))
    inputs = _datasets(document.get("inputs"), "/inputs", wrong)
    outputs = _datasets(document.get("outputs"), "/outputs", wrong)
    if dataset is not None:
        outputs += _datasets([dataset], "/dataset", wrong)
    if (count := len(inputs) + len(outputs)) > DATASETS_LIMIT:
        hint = "send several events of the same run"
        wrong.append(Violation("", f"names {count} datasets, at most {DATASETS_LIMIT} are taken", hint))
    if wrong:
        first = f"{wrong[0].pointer} {wrong[0].detail}".strip()
        raise InvalidLineageEvent(f"not an OpenLineage event: {first}", violations=wrong)
    return LineageEvent(
        time=time,
        stage=stage,
        run=str(run["runId"]) if run is not None else None,
        job=f"{job['namespace']}/{job['name']}" if job is not None else None,
        inputs=inputs,
        outputs=outputs,
        parent=_parent(run),
        document=document,
    )


def _time(value: Json, wrong: list[Violation]) -> datetime:
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if parsed is None or not _YEARS[0] <= parsed.year <= _YEARS[1]:
        wrong.append(Violation("/eventTime", "must be an ISO 8601 instant"))
        return datetime(_YEARS[0], 1, 1, tzinfo=UTC)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _object(document: Mapping[str, Json], name: str, wrong: list[Violation]) -> dict[str, Json] | None:
    value = document.get(name)
    if value is None:
        return None
    if isinstance(value, dict):
        return value
    wrong.append(Violation(f"/{name}", "must be an object"))
    return None


def _datasets(value: Json, pointer: str, wrong: list[Violation]) -> tuple[DatasetMention, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        wrong.append(Violation(pointer, "must be a list"))
        return ()
    mentions = []
    for index, item in enumerate(value):
        namespace = item.get("namespace") if isinstance(item, dict) else None
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(namespace, str) or not isinstance(name, str):
            wrong.append(Violation(f"{pointer}/{index}", "needs a namespace and a name"))
            continue
        facets: dict[str, Json] = {}
        for kind in ("facets", "inputFacets", "outputFacets"):
            found = item.get(kind)
            if isinstance(found, dict):
                facets.update(found)
        mentions.append(DatasetMention(key_of_dataset(namespace, name), facets))
    return tuple(mentions)


def _parent(run: Mapping[str, Json] | None) -> str | None:
    value: Json = dict(run) if run else None
    for name in ("facets", "parent", "run", "runId"):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
