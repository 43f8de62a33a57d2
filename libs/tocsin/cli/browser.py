"""`tocsin login --oidc`: the browser logs in at the identity provider and comes back to a port of this machine (RFC 8252)."""

import asyncio
import contextlib
import sys
import webbrowser
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tocsin.client import Client, Record
from tocsin.errors import Unauthenticated

_PATIENCE: Final = 300.0  # seconds for a person to log in
_LONGEST: Final = 16 * 1024
_PAGE: Final = b"<!doctype html><title>Tocsin</title><p>You can close this page and go back to the terminal.</p>"


@dataclass(frozen=True, slots=True)
class Back:
    """What the person came back with."""

    state: str
    code: str


async def log_in(client: Client) -> Record:
    """Tokens, after the browser has been to the identity provider.

    Raises:
        Unauthenticated: Nobody came back in time, or the provider refused.
        NotFound: The platform has no identity provider.
    """
    came: asyncio.Queue[Back] = asyncio.Queue(maxsize=1)
    state = ""  # known once the login has begun; what comes with another is somebody else's page

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                line = await reader.readline()
                while (await reader.readline()).strip():
                    continue
            back = _read(line)
            status = b"200 OK" if back else b"404 Not Found"
            head = b"HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            writer.write(head % (status, len(_PAGE)) + _PAGE)
            await writer.drain()
            if back is not None and back.state == state != "":
                with contextlib.suppress(asyncio.QueueFull):
                    came.put_nowait(back)
        except (TimeoutError, ValueError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=_LONGEST)
    async with server:
        port = server.sockets[0].getsockname()[1]
        begun = await client.authority.begin_oidc(f"http://127.0.0.1:{port}/callback")
        address, state, ticket = (str(begun[name]) for name in ("url", "state", "ticket"))  # `serve` reads the state
        sys.stderr.write(f"Log in here:\n{address}\n")
        await asyncio.to_thread(webbrowser.open, address)
        try:
            async with asyncio.timeout(_PATIENCE):
                back = await came.get()
        except TimeoutError as error:
            raise Unauthenticated("nobody came back from the identity provider", hint="begin again") from error
        if not back.code:
            raise Unauthenticated("the identity provider refused the login")
        return await client.authority.finish_oidc(state, ticket, back.code)


def _read(line: bytes) -> Back | None:
    """State and code of ``GET /callback?...``; an empty code when the provider refused."""
    parts = line.decode("latin-1").split(" ")
    if len(parts) != 3 or parts[0] != "GET":
        return None
    target = urlsplit(parts[1])
    query = parse_qs(target.query)
    if target.path != "/callback" or "state" not in query:
        return None
    return Back(query["state"][0], query.get("code", [""])[0])
