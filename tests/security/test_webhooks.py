"""A public address and a shared secret: everything that a stranger, or a listener on the line, can try with them."""

import base64
import hashlib
import hmac
import itertools
import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from security.world import HOME, Answer, World
from tocsin_kit.clock import SystemClock
from tocsin_trigger.domain.errors import MalformedWebhook, SignatureInvalid, TimestampInFuture
from tocsin_trigger.domain.signing import verify
from tocsin_trigger.domain.triggers import StandardScheme

BODY = b'{"amount": 1}'
_messages = itertools.count(1)


def signature(secret: str, message: str, timestamp: str, body: bytes) -> str:
    """After Standard Webhooks, written independently of the service."""
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(raw, f"{message}.{timestamp}.".encode() + body, hashlib.sha256)).decode()


class Hook:
    """A webhook in `team-a`."""

    def __init__(self, world: World) -> None:
        self.world = world
        wanted = {"namespace": HOME, "name": "attacked", "kind": "webhook", "workflow": "nothing"}
        made = world.ask("POST", "/api/v1/triggers", wanted, token=world.root)
        assert made.status == 201, made
        self.secret = str(made.json["secret"])

    def headers(self, body: bytes = BODY, *, message: str = "", at: str = "", secret: str = "") -> dict[str, str]:
        """A genuine set, or one that is wrong in one thing."""
        message = message or f"msg_{next(_messages)}"
        at = at or str(int(SystemClock().now().timestamp()))
        signed = signature(secret or self.secret, message, at, body)
        return {"webhook-id": message, "webhook-timestamp": at, "webhook-signature": signed}

    def send(self, headers: Mapping[str, str], body: bytes = BODY) -> Answer:
        return self.world.ask("POST", f"/hooks/{HOME}/attacked", body, headers=headers)


@pytest.fixture(scope="module")
def hook(world: World) -> Hook:
    return Hook(world)


@pytest.mark.server
def test_what_was_signed_is_taken_once(hook: Hook) -> None:
    """A replay within the tolerance is known by its id and does nothing; signing anew makes a new message."""
    headers = hook.headers()
    assert hook.send(headers).status == 202
    again = hook.send(headers)
    assert (again.status, again.json["duplicate"]) == (200, True)


@pytest.mark.server
def test_what_was_not_signed_is_refused(hook: Hook) -> None:
    """A part missing, moved, changed or added; a foreign key; several signatures of which none is right."""
    good = hook.headers()
    strange = hook.headers(secret="whsec_" + base64.b64encode(b"k" * 32).decode())["webhook-signature"]
    right = good["webhook-signature"]
    for change in (
        {"webhook-signature": ""},
        {"webhook-id": ""},
        {"webhook-timestamp": ""},
        {"webhook-id": "msg_other"},
        {"webhook-id": good["webhook-id"] + "." + good["webhook-timestamp"]},
        {"webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)},
        {"webhook-timestamp": good["webhook-timestamp"] + "0"},
        {"webhook-timestamp": "0" + good["webhook-timestamp"]},
        {"webhook-signature": right.removeprefix("v1,")},
        {"webhook-signature": right.replace("v1,", "v2,")},
        {"webhook-signature": right.replace("v1,", "v1a,")},
        {"webhook-signature": right[:-4]},
        {"webhook-signature": "v1,"},
        {"webhook-signature": strange},
        {"webhook-signature": " ".join([strange] * 30 + [right])},
        {"webhook-signature": "v1," + base64.b64encode(b"\0" * 32).decode()},
    ):
        answer = hook.send({**good, **change})
        assert answer.status in {400, 401}, (change, answer)
        assert hook.secret.removeprefix("whsec_") not in answer.body.decode()
    for body in (BODY + b" ", BODY + b"\n", BODY[:-1] + b',"amount": 2}', b"", b" " + BODY):
        assert hook.send(good, body).status == 401, body
    two = hook.send({**good, "webhook-signature": f"{strange} {right}"})
    assert two.status == 202, "one right signature among several is enough: keys are being rotated"


@pytest.mark.server
def test_time_is_part_of_what_is_signed(hook: Hook) -> None:
    """Too old, too new, and everything that is no whole number of seconds."""
    now = int(SystemClock().now().timestamp())
    for at in (now - 301, now - 86_400, 0, now + 400, now + 86_400):
        assert hook.send(hook.headers(at=str(at))).status == 400, at
    for at in ("-1", "1e9", "0x10", f"{now}.0", " 1", "١٢٣", "9" * 12, "9" * 400, "nan", f"+{now}"):
        signed = hook.headers(at=at)
        answer = hook.send({**signed, "webhook-timestamp": at.encode().decode("latin-1")})
        assert answer.status in {400, 401}, (at, answer)


@pytest.mark.server
def test_a_body_is_what_was_signed_and_nothing_else(hook: Hook) -> None:
    """Compressed bytes are not inflated, other types not guessed at, broken JSON not repaired."""
    packed = zlib.compress(BODY)
    assert hook.send({**hook.headers(packed), "Content-Encoding": "deflate"}, packed).status in {400, 415}
    bomb = zlib.compress(b"0" * 50_000_000)
    assert hook.send({**hook.headers(bomb), "Content-Encoding": "deflate"}, bomb).status in {400, 415}
    for media in ("text/html", "multipart/form-data; boundary=x", "application/xml"):
        answer = hook.send({**hook.headers(), "Content-Type": media})
        assert answer.status in {400, 415, 422}, (media, answer)
    for body in (b"<xml/>", b"{", b"\xff\xfe", b"[" * 10_000 + b"]" * 10_000, b'{"a": 1e999}', b"NaN"):
        assert hook.send(hook.headers(body), body).status in {400, 413, 422}, body[:20]


@pytest.mark.server
def test_a_webhook_that_is_not_there_tells_nothing(hook: Hook) -> None:
    """Unknown names and unknown namespaces are answered alike."""
    bodies = []
    for path in (f"/hooks/{HOME}/absent", "/hooks/absent/attacked"):
        answer = hook.world.ask("POST", path, BODY, headers=hook.headers())
        assert answer.status == 404
        bodies.append({k: v for k, v in answer.json.items() if k in {"type", "title", "status", "code"}})
    assert bodies[0] == bodies[1]


KEY = b"k" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def checked(**headers: Any) -> None:
    verify(StandardScheme(timedelta(minutes=5)), [KEY], {k.replace("_", "-"): v for k, v in headers.items()}, BODY, NOW)


@pytest.mark.parametrize("at", ["\udcff", "\udcff" * 10, "1\udc80"])
def test_bytes_that_are_no_text_are_a_wrong_signature(at: str) -> None:
    """Header bytes come as lone surrogates; they were an exception once."""
    with pytest.raises(SignatureInvalid):
        checked(webhook_id="a", webhook_timestamp=at, webhook_signature="v1,AAAA")


@pytest.mark.parametrize(("at", "error"), [("9" * 11, TimestampInFuture), ("9" * 12, MalformedWebhook)])
def test_a_year_that_no_calendar_has_is_refused(at: str, error: type[Exception]) -> None:
    """Signed by somebody who has the key: still an error of theirs, not ours."""
    secret = "whsec_" + base64.b64encode(KEY).decode()
    with pytest.raises(error):
        checked(webhook_id="a", webhook_timestamp=at, webhook_signature=signature(secret, "a", at, BODY))


@pytest.mark.server
def test_no_answer_shows_a_secret_again(hook: Hook) -> None:
    """Neither the trigger, nor its list, nor the events, nor the audit."""
    bare = hook.secret.removeprefix("whsec_")
    for path in (
        f"/api/v1/triggers/{HOME}/attacked",
        "/api/v1/triggers",
        "/api/v1/events?limit=500",
        "/api/v1/audit?limit=500",
    ):
        assert bare not in json.dumps(hook.world.good("GET", path)), path
