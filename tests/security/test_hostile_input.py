"""Bytes that no honest client sends: every route refuses them clearly, never with a 5xx, and nothing of it is a command."""

import json
import re
from itertools import cycle, islice
from typing import Any

import pytest

from security.test_matrix import operations
from security.world import HOME, World

pytestmark = pytest.mark.server

DEEP = 10_000
BODIES = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "a lone surrogate": b'{"name": "\\ud800", "title": "\\ud800", "workflow": "\\ud800"}',
    "a NUL": b'{"name": "a\\u0000b", "title": "a\\u0000b", "user": "\\u0000", "workflow": "a\\u0000b"}',
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"input":' * DEEP + b"1" + b"}" * DEEP,
    "a huge number": b'{"limit": ' + b"9" * 5000 + b"}",
    "an infinite number": b'{"limit": 1e999, "title": 1e999}',
    "not a number": b'{"limit": NaN}',
    "duplicate members": b'{"name": "a", "name": "b", "title": "a", "title": "b"}',
    "an operator": b'{"user": {"$ne": null}, "password": {"$gt": ""}, "name": {"$gt": ""}, "api_key": {"$gt": ""}}',
    "a long text": b'{"name": "' + b"a" * 100_000 + b'"}',
    "YAML anchors": b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "a YAML tag": b"!!python/object/apply:os.system ['true']\n",
}


@pytest.mark.parametrize("what", BODIES)
def test_no_body_breaks_a_route(world: World, what: str) -> None:
    """Every POST, PUT and PATCH, asked by the administrator so that nothing is refused before it is read."""
    for method, path, operation in operations(world):
        if "requestBody" not in operation or path.startswith("/examples/"):
            continue
        filled = re.sub(r"\{[a-z_]+\}", "absent", path)
        for media in sorted(set(operation["requestBody"]["content"]) - {"*/*"}) or ["application/json"]:
            answer = world.ask(method, filled, BODIES[what], token=world.root, headers={"Content-Type": media})
            assert answer.status < 500, (what, method, path, media, answer)
            assert "Traceback" not in answer.body.decode(errors="replace")


ODD = (
    "%00",
    "%ff",
    "%ed%a0%80",
    "..%2f..%2fetc%2fpasswd",
    "a%0d%0aX-Evil:%20y",
    "%1b%5b31m",
    "%24ne",
    "(((((",
    "9" * 40,
    "A" * 4000,
)


def test_no_path_or_parameter_breaks_a_route(world: World) -> None:
    """Traversal, control characters, bytes that are no text, patterns, very long values."""
    turn = cycle(ODD)
    for method, path, operation in operations(world):
        if path.startswith("/examples/"):
            continue
        tried = [re.sub(r"\{[a-z_]+\}", lambda _, odd=odd: odd, path) for odd in ODD if "{" in path]
        if method == "GET":
            plain = re.sub(r"\{[a-z_]+\}", "absent", path)
            names = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
            # Two for each parameter, in turn: parameters are of a few kinds, each of which meets all of them.
            tried += [f"{plain}?{name}={odd}" for name in names for odd in islice(turn, 2)]
        for target in tried:
            answer = world.ask(method, target, {} if "requestBody" in operation else None, token=world.root)
            assert answer.status < 500, (method, target[:200], answer)
            assert "x-evil" not in answer.headers


REQUESTS = {
    "bytes in the path": b"GET /api/v1/\xff\xfe HTTP/1.1\r\n\r\n",
    "bytes in the credential": b"GET /api/v1/runs HTTP/1.1\r\nAuthorization: Bearer \xff\xff\r\n\r\n",
    "two lengths": b"POST /api/v1/auth/login HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two different lengths": b"POST /api/v1/auth/login HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "an unknown expectation": b"GET /api/v1/runs HTTP/1.1\r\nExpect: everything\r\n\r\n",
    "another host's URL": b"GET http://169.254.169.254/api/v1/runs HTTP/1.1\r\n\r\n",
    "dots in the path": b"GET /api/v1/runs/../../../etc/passwd HTTP/1.1\r\n\r\n",
    "escaped dots": b"GET /hooks/..%2f..%2fapi%2fv1%2fusers HTTP/1.1\r\n\r\n",
    "a double slash": b"GET //api/v1/users HTTP/1.1\r\n\r\n",
    "a header named by Connection": b"GET /api/v1/runs HTTP/1.1\r\nConnection: close, authorization\r\n\r\n",
    "a folded header": b"GET /api/v1/runs HTTP/1.1\r\nX-A: a\r\n b\r\n\r\n",
    "a NUL in a header": b"GET /api/v1/runs HTTP/1.1\r\nX-A: a\0b\r\n\r\n",
    "an endless header": b"GET /api/v1/runs HTTP/1.1\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n",
    "odd bytes in a webhook": b"POST /hooks/default/orders HTTP/1.1\r\nwebhook-id: a\r\nwebhook-timestamp: \xff\r\n"
    b"webhook-signature: v1,\xff\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("what", REQUESTS)
def test_no_bytes_break_the_public_port(world: World, what: str) -> None:
    """Answered with a 4xx, and the next request with what it deserves."""
    head = REQUESTS[what].replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nHost: tocsin\r\nConnection: close\r\n", 1)
    answer = world.raw(head)
    assert re.match(rb"HTTP/1\.[01] 4\d\d ", answer), answer[:300]
    assert world.ask("GET", "/api/v1/auth/me", token=world.root).status == 200


def test_nothing_a_stranger_sends_becomes_a_line_of_the_log_or_a_header(world: World) -> None:
    """Request ids, names, paths and user names with line breaks and escape sequences stay inside one JSON line, escaped."""
    forged = '{"event":"forged","level":"error"}'
    world.ask("POST", "/api/v1/auth/login", {"user": f"x\n{forged}\r\n\x1b[31m", "password": "y"})
    world.ask("GET", "/api/v1/runs/%0a" + "%1b%5b31m" + forged.replace('"', "%22"), token=world.root)
    world.ask("POST", "/api/v1/cases", {"title": f"a\n{forged}\x1b[2J", "namespace": HOME}, token=world.root)
    for given in ("aaaaaaaa bbbb", "x" * 65, "short", "aaaaaaaa;rm", "aaaaaaaa\x7f"):
        answer = world.ask("GET", "/openapi.json", headers={"X-Request-Id": given})
        assert answer.headers.get("x-request-id") != given
    for line in world.log().splitlines():
        entry: dict[str, Any] = json.loads(line)
        assert entry["event"] != "forged"
        assert "\x1b" not in line


def test_what_was_refused_left_no_defect_behind(world: World) -> None:
    """Runs last here: after all of the above, no service wrote of an exception that nobody foresaw."""
    broken = [
        line
        for line in world.log().splitlines()
        if json.loads(line)["event"] in {"http.unforeseen", "http.defect", "Unhandled exception"}
    ]
    assert broken == []
