"""Webhooks that take the tokens of somebody else's issuer."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from integration.trigger.harness import Service, started
from integration.trigger.test_gathering import runs
from tocsin_kit.clock import SystemClock

ISSUER = "https://token.actions.example"
KEYS = {name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in ("one", "two")}
CURVE = ec.generate_private_key(ec.SECP256R1())


def public(key: Any, kid: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.ECAlgorithm if key is CURVE else jwt.algorithms.RSAAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"}


def token(key: Any = KEYS["one"], kid: str = "one", algorithm: str = "RS256", **more: Any) -> str:
    now = int(SystemClock().now().timestamp())
    claims = {"iss": ISSUER, "aud": "tocsin", "sub": "repo:acme/shop", "repository": "acme/shop", "exp": now + 300, **more}
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm, headers={"kid": kid})


@pytest.fixture
async def issuer() -> AsyncIterator[tuple[dict[str, Any], str]]:
    """Its key set, which may be changed, and where it is."""
    keys: dict[str, Any] = {"keys": [public(KEYS["one"], "one")]}

    async def jwks(_: web.Request) -> web.Response:
        return web.json_response(keys)

    app = web.Application()
    app.router.add_get("/jwks", jwks)
    async with TestServer(app) as server:
        yield keys, f"http://127.0.0.1:{server.port}/jwks"


async def send(service: Service, given: str | None) -> tuple[int, Any]:
    headers = {} if given is None else {"Authorization": f"Bearer {given}"}
    return await service.ask("POST", "/hooks/default/orders", None, json={"a": 1}, headers=headers)


async def test_tokens_of_the_named_issuer_are_taken_and_no_others(environ: dict[str, str], issuer: tuple[Any, str]) -> None:
    """Issuer, audience, algorithm, times and claims are what the trigger says; refusals are recorded with their reason."""
    now = int(SystemClock().now().timestamp())
    _, url = issuer
    forged: dict[str, Callable[[], str | None]] = {
        "no token": lambda: None,
        "audience": lambda: token(aud="others"),
        "issuer": lambda: token(iss="https://evil.example"),
        "expired": lambda: token(exp=now - 120),
        "not yet": lambda: token(nbf=now + 600),
        "no end": lambda: token(exp=None),
        "claim": lambda: token(repository="acme/other"),
        "key": lambda: token(KEYS["two"]),
        "unknown key": lambda: token(kid="nobody"),
        "algorithm": lambda: token(algorithm="PS256"),
        "shared secret": lambda: token("x" * 64, algorithm="HS256"),
        "none": lambda: token("", algorithm="none"),
    }
    async with started({**environ, "TOCSIN_TRIGGER_ALLOW_PRIVATE": "true"}) as service:
        said = {"issuer": ISSUER, "audience": "tocsin", "keys_url": url, "claims": {"repository": "acme/shop"}}
        made = await service.webhook(webhook={"scheme": "jwt", "jwt": said}, input={"by": "${ .authid }"})
        assert made["webhook"]["jwt"] == {**said, "algorithms": ["RS256"], "tolerance": 60}
        assert (await send(service, token()))[0] == 202
        (command,) = await runs(service, 1)
        assert command.data["input"] == {"by": f"{ISSUER}#repo:acme/shop"}
        for name, make in forged.items():
            assert ((await send(service, make()))[0], name) == (401, name)
        assert len(await service.said("commands.executor.start")) == 1
        kept = await service.database.collection("events").find({"v.refused": "signature_invalid"}).to_list(None)
        assert "The token has expired." in {document["v"]["reason"] for document in kept}


async def test_inline_keys_need_nobody_to_be_asked(service: Service) -> None:
    """Of another kind of key, too; a private key is refused, and so is a set that can verify nothing."""
    keys = {"keys": [public(CURVE, "c")]}
    said = {"issuer": ISSUER, "audience": "tocsin", "keys": keys, "algorithms": ["ES256"]}
    await service.webhook(webhook={"scheme": "jwt", "jwt": said})
    assert (await send(service, token(CURVE, "c", "ES256")))[0] == 202
    assert (await send(service, token()))[0] == 401
    private = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE))
    for wrong in ({"keys": [private]}, {"keys": [public(KEYS["one"], "one")]}, {"keys": []}):
        body = {"kind": "webhook", "workflow": "w", "webhook": {"scheme": "jwt", "jwt": {**said, "keys": wrong}}}
        assert (await service.ask("PUT", "/api/v1/triggers/default/wrong", json=body))[0] == 422


async def test_keys_are_not_fetched_from_the_inside(service: Service, issuer: tuple[Any, str]) -> None:
    """The guard of calls that go out holds here, too; the sender may try again."""
    said = {"issuer": ISSUER, "audience": "tocsin", "keys_url": issuer[1]}
    await service.webhook(webhook={"scheme": "jwt", "jwt": said})
    assert (await send(service, token()))[0] == 503
