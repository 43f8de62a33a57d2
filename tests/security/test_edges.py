"""Attempts at the edges: other spellings of paths and names, requests inside requests, races, expressions that amplify."""

import json
import re
from base64 import b32decode
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from e2e.machine import awaited
from security.world import HOME, NEAR, PASSWORD, World
from tocsin_auth.domain.second_factor import STEP_SECONDS, totp
from tocsin_kit.clock import SystemClock

pytestmark = [pytest.mark.server, pytest.mark.slow]

GOLD = "gold"
AT_ONCE = 4
INNER = "GET /api/v1/users HTTP/1.1\r\nHost: x\r\n\r\n"
GIANT = ('"a" * 1e9', '("a" * 1000) * 1000 * 1000', 'def f: "a" * 1e9; f')


def test_no_other_spelling_of_a_path_is_another_way_in(world: World) -> None:
    """Encoded, doubled, dotted, upper-case: what is another team's stays theirs, and nothing outside the API is served."""
    world.good("PUT", f"/api/v1/pools/{NEAR}/{GOLD}", {"limit": 77321})
    token = world.holder("admin", HOME)
    for path in (
        f"/api/v1/pools/{HOME}/%2e%2e/{NEAR}/{GOLD}",
        f"/api/v1/pools/{HOME}/..%2f{NEAR}%2f{GOLD}",
        f"/api/v1/pools/{HOME}/../{NEAR}/{GOLD}",
        f"/api/v1/pools/{NEAR}%2f{GOLD}",
        f"/api/v1//pools/{NEAR}/{GOLD}",
        f"//api/v1/pools/{NEAR}/{GOLD}",
        f"/api/v1/pools/{NEAR.upper()}/{GOLD}",
        f"/api/v1/pools/{NEAR}%00/{GOLD}",
        f"/api/v1/pools/{NEAR.replace('-', '%2d')}/{GOLD}",
        f"/api/v1/pools/{NEAR.replace('-', '%252d')}/{GOLD}",
        f"/api/v1/pools/{NEAR};x=1/{GOLD}",
        f"/api/v1/pools/{NEAR}/{GOLD}?namespace={HOME}",
        f"/api/v1/pools?namespace={HOME}&namespace={NEAR}",
        f"/api/v1/pools?namespace={NEAR}%20",
        f"/api/v1/pools?Namespace={NEAR}",
        "/api/v1/pools?namespace=*",
        f"/hooks/../api/v1/pools/{NEAR}/{GOLD}",
        "/api/v1/..%2f..%2fmetrics",
        "/api/v1/auth/../users",
        "/console/..%2f..%2fpyproject.toml",
        "/console/%2e%2e/%2e%2e/http/console.py",
    ):
        answer = world.ask("GET", path, token=token)
        assert answer.status in {403, 404, 422}, (path, answer)
        assert b"77321" not in answer.body, path


def test_a_name_is_its_letters_and_nothing_that_looks_like_them(world: World) -> None:
    """Homoglyphs, blanks, control characters, other types: no namespace. Of two members the one that counts is checked."""
    token = world.holder("admin", HOME)
    likenesses = (f"{NEAR}\u200b", "team\u2010ab", "\uff54eam-ab", NEAR.upper(), f"{NEAR} ", f"{NEAR}\n", f"../{NEAR}")
    for name in (*likenesses, [NEAR], {"$ne": ""}):
        answer = world.ask("POST", "/api/v1/runs", {"namespace": name, "workflow": "x"}, token=token)
        assert (answer.status, answer.code) == (422, "invalid"), (name, answer)
    twice = f'{{"namespace": "{HOME}", "workflow": "x", "namespace": "{NEAR}"}}'.encode()
    assert world.ask("POST", "/api/v1/runs", twice, token=token).status == 403


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}",
        "Content-Length: +2\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_a_request_hides_no_other_one(world: World, framing: str) -> None:
    """Where the two ends could disagree about how long a body is, it is refused, and what follows is not read."""
    head = f"POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.root}\r\nContent-Type: application/json\r\n"
    answer = world.raw((head + "Connection: close\r\n" + framing + INNER).encode("latin-1"))
    statuses = re.findall(rb"HTTP/1\.[01] (\d{3})", answer)
    assert len(statuses) == 1, answer
    assert statuses[0].startswith(b"4"), answer


def test_a_sender_cannot_have_headers_taken_out_on_the_way(world: World) -> None:
    """``Connection`` names headers of one hop: without its credential a request is nobody's, with two it is nobody's either."""
    head = f"GET /api/v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.root}\r\n"
    for more in ("Connection: close, authorization\r\n", "Authorization: Bearer x\r\nConnection: close\r\n"):
        assert b" 401 " in world.raw(f"{head}{more}\r\n".encode()).split(b"\r\n", 1)[0], more
    for method in ("CONNECT 127.0.0.1:80", "TRACE /api/v1/runs", "GET http://evil.example/api/v1/users"):
        answer = world.raw(f"{method} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert re.match(rb"HTTP/1\.[01] 4\d\d", answer), (method, answer)


def test_streams_and_pages_are_nobodys_without_a_credential(world: World) -> None:
    """No token in the address, no socket by upgrade, no other site's scripts, no frame around the console."""
    for query in ("", f"?access_token={world.root}", f"?token={world.root}"):
        assert world.ask("GET", f"/api/v1/signals/stream{query}").status == 401
    for path in ("/", "/api/v1/runs", "/api/v1/auth/oidc"):
        answer = world.ask("GET", path, token=world.root, headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers
        assert "set-cookie" not in answer.headers
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    body = json.dumps({"user": "admin", "password": world.admin_password}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):  # what a form can send
        assert world.ask("POST", "/api/v1/auth/login", body, headers={"Content-Type": kind}).status == 415


def test_of_two_clients_with_one_refresh_token_none_goes_on(world: World) -> None:
    """Both at once: at most one gets tokens, and the reuse ends the session with them."""
    world.user("racer", ("viewer", HOME))
    pair = world.login("racer", PASSWORD)
    body = {"refresh_token": pair["refresh_token"]}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: world.ask("POST", "/api/v1/auth/refresh", body), range(AT_ONCE)))
    assert sum(answer.status == 200 for answer in answers) <= 1
    assert {answer.status for answer in answers} <= {200, 401, 409}
    assert world.ask("POST", "/api/v1/auth/refresh", body).status == 401
    for won in (answer.json for answer in answers if answer.status == 200):
        assert world.ask("POST", "/api/v1/auth/refresh", {"refresh_token": won["refresh_token"]}).status == 401


def test_a_code_of_a_second_factor_opens_once_however_many_try_at_once(world: World) -> None:
    """Within its own half minute, too; recovery codes alike; digits of other scripts are none."""
    token = world.user("careful", ("viewer", HOME))
    shown = world.good("POST", "/api/v1/auth/second-factor", {"password": PASSWORD}, token=token)
    found = re.search("secret=([A-Z2-7]+)", shown["uri"])
    assert found is not None
    secret = b32decode(found[1] + "=" * (-len(found[1]) % 8))
    step = int(SystemClock().now().timestamp()) // STEP_SECONDS
    world.good("POST", "/api/v1/auth/second-factor/confirm", {"code": totp(secret, step - 1)}, token=token)
    for code in (totp(secret, step), shown["recovery_codes"][0]):
        body = {"user": "careful", "password": PASSWORD, "code": code}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda body: world.ask("POST", "/api/v1/auth/login", body), [body] * AT_ONCE))
        assert sum(answer.status == 200 for answer in answers) <= 1, [answer.code for answer in answers]
    fullwidth = "".join(chr(ord(digit) + 0xFEE0) for digit in totp(secret, step))
    body = {"user": "careful", "password": PASSWORD, "code": fullwidth}
    assert world.ask("POST", "/api/v1/auth/login", body).status in {401, 429}
    world.good("DELETE", "/api/v1/users/careful/second-factor")


@pytest.mark.parametrize("text", GIANT)
def test_no_place_takes_an_expression_that_makes_gigabytes(world: World, text: str) -> None:
    """Triggers, templates of webhooks and channels, definitions: refused where it is written, before libjq compiles it."""
    token = world.holder("admin", HOME)
    hook = {"url": "http://127.0.0.1:9/", "subject": f"signals.{HOME}.none.>", "verification": "none", "format": "template"}
    event = {"kind": "event", "workflow": "x", "event": {"type": "com.example.giant"}}
    head = f"document: {{dsl: '1.0.3', namespace: {HOME}, name: giant, version: '1.0.0'}}\ndo:\n  - s: "
    definition = (head + json.dumps({"set": {"x": f"${{ {text} }}"}})).encode()
    for method, path, body in (
        ("PUT", f"/api/v1/triggers/{HOME}/giant", {**event, "filter": text}),
        ("PUT", f"/api/v1/triggers/{HOME}/giant", {**event, "input": f"${{ {{x: {text}}} }}"}),
        ("PUT", f"/api/v1/webhooks/{HOME}/giant", {**hook, "template": f"{{x: ({text})}}"}),
        ("PUT", f"/api/v1/channels/{HOME}/giant", {"kind": "webhook", "url": "http://127.0.0.1:9/", "template": text}),
        ("POST", "/api/v1/workflows", definition),
    ):
        headers = {"Content-Type": "application/yaml"} if isinstance(body, bytes) else {}
        answer = world.ask(method, path, body, token=token, headers=headers)
        assert answer.status == 422, (path, answer)


def test_a_file_of_a_case_is_never_a_page(world: World) -> None:
    """Whatever it is said to be: it is handed out as bytes to be saved, under a name that is one."""
    token = world.holder("author", HOME)
    case = world.good("POST", "/api/v1/cases", {"namespace": HOME, "title": "<img src=x onerror=alert(1)>"}, token=token)["id"]
    path = f"/api/v1/cases/{case}/attachments"
    html = {"Content-Type": "text/html"}
    for name in ('x"; filename="evil.html', "../../etc/passwd", "a\r\nSet-Cookie: x=1"):
        answer = world.ask("POST", f"{path}?name={quote(name)}", b"<script>1</script>", token=token, headers=html)
        assert answer.status == 422, (name, answer)
    made = world.ask("POST", f"{path}?name=a.html", b"<script>1</script>", token=token, headers=html).json["id"]
    head = awaited(lambda: world.ask("GET", f"{path}/{made}", token=token), what="the file").headers
    assert head["content-type"] == "application/octet-stream"
    assert head["content-disposition"].startswith("attachment")
    assert head["x-content-type-options"] == "nosniff"
