"""One request, as a handler sees it: validated parts, who asks, and the checks that only the handler can make."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel

from tocsin.errors import Defect, Forbidden, PreconditionFailed, Unauthenticated, Violation
from tocsin.signals.changes import FieldChange
from tocsin_kit.web.access import ANONYMOUS, EVERYWHERE, Namespaces, Principal
from tocsin_kit.web.problems import Malformed
from tocsin_kit.web.reading import namespace_of

Model = TypeVar("Model", bound=BaseModel)


@dataclass(slots=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        method: As sent.
        target: Path as sent, still encoded.
        query_string: As sent.
        headers: Case-insensitive.
        request_id: The caller's ``X-Request-Id`` when sane, else ours; in every log line, problem and signal that comes of it.
        principal: Who asks; anonymous on public routes.
        client_address: Of the person or program, behind trusted proxies too.
        received_at: When the request came in.
        traceparent: W3C trace context to hand on; handlers always have one.
        raw: The bytes of the body; empty when streamed.
        content: The body as it arrives (``RawBody(streamed=True)``).
        refusal: Why nobody is let in, or not here (401, 403); empty otherwise.
        changes: What a handler did to something that is there, for the audit trail, where no signal of its own says it:
            those of runs have the data of a standard, in which there is no room.
    """

    method: str
    target: str
    query_string: str
    headers: Mapping[str, str] = field(repr=False)  # holds the credential
    request_id: str
    client_address: str
    received_at: datetime
    principal: Principal = ANONYMOUS
    traceparent: str | None = None
    raw: bytes = field(default=b"", repr=False)
    content: AsyncIterator[bytes] | None = None
    parts: Mapping[str, BaseModel] = field(default_factory=dict, repr=False)
    checked: bool = False
    refusal: str = ""
    changes: Sequence[FieldChange] = ()

    def params(self, model: type[Model]) -> Model:
        """The path parameters; ``model`` is the one the route declares."""
        return self._part("params", model)

    def query(self, model: type[Model]) -> Model:
        """The query; ``model`` is the one the route declares."""
        return self._part("query", model)

    def body(self, model: type[Model]) -> Model:
        """The body; ``model`` is the one the route declares."""
        return self._part("body", model)

    def _part(self, name: str, model: type[Model]) -> Model:
        part = self.parts.get(name)
        if not isinstance(part, model):
            raise Defect(f"the handler reads {name} as {model.__name__}, its route declares something else")
        return part

    def may(self, permission: str, namespace: str, name: str | None = None) -> bool:
        """Whether the principal holds ``permission`` in ``namespace``, for ``name``. Counts as the check of the route."""
        self.checked = True
        return self.principal.may(permission, namespace, name)

    def require(self, permission: str, namespace: str = EVERYWHERE, name: str | None = None) -> None:
        """Go on only if the principal holds ``permission`` in ``namespace`` (``*``: in all) for the thing called ``name``.

        Raises:
            Unauthenticated: Nobody is logged in.
            Forbidden: It does not; the text names the permission, so that the person knows what to ask for.
        """
        self.checked = True
        if self.principal.is_anonymous:
            raise Unauthenticated(hint="send Authorization: Bearer <access token or API key>")
        if not self.principal.may(permission, namespace, name):
            where = "every namespace" if namespace == EVERYWHERE else f"namespace {namespace}"
            raise Forbidden(
                f"{self.principal.name} does not hold {permission} in {where}",
                hint="ask an administrator for a role that grants it",
                permission=permission,
                namespace=namespace,
            )

    def permitted(self, permission: str) -> Namespaces:
        """Where the principal holds ``permission``, to filter a list by: the namespace that is asked for, or all of them.

        Raises:
            Forbidden: Nowhere, or not where a deny rule says so and no namespace was asked for.
        """
        self.checked = True
        if (named := namespace_of(self.parts)) is not None and self.principal.may(permission, named):
            return Namespaces(exact=frozenset({named}))
        namespaces = self.principal.where(permission)
        if namespaces.nowhere:
            raise Forbidden(f"{self.principal.name} does not hold {permission} in any namespace", permission=permission)
        if namespaces.excluded:  # a list over all of them would have to leave some out: better to be asked for one
            raise Forbidden(
                f"{self.principal.name} does not hold {permission} in every namespace",
                hint="name a namespace",
                permission=permission,
            )
        return namespaces

    @property
    def expected_revision(self) -> int | None:
        """The revision in ``If-Match``; ``None`` when there is none, or ``*``.

        Raises:
            PreconditionFailed: It is not an ETag of ours, so it cannot match.
        """
        value = self.headers.get("If-Match", "").strip()
        if value in {"", "*"}:
            return None
        if value.startswith('"') and value.endswith('"') and value[1:-1].isdecimal() and len(value) < 22:
            return int(value[1:-1])
        raise PreconditionFailed("If-Match holds no ETag of this resource", hint='send the ETag as it was given, e.g. "3"')

    @property
    def last_event_id(self) -> str | None:
        """Where a server-sent event stream should go on."""
        return self.headers.get("Last-Event-ID")

    @property
    def idempotency_key(self) -> str | None:
        """The sender's name for this intent.

        Raises:
            Malformed: Empty, longer than 128 characters, or not printable ASCII.
        """
        key = self.headers.get("Idempotency-Key")
        if key is None:
            return None
        if not 0 < len(key) <= 128 or not (key.isascii() and key.isprintable()):
            violation = Violation("Idempotency-Key", "1 to 128 printable ASCII characters")
            raise Malformed("the Idempotency-Key is not valid", violations=[violation])
        return key
