"""What a trigger may listen to besides webhooks: values only; who brings their events is the adapters' business.

A further kind (a broker, OpenLineage) is a further class here and a branch where sources are told apart; mypy names those
places.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class EventSource:
    """Custom events of a namespace.

    Attributes:
        type: A CloudEvents type, or a prefix of whole segments that ends with ``.*``, or ``*`` for all.
        source: Only events with this source; ``None`` for any.
    """

    type: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class SignalSource:
    """Signals of the platform: changes of state of runs, tasks, assets, cases, schedules, logins, ...

    Attributes:
        entity: Third token of a signal's subject, e.g. ``run``.
        transition: Fourth token, e.g. ``failed``; ``*`` for all of the entity.
        namespace: Whose signals; ``None`` for the trigger's own.
    """

    entity: str
    transition: str
    namespace: str | None = None


class Role(Enum):
    """What a clause's event means for a correlation."""

    #: One of what is to come together.
    PART = "part"
    #: Empties what has come together so far.
    RESET = "reset"
    #: After this, another is expected (of an absence).
    AFTER = "after"
    #: The one that is expected (of an absence).
    EXPECTED = "expected"
    #: Says that enough has been collected.
    END = "end"


@dataclass(frozen=True, slots=True)
class Clause:
    """One of several kinds of events of a correlation.

    Attributes:
        name: Unique in its trigger; the run's input has the events under it.
        role: What it means.
        source: Which events.
        filter: jq condition over the event.
        cesql: CESQL condition over its attributes.
        key: jq path in this clause's events to what they have in common with the others; ``None``: that of the trigger.
        match: Attributes with the regular expressions that all of them must match.
    """

    name: str
    role: Role
    source: EventSource | SignalSource
    filter: str | None = None
    cesql: str | None = None
    key: str | None = None
    match: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CorrelationSource:
    """Several kinds of events that belong together.

    Attributes:
        clauses: In the order in which an event is offered to them.
    """

    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class ManualSource:
    """A person or a program, with a form made from the trigger's schema."""


@dataclass(frozen=True, slots=True)
class OnceSource:
    """One instant, once.

    Attributes:
        at: When; one that has passed counts as now.
    """

    at: datetime


class After(Enum):
    """What becomes of a file that was accepted."""

    KEEP = "keep"
    MOVE = "move"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class FileSource:
    """Files that appear in a folder, or change there.

    Attributes:
        folder: Absolute path, seen by every replica.
        pattern: Which files, as a glob relative to the folder; ``**`` for folders at any depth.
        every: How often to look.
        settle: A file counts as whole when its size and time have not changed for so long.
        after: What becomes of it when its event is on disk.
        into: Where it is moved, if it is.
        content: Whether the event carries the text of small files.
    """

    folder: str
    pattern: str
    every: timedelta
    settle: timedelta
    after: After = After.KEEP
    into: str | None = None
    content: bool = False


@dataclass(frozen=True, slots=True)
class PollSource:
    """An HTTP address that is asked again and again.

    Attributes:
        url: What is asked.
        every: How often.
        headers: That go with it.
        secrets: Headers whose values are secrets: header to the secret's name.
        items: jq path to the list of items in the answer; ``None``: the answer itself.
        id: jq path in an item to what tells it from the others; ``None``: its digest.
        cursor: jq path in the answer to what the next question begins behind.
        cursor_parameter: Query parameter that carries it.
    """

    url: str
    every: timedelta
    headers: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    items: str | None = None
    id: str | None = None
    cursor: str | None = None
    cursor_parameter: str | None = None


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """A function of an installed plugin that is asked again and again.

    Attributes:
        function: Its name among the entry points.
        every: How often.
        arguments: What it is given besides the cursor, a JSON object as text.
        secrets: Arguments whose values are secrets: argument to the secret's name.
        id: jq path in an item to what tells it from the others; ``None``: its digest.
        patience: How long it may take.
    """

    function: str
    every: timedelta
    arguments: str = "{}"
    secrets: tuple[tuple[str, str], ...] = ()
    id: str | None = None
    patience: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class BucketSource:
    """Objects that appear in an S3-compatible bucket, or change there.

    Attributes:
        endpoint: URL of the store.
        bucket: Its name.
        every: How often to look.
        prefix: Only keys that begin so.
        pattern: Only keys that match this glob.
        region: For the signature.
        secret: Name of the secret with ``access_key`` and ``secret_key``; ``None``: the bucket is public.
    """

    endpoint: str
    bucket: str
    every: timedelta
    prefix: str = ""
    pattern: str = "*"
    region: str = "us-east-1"
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class SubjectSource:
    """Messages on a NATS subject of somebody else's server, whatever they are.

    Attributes:
        subject: With wildcards, if wanted.
        stream: A JetStream stream there that stores them, so that none is lost; ``None``: core NATS, where what nobody hears is
            gone.
    """

    subject: str
    stream: str | None = None


WatchedSource: TypeAlias = OnceSource | FileSource | PollSource | FunctionSource | BucketSource
WATCHED: Final = (OnceSource, FileSource, PollSource, FunctionSource, BucketSource)
