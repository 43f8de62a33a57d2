"""Secrets of workflows as records: whose, which versions, sealed under which key, or where else the value is; never the value.

A secret belongs to a namespace or to all of them (``*``). A use looks in its own namespace first, then in the parents that a
dotted name would have, then in the global scope: the nearest wins.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final

from tocsin.errors import Invalid

GLOBAL: Final = "*"
KEPT_VERSIONS: Final = 10
LARGEST_VALUE: Final = 64 * 1024  # bytes of JSON: certificates and key files fit, data does not belong here
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_STEP: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9_-])?"
_PATH: Final = re.compile(rf"{_STEP}(?:/{_STEP}){{0,7}}(?:#[A-Za-z0-9._-]{{1,128}})?")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class Provider(Enum):
    """Where the value is."""

    STORE = "store"
    """Here, sealed."""
    ENVIRONMENT = "environment"
    """In a variable of the auth service's environment; the reference is its name behind the prefix of the settings."""
    FILE = "file"
    """In a file below the folder of the settings, such as a Kubernetes mount; ``path`` or ``path#member`` of a JSON object."""
    VAULT = "vault"
    """In a key-value store (version 2) of Vault or OpenBao; ``path`` or ``path#member``."""


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """One value.

    Attributes:
        number: From 1, never used again.
        data_key: Id of the data key it is sealed under.
        sealed: The encrypted JSON.
        made_at: When.
        made_by: Subject.
    """

    number: int
    data_key: str
    sealed: bytes
    made_at: datetime
    made_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRecord:
    """A secret.

    Attributes:
        scope: Namespace, or ``*`` for all.
        name: Unique in its scope.
        provider: Where the value is.
        reference: Where there, unless it is here.
        versions: The latest last, at most :data:`KEPT_VERSIONS`; none when the value is elsewhere.
        latest: Number of the latest version there ever was.
        workflows: Patterns of workflows that may use it; empty for all of the namespace.
        summary: For people.
        created_at: When.
        changed_at: The value or the rules.
        last_used_at: To the minute or so.
    """

    scope: str
    name: str
    provider: Provider
    created_at: datetime
    changed_at: datetime
    reference: str | None = None
    versions: tuple[SecretVersion, ...] = ()
    latest: int = 0
    workflows: tuple[str, ...] = ()
    summary: str = ""
    last_used_at: datetime | None = None

    @property
    def current(self) -> SecretVersion | None:
        """The version that is given out; ``None`` when the value is elsewhere."""
        return self.versions[-1] if self.versions else None

    def version(self, number: int) -> SecretVersion | None:
        """A version that is still kept."""
        return next((version for version in self.versions if version.number == number), None)

    def stored(self, version: SecretVersion) -> "SecretRecord":
        """With another value, kept here; the oldest go."""
        return replace(
            self,
            provider=Provider.STORE,
            reference=None,
            versions=(*self.versions, version)[-KEPT_VERSIONS:],
            latest=version.number,
            changed_at=version.made_at,
        )

    def referring(self, provider: Provider, reference: str, now: datetime) -> "SecretRecord":
        """With its value elsewhere; the ones kept here go."""
        return replace(self, provider=provider, reference=reference, versions=(), changed_at=now)

    def sealed_with(self, key: str) -> bool:
        """Whether all versions lie under this data key."""
        return all(version.data_key == key for version in self.versions)


@dataclass(frozen=True, slots=True)
class SecretUse:
    """That secrets were given out, kept for a while; the signal is the audit.

    Attributes:
        at: When.
    """

    at: datetime


def key_of(scope: str, name: str) -> str:
    """Under what a secret is stored."""
    return f"{scope}/{name}"


def context_of(scope: str, name: str, number: int) -> str:
    """What the ciphertext is bound to: it opens nowhere else, not even as another version."""
    return f"secret/{scope}/{name}/{number}"


def scopes_for(namespace: str) -> tuple[str, ...]:
    """Where a use in ``namespace`` looks, nearest first."""
    parts = namespace.split(".")
    return (*(".".join(parts[:end]) for end in range(len(parts), 0, -1)), GLOBAL)


def checked_secret_name(name: str) -> str:
    """``name``, if a secret may be called so.

    Raises:
        Invalid: It may not.
    """
    if not _NAME.fullmatch(name):
        raise Invalid("a secret's name is letters, digits and inner dots, dashes or underscores, at most 128")
    return name


def checked_reference(provider: Provider, reference: str) -> str:
    """``reference``, if the provider can look there.

    Raises:
        Invalid: It is no name of a variable, or no path (which never leaves its root).
    """
    pattern = _VARIABLE if provider is Provider.ENVIRONMENT else _PATH
    if not pattern.fullmatch(reference):
        raise Invalid(f"this is nowhere that the provider {provider.value} can look", hint="path, or path#member")
    return reference


def is_confined(provider: Provider, reference: str, scope: str) -> bool:
    """Whether what is referred to belongs to the namespace by its first step, so that its people may refer to it.

    Everything else is the platform's, and for those who may write secrets everywhere.
    """
    return provider in {Provider.FILE, Provider.VAULT} and "/" in reference and reference.partition("/")[0] == scope


def split_reference(reference: str) -> tuple[str, str | None]:
    """Path and member."""
    path, _, member = reference.partition("#")
    return path, member or None
