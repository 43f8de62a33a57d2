"""Triggers as MongoDB documents, and back; also what older versions wrote."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, assert_never

import orjson

from tocsin.errors import Defect
from tocsin_kit.store import Document
from tocsin_trigger.adapters.gather_documents import clause_document, clause_of, gather_document, gather_of
from tocsin_trigger.adapters.watch_documents import watched_document, watched_of
from tocsin_trigger.domain.sources import (
    BucketSource,
    CorrelationSource,
    EventSource,
    FileSource,
    FunctionSource,
    ManualSource,
    OnceSource,
    PollSource,
    SignalSource,
    SubjectSource,
)
from tocsin_trigger.domain.triggers import (
    PAUSE_AFTER,
    Algorithm,
    BearerScheme,
    Encoding,
    Handshake,
    HmacScheme,
    JwtScheme,
    Kind,
    Pause,
    PrivatePath,
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
        "gather": None if trigger.gather is None else gather_document(trigger.gather),
        "pause_after": trigger.pause_after,
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
        gather=gather_of(document["gather"]) if document.get("gather") else None,
        pause_after=document.get("pause_after", PAUSE_AFTER),
        created=document["created"],
        updated=document["updated"],
    )


def _source_document(source: Source) -> Document:
    match source:
        case EventSource():
            return {"type": source.type, "source": source.source}
        case SignalSource():
            return {"entity": source.entity, "transition": source.transition, "namespace": source.namespace}
        case CorrelationSource():
            return {"clauses": [clause_document(clause) for clause in source.clauses]}
        case ManualSource():
            return {}
        case SubjectSource():
            return {"subject": source.subject, "stream": source.stream}
        case OnceSource() | FileSource() | PollSource() | FunctionSource() | BucketSource():
            return watched_document(source)
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
                "methods": list(source.methods),
                "id_header": source.id_header,
                "id_digest": source.id_digest,
                "answer_within": None if source.answer_within is None else source.answer_within.total_seconds(),
                "paths": [{"digest": path.digest, "expires": path.expires} for path in source.paths],
            }
        case _:
            assert_never(source)


def _source_of(kind: str, document: Mapping[str, Any]) -> Source:
    of = Kind(kind)
    match of:
        case Kind.EVENT:
            return EventSource(document["type"], document["source"])
        case Kind.SIGNAL:
            return SignalSource(document["entity"], document["transition"], document["namespace"])
        case Kind.CORRELATION:
            return CorrelationSource(tuple(clause_of(clause) for clause in document["clauses"]))
        case Kind.MANUAL:
            return ManualSource()
        case Kind.SUBJECT:
            return SubjectSource(document["subject"], document["stream"])
        case Kind.ONCE | Kind.FILE | Kind.POLL | Kind.BUCKET:
            return watched_of(of, document)
        case Kind.WEBHOOK:
            keys = tuple(SigningKey(k["id"], k["created"], bytes(k["sealed"]), k["expires"]) for k in document["keys"])
            handshake = document.get("handshake")
            within = document.get("answer_within")
            return WebhookSource(
                _scheme_of(document["scheme"]),
                keys,
                document["event_type"],
                document["max_body"],
                document.get("id_path"),
                None if handshake is None else Handshake(handshake),
                tuple(document.get("networks", ())),
                tuple(document.get("methods", ("POST",))),
                document.get("id_header"),
                document.get("id_digest", False),
                None if within is None else timedelta(seconds=within),
                tuple(PrivatePath(path["digest"], path["expires"]) for path in document.get("paths", ())),
            )


def _scheme_document(scheme: Scheme) -> Document:
    match scheme:
        case BearerScheme():
            return {"kind": "bearer", "tolerance": 0.0}
        case JwtScheme():
            return {
                "kind": "jwt",
                "tolerance": scheme.tolerance.total_seconds(),
                "issuer": scheme.issuer,
                "audience": scheme.audience,
                "algorithms": list(scheme.algorithms),
                "keys_url": scheme.keys_url,
                "keys": scheme.keys,
                "claims": [list(pair) for pair in scheme.claims],
            }
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
    if document["kind"] == "bearer":
        return BearerScheme()
    if document["kind"] == "jwt":
        claims = tuple((name, value) for name, value in document["claims"])
        of = (document["issuer"], document["audience"], tuple(document["algorithms"]))
        return JwtScheme(*of, document["keys_url"], document["keys"], claims, tolerance)
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
