"""Making signals: from a kind, an entity and what happened to an envelope, its id and its subject.

The only way to make one, so that no signal exists that the catalogue does not know, and none lacks its place in the order of
its entity or its cause. Pure: time, sequence and cause are arguments.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeVar

from tocsin.errors import Defect
from tocsin.signals import subjects
from tocsin.signals.catalogue import CATALOGUE, UnknownSignal, kind_of
from tocsin.signals.envelope import Attribute, CloudEvent
from tocsin.signals.ids import Cause, Numbered, derive
from tocsin.signals.kinds import Payload, Severity, SignalType

P = TypeVar("P", bound=Payload)

_SEQUENCE_WIDTH: Final = 12  # sorts as text up to 10^12, more signals than one entity can have
_JSON: Final = "application/json"
_AUTH_TYPES: Final = {"user": "user", "service": "service_account", "key": "api_key"}


class InvalidSignal(Defect):
    """A service tried to publish a signal that does not fit the catalogue."""

    code = "invalid_signal"


def make_signal(
    kind: SignalType[P],
    *,
    namespace: str,
    entity_id: str,
    sequence: int,
    time: datetime,
    payload: P,
    cause: Cause,
    actor: str | None = None,
    severity: Severity | None = None,
    extensions: Mapping[str, Attribute] | None = None,
) -> CloudEvent:
    """One signal, ready for the bus.

    Args:
        kind: From the catalogue.
        namespace: Of the entity; ``SYSTEM_NAMESPACE`` for what belongs to none.
        entity_id: Id or name of the entity (of a task: its run).
        sequence: 1-based position among the signals of the entity (runs and their tasks count together), without gaps. It
            never begins anew, not even for a name that is used again.
        time: When it happened.
        payload: An instance of the kind's model.
        cause: Why it happened.
        actor: Who made it happen: ``user:<name>``, ``service:<name>`` or ``key:<id>``; ``None`` for the platform itself.
        severity: Other than the kind's.
        extensions: Further attributes, such as ``activation`` of a task.

    Raises:
        InvalidSignal, UnknownSignal: It is not one of the catalogue.
    """
    _check(kind, payload, sequence)
    attributes: dict[str, Attribute] = {
        **_place(namespace, entity_id, sequence),
        **cause.attributes(),
        **_author(actor),
        **_level(severity or kind.severity),
        **(extensions or {}),
    }
    source = source_of(namespace, kind.collection, entity_id)
    return CloudEvent(
        id=signal_id(source, sequence),
        source=source,
        type=kind.type,
        subject=entity_id,
        time=time,
        datacontenttype=_JSON,
        data=payload.model_dump(mode="json", exclude_none=True),
        extensions=attributes,
    )


def _check(kind: SignalType[P], payload: P, sequence: int) -> None:
    if CATALOGUE.get(kind.type) is not kind:
        raise UnknownSignal(f"{kind.type} is not in the catalogue of signals")
    if type(payload) is not kind.payload:
        raise InvalidSignal(f"{kind.type} carries {kind.payload.__name__}, not {type(payload).__name__}")
    if sequence < 1:
        raise InvalidSignal(f"the sequence of {kind.type} must begin at 1, not {sequence}")


def _place(namespace: str, entity_id: str, sequence: int) -> dict[str, Attribute]:
    return {"namespace": namespace, "sequence": format_sequence(sequence), "partitionkey": entity_id}


def _author(actor: str | None) -> dict[str, Attribute]:
    if actor is None:
        return {}
    return {"authtype": _AUTH_TYPES.get(actor.partition(":")[0], "unknown"), "authid": actor}


def _level(severity: Severity) -> dict[str, Attribute]:
    if severity is Severity.INFO:
        return {}
    return {"severitynumber": severity.value, "severitytext": severity.name}


def source_of(namespace: str, collection: str, entity_id: str) -> str:
    """The CloudEvents source of an entity's signals: ``/namespaces/<namespace>/<collection>/<id>``."""
    return f"/namespaces/{namespace}/{collection}/{subjects.escape(entity_id)}"


def signal_id(source: str, sequence: int) -> str:
    """The id of the ``sequence``-th signal of ``source``; the same for every attempt to publish it."""
    return derive("signal", source, sequence)


def signal_ids(source: str) -> Numbered:
    """:func:`signal_id` for one signal after another of the same source."""
    return Numbered("signal", source)


def format_sequence(sequence: int) -> str:
    """A sequence so that the order of the texts is the order of the numbers."""
    return f"{sequence:0{_SEQUENCE_WIDTH}d}"


def subject_of(event: CloudEvent) -> str:
    """Where a signal is published: ``signals.<namespace>.<entity>.<transition>.<id>``.

    Raises:
        UnknownSignal: It is not a signal.
        InvalidSignal: It has no namespace or subject, so it was not made here.
    """
    kind = kind_of(event.type)
    if event.namespace is None or event.subject is None:
        raise InvalidSignal(f"{event.type} {event.id} lacks its namespace or subject")
    return subjects.signal(event.namespace, kind.entity, kind.transition, event.subject)


def read_payload(kind: SignalType[P], event: CloudEvent) -> P:
    """The data of a signal as its model.

    Raises:
        pydantic.ValidationError: The data does not fit the model; a newer publisher than this code, or an older one.
    """
    return kind.payload.model_validate(event.payload)
