"""The AsyncAPI 3.0 document of the bus, made from the catalogue.

It describes what others may read (signals) and send (custom events) with any NATS client. It is never written by hand.

Source:
    AsyncAPI 3.0.0; CloudEvents 1.0.2 for the envelope.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import orjson
from pydantic.json_schema import models_json_schema

from tocsin.signals.catalogue import CATALOGUE
from tocsin.signals.codec import STRUCTURED
from tocsin.signals.envelope import Json
from tocsin.signals.kinds import Payload, SignalType

CONTRACT_VERSION: Final = "1.0.0"  # of the signals as an interface: a new kind raises the middle number
_SCHEMAS: Final = "#/components/schemas/"

ENVELOPE_EXTENSIONS: Final[Mapping[str, tuple[str, str]]] = {
    "namespace": ("string", "The namespace that the event belongs to."),
    "sequence": ("string", "1-based position among the signals of its source, padded so that texts sort as numbers; no gaps."),
    "partitionkey": ("string", "Signals with one key are in order; the id of the entity."),
    "correlationid": ("string", "The flow that the event is part of: the id of its first event."),
    "causationid": ("string", "Id of the event, command or request that caused it."),
    "depth": ("integer", "Hops from the outside; absent at 0."),
    "traceparent": ("string", "W3C trace context."),
    "dataref": ("string", "Where data above the limit is kept."),
    "authtype": ("string", "Kind of principal that made it happen: user, service_account, api_key."),
    "authid": ("string", "The principal: `user:<name>`, `service:<name>` or `key:<id>`."),
    "severitynumber": ("integer", "OpenTelemetry severity; absent for INFO."),
    "severitytext": ("string", "DEBUG, WARN, ERROR or FATAL; absent for INFO."),
    "activation": ("string", "Task signals: the activation, which tells the iterations of one task apart."),
    "attempt": ("integer", "Task signals: 1-based number of the attempt."),
    "reason": ("string", "Lifecycle signals: why, in words, such as why a task is tried again or who skipped it."),
}


def document(url: str = "localhost:7722") -> dict[str, Json]:
    """The document, as JSON values; ``url`` is the host and port of the bus."""
    kinds = sorted(CATALOGUE.values(), key=lambda kind: (kind.entity, kind.transition))
    channels: dict[str, Json] = {}
    operations: dict[str, Json] = {}
    messages: dict[str, Json] = {}
    for kind in kinds:
        name = f"{kind.entity}.{kind.transition}"
        channels[name] = _signal_channel(kind, name)
        operations[name] = _operation("send", name, kind.summary)
        messages[name] = _message(kind)
    channels["event"] = _event_channel()
    operations["event"] = _operation("receive", "event", "A custom event, from anyone who may; triggers and runs listen.")
    messages["event"] = {
        "name": "event",
        "title": "A custom event",
        "contentType": STRUCTURED,
        "payload": {"$ref": f"{_SCHEMAS}CloudEvent"},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tocsin: the bus",
            "version": CONTRACT_VERSION,
            "description": "Every change of state is one CloudEvent on NATS JetStream. Generated from the catalogue.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": STRUCTURED,
        "servers": {"bus": {"host": url, "protocol": "nats", "security": [{"$ref": "#/components/securitySchemes/user"}]}},
        "channels": channels,
        "operations": operations,
        "components": {
            "securitySchemes": {"user": {"type": "userPassword", "description": "From `tocsin auth nats-credentials`."}},
            "messages": messages,
            "schemas": {"CloudEvent": _envelope(), **_payload_schemas(kinds)},
        },
    }


def render() -> str:
    """The document as text, stable from one run to the next."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2).decode() + "\n"


def _signal_channel(kind: SignalType[Payload], name: str) -> Json:
    return {
        "address": f"signals.{{namespace}}.{kind.entity}.{kind.transition}.{{id}}",
        "summary": kind.summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "parameters": {
            "namespace": {"description": "The namespace; `system` for what belongs to none."},
            "id": {"description": f"The entity in /namespaces/{{namespace}}/{kind.collection}; escaped to one token."},
        },
    }


def _event_channel() -> Json:
    return {
        "address": "events.{namespace}.{type}",
        "summary": "Custom events.",
        "messages": {"event": {"$ref": "#/components/messages/event"}},
        "parameters": {
            "namespace": {"description": "The namespace that the sender may publish in."},
            "type": {"description": "The CloudEvents type; its dots stay dots."},
        },
    }


def _operation(action: str, channel: str, summary: str) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{channel}"}],
    }


def _message(kind: SignalType[Payload]) -> Json:
    return {
        "name": kind.type,
        "title": f"{kind.entity} {kind.transition}",
        "summary": kind.summary,
        "contentType": STRUCTURED,
        "tags": [{"name": kind.owner}],
        "payload": {
            "allOf": [
                {"$ref": f"{_SCHEMAS}CloudEvent"},
                {
                    "type": "object",
                    "required": ["data", "subject", "time", "namespace", "sequence", "partitionkey"],
                    "properties": {
                        "type": {"const": kind.type},
                        "data": {"$ref": f"{_SCHEMAS}{kind.payload.__name__}"},
                    },
                },
            ]
        },
    }


def _envelope() -> Json:
    properties: dict[str, Json] = {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "description": "Unique in the source; the same again is a duplicate."},
        "source": {"type": "string", "format": "uri-reference", "minLength": 1},
        "type": {"type": "string", "minLength": 1},
        "time": {"type": "string", "format": "date-time"},
        "subject": {"type": "string", "minLength": 1},
        "datacontenttype": {"type": "string"},
        "dataschema": {"type": "string", "format": "uri"},
        "data": {},
        "data_base64": {"type": "string", "contentEncoding": "base64"},
    }
    for name, (kind, description) in ENVELOPE_EXTENSIONS.items():
        properties[name] = {"type": kind, "description": description}
    return {
        "type": "object",
        "description": "A CloudEvent 1.0 in structured JSON, with the extensions that Tocsin uses.",
        "required": ["specversion", "id", "source", "type"],
        "properties": properties,
        "additionalProperties": {"type": ["string", "integer", "boolean"]},
    }


def _payload_schemas(kinds: Iterable[SignalType[Payload]]) -> dict[str, Json]:
    models = {kind.payload.__name__: kind.payload for kind in kinds}
    _, schema = models_json_schema(
        [(model, "serialization") for _, model in sorted(models.items())], ref_template=_SCHEMAS + "{model}"
    )
    definitions = schema["$defs"]
    return {name: definitions[name] for name in sorted(definitions)}
