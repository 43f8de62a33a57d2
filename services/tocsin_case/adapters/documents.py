"""Domain values as documents, and back. What older versions wrote must stay readable here.

Writing takes values apart without knowing them; reading checks them against their types.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

from pydantic import TypeAdapter

from tocsin_case.domain.cases import Case
from tocsin_case.domain.labels import labelled
from tocsin_case.domain.rules import Rule
from tocsin_case.domain.types import STANDARD_STATUSES
from tocsin_case.domain.words import facts_of, words_of
from tocsin_kit.store import Document

T = TypeVar("T")
_STAGES = {status.name: status.stage.value for status in STANDARD_STATUSES}


def plain(value: Any) -> Any:
    """A value as BSON has it: durations in seconds, days as text, enums by value."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def reader(kind: type[T]) -> Callable[[Mapping[str, Any]], T]:
    """Reads documents of a kind; members that the kind does not know are passed over."""
    adapter = TypeAdapter(kind)
    known = frozenset(field.name for field in fields(kind))  # type: ignore[arg-type]  # every kind is a dataclass

    def read(document: Mapping[str, Any]) -> T:
        value: T = adapter.validate_python({name: value for name, value in document.items() if name in known})
        return value

    return read


def case_document(case: Case) -> Document:
    """A case as a document, with what it is found and counted by: the members from ``next_due`` on."""
    document: Document = plain(case)
    document["next_due"] = case.next_due
    document["active"] = case.stage.is_active
    document["promised"] = len(case.clocks)
    document["breached"] = sum(1 for clock in case.clocks.values() if clock.breaches)
    document["overdue"] = any(clock.breached is not None and clock.met is None for clock in case.clocks.values())
    texts = [value for value in case.fields.values() if isinstance(value, str)]
    document["words"] = words_of(case.title, *case.tags, *texts, case.resolution or "", case.description)
    document["facts"] = facts_of(case.fields)
    document["labels"] = labelled(case.tags)
    return document


def read_case(document: Mapping[str, Any]) -> Case:
    """The reverse of :func:`case_document`."""
    return _read_case(document if "stage" in document else _from_first_version(document))


def rule_document(rule: Rule) -> Document:
    """A rule as a document."""
    document: Document = plain(rule)
    return document


def read_rule(document: Mapping[str, Any]) -> Rule:
    """The reverse of :func:`rule_document`."""
    if "workflow" in document:  # before rules were about any signal
        promise = {name.removesuffix("_s"): value for name, value in document["promise"].items()}
        return _read_rule({**document, "subject": document["workflow"], "signal": "run.faulted", "promise": promise})
    return _read_rule(document)


def _from_first_version(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Cases had six statuses, two clocks around the clock and one key."""
    targets = {name.removesuffix("_s"): value for name, value in document["promise"].items()}
    clocks = {}
    for name, member in (("response", "response"), ("resolution", "resolving")):
        clock = document[member]
        if clock is not None:
            breaches = 0 if clock["breached"] is None else 1
            clocks[name] = {
                "target": targets.get(name) or 0,
                "due": clock["due"],
                "left": clock["left_s"],
                "met": clock["met"],
                "breached": clock["breached"],
                "breaches": breaches,
            }
    response = clocks.get("response", {})
    ended = document["status"] in {"resolved", "closed"}
    return {
        **document,
        "stage": _STAGES[document["status"]],
        "dedupes": [document["dedupe"]] if document["dedupe"] and not ended else [],
        "sla": {"targets": targets, "own": True},
        "clocks": clocks,
        "answered_at": response.get("met"),
        "resolved_at": document["updated_at"] if ended else None,
    }


_read_case = reader(Case)
_read_rule = reader(Rule)
