"""Bodies of requests in the media type that an OpenAPI document asks for. Pure."""

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Final

import orjson

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.forms import as_text, form_of
from tocsin_executor.worker.tasks import Failed

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
_JSON: Final = re.compile(r"application/(?:[^;]*\+)?json\b", re.IGNORECASE)


def is_json(media: str) -> bool:
    """Whether a media type is one of JSON."""
    return _JSON.match(media.strip()) is not None


def chosen(medias: Collection[str], body: Json) -> str:
    """The type to send a body in, of those that an operation takes: JSON, then forms, then whatever fits."""
    plain = {"*/*": "application/json", "application/*": "application/json", "text/*": "text/plain"}
    offered = [plain.get(media.strip(), media) for media in medias] or ["application/json"]
    if exact := next((media for media in offered if media.partition(";")[0].strip() == "application/json"), None):
        return exact
    if not isinstance(body, str):
        wanted = (is_json, lambda media: media.startswith(FORM), lambda media: media.startswith(MULTIPART))
    else:
        wanted = (lambda media: media.startswith("text/"), is_json, lambda media: True)
    return next((media for fits in wanted for media in offered if fits(media)), offered[0])


def encoded(body: Json, media: str, files: Collection[str] = ()) -> tuple[bytes, str]:
    """A body's bytes, and its ``Content-Type``.

    Args:
        body: Data.
        media: Its type.
        files: Fields that are files, for ``multipart/form-data``.

    Raises:
        Failed: ``configuration``: the data has no form of that type.
    """
    kind = media.partition(";")[0].strip().lower()
    if is_json(kind):
        return orjson.dumps(body), media
    if kind == FORM and isinstance(body, Mapping):
        return form_of(body), media
    if kind == MULTIPART and isinstance(body, Mapping):
        return _multipart(body, files)
    if isinstance(body, str) and kind != MULTIPART:
        return body.encode(), media
    if kind.startswith("text/"):
        return as_text(body).encode(), media
    fitting = "an object" if kind in {FORM, MULTIPART} else "a text"
    raise Failed(ErrorKind.CONFIGURATION, f"A body of the type {kind[:100]} has to be {fitting}.")


def _multipart(fields: Mapping[str, Json], files: Collection[str]) -> tuple[bytes, str]:
    """RFC 7578: a part for each value, lists repeat the name, objects are JSON, null is left out."""
    parts = []
    for name, value in fields.items():
        quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        for item in value if isinstance(value, list) else [value]:
            if item is None:
                continue
            head = f'Content-Disposition: form-data; name="{quoted}"'
            if name in files:
                head += f'; filename="{quoted}"\r\nContent-Type: application/octet-stream'
            elif not isinstance(item, str | int | float):
                head += "\r\nContent-Type: application/json"
            parts.append(f"{head}\r\n\r\n{as_text(item)}\r\n".encode())
    boundary = hashlib.sha256(b"\0".join(parts)).hexdigest()  # of the content: it can be in none of its parts
    lead = f"--{boundary}\r\n".encode()
    return b"".join(lead + part for part in parts) + f"--{boundary}--\r\n".encode(), f"{MULTIPART}; boundary={boundary}"
