"""Well-known senders, as they sign: GitHub, Stripe, Slack. The signatures are made here, independently of the service."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from integration.trigger.harness import Service
from tocsin_kit.clock import SystemClock

SECRET = "a-secret-both-sides-know"
JSON = {"Content-Type": "application/json"}


def mac(content: bytes) -> str:
    return hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()


def stamp(ahead: int = 0) -> str:
    return str(int(SystemClock().now().timestamp()) + ahead)


def github(body: bytes, delivery: str = "72d3162e-cc78-11e3-81ab-4c9367dc0958") -> dict[str, str]:
    return {"X-Hub-Signature-256": f"sha256={mac(body)}", "X-GitHub-Delivery": delivery, "X-GitHub-Event": "push"}


def stripe(body: bytes, at: str | None = None) -> dict[str, str]:
    at = at or stamp()
    return {"Stripe-Signature": f"t={at},v1={'0' * 64},v1={mac(at.encode() + b'.' + body)},v0=abc"}


def slack(body: bytes, at: str | None = None) -> dict[str, str]:
    at = at or stamp()
    return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={mac(b'v0:' + at.encode() + b':' + body)}"}


async def send(service: Service, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
    return await service.ask("POST", "/hooks/default/orders", None, data=body, headers={**JSON, **headers})


@pytest.mark.parametrize(
    ("scheme", "sign", "body"),
    [
        ("github", github, b'{"ref":"refs/heads/main"}'),
        ("stripe", stripe, b'{"id":"evt_1","type":"charge.succeeded"}'),
        ("slack", slack, b'{"type":"event_callback","event_id":"Ev01"}'),
    ],
)
async def test_what_a_sender_signs_is_taken_once(service: Service, scheme: str, sign: Any, body: bytes) -> None:
    """The message's id is where each of them puts it; another body under the same signature is refused."""
    await service.webhook(webhook={"scheme": scheme, "secret": SECRET})
    status, first = await send(service, body, sign(body))
    assert (status, first["outcome"]) == (202, "started")
    status, again = await send(service, body, sign(body))
    assert (status, again["duplicate"], again["run"]) == (200, True, first["run"])
    assert (await send(service, body + b" ", sign(body)))[0] == 401
    assert (await send(service, body, {}))[0] == 401


async def test_old_signatures_of_stripe_and_slack_are_refused(service: Service) -> None:
    """They sign the time."""
    await service.webhook(webhook={"scheme": "stripe", "secret": SECRET})
    status, problem = await send(service, b"{}", stripe(b"{}", stamp(-400)))
    assert (status, problem["code"]) == (400, "timestamp_too_old")
    assert (await send(service, b"{}", {"Stripe-Signature": f"t=1,t=2,v1={mac(b'1.{}')}"}))[0] == 401


async def test_slack_hears_its_challenge_only_if_it_signed_it(service: Service) -> None:
    """The handshake starts nothing and tells a stranger nothing."""
    await service.webhook(webhook={"scheme": "slack", "secret": SECRET})
    body = json.dumps({"type": "url_verification", "challenge": "3eZbrw1a"}).encode()
    assert await send(service, body, slack(body)) == (200, {"challenge": "3eZbrw1a"})
    assert (await send(service, body, {}))[0] == 401
    assert await service.said("commands.") == []


async def test_a_message_id_is_read_from_the_body_where_it_is_told_to_be(service: Service) -> None:
    """Whole numbers too; without one each message is a new one; anything else is malformed."""
    hook = {"scheme": "hmac", "header": "X-Sig", "id_path": ".meta.id", "secret": SECRET}
    await service.webhook(webhook=hook)

    async def told(body: bytes) -> tuple[int, Any]:
        status, answer = await send(service, body, {"X-Sig": mac(body)})
        return status, answer.get("code") or answer["duplicate"]

    assert await told(b'{"meta":{"id":7}}') == (202, False)
    assert await told(b'{"meta":{"id":"7"},"x":1}') == (200, True)
    assert await told(b'{"x":1}') == (202, False)
    assert await told(b'{"x":1}') == (202, False)
    assert await told(b'{"meta":{"id":[1]}}') == (400, "malformed")
    assert await told(b'{"meta":{"id":"a\\u0000"}}') == (400, "malformed")
    bad = {"kind": "webhook", "workflow": "w", "webhook": {**hook, "id_path": ".["}}
    assert (await service.ask("PUT", "/api/v1/triggers/default/bad", json=bad))[0] == 422


async def test_a_webhook_takes_only_from_the_networks_it_names(service: Service) -> None:
    """An address elsewhere is refused before anything is verified, and the refusal is recorded."""
    here, elsewhere = ["127.0.0.0/8", "::1/128"], ["192.0.2.0/24"]
    secret = (await service.webhook(webhook={"networks": here}))["secret"]
    assert (await service.send(secret))[0] == 202
    body = {"kind": "webhook", "workflow": "fulfil", "webhook": {"networks": elsewhere}}
    assert (await service.ask("PUT", "/api/v1/triggers/default/orders", json=body))[0] == 200
    status, problem = await service.send(secret, message="msg_2")
    assert (status, problem["code"]) == (403, "address_refused")
    _, seen = await service.ask("GET", "/api/v1/events", params={"namespace": "default", "outcome": "address_refused"})
    assert len(seen["items"]) == 1
    body["webhook"] = {"networks": ["not a network"]}
    assert (await service.ask("PUT", "/api/v1/triggers/default/orders", json=body))[0] == 422
