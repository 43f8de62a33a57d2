"""Says many things about one event cheaply: straight to the bytes that :func:`tocsin.signals.make.make_signal` would lead to.

What is common to all of them is written once, and nothing is validated again that was validated at the door: an event is said
in some 15 µs a message, where the careful way takes 60. A test holds both equal, byte for byte. Only for entities whose ids are
derived, and for kinds of this service's own shelf.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import orjson

from tocsin.errors import TooLarge
from tocsin.signals import Cause, derive, subjects
from tocsin.signals.envelope import InvalidEvent
from tocsin.signals.kinds import Payload, Severity, SignalType
from tocsin.signals.make import format_sequence
from tocsin_kit.store import Outgoing

ACTOR: Final = "service:trigger"
LIMIT: Final = 256 * 1024  # bytes of one message, as in the outbox
_AUTHOR: Final = {"authtype": "service_account", "authid": ACTOR}
_FIRST: Final = format_sequence(1)


class Voice:
    """Writes what is said about one event.

    Args:
        namespace: Of the event.
        time: When it came in.
        cause: Why what it leads to happens.

    Raises:
        Invalid: The namespace is none.
    """

    __slots__ = ("_carried", "_cause", "_namespace", "_time")

    def __init__(self, namespace: str, time: datetime, cause: Cause) -> None:
        self._namespace = subjects.check_namespace(namespace)
        self._time = time
        self._cause = cause.attributes()
        self._carried = {**self._cause, **_AUTHOR}

    def signal(
        self, kind: SignalType[Payload], entity: str, data: Mapping[str, object], *, sequence: int = 1, counted: bool = True
    ) -> Outgoing:
        """A signal about an entity of a derived id.

        Args:
            kind: Of this service's shelf.
            entity: Derived id.
            data: What the kind's model would dump, without what is absent.
            sequence: As in ``make_signal``.
            counted: As in ``Outgoing.of``.

        Raises:
            TooLarge: Above 256 KiB.
        """
        source = f"/namespaces/{self._namespace}/{kind.collection}/{entity}"
        signal_id = derive("signal", source, sequence)
        members: dict[str, object] = {
            "specversion": "1.0",
            "id": signal_id,
            "source": source,
            "type": kind.type,
            "time": self._time,
            "subject": entity,
            "datacontenttype": "application/json",
            "namespace": self._namespace,
            "sequence": _FIRST if sequence == 1 else format_sequence(sequence),
            "partitionkey": entity,
            **self._carried,
        }
        if kind.severity is not Severity.INFO:
            members["severitynumber"], members["severitytext"] = kind.severity.value, kind.severity.name
        members["data"] = data
        subject = f"signals.{self._namespace}.{kind.entity}.{kind.transition}.{entity}"
        return Outgoing(subject, _dumped(members), signal_id, sequence if counted else None)

    def command(self, subject: str, kind: str, key: str, source: str, data: Mapping[str, object]) -> Outgoing:
        """A command.

        Args:
            subject: Where to.
            kind: Its CloudEvents type.
            key: What it is about; its id is derived from this.
            source: CloudEvents source.
            data: Its data.

        Raises:
            TooLarge: Above 256 KiB.
            InvalidEvent: The data holds something that JSON has no form for.
        """
        command_id = derive("command", key)
        members: dict[str, object] = {
            "specversion": "1.0",
            "id": command_id,
            "source": source,
            "type": kind,
            "time": self._time,
            "subject": key,
            "datacontenttype": "application/json",
            "namespace": self._namespace,
            **self._cause,
            "data": data,
        }
        return Outgoing(subject, _dumped(members), command_id)


def _dumped(members: Mapping[str, object]) -> bytes:
    try:
        payload = orjson.dumps(members, None, orjson.OPT_UTC_Z)
    except TypeError as error:
        raise InvalidEvent(f"the event cannot be written as JSON: {error}") from error
    if len(payload) > LIMIT:
        raise TooLarge(f"A signal of {len(payload)} bytes is above the limit of {LIMIT}.", size=len(payload), limit=LIMIT)
    return payload
