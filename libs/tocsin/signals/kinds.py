"""What a kind of signal is: its type, its place on the bus, its payload model and who may publish it.

The catalogue is made of these. A kind is data; it publishes nothing.
"""

import enum
from dataclasses import dataclass
from typing import Annotated, Final, Generic, TypeAlias, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

SYSTEM_NAMESPACE: Final = "system"
"""Where signals go that belong to no namespace: users, roles, logins."""

Name = Annotated[str, Field(min_length=1, max_length=256)]
Namespace = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
Reason = Annotated[str, Field(max_length=2048, description="One sentence for a person.")]
Labels = dict[str, str]


class Severity(enum.Enum):
    """How bad it is, with the numbers of OpenTelemetry."""

    DEBUG = 5
    INFO = 9
    WARN = 13
    ERROR = 17
    FATAL = 21


class Payload(BaseModel):
    """Data of a signal: small, typed, closed. Values above a few KiB are referenced, never carried."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LifecyclePayload(Payload):
    """Data of an Open Workflow lifecycle event, whose members are in camel case by its specification."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)


class ErrorObject(Payload):
    """An RFC 7807 problem, as the Open Workflow language defines errors."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="URI of the kind of error.")
    status: int
    title: str | None = None
    detail: str | None = None
    instance: str | None = Field(None, description="JSON pointer to the component of the definition that it comes from.")


P_co = TypeVar("P_co", bound=Payload, covariant=True)
Model: TypeAlias = type[P_co]


@dataclass(frozen=True, slots=True)
class SignalType(Generic[P_co]):
    """One entry of the catalogue.

    Attributes:
        type: CloudEvents type, with its version.
        owner: The service that publishes it.
        entity: Third token of the subject.
        transition: Fourth token of the subject.
        collection: What the entity's source is called: ``/namespaces/<namespace>/<collection>/<id>``.
        payload: Model of ``data``.
        summary: What happened, one sentence.
        severity: Unless the one occurrence says otherwise.
    """

    type: str
    owner: str
    entity: str
    transition: str
    collection: str
    payload: Model[P_co]
    summary: str
    severity: Severity = Severity.INFO


class Shelf:
    """Where a service's module collects its kinds, so that none is written and forgotten."""

    def __init__(self, owner: str) -> None:
        """``owner`` is the service's short name."""
        self.owner = owner
        self.kinds: list[SignalType[Payload]] = []

    def add(
        self,
        entity: str,
        transition: str,
        payload: type[P_co],
        summary: str,
        *,
        collection: str | None = None,
        severity: Severity = Severity.INFO,
        version: int = 1,
        type_: str | None = None,
    ) -> SignalType[P_co]:
        """Define a kind: ``io.tocsin.<entity>.<transition>.v<version>``, or ``type_`` where a standard names it."""
        kind = SignalType(
            type=type_ or f"io.tocsin.{entity}.{transition}.v{version}",
            owner=self.owner,
            entity=entity,
            transition=transition,
            collection=collection or f"{entity}s",
            payload=payload,
            summary=summary,
            severity=severity,
        )
        self.kinds.append(kind)
        return kind


__all__ = [
    "SYSTEM_NAMESPACE",
    "AwareDatetime",
    "ErrorObject",
    "JsonValue",
    "Labels",
    "LifecyclePayload",
    "Name",
    "Namespace",
    "Payload",
    "Reason",
    "Severity",
    "Shelf",
    "SignalType",
]
