"""Forged, confused, worn and stolen credentials."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from security.world import PASSWORD, World
from tocsin_kit.clock import SystemClock

pytestmark = pytest.mark.server

ME = "/api/v1/auth/me"
PUBLIC = "/.well-known/jwks.json"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    head, body, signature = token.split(".")
    return json.loads(unb64(head)), json.loads(unb64(body)), signature


def joined(head: object, body: object, signature: str) -> str:
    return f"{b64(json.dumps(head).encode())}.{b64(json.dumps(body).encode())}.{signature}"


def refused(world: World, token: str, why: str) -> None:
    for path in (ME, "/api/v1/users", "/api/v1/runs"):  # auth itself, and services that ask it for keys
        answer = world.ask("GET", path, token=token)
        assert answer.status == 401, (why, path, answer)
        assert token not in answer.body.decode(), why


def test_a_token_made_up_by_somebody_else_is_refused(world: World) -> None:
    """No algorithm, a foreign algorithm, the public key as a shared secret, a foreign key: each with our own key id."""
    head, body, signature = parts(world.root)
    key = world.good("GET", PUBLIC)["keys"][0]
    for name in ("none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES256", "EdDSA "):
        refused(world, joined({**head, "alg": name}, body, signature), f"alg {name!r} with the old signature")
        refused(world, joined({**head, "alg": name}, body, ""), f"alg {name!r} without a signature")
    for secret in (unb64(key["x"]), key["x"].encode(), json.dumps(key).encode()):
        for name, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
            signed = joined({**head, "alg": name}, body, "").rstrip(".")
            mac = hmac.new(secret, signed.encode(), digest).digest()
            refused(world, f"{signed}.{b64(mac)}", f"{name} with the public key")
    foreign = Ed25519PrivateKey.generate()
    refused(world, jwt.encode(body, foreign, "EdDSA", headers={"kid": head["kid"]}), "a foreign key under our key id")
    x = foreign.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    carried = {
        "jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(x)},
        "jku": "http://127.0.0.1:9/keys",
        "x5u": "http://127.0.0.1:9",
    }
    for kid in (
        head["kid"],
        "mine",
        "../../../../dev/null",
        "/dev/null",
        "' OR 1=1 --",
        "x" * 5000,
        "\0",
        "http://127.0.0.1:9/",
    ):
        refused(world, jwt.encode(body, foreign, "EdDSA", headers={"kid": kid, **carried}), f"key id {kid[:20]!r}")
    for kid in (None, 1, ["a"], {"$ne": ""}, True):
        refused(world, joined({**head, "kid": kid}, body, signature), f"key id {kid!r}")
    refused(world, joined({**head, "crit": ["exp"]}, body, signature), "critical headers")


def test_a_changed_or_respelled_token_is_refused(world: World) -> None:
    """Other claims, other bytes, another spelling of the same bytes, duplicate members, too many bytes."""
    head, body, signature = parts(world.root)
    refused(world, joined(head, {**body, "sub": "user:root"}, signature), "another subject")
    refused(world, joined(head, {**body, "exp": body["exp"] + 10**6}, signature), "a longer life")
    first, middle, last = world.root.split(".")
    for spelled in (
        f"{first}=.{middle}.{last}",
        f"{first}.{middle}.{last}=",
        f"{first}.{middle}.{last}==",
        f"{first}.{middle}.{last[:-1]}{chr(ord(last[-1]) + 1)}",
        f"{first}.{middle}.{last}.",
        f".{first}.{middle}.{last}",
        f"{first}.{middle}",
        f"{first}.{middle}.",
        f"{first}.{middle}.{last}\t",
        f"{first}..{last}",
        f"{first}.{middle}.{unb64(last).hex()}",
        world.root + "A",
        "." * 3,
        "." * 8000,
        "a" * 20000,
    ):
        if spelled.strip() != world.root:
            refused(world, spelled, f"spelled {spelled[:12]}...{spelled[-12:]}")
    doubled = b64(json.dumps(body).encode()[:-1] + b',"sub":"user:root"}')
    refused(world, f"{first}.{doubled}.{last}", "duplicate claims")


def test_a_token_of_another_installation_is_refused(world: World) -> None:
    """Everything is right but the key: the same names, the same claims, an honest signature of another platform."""
    now = int(SystemClock().now().timestamp())
    _, body, _ = parts(world.root)
    other = Ed25519PrivateKey.generate()
    for change in ({}, {"iss": "other"}, {"aud": "other"}, {"exp": now - 1}, {"nbf": now + 3600}):
        refused(
            world, jwt.encode({**body, **change}, other, "EdDSA", headers={"kid": "01m00000000000000000000000"}), str(change)
        )


def test_a_refresh_token_used_twice_ends_the_session(world: World) -> None:
    """Whoever copied it and whoever owned it are both out; the signal says so."""
    world.user("twice")
    first = world.login("twice", PASSWORD)["refresh_token"]
    second = world.ask("POST", "/api/v1/auth/refresh", {"refresh_token": first})
    assert second.status == 200
    again = world.ask("POST", "/api/v1/auth/refresh", {"refresh_token": first})
    assert (again.status, again.code) == (401, "session_ended")
    robbed = world.ask("POST", "/api/v1/auth/refresh", {"refresh_token": second.json["refresh_token"]})
    assert (robbed.status, robbed.code) == (401, "session_ended")
    assert world.ask("GET", ME, token=first).status == 401, "a refresh token is no access token"


def test_a_disabled_user_is_out(world: World) -> None:
    """No login, no refresh, no API key; what was issued before is withdrawn, and short-lived anyway."""
    world.user("leaver", ("viewer", "*"))
    pair = world.login("leaver", PASSWORD)
    key = world.good("POST", "/api/v1/api-keys", {"name": "left"}, token=pair["access_token"])["api_key"]
    world.good("PATCH", "/api/v1/users/leaver", {"disabled": True})
    login = world.ask("POST", "/api/v1/auth/login", {"user": "leaver", "password": PASSWORD})
    assert (login.status, login.code) == (401, "wrong_credentials"), "not told that the password was right"
    assert world.ask("POST", "/api/v1/auth/refresh", {"refresh_token": pair["refresh_token"]}).status == 401
    assert world.ask("POST", "/api/v1/auth/token", {"api_key": key}).status == 401
    assert world.ask("GET", "/api/v1/runs", token=key).status == 401
    _, claims, _ = parts(pair["access_token"])
    assert claims["exp"] - claims["iat"] <= 3600, "the longest that can be set"


def test_guessing_is_slowed_down_and_locks_nobody_else_out(world: World) -> None:
    """From one address guesses come to a stop; the owner comes in from another at the same time."""
    world.user("owner")
    attacker, home = {"X-Forwarded-For": "203.0.113.9"}, {"X-Forwarded-For": "198.51.100.7"}
    wrong = {"user": "owner", "password": "wrong password at night"}
    answers = [world.ask("POST", "/api/v1/auth/login", wrong, headers=attacker) for _ in range(8)]
    assert [answer.status for answer in answers[:5]] == [401] * 5
    assert answers[-1].status == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    right = {"user": "owner", "password": PASSWORD}
    assert world.ask("POST", "/api/v1/auth/login", right, headers=attacker).status == 429, "a right guess tells nothing"
    assert world.ask("POST", "/api/v1/auth/login", right, headers=home).status == 200


def test_an_unknown_user_is_answered_like_a_wrong_password(world: World) -> None:
    """Same status, same words: names cannot be collected."""
    world.user("somebody")
    found = []
    for name in ("somebody", "nobody-of-that-name"):
        headers = {"X-Forwarded-For": "198.51.100.20"}
        answer = world.ask("POST", "/api/v1/auth/login", {"user": name, "password": "wrong password"}, headers=headers)
        found.append((answer.status, {**answer.json, "request_id": ""}))
    assert found[0] == found[1]
