"""Where values are that are not stored here: the environment, a folder of files, a key-value store (``ports.SecretSource``)."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson

from tocsin.errors import Unavailable
from tocsin.signals.kinds import JsonValue
from tocsin_auth.adapters.vault import VaultClient
from tocsin_auth.domain.secrets import LARGEST_VALUE


class EnvironmentSource:
    """Variables with a prefix; no others, whatever a reference says.

    Args:
        environ: All variables.
        prefix: Of those that are for workflows.
    """

    def __init__(self, environ: Mapping[str, str], prefix: str) -> None:
        self._values = {name.removeprefix(prefix): value for name, value in environ.items() if name.startswith(prefix)}

    async def read(self, path: str, member: str | None) -> JsonValue:
        """The variable."""
        return _member(self._values.get(path), member)


class FolderSource:
    """Files below one folder, read at each use, so that a renewed mount needs no restart.

    Args:
        folder: The root. Links inside of it are followed (Kubernetes mounts are made of them), but not out of it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def read(self, path: str, member: str | None) -> JsonValue:
        """The file's text, without the line break at its end."""
        return _member(await asyncio.to_thread(self._text, path), member)

    def _text(self, path: str) -> str | None:
        root = self._folder.resolve()
        file = (root / path).resolve()
        if not file.is_relative_to(root) or not file.is_file():
            return None
        try:
            with file.open("rb") as opened:
                raw = opened.read(LARGEST_VALUE + 1)
            if len(raw) > LARGEST_VALUE:
                raise Unavailable(f"the file of a secret is larger than {LARGEST_VALUE} bytes")
            return raw.decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable("the file of a secret cannot be read as text") from error


class VaultSource:
    """The key-value engine, version 2.

    Args:
        vault: The server.
        mount: Where the engine is.
    """

    def __init__(self, vault: VaultClient, mount: str) -> None:
        self._vault, self._mount = vault, mount

    async def read(self, path: str, member: str | None) -> JsonValue:
        """The newest version of what is at ``path``, or one member of it."""
        found = await self._vault.read(f"{self._mount}/data/{path}")
        held = found.get("data") if found else None  # None for a version that was deleted
        if not isinstance(held, dict):
            return None
        value: JsonValue = held if member is None else held.get(member)
        return value


_OBJECT: Final = "{"


def _member(text: str | None, member: str | None) -> JsonValue:
    """The text, or one member of the JSON object that it is."""
    if text is None or member is None:
        return text
    try:
        value = orjson.loads(text) if text.lstrip().startswith(_OBJECT) else None
    except orjson.JSONDecodeError:
        return None
    found: JsonValue = value.get(member) if isinstance(value, dict) else None
    return found
