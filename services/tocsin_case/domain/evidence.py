"""Evidence: files with their hash, who held them, and things seen (observables) with where they were seen.

The chain of custody is append-only and hashed: each entry holds the hash of the one before, so that an entry that is changed or
taken out shows.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from tocsin.errors import Invalid
from tocsin.signals import derive

LARGEST: Final = 8 * 1024 * 1024  # bytes of one file; a document of the database holds 16 MiB
OBSERVABLE_TYPES: Final = ("ip", "domain", "url", "email", "hash", "file", "user", "host", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file of a case.

    Attributes:
        id: Its id.
        case: Of which case.
        name: As it was called.
        media_type: As it was sent.
        size: Bytes.
        sha256: Hash of its content, hexadecimal.
        added_at: When.
        added_by: Who.
        evidence: Whether it counts as evidence: then it is never deleted.
        note: Where it comes from.
        deleted_at: When its content was deleted; name, hash and chain stay.
    """

    id: str
    case: str
    name: str
    media_type: str
    size: int
    sha256: str
    added_at: datetime
    added_by: str
    evidence: bool = False
    note: str = ""
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    """One entry of a chain.

    Attributes:
        attachment: Of which file.
        number: Its place, from 1.
        at: When.
        actor: Who.
        action: ``added``, ``read``, ``handed-over``, ``moved`` (to another case), ``deleted``.
        sha256: Hash of the content then.
        note: Why.
        previous: Hash of the entry before; empty for the first.
        hash: Of all of the above.
    """

    attachment: str
    number: int
    at: datetime
    actor: str
    action: str
    sha256: str
    note: str = ""
    previous: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """That a content is used by one more file, or by one fewer; the same content is kept once however many files have it."""

    sha256: str
    more: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """That a thing seen in one case was seen in another: a part of a case became its own."""

    sighting: "Sighting"
    into: str


def deleted(attachment: Attachment, now: datetime) -> Attachment:
    """The file without its content.

    Raises:
        Invalid: It is evidence, or its content is gone already.
    """
    if attachment.evidence:
        raise Invalid(f"file {attachment.id} is evidence, which is never deleted", hint="close or restrict the case instead")
    if attachment.deleted_at is not None:
        raise Invalid(f"the content of file {attachment.id} was deleted already")
    return replace(attachment, deleted_at=now)


def handled(
    last: Custody | None, attachment: Attachment, *, actor: str, action: str, sha256: str, at: datetime, note: str = ""
) -> Custody:
    """The next entry of a chain."""
    entry = Custody(
        attachment=attachment.id,
        number=1 if last is None else last.number + 1,
        at=at,
        actor=actor,
        action=action,
        sha256=sha256,
        note=note,
        previous="" if last is None else last.hash,
    )
    return replace(entry, hash=_hash(entry))


def unbroken(chain: Sequence[Custody]) -> bool:
    """Whether no entry was changed, taken out or put in."""
    previous = ""
    for number, entry in enumerate(chain, start=1):
        if (entry.number, entry.previous, entry.hash) != (number, previous, _hash(entry)):
            return False
        previous = entry.hash
    return True


def sha256_of(content: bytes) -> str:
    """The hash of a file."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observable:
    """A thing that was seen, once for a namespace however many cases it is in.

    Attributes:
        id: A function of namespace, type and value.
        namespace: Where.
        type: ``ip``, ``domain``, ``url``, ``email``, ``hash`` ...
        value: In one way of writing it.
        first_seen: When.
        last_seen: When.
        cases: How many cases it is in.
        tags: Free words.
    """

    id: str
    namespace: str
    type: str
    value: str
    first_seen: datetime
    last_seen: datetime
    cases: int = 0
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """That an observable was seen in a case."""

    observable: str
    case: str
    namespace: str
    type: str
    value: str
    at: datetime
    by: str
    note: str = ""
    times: int = 1


def normal(type_: str, value: str) -> str:
    """One way of writing a thing, so that two people who saw it wrote the same."""
    text = value.strip()
    match type_:
        case "ip":
            try:
                return str(ipaddress.ip_address(text))
            except ValueError:
                return text
        case "domain" | "host" | "email":
            return text.lower().rstrip(".").replace("[.]", ".")
        case "hash":
            return text.lower()
        case "url":
            scheme, colon, rest = text.replace("hxxp", "http", 1).replace("[.]", ".").partition("://")
            if not colon:
                return text
            host, slash, path = rest.partition("/")
            return f"{scheme.lower()}://{host.lower()}{slash}{path}"
        case _:
            return text


def observable_id(namespace: str, type_: str, value: str) -> str:
    """The id of a thing."""
    return derive("observable", namespace, type_, normal(type_, value))


def _hash(entry: Custody) -> str:
    at = entry.at.astimezone(UTC).isoformat(timespec="milliseconds")
    parts = (entry.attachment, str(entry.number), at, entry.actor, entry.action, entry.sha256, entry.note, entry.previous)
    return hashlib.sha256("\x00".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()
