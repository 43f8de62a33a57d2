"""The console: four files without a framework, served under a policy that lets nothing else in."""

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
_FILES = (
    ("/", "index.html", "text/html; charset=utf-8"),
    ("/console/console.js", "console.js", "text/javascript; charset=utf-8"),
    ("/console/console.css", "console.css", "text/css; charset=utf-8"),
    ("/console/icon.svg", "icon.svg", "image/svg+xml"),
)


def console_routes() -> Sequence[Route]:
    """The page and its parts, read once."""
    return tuple(_file(path, (_FOLDER / name).read_bytes(), media_type) for path, name, media_type in _FILES)


def _file(path: str, body: bytes, media_type: str) -> Route:
    async def handler(_: Call) -> Reply:
        return Reply(body=body, media_type=media_type, headers=_HEADERS)

    # An identity provider sends people back to the page with a code that only the script reads.
    query = Query.ANY if path == "/" else None
    return Route(
        method="GET", path=path, access=_PUBLIC, summary="The console", handler=handler, media_type=media_type, query=query
    )
