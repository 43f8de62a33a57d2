"""What the command line remembers between two commands: the platform, the login, secrets of webhooks.

One TOML file, ``~/.config/tocsin/config.toml`` or the one that ``TOCSIN_CONTEXT`` names, readable by its owner alone.
Environment variables win over it: ``TOCSIN_URL``, ``TOCSIN_NAMESPACE``, ``TOCSIN_TOKEN`` (an API key).
"""

import contextlib
import fcntl
import json
import os
import pathlib
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from tocsin.errors import Invalid

DEFAULT_URL: Final = "http://127.0.0.1:7700"
VARIABLES: Final = ("TOCSIN_URL", "TOCSIN_NAMESPACE", "TOCSIN_TOKEN", "TOCSIN_CONTEXT")


class BrokenContext(Invalid):
    """The file that remembers the login cannot be used."""

    code = "broken_context"


@dataclass(frozen=True, slots=True)
class Context:
    """The content of the file.

    Attributes:
        url: Of the gateway that the login is for.
        namespace: Used unless a command names another.
        user: Who logged in.
        access_token: Sent to ``url`` and nowhere else.
        refresh_token: Used up by the next renewal.
        secrets: Of webhooks, by ``<url> <namespace>/<name>``.
    """

    url: str = DEFAULT_URL
    namespace: str = "default"
    user: str | None = None
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    def with_secret(self, url: str, namespace: str, name: str, secret: str) -> "Context":
        """The same, with the secret of a webhook."""
        return replace(self, secrets={**self.secrets, f"{url} {namespace}/{name}": secret})

    def secret(self, url: str, namespace: str, name: str) -> str | None:
        """The secret of a webhook, if it is known."""
        return self.secrets.get(f"{url} {namespace}/{name}")


def path() -> pathlib.Path:
    """Where the file is, or would be."""
    named = os.environ.get("TOCSIN_CONTEXT")
    if named:
        return pathlib.Path(named).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME")
    return (pathlib.Path(home) if home else pathlib.Path.home() / ".config") / "tocsin" / "config.toml"


def load() -> Context:
    """What is remembered; defaults where there is no file.

    Raises:
        BrokenContext: The file cannot be read or is not what this wrote.
    """
    file = path()
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Context()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise BrokenContext(f"{file} cannot be read: {exc}", hint="mend it, or delete it and log in again") from exc
    secrets = values.pop("webhook-secrets", {})
    known = {name: values.get(name) for name in ("url", "namespace", "user", "access_token", "refresh_token")}
    if not isinstance(secrets, dict) or any(value is not None and not isinstance(value, str) for value in known.values()):
        raise BrokenContext(f"{file} does not hold what it should", hint="delete it and log in again")
    return Context(
        url=known["url"] or DEFAULT_URL,
        namespace=known["namespace"] or "default",
        user=known["user"],
        access_token=known["access_token"],
        refresh_token=known["refresh_token"],
        secrets={name: value for name, value in secrets.items() if isinstance(value, str)},
    )


def save(context: Context) -> None:
    """Remember it: whole or not at all, for the owner's eyes.

    Raises:
        BrokenContext: The folder cannot be written.
    """
    file = path()
    lines = [
        f"{name} = {json.dumps(value)}"
        for name in ("url", "namespace", "user", "access_token", "refresh_token")
        if (value := getattr(context, name)) is not None
    ]
    if context.secrets:
        lines += ["", "[webhook-secrets]", *(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in sorted(context.secrets.items()))]
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".config-")  # mkstemp makes it 0600
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
        pathlib.Path(name).replace(file)
    except OSError as exc:
        raise BrokenContext(f"{file} cannot be written: {exc}") from exc


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One process at a time: a refresh token is used up by the first, and the second must not spend it again."""
    file = path().with_suffix(".lock")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
