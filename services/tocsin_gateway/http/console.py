"""The console: a page and its modules without a framework, served under a policy that lets nothing else in.

The modules are small and many: the page names all of them, so that a browser fetches them side by side rather than each when
another one asks for it, and a browser that has them already is told that they are the same.
"""

import hashlib
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
    named = "".join(f'  <link rel="modulepreload" href="{_path(file)}">\n' for file in files if file.suffix == ".js")
    return tuple(_file(_path(file), _content(file, named), f"{_MEDIA[file.suffix]}; charset=utf-8") for file in files)


def _content(file: pathlib.Path, named: str) -> bytes:
    content = file.read_bytes()
    return content.replace(b"</head>", f"{named}</head>".encode()) if file.suffix == ".html" else content


def _path(file: pathlib.Path) -> str:
    return "/" if file.name == "index.html" else f"/console/{file.name}"


def _file(path: str, body: bytes, media_type: str) -> Route:
    revision = int.from_bytes(hashlib.sha256(body).digest()[:6])

    async def handler(_: Call) -> Reply:
        return Reply(body=body, media_type=media_type, headers=_HEADERS, revision=revision)

    # An identity provider sends people back to the page with a code that only the script reads.
    query = Query.ANY if path == "/" else None
    return Route(
        method="GET", path=path, access=_PUBLIC, summary="The console", handler=handler, media_type=media_type, query=query
    )
