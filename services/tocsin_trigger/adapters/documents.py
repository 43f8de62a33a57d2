"""Triggers and events as MongoDB documents, and back; also what older versions wrote."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, assert_never

import orjson

from tocsin.errors import Defect
from tocsin_kit.store import Document
from tocsin_trigger.domain.events import Channel, Decision, Outcome, Received
from tocsin_trigger.domain.triggers import (
    Algorithm,
    Encoding,
    EventSource,
    Handshake,
    HmacScheme,
    Kind,
    Pause,
    Scheme,
    SigningKey,
    Source,
    StandardScheme,
    StripeScheme,
    Target,
    Trigger,
    WebhookSource,
)


def trigger_document(trigger: Trigger) -> Document:
    """A trigger as it is stored. Input template and schema are JSON text: their keys may hold dots and dollars."""
    pause = trigger.pause
    return {
        "id": trigger.id,
        "namespace": trigger.namespace,
        "name": trigger.name,
        "kind": trigger.kind.value,
        "source": _source_document(trigger.source),
        "workflow": trigger.target.workflow,
        "version": trigger.target.version,
        "filter": trigger.filter,
        "cesql": trigger.cesql,
        "schema": None if trigger.schema is None else orjson.dumps(trigger.schema).decode(),
        "input": None if trigger.input is None else orjson.dumps(trigger.input).decode(),
        "enabled": trigger.enabled,
        "pause": None if pause is None else {"actor": pause.actor, "at": pause.at, "reason": pause.reason},
        "labels": [{"k": k, "v": v} for k, v in sorted(trigger.labels.items())],
        "created": trigger.created,
        "updated": trigger.updated,
    }


def trigger_of(document: Mapping[str, Any]) -> Trigger:
    """The reverse."""
    pause = document["pause"]
    return Trigger(
        id=document["id"],
        namespace=document["namespace"],
        name=document["name"],
        source=_source_of(document["kind"], document["source"]),
        target=Target(document["workflow"], document["version"]),
        filter=document["filter"],
        cesql=document.get("cesql"),
        schema=orjson.loads(document["schema"]) if document.get("schema") else None,
        input=None if document["input"] is None else orjson.loads(document["input"]),
        enabled=document["enabled"],
        pause=None if pause is None else Pause(pause["actor"], pause["at"], pause["reason"]),
        labels={label["k"]: label["v"] for label in document["labels"]},
        created=document["created"],
        updated=document["updated"],
    )


def _source_document(source: Source) -> Document:
    match source:
        case EventSource():
            return {"type": source.type, "source": source.source}
        case WebhookSource():
            keys = [{"id": k.id, "created": k.created, "sealed": k.sealed, "expires": k.expires} for k in source.keys]
            return {
                "scheme": _scheme_document(source.scheme),
                "keys": keys,
                "event_type": source.event_type,
                "max_body": source.max_body,
                "id_path": source.id_path,
                "handshake": None if source.handshake is None else source.handshake.value,
                "networks": list(source.networks),
            }
        case _:
            assert_never(source)


def _source_of(kind: str, document: Mapping[str, Any]) -> Source:
    match Kind(kind):
        case Kind.EVENT:
            return EventSource(document["type"], document["source"])
        case Kind.WEBHOOK:
            keys = tuple(SigningKey(k["id"], k["created"], bytes(k["sealed"]), k["expires"]) for k in document["keys"])
            handshake = document.get("handshake")
            return WebhookSource(
                _scheme_of(document["scheme"]),
                keys,
                document["event_type"],
                document["max_body"],
                document.get("id_path"),
                None if handshake is None else Handshake(handshake),
                tuple(document.get("networks", ())),
            )


def _scheme_document(scheme: Scheme) -> Document:
    match scheme:
        case StandardScheme():
            return {"kind": "standard", "tolerance": scheme.tolerance.total_seconds()}
        case StripeScheme():
            return {"kind": "stripe", "tolerance": scheme.tolerance.total_seconds(), "header": scheme.header}
        case HmacScheme():
            return {
                "kind": "hmac",
                "tolerance": scheme.tolerance.total_seconds(),
                "header": scheme.header,
                "prefix": scheme.prefix,
                "encoding": scheme.encoding.value,
                "algorithm": scheme.algorithm.value,
                "signed": scheme.signed,
                "timestamp_header": scheme.timestamp_header,
                "id_header": scheme.id_header,
            }
        case _:
            assert_never(scheme)


def _scheme_of(document: Mapping[str, Any]) -> Scheme:
    tolerance = timedelta(seconds=document["tolerance"])
    if document["kind"] == "standard":
        return StandardScheme(tolerance)
    if document["kind"] == "stripe":
        return StripeScheme(document["header"], tolerance)
    if document["kind"] != "hmac":
        raise Defect(f"A stored webhook has the unknown scheme {document['kind']!r}; a newer version wrote it.")
    return HmacScheme(
        header=document["header"],
        prefix=document["prefix"],
        encoding=Encoding(document["encoding"]),
        algorithm=Algorithm(document["algorithm"]),
        signed=document["signed"],
        timestamp_header=document["timestamp_header"],
        id_header=document["id_header"],
        tolerance=tolerance,
    )


def received_document(received: Received) -> Document:
    """An event as it is stored; what is empty is left out, because there are many."""
    document: Document = {
        "namespace": received.namespace,
        "channel": received.channel.value,
        "received": received.received,
        "id": received.id,
        "source": received.source,
        "type": received.type,
        "size": received.size,
    }
    optional = {
        "trigger": received.trigger,
        "refused": received.refused,
        "reason": received.reason,
        "suppressed": received.suppressed,
        "repeats": received.repeats,
        "replay_of": received.replay_of,
        "event": received.event,
    }
    document.update({name: value for name, value in optional.items() if value})
    if received.decisions:
        document["decisions"] = [_decision_document(decision) for decision in received.decisions]
    return document


def received_of(key: str, document: Mapping[str, Any]) -> Received:
    """The reverse."""
    received: datetime = document["received"]
    event = document.get("event")
    return Received(
        key=key,
        namespace=document["namespace"],
        channel=Channel(document["channel"]),
        received=received,
        id=document["id"],
        source=document["source"],
        type=document["type"],
        size=document["size"],
        trigger=document.get("trigger"),
        refused=document.get("refused"),
        reason=document.get("reason"),
        suppressed=document.get("suppressed", 0),
        repeats=document.get("repeats", 0),
        replay_of=document.get("replay_of"),
        decisions=tuple(_decision_of(d) for d in document.get("decisions", ())),
        event=None if event is None else bytes(event),
    )


def _decision_document(decision: Decision) -> Document:
    document: Document = {
        "trigger": decision.trigger,
        "name": decision.name,
        "kind": decision.kind,
        "workflow": decision.workflow,
        "outcome": decision.outcome.value,
    }
    if decision.reason is not None:
        document["reason"] = decision.reason
    if decision.run is not None:
        document["run"] = decision.run
    return document


def _decision_of(document: Mapping[str, Any]) -> Decision:
    return Decision(
        trigger=document["trigger"],
        name=document["name"],
        kind=document["kind"],
        workflow=document["workflow"],
        outcome=Outcome(document["outcome"]),
        reason=document.get("reason"),
        run=document.get("run"),
    )
