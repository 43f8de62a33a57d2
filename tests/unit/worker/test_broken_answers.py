"""Services that answer in part, with nonsense, behind a bad certificate, or not at all; headers that no task may set."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local_http import serving
from tocsin_executor.worker.calling import LONGEST
from tocsin_executor.worker.tasks import Failed
from tocsin_kit.clock import SystemClock
from unit.worker.calls_world import runners, task_of

BREAKS = "communication 502 The answer of http://localhost:PORT/x breaks off."


@asynccontextmanager
async def speaking(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that says exactly this."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"http{'s' if tls else ''}://localhost:{server.sockets[0].getsockname()[1]}/x"


async def failure_of(url: str, **spec: Any) -> str:
    """What the task's error says."""
    async with runners() as opened:
        with pytest.raises(Failed) as failure:
            await opened.by_kind["http"].run(task_of("http", {"method": "get", "endpoint": url, **spec}))
    problem = failure.value.problem
    assert "127.0.0.1" not in str(problem)  # names must not become a way to map a network
    return f"{str(problem['type']).rpartition('/')[2]} {problem['status']} {problem['detail']}"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "communication 503 http://localhost:PORT/x cannot be reached: it ended the connection without an answer."),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", BREAKS),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", BREAKS),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "communication 502 The answer of http://localhost:PORT/x is not HTTP."),
    ],
)  # fmt: skip
async def test_half_an_answer_is_none(answer: bytes, says: str) -> None:
    """Whatever was meant to follow."""
    async with speaking(answer) as url:
        said = await failure_of(url)
        assert said.startswith(says.replace("PORT", url.rpartition(":")[2].partition("/")[0]))


async def test_a_certificate_that_nobody_vouches_for_is_said_to_be_that(tmp_path: Path) -> None:
    """It is the connection that is wrong, not the URL."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)  # noqa: TID251  # a certificate's
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "both.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *plain) + signed.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    async with speaking(b"HTTP/1.1 204 No Content\r\n\r\n", context) as url:
        said = await failure_of(url)
    assert said.startswith("communication 502 No encrypted connection to https://localhost:")
    assert "self-signed certificate" in said


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("//localhost/x", "configuration 400 '//localhost/x' is not a URL"),
        ("/x", "configuration 400 '/x' is not a URL"),
        ("ftp://localhost/x", "configuration 400 'ftp://localhost/x' is not a URL"),
        ("http://localhost:1/", "communication 503 http://localhost:1/ cannot be reached: connection refused."),
        (
            "http://no.such.invalid/",
            "communication 503 http://no.such.invalid/ cannot be reached: there is no address for its name.",
        ),
    ],
)
async def test_a_place_that_is_none_is_said_to_be_none(url: str, says: str) -> None:
    """In words of the author's, not of a library's."""
    assert (await failure_of(url)).startswith(says)


async def test_a_token_with_a_line_break_is_said_to_have_one() -> None:
    """As it comes from a file; the token itself is not said."""
    endpoint = {"uri": "http://localhost:1/", "authentication": {"bearer": {"token": "from-a-file\n"}}}
    said = await failure_of("", endpoint=endpoint)
    assert "The bearer token holds a line break" in said
    assert "from-a-file" not in said


async def test_how_a_connection_carries_a_request_is_not_a_tasks_to_say() -> None:
    """A length that is not the body's would lose its end, or leave it for the next request."""

    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"body": await request.text(), "a": request.headers.get("X-A")})

    async with runners() as opened, serving({"/x": echo}) as url:
        for headers in (
            {"Content-Length": "2"},
            {"content-length": "99"},
            {"Transfer-Encoding": "chunked", "Expect": "100-continue"},
        ):
            spec = {"method": "post", "endpoint": f"{url}/x", "headers": {**headers, "X-A": "b"}, "body": "whole"}
            assert (await opened.by_kind["http"].run(task_of("http", spec))).output == {"body": "whole", "a": "b"}


async def test_a_call_may_last_as_long_as_its_task_says() -> None:
    """The bound for those that say nothing is none for those that do."""
    async with runners() as opened:
        task = task_of("http", {})
        assert opened.caller.within(task) == LONGEST
        now = int(SystemClock().now().timestamp() * 1000)
        for seconds, least in ((1, LONGEST), (7200, 7190)):
            task.deadline = now + seconds * 1000
            assert least <= opened.caller.within(task) < least + 20


async def test_what_a_service_says_several_times_is_kept_and_what_there_is_not_is_not_said() -> None:
    """Headers of one name are one with commas; without a body there is no type of it."""

    async def answer(request: web.Request) -> web.Response:
        found = web.json_response({"type": request.headers.get("Content-Type")})
        found.headers.add("Link", "<a>")
        found.headers.add("Link", "<b>")
        return found

    async with runners() as opened, serving({"/x": answer}) as url:
        spec = {"method": "post", "endpoint": f"{url}/x", "output": "response"}
        found: Any = (await opened.by_kind["http"].run(task_of("http", spec))).output
    assert (found["headers"]["Link"], found["content"]) == ("<a>, <b>", {"type": None})


async def test_a_call_does_not_wait_for_others_that_hang() -> None:
    """However many there are: a worker has as many connections as tasks."""
    waiting, enough, over = 0, asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        nonlocal waiting
        waiting += 1
        if waiting == 220:
            enough.set()
        await over.wait()
        return web.Response()

    async def answer(request: web.Request) -> web.Response:
        return web.json_response("here")

    async with runners() as opened, serving({"/hang": hang, "/x": answer}) as url:

        async def call(path: str) -> Any:
            return (await opened.by_kind["http"].run(task_of("http", {"method": "get", "endpoint": f"{url}/{path}"}))).output

        async with asyncio.TaskGroup() as group:
            for _ in range(220):
                group.create_task(call("hang"))
            await enough.wait()
            assert await call("x") == "here"
            over.set()
