"""Coming in: the first administrator, passwords, refresh tokens, API keys, rotation."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from integration.auth.harness import Auth


async def test_the_first_start_leaves_one_file_that_only_its_owner_reads(auth: Auth, tmp_path: Path) -> None:
    """With what a person needs to log in."""
    file = tmp_path / "admin.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert auth.admin.keys() == {"url", "user", "password"}
    status, me = await auth.ask("GET", "/api/v1/auth/me", await auth.token())
    assert (status, me["subject"]) == (200, "user:admin")


async def test_a_second_start_finds_everything_and_writes_no_new_password(
    environ: dict[str, str], start: Callable[..., Any], tmp_path: Path
) -> None:
    """Tokens from before the restart stay valid."""
    async with start(environ) as auth:
        token = await auth.token()
        before = (tmp_path / "admin.json").read_bytes()
    async with start(environ) as auth:
        assert (tmp_path / "admin.json").read_bytes() == before
        assert (await auth.ask("GET", "/api/v1/auth/me", token))[0] == 200


async def test_replicas_that_start_together_make_one_administrator(
    environ: dict[str, str], start: Callable[..., Any], tmp_path: Path
) -> None:
    """And the password in the file is its password, whoever wrote it."""
    async with asyncio.TaskGroup() as group:
        entered = asyncio.Barrier(3)

        async def replica() -> None:
            async with start(environ) as auth:
                await entered.wait()
                admin = json.loads((tmp_path / "admin.json").read_text())
                await auth.token(admin["user"], admin["password"])
                await entered.wait()

        for _ in range(3):
            group.create_task(replica())


async def test_a_first_start_that_died_halfway_is_finished_by_the_next(
    environ: dict[str, str], start: Callable[..., Any], mongo_url: str, mongo_prefix: str
) -> None:
    """A claim without a password is taken over."""
    async with start(environ):
        pass
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_url)
    users = client[f"{mongo_prefix}_auth"]["users"]
    users.update_one({"_id": "admin"}, {"$set": {"v.password_hash": "!", "v.bindings": [], "v.disabled": True}})
    users.update_one({"_id": "admin"}, {"$set": {"v.created_at": datetime(2026, 1, 1, tzinfo=UTC)}})
    client.close()
    async with start(environ) as auth:
        await auth.token()


async def test_another_key_encryption_key_is_refused_at_the_start(environ: dict[str, str], start: Callable[..., Any]) -> None:
    """Better not to start than to log everybody out."""
    async with start(environ):
        pass
    with pytest.raises(ExceptionGroup) as failure:
        async with start({**environ, "TOCSIN_AUTH_KEY": "22" * 32}):
            pass
    assert "key-encryption key" in str(failure.value.exceptions[0])


def test_a_key_that_is_none_is_said_in_a_sentence() -> None:
    """Before anything is connected; nothing of what was given, and no trace."""
    environ = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), "TOCSIN_AUTH_KEY": "canary-no-key"}
    ended = subprocess.run(
        [sys.executable, "-m", "tocsin_auth"], check=False, env=environ, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert "TOCSIN_AUTH_KEY is not 32 bytes" in ended.stderr
    assert "openssl rand" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "canary" not in ended.stdout + ended.stderr


async def test_wrong_passwords_and_unknown_names_are_answered_alike(auth: Auth) -> None:
    """An answer must not tell which names exist."""
    answers = []
    for name in ("admin", "nobody"):
        status, problem = await auth.ask("POST", "/api/v1/auth/login", json={"user": name, "password": "wrong password"})
        assert status == 401
        answers.append({k: v for k, v in problem.items() if k != "request_id"})
    assert answers[0] == answers[1]


async def test_guessing_is_slowed_down_for_the_guesser_only(auth: Auth) -> None:
    """The owner of the name comes in from elsewhere; the guesser does too, later."""
    evil, home = {"X-Forwarded-For": "203.0.113.9"}, {"X-Forwarded-For": "198.51.100.7"}
    wrong = {"user": "admin", "password": "wrong password"}
    statuses = [(await auth.ask("POST", "/api/v1/auth/login", json=wrong, headers=evil))[0] for _ in range(7)]
    assert statuses[:5] == [401] * 5
    assert statuses[-1] == 429
    right = {"user": "admin", "password": auth.admin["password"]}
    assert (await auth.ask("POST", "/api/v1/auth/login", json=right, headers=evil))[0] == 429
    assert (await auth.ask("POST", "/api/v1/auth/login", json=right, headers=home))[0] == 200
    auth.clock.ahead += 901
    assert (await auth.ask("POST", "/api/v1/auth/login", json=right, headers=evil))[0] == 200


async def test_a_refresh_token_works_once_and_its_reuse_ends_the_session(auth: Auth) -> None:
    """Nobody can tell the thief from the owner: both are out."""
    first = await auth.login()
    status, second = await auth.ask("POST", "/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert status == 200
    status, problem = await auth.ask("POST", "/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert (status, problem["code"]) == (401, "session_ended")
    assert (await auth.ask("POST", "/api/v1/auth/refresh", json={"refresh_token": second["refresh_token"]}))[0] == 401


async def test_logging_out_ends_the_session(auth: Auth) -> None:
    """And doing it twice is no error."""
    body = {"refresh_token": (await auth.login())["refresh_token"]}
    for _ in range(2):
        assert (await auth.ask("POST", "/api/v1/auth/logout", json=body))[0] == 204
    assert (await auth.ask("POST", "/api/v1/auth/refresh", json=body))[0] == 401


async def test_an_access_token_expires(auth: Auth) -> None:
    """After a quarter of an hour, also where it is remembered."""
    token = await auth.token()
    assert (await auth.ask("GET", "/api/v1/auth/me", token))[0] == 200
    auth.clock.ahead += 901
    assert (await auth.ask("GET", "/api/v1/auth/me", token))[0] == 401


async def test_a_changed_password_ends_all_sessions(auth: Auth) -> None:
    """Whoever had the old one is out, and the new one works."""
    token = await auth.user("ada")
    session = await auth.login("ada", "a long password of ada")
    change = {"current": "a long password of ada", "new": "correct horse battery"}
    assert (await auth.ask("POST", "/api/v1/auth/password", token, json={**change, "current": "wrong one"}))[0] == 401
    assert (await auth.ask("POST", "/api/v1/auth/password", token, json={**change, "new": "ada"}))[0] == 422
    assert (await auth.ask("POST", "/api/v1/auth/password", token, json=change))[0] == 204
    refresh = {"refresh_token": session["refresh_token"]}
    assert (await auth.ask("POST", "/api/v1/auth/refresh", json=refresh))[0] == 401
    await auth.token("ada", "correct horse battery")


async def test_keys_rotate_while_old_tokens_work(auth: Auth) -> None:
    """A new key is published first, signs later, and the old one stays until its tokens have expired."""
    old = await auth.token()
    status, rotated = await auth.ask("POST", "/api/v1/auth/signing-keys/rotate", old)
    assert status == 200
    _, jwks = await auth.ask("GET", "/.well-known/jwks.json")
    assert [key["kid"] for key in jwks["keys"]][-1] == rotated["kid"]
    assert not any("d" in key for key in jwks["keys"])
    auth.clock.ahead += 20
    new = await auth.token()
    for token in (old, new):
        assert (await auth.ask("GET", "/api/v1/auth/me", token))[0] == 200
    auth.clock.ahead += 3700  # no token lives longer than an hour, those of runs included
    assert (await auth.ask("POST", "/api/v1/auth/signing-keys/rotate", await auth.token()))[0] == 200
    _, jwks = await auth.ask("GET", "/.well-known/jwks.json")
    assert len(jwks["keys"]) == 2


async def test_an_api_key_is_shown_once_works_and_is_revoked(auth: Auth) -> None:
    """In the header itself, or exchanged for a token; a list never has its secret."""
    token = await auth.token()
    body = {"name": "ci", "grants": [{"permission": "run:start", "namespace": "default"}]}
    status, made = await auth.ask("POST", "/api/v1/api-keys", token, json=body)
    assert status == 201
    status, me = await auth.ask("GET", "/api/v1/auth/me", made["api_key"])
    held = [{**grant, "name": "*", "deny": False} for grant in body["grants"]]
    assert (status, me["subject"], me["grants"]) == (200, f"key:{made['id']}", held)
    status, exchanged = await auth.ask("POST", "/api/v1/auth/token", json={"api_key": made["api_key"]})
    assert status == 200
    assert (await auth.ask("GET", "/api/v1/auth/me", exchanged["access_token"]))[1]["name"] == "admin/ci"
    _, listed = await auth.ask("GET", "/api/v1/api-keys", token)
    assert [item["id"] for item in listed["items"]] == [made["id"]]
    assert made["api_key"] not in json.dumps(listed)
    assert (await auth.ask("DELETE", f"/api/v1/api-keys/{made['id']}", token))[0] == 204
    auth.clock.ahead += 11
    assert (await auth.ask("GET", "/api/v1/auth/me", made["api_key"]))[0] == 401
    assert (await auth.ask("POST", "/api/v1/auth/token", json={"api_key": made["api_key"]}))[0] == 401


async def test_an_api_key_never_gives_more_than_its_owner_holds(auth: Auth) -> None:
    """Not when it is made, and not after the owner has lost a role."""
    ada = await auth.user("ada", ("operator", "default"))
    wide = {"name": "x", "grants": [{"permission": "run:start", "namespace": "other"}]}
    status, problem = await auth.ask("POST", "/api/v1/api-keys", ada, json=wide)
    assert (status, problem["code"]) == (403, "wider_than_own")
    _, made = await auth.ask("POST", "/api/v1/api-keys", ada, json={"name": "all"})
    change = {"bindings": [{"role": "viewer", "namespace": "default"}]}
    assert (await auth.ask("PATCH", "/api/v1/users/ada", await auth.token(), json=change))[0] == 200
    auth.clock.ahead += 11
    _, me = await auth.ask("GET", "/api/v1/auth/me", made["api_key"])
    permissions = {grant["permission"] for grant in me["grants"]}
    assert "run:read" in permissions
    assert "run:*" not in permissions


async def test_a_key_makes_no_keys(auth: Auth) -> None:
    """A stolen key must not be able to outlive its revocation."""
    _, made = await auth.ask("POST", "/api/v1/api-keys", await auth.token(), json={"name": "a"})
    assert (await auth.ask("POST", "/api/v1/api-keys", made["api_key"], json={"name": "b"}))[0] == 403


async def test_a_disabled_user_is_out_everywhere(auth: Auth) -> None:
    """Login, refresh and API keys."""
    ada = await auth.user("ada", ("viewer", "default"))
    session = await auth.login("ada", "a long password of ada")
    _, made = await auth.ask("POST", "/api/v1/api-keys", ada, json={"name": "a"})
    assert (await auth.ask("PATCH", "/api/v1/users/ada", await auth.token(), json={"disabled": True}))[0] == 200
    login = {"user": "ada", "password": "a long password of ada"}
    assert (await auth.ask("POST", "/api/v1/auth/login", json=login))[0] == 401
    assert (await auth.ask("POST", "/api/v1/auth/refresh", json={"refresh_token": session["refresh_token"]}))[0] == 401
    assert (await auth.ask("POST", "/api/v1/auth/token", json={"api_key": made["api_key"]}))[0] == 401


async def test_a_service_proves_itself_with_its_own_secret(auth: Auth) -> None:
    """Unknown services and wrong secrets are answered alike."""
    body = {"service": "gateway", "secret": "a secret of the gateway"}
    status, answer = await auth.ask("POST", "/api/v1/auth/service-token", json=body)
    assert status == 200
    assert (await auth.ask("GET", "/api/v1/auth/me", answer["access_token"]))[1]["subject"] == "service:gateway"
    for wrong in ({**body, "secret": "x"}, {**body, "service": "trigger"}, {"service": "trigger", "secret": "\0"}):
        assert (await auth.ask("POST", "/api/v1/auth/service-token", json=wrong))[0] == 401
