"""Cases, rules and comments as documents, and back. What older versions wrote must stay readable here."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tocsin_case.domain.cases import Case, Link, Priority, Promise, Status
from tocsin_case.domain.clocks import SlaClock
from tocsin_case.domain.rules import Rule
from tocsin_case.ports import Comment
from tocsin_kit.store import Document


def case_document(case: Case) -> Document:
    """A case as a document; ``next_due`` and ``active`` are there to be looked for."""
    return {
        "namespace": case.namespace,
        "kind": case.kind,
        "title": case.title,
        "description": case.description,
        "status": case.status.value,
        "priority": case.priority.value,
        "severity": case.severity,
        "owner": case.owner,
        "tags": list(case.tags),
        "links": [{"kind": link.kind, "target": link.target} for link in case.links],
        "opened_at": case.opened_at,
        "opened_by": case.opened_by,
        "updated_at": case.updated_at,
        "resolution": case.resolution,
        "rule": case.rule,
        "dedupe": case.dedupe,
        "active": case.status.is_active,
        "occurrences": case.occurrences,
        "last_position": case.last_position,
        "auto_resolve": case.auto_resolve,
        "promise": _promise_document(case.promise),
        "response": _clock_document(case.response),
        "resolving": _clock_document(case.resolving),
        "next_due": case.next_due,
        "comments": case.comments,
        "id": case.id,
    }


def read_case(document: Mapping[str, Any]) -> Case:
    """The reverse of :func:`case_document`."""
    return Case(
        id=document["id"],
        namespace=document["namespace"],
        kind=document["kind"],
        title=document["title"],
        description=document["description"],
        status=Status(document["status"]),
        priority=Priority(document["priority"]),
        severity=document["severity"],
        owner=document["owner"],
        tags=tuple(document["tags"]),
        links=tuple(Link(link["kind"], link["target"]) for link in document["links"]),
        opened_at=document["opened_at"],
        opened_by=document["opened_by"],
        updated_at=document["updated_at"],
        resolution=document["resolution"],
        rule=document["rule"],
        dedupe=document["dedupe"],
        occurrences=document["occurrences"],
        last_position=document["last_position"],
        auto_resolve=document["auto_resolve"],
        promise=_read_promise(document["promise"]),
        response=_read_clock(document["response"]),
        resolving=_read_clock(document["resolving"]),
        comments=document["comments"],
    )


def rule_document(rule: Rule) -> Document:
    """A rule as a document."""
    return {
        "namespace": rule.namespace,
        "name": rule.name,
        "workflow": rule.workflow,
        "kind": rule.kind,
        "priority": rule.priority.value,
        "severity": rule.severity,
        "owner": rule.owner,
        "tags": list(rule.tags),
        "auto_resolve": rule.auto_resolve,
        "promise": _promise_document(rule.promise),
        "enabled": rule.enabled,
    }


def read_rule(document: Mapping[str, Any]) -> Rule:
    """The reverse of :func:`rule_document`."""
    return Rule(
        namespace=document["namespace"],
        name=document["name"],
        workflow=document["workflow"],
        kind=document["kind"],
        priority=Priority(document["priority"]),
        severity=document["severity"],
        owner=document["owner"],
        tags=tuple(document["tags"]),
        auto_resolve=document["auto_resolve"],
        promise=_read_promise(document["promise"]),
        enabled=document["enabled"],
    )


def comment_document(comment: Comment) -> Document:
    """A comment as a document."""
    return {"_id": comment.id, "case": comment.case, "author": comment.author, "text": comment.text, "at": comment.at}


def read_comment(document: Mapping[str, Any]) -> Comment:
    """The reverse of :func:`comment_document`."""
    return Comment(
        id=document["_id"], case=document["case"], author=document["author"], text=document["text"], at=document["at"]
    )


def _promise_document(promise: Promise) -> Document:
    return {"response_s": _seconds(promise.response), "resolution_s": _seconds(promise.resolution)}


def _read_promise(document: Mapping[str, Any]) -> Promise:
    return Promise(_duration(document["response_s"]), _duration(document["resolution_s"]))


def _clock_document(clock: SlaClock | None) -> Document | None:
    if clock is None:
        return None
    return {"due": clock.due, "left_s": _seconds(clock.left), "met": clock.met, "breached": clock.breached}


def _read_clock(document: Mapping[str, Any] | None) -> SlaClock | None:
    if document is None:
        return None
    return SlaClock(due=document["due"], left=_duration(document["left_s"]), met=document["met"], breached=document["breached"])


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
