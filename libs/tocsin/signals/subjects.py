"""The subjects of the bus: building them, taking them apart, and patterns over them.

``signals.<namespace>.<entity>.<transition>.<id>`` · ``events.<namespace>.<type>`` · ``commands.<service>.<verb>.<key>`` ·
``dead.<service>.<original subject>``. Whatever a foreign id holds, it is one token: what NATS gives a meaning (dots, wildcards,
white space) or may mangle is percent-encoded, so a user's name can never widen a subscription.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from tocsin.errors import Invalid

NAMESPACE_LIMIT: Final = 63  # as DNS labels and the `document.namespace` of Open Workflow
DEFAULT_NAMESPACE: Final = "default"
ANY: Final = "*"
LONGEST: Final = 1024  # bytes of an event's subject; NATS ends the connection of whoever sends one above some four thousand

_SAFE = re.compile(r"[A-Za-z0-9_~:@=+,!$&'()/-]+")
_UNSAFE = re.compile(r"[^A-Za-z0-9_~:@=+,!$&'()/-]")
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_EMPTY: Final = "%"  # the token of an empty string; no escape looks like it


class InvalidSubject(Invalid):
    """This is not a subject of that kind."""

    code = "invalid_subject"


@dataclass(frozen=True, slots=True)
class SignalSubject:
    """The parts of a signal's subject, unescaped."""

    namespace: str
    entity: str
    transition: str
    id: str


@dataclass(frozen=True, slots=True)
class EventSubject:
    """The parts of a custom event's subject."""

    namespace: str
    type: str


@dataclass(frozen=True, slots=True)
class CommandSubject:
    """The parts of a command's subject, unescaped."""

    service: str
    verb: str
    key: str


def check_namespace(name: str) -> str:
    """``name`` itself, if it is a namespace: 1 to 63 lower-case letters, digits and inner dashes; one token of a subject.

    Raises:
        Invalid: It is not.
    """
    if len(name) > NAMESPACE_LIMIT or not _NAMESPACE.fullmatch(name):
        raise Invalid(
            f"{name[:80]!r} is not a namespace",
            hint=f"use 1 to {NAMESPACE_LIMIT} lower-case letters, digits and dashes, no dash at either end",
        )
    return name


def escape(text: str) -> str:
    """Any string as one token of a subject."""
    if _SAFE.fullmatch(text):
        return text
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text) or _EMPTY


def unescape(token: str) -> str:
    """The string that :func:`escape` made ``token`` of."""
    if "%" not in token:
        return token
    return "" if token == _EMPTY else unquote(token, errors="strict")


def signal(namespace: str, entity: str, transition: str, entity_id: str) -> str:
    """``signals.<namespace>.<entity>.<transition>.<id>``."""
    return f"signals.{check_namespace(namespace)}.{escape(entity)}.{escape(transition)}.{escape(entity_id)}"


def signal_filter(namespace: str = ANY, entity: str = ANY, transition: str = ANY, entity_id: str = ANY) -> str:
    """A subscription to signals; ``*`` stands for any value of that part."""
    parts = [part if part == ANY else escape(part) for part in (namespace, entity, transition, entity_id)]
    return "signals." + ".".join(parts)


def parse_signal(subject: str) -> SignalSubject:
    """The parts of a signal's subject.

    Raises:
        InvalidSubject: It is not the subject of a signal.
    """
    tokens = subject.split(".")
    if len(tokens) != 5 or tokens[0] != "signals":
        raise InvalidSubject(f"{subject!r} is not signals.<namespace>.<entity>.<transition>.<id>")
    return SignalSubject(*(_token(token, subject) for token in tokens[1:]))


def event(namespace: str, event_type: str) -> str:
    """``events.<namespace>.<type>``; the dots of the type stay dots, so that ``events.default.com.example.>`` works.

    Raises:
        Invalid: The namespace is none, or the type is too long to be a part of a subject.
    """
    subject = f"events.{check_namespace(namespace)}.{'.'.join(map(escape, event_type.split('.')))}"
    if len(subject) > LONGEST:
        said = f"the event type {event_type[:40]!r}… makes a subject of {len(subject)} bytes; the limit is {LONGEST}"
        raise InvalidSubject(said, hint="Anything but letters, digits and - _ ~ : / takes three bytes or more.")
    return subject


def event_filter(namespace: str = ANY, type_pattern: str = ">") -> str:
    """A subscription to custom events; in the pattern ``*`` is any one part of the type and a last ``>`` all that follow."""
    parts = type_pattern.split(".")
    tokens = [p if p == ANY or (p == ">" and n == len(parts) - 1) else escape(p) for n, p in enumerate(parts)]
    return f"events.{namespace if namespace == ANY else check_namespace(namespace)}.{'.'.join(tokens)}"


def parse_event(subject: str) -> EventSubject:
    """The parts of a custom event's subject.

    Raises:
        InvalidSubject: It is not the subject of a custom event.
    """
    head, _, rest = subject.partition(".")
    namespace, _, type_ = rest.partition(".")
    if head != "events" or not _NAMESPACE.fullmatch(namespace) or not type_:
        raise InvalidSubject(f"{subject!r} is not events.<namespace>.<type>")
    return EventSubject(namespace, ".".join(_token(token, subject) for token in type_.split(".")))


def command(service: str, verb: str, key: str) -> str:
    """``commands.<service>.<verb>.<key>``; commands with one key are handled in order."""
    return f"commands.{escape(service)}.{escape(verb)}.{escape(key)}"


def parse_command(subject: str) -> CommandSubject:
    """The parts of a command's subject.

    Raises:
        InvalidSubject: It is not the subject of a command.
    """
    tokens = subject.split(".")
    if len(tokens) != 4 or tokens[0] != "commands":
        raise InvalidSubject(f"{subject!r} is not commands.<service>.<verb>.<key>")
    return CommandSubject(*(_token(token, subject) for token in tokens[1:]))


def dead(service: str, subject: str) -> str:
    """``dead.<service>.<original subject>``: where ``service`` puts a message from ``subject`` that it cannot handle."""
    return f"dead.{escape(service)}.{subject}"


def parse_dead(subject: str) -> tuple[str, str]:
    """The service that gave up, and the subject that the message was published on.

    Raises:
        InvalidSubject: It is not the subject of a dead letter.
    """
    tokens = subject.split(".", 2)
    if len(tokens) != 3 or tokens[0] != "dead" or not tokens[2]:
        raise InvalidSubject(f"{subject!r} is not dead.<service>.<subject>")
    return _token(tokens[1], subject), tokens[2]


def matches(pattern: str, subject: str) -> bool:
    """Whether NATS would deliver ``subject`` to a subscription on ``pattern``."""
    wanted, given = pattern.split("."), subject.split(".")
    for index, part in enumerate(wanted):
        if part == ">" and index == len(wanted) - 1:
            return len(given) > index
        if index >= len(given) or (part not in (ANY, given[index])):
            return False
    return len(wanted) == len(given)


def _token(token: str, subject: str) -> str:
    if not token:
        raise InvalidSubject(f"{subject!r} has an empty token")
    try:
        return unescape(token)
    except UnicodeDecodeError as exc:
        raise InvalidSubject(f"{subject!r} is not percent-encoded UTF-8") from exc
