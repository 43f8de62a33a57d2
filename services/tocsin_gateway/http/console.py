"""The console: a page and its modules without a framework, served under a policy that lets nothing else in."""

import pathlib
from collections.abc import Sequence

from tocsin_kit.web import Call, Public, Query, Reply, Route

_FOLDER = pathlib.Path(__file__).parent / "static"
_PUBLIC = Public("a page without data; what it shows is fetched with the reader's own token")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}
_MEDIA = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def console_routes() -> Sequence[Route]:
    """The page and its parts, read once."""
    files = sorted(file for file in _FOLDER.iterdir() if file.suffix in _MEDIA)
    return tuple(_file(_path(file), file.read_bytes(), f"{_MEDIA[file.suffix]}; charset=utf-8") for file in files)


def _path(file: pathlib.Path) -> str:
    return "/" if file.name == "index.html" else f"/console/{file.name}"


def _file(path: str, body: bytes, media_type: str) -> Route:
    async def handler(_: Call) -> Reply:
        return Reply(body=body, media_type=media_type, headers=_HEADERS)

    # An identity provider sends people back to the page with a code that only the script reads.
    query = Query.ANY if path == "/" else None
    return Route(
        method="GET", path=path, access=_PUBLIC, summary="The console", handler=handler, media_type=media_type, query=query
    )
