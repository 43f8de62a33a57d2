"""Conditions with a memory as MongoDB documents, and back."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, assert_never

from tocsin.errors import Defect
from tocsin_kit.store import Document
from tocsin_trigger.domain.rules import Absence, Batch, Collect, Correlate, Debounce, Gather, Rule, Threshold, Throttle
from tocsin_trigger.domain.sources import Clause, EventSource, Role, SignalSource


def gather_document(gather: Gather) -> Document:
    """A condition as it is stored; durations in seconds."""
    return {"key": gather.key, **_rule_document(gather.rule)}


def _rule_document(rule: Rule) -> Document:
    match rule:
        case Correlate():
            return {"mode": "correlate", "need": rule.need, "within": _seconds(rule.within)}
        case Threshold():
            return {"mode": "threshold", "count": rule.count, "within": _seconds(rule.within)}
        case Absence():
            return {"mode": "absence", "within": _seconds(rule.within)}
        case Debounce():
            at_most = None if rule.at_most is None else _seconds(rule.at_most)
            return {"mode": "debounce", "quiet": _seconds(rule.quiet), "at_most": at_most}
        case Throttle():
            return {"mode": "throttle", "runs": rule.runs, "per": _seconds(rule.per), "hold": rule.hold}
        case Collect():
            ends = {"ends": list(rule.ends), "need": rule.need, "until": rule.until}
            return {"mode": "collect", "within": _seconds(rule.within), **ends}
        case Batch():
            return {"mode": "batch", "most": rule.most, "within": _seconds(rule.within)}
        case _:
            assert_never(rule)


def gather_of(document: Mapping[str, Any]) -> Gather:
    """The reverse."""
    return Gather(_rule_of(document), document["key"])


def _rule_of(document: Mapping[str, Any]) -> Rule:
    match document["mode"]:
        case "correlate":
            return Correlate(document["need"], _duration(document["within"]))
        case "threshold":
            return Threshold(document["count"], _duration(document["within"]))
        case "absence":
            return Absence(_duration(document["within"]))
        case "debounce":
            at_most = None if document["at_most"] is None else _duration(document["at_most"])
            return Debounce(_duration(document["quiet"]), at_most)
        case "throttle":
            return Throttle(document["runs"], _duration(document["per"]), document["hold"])
        case "batch":
            return Batch(document["most"], _duration(document["within"]))
        case "collect":
            return Collect(_duration(document["within"]), tuple(document["ends"]), document["need"], document["until"])
        case other:
            raise Defect(f"A stored trigger has the unknown condition {other!r}; a newer version wrote it.")


def clause_document(clause: Clause) -> Document:
    """One kind of events of a correlation."""
    source = clause.source
    if isinstance(source, SignalSource):
        of: Document = {"entity": source.entity, "transition": source.transition, "namespace": source.namespace}
    else:
        of = {"type": source.type, "source": source.source}
    return {
        "name": clause.name,
        "role": clause.role.value,
        "of": of,
        "filter": clause.filter,
        "cesql": clause.cesql,
        "key": clause.key,
        **({"match": [list(pair) for pair in clause.match]} if clause.match else {}),
    }


def clause_of(document: Mapping[str, Any]) -> Clause:
    """The reverse."""
    of = document["of"]
    source: EventSource | SignalSource
    if "entity" in of:
        source = SignalSource(of["entity"], of["transition"], of["namespace"])
    else:
        source = EventSource(of["type"], of["source"])
    role = Role(document["role"])
    match = tuple((name, pattern) for name, pattern in document.get("match", ()))
    return Clause(document["name"], role, source, document["filter"], document["cesql"], document["key"], match)


def _seconds(duration: timedelta) -> float:
    return duration.total_seconds()


def _duration(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
