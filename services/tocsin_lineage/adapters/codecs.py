"""Assets and partitions as documents, both ways; documents of older versions are read too."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from tocsin_kit.store import Document
from tocsin_lineage.domain.assets import Act, Asset, Happening, Slot
from tocsin_lineage.domain.checks import CheckResult, Grade, Standing
from tocsin_lineage.domain.freshness import State, Verdict
from tocsin_lineage.domain.policy import Policy, read_policy
from tocsin_lineage.ports import Evaluation


def asset_id(namespace: str, key: str) -> str:
    """The document of an asset; a namespace holds no slash, so the first one parts the two."""
    return f"{namespace}/{key}"


FACETS_LIMIT = 1 << 20  # bytes of an asset's facets; what is above stays in the events that said it
_NOTHING = "{}"  # what most of these texts are
_SLOT_FIELDS = tuple(Slot.__dataclass_fields__)


def asset_document(asset: Asset) -> Document:
    """As it is stored. Free values are text: MongoDB would refuse some of their field names and sizes of numbers."""
    return {
        "namespace": asset.namespace,
        "key": asset.key,
        "kind": asset.kind,
        "group": asset.group,
        "description": asset.description,
        "owners": list(asset.owners),
        "tags": list(asset.tags),
        "code_version": asset.code_version,
        "declared": asset.declared,
        "facets": _bounded(asset.facets),
        "materialized": asset.materialized,
        "observed": asset.observed,
        "materializations": asset.materializations,
        "policy": _text(asset.policy.document),
        "upstream": [one.key for one in asset.policy.upstream],
        "maker": f"{asset.namespace}/{asset.policy.maker.workflow}" if asset.policy.maker is not None else None,
        "since": asset.since,
        "state": asset.verdict.state.value,
        "state_since": asset.verdict.since,
        "judged": asset.verdict.judged,
        "late": _text({key: state.value for key, state in asset.verdict.late.items()}),
        "due": asset.verdict.due,
        "automation_due": asset.automation_due,
        "standings": _text({name: _standing(one) for name, one in asset.standings.items()}),
        "schema": asset.schema,
        "made_with": asset.made_with,
    }


def read_asset(document: Mapping[str, Any]) -> Asset:
    """The reverse."""
    return Asset(
        namespace=document["namespace"],
        key=document["key"],
        kind=document["kind"],
        group=document["group"],
        description=document["description"],
        owners=tuple(document["owners"]),
        tags=tuple(document["tags"]),
        code_version=document.get("code_version"),
        declared=document["declared"],
        facets=_object(document["facets"]),
        materialized=document["materialized"],
        observed=document["observed"],
        materializations=document["materializations"],
        policy=_policy(document.get("policy", "{}")),
        since=document.get("since"),
        verdict=Verdict(
            state=State(document.get("state", "unknown")),
            since=document.get("state_since"),
            due=document.get("due"),
            judged=document.get("judged"),
            late={key: State(value) for key, value in _object(document.get("late", _NOTHING)).items()},
        ),
        automation_due=document.get("automation_due"),
        standings={name: _read_standing(one) for name, one in _object(document.get("standings", _NOTHING)).items()},
        schema=document.get("schema"),
        made_with=document.get("made_with"),
    )


@lru_cache(maxsize=4096)
def _policy(text: str) -> Policy:
    return read_policy(orjson.loads(text))


def slot_document(slot: Slot) -> Document:
    """As it is stored."""
    document: Document = {name: getattr(slot, name) for name in _SLOT_FIELDS}
    document["answered"] = list(slot.answered)
    document["condition"] = slot.condition.value
    return document


def read_slot(document: Mapping[str, Any]) -> Slot:
    """The reverse."""
    fields = {name: document[name] for name in _SLOT_FIELDS if name in document}
    return Slot(**{**fields, "answered": tuple(document.get("answered", ()))})


def happening_document(asset: str, happening: Happening) -> Document:
    """As it is stored."""
    return {
        "_id": happening.id,
        "asset": asset,
        "act": happening.act.value,
        "at": happening.at,
        "noted": happening.noted,
        "partition": happening.partition,
        "run": happening.run,
        "task": happening.task,
        "job": happening.job,
        "version": happening.version,
        "metadata": _text(happening.metadata),
        "actor": happening.actor,
    }


def read_happening(document: Mapping[str, Any]) -> Happening:
    """The reverse."""
    return Happening(
        id=document["_id"],
        act=Act(document["act"]),
        at=document["at"],
        noted=document.get("noted"),
        partition=document.get("partition", ""),
        run=document["run"],
        task=document["task"],
        job=document.get("job"),
        version=document["version"],
        metadata=orjson.loads(document["metadata"]),
        actor=document["actor"],
    )


def check_document(asset: str, result: CheckResult) -> Document:
    """As it is stored."""
    return {
        "_id": result.id,
        "asset": asset,
        "check": result.check,
        "partition": result.partition,
        "passed": result.passed,
        "severity": result.severity.value,
        "blocking": result.blocking,
        "at": result.at,
        "run": result.run,
        "detail": result.detail,
        "metadata": _text(result.metadata),
        "actor": result.actor,
    }


def read_check(document: Mapping[str, Any]) -> CheckResult:
    """The reverse."""
    return CheckResult(
        id=document["_id"],
        check=document["check"],
        partition=document["partition"],
        passed=document["passed"],
        severity=Grade(document["severity"]),
        blocking=document["blocking"],
        at=document["at"],
        run=document["run"],
        detail=document["detail"],
        metadata=orjson.loads(document["metadata"]),
        actor=document["actor"],
    )


def evaluation_document(one: Evaluation) -> dict[str, Any]:
    """As it is stored."""
    return {
        "_id": one.id,
        "asset": asset_id(one.namespace, one.asset),
        "partition": one.partition,
        "at": one.at,
        "cause": one.cause,
        "finding": orjson.dumps(one.finding).decode(),
        "run": one.run,
    }


def read_evaluation(document: Mapping[str, Any]) -> Evaluation:
    """The reverse."""
    namespace, _, key = document["asset"].partition("/")
    return Evaluation(
        id=document["_id"],
        namespace=namespace,
        asset=key,
        partition=document["partition"],
        at=document["at"],
        cause=document["cause"],
        finding=orjson.loads(document["finding"]),
        run=document["run"],
    )


def _standing(one: Standing) -> dict[str, object]:
    return {"passed": one.passed, "severity": one.severity.value, "blocking": one.blocking, "at": one.at}


def _read_standing(document: Mapping[str, Any]) -> Standing:
    at = datetime.fromisoformat(document["at"])
    return Standing(document["passed"], Grade(document["severity"]), document["blocking"], at)


def _text(value: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(value)).decode() if value else _NOTHING


def _bounded(facets: Mapping[str, Any]) -> str:
    """Facets as text: of too many only those that came last, or the document of an asset could grow until nothing fits."""
    text = _text(facets)
    if len(text) <= FACETS_LIMIT:
        return text
    kept: dict[str, Any] = {}
    left = FACETS_LIMIT
    for name in reversed(list(facets)):
        left -= len(_text({name: facets[name]}).encode())
        if left < 0:
            break
        kept[name] = facets[name]
    return _text({name: kept[name] for name in facets if name in kept})


def _object(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {} if text == _NOTHING else orjson.loads(text)
    return found
