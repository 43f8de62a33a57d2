"""Keys are changed while requests go on, and none of them fails; tokens of runs may little."""

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest

from integration.auth.harness import Auth, started
from tocsin.errors import Unauthenticated, Unavailable
from tocsin_kit.bus import Bus
from tocsin_kit.bus.run_tokens import PERMISSIONS, RunTokens
from tocsin_kit.bus.secrets import SecretsClient
from tocsin_kit.testing.waiting import eventually
from tocsin_kit.web import RemoteAuthenticator
from tocsin_kit.web.revocations import CHANGED


async def test_signing_and_api_keys_are_rotated_while_requests_go_on(auth: Auth) -> None:
    """Old tokens, new tokens, keys and their successors; at this service and at another. Each key signs in its turn."""
    verifier = RemoteAuthenticator(auth.url, auth.clock)
    await verifier.start()
    root = await auth.token()
    made = (await auth.ask("POST", "/api/v1/api-keys", root, json={"name": "ci"}))[1]
    keys, going, done, kids = [made["api_key"]], True, 0, set()

    async def use(number: int) -> None:
        nonlocal done
        token = await auth.token()
        while going:
            key = keys[number % len(keys)]
            for credential in (token, key):
                assert (await auth.ask("GET", "/api/v1/auth/me", credential))[0] == 200
                await verifier.authenticate(credential)
            status, issued = await auth.ask("POST", "/api/v1/auth/token", json={"api_key": key})
            assert status == 200
            await verifier.authenticate(issued["access_token"])
            kids.add(jwt.get_unverified_header(issued["access_token"])["kid"])
            done += 5

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(use(number))
        for _ in range(3):
            until = done + 100
            status, rotated = await auth.ask("POST", "/api/v1/auth/signing-keys/rotate", root)
            assert status == 200, rotated
            status, new = await auth.ask("POST", f"/api/v1/api-keys/{made['id']}/rotate", root, json={"overlap_seconds": 600})
            assert status == 201, new
            made = new
            keys.append(new["api_key"])
            auth.clock.ahead += 16  # the notice of a new key
            while rotated["kid"] not in kids or done < until:
                await auth.clock.sleep(0.01)
        going = False
    assert done >= 300
    assert len(kids) >= 3
    await verifier.stop()


@pytest.fixture
async def tokens(auth: Auth, nats_url: str) -> Any:
    """As a worker asks for them."""
    bus = Bus(nats_url, name="worker")
    await bus.start()
    yield RunTokens(bus)
    await bus.stop()


async def test_a_token_of_a_run_may_little_in_its_namespace_for_a_while(auth: Auth, tokens: RunTokens) -> None:
    """No more than it says; it makes no keys and no users; and it ends."""
    token = (await tokens.issue("team-a", "0" * 26, lifetime=timedelta(seconds=60))).reveal()
    status, me = await auth.ask("GET", "/api/v1/auth/me", token)
    assert (status, me["subject"]) == (200, f"run:{'0' * 26}")
    assert {(one["permission"], one["namespace"]) for one in me["grants"]} == {(one, "team-a") for one in PERMISSIONS}
    for path, body in (
        ("/api/v1/api-keys", {"name": "k"}),
        ("/api/v1/users", {"name": "x", "password": "a long enough one"}),
        ("/api/v1/auth/password", {"current": "x", "new": "a long enough one"}),
        ("/api/v1/auth/nats-credentials", {"name": "k"}),
    ):
        assert (await auth.ask("POST", path, token, json=body))[0] == 403, path
    assert (await auth.ask("GET", "/api/v1/secrets?namespace=team-a", token))[0] == 403
    auth.clock.ahead += 61
    assert (await auth.ask("GET", "/api/v1/auth/me", token))[0] == 401


async def test_a_token_of_a_run_ends_with_the_task(auth: Auth, tokens: RunTokens, nats_url: str) -> None:
    """What a script has copied is worth nothing seconds later, at any service and on the bus; other tokens go on."""
    first, second = [await tokens.issue("team-a", "1" * 26, lifetime=timedelta(hours=1)) for _ in range(2)]
    verifier = RemoteAuthenticator(auth.url, auth.clock)
    await verifier.start()
    for token in (first, second):
        assert (await verifier.authenticate(token.reveal())).run == "1" * 26
    await tokens.end(first)
    worker = tokens._bus
    root = await auth.token()
    session = jwt.decode(root, options={"verify_signature": False})["sid"]
    await worker.announce("secrets.run-token.worker", orjson.dumps({"end": session}))  # nobody's but those of runs

    auth.clock.ahead += 6  # services ask every few seconds

    async def refused() -> bool:
        await worker.announce(CHANGED, b"")  # or this one does not look until five seconds are over
        with contextlib.suppress(Unauthenticated):
            await verifier.authenticate(first.reveal())
            return False
        return (await auth.ask("GET", "/api/v1/auth/me", first.reveal()))[0] == 401

    await eventually(refused, within=timedelta(seconds=60))
    await verifier.authenticate(second.reveal())
    assert (await auth.ask("GET", "/api/v1/auth/me", second.reveal()))[0] == 200
    assert (await auth.ask("GET", "/api/v1/auth/me", root))[0] == 200
    await verifier.stop()


async def test_only_those_who_run_tasks_get_tokens_of_runs(auth: Auth, nats_url: str) -> None:
    """The subject says who asks."""
    bus = Bus(nats_url, name="trigger")
    await bus.start()
    try:
        with pytest.raises(Exception, match="runs no tasks"):
            await RunTokens(bus).issue("team-a", "0" * 26, lifetime=timedelta(seconds=60))
    finally:
        await bus.stop()


async def test_tokens_go_on_while_the_auth_service_is_away(auth: Auth) -> None:
    """What was issued works until it expires; nothing new is let in."""
    verifier = RemoteAuthenticator(auth.url, auth.clock)
    await verifier.start()
    token, other = await auth.token(), await auth.token()
    await verifier.authenticate(token)
    await auth.server.stop()
    auth.clock.ahead += 60
    await verifier.authenticate(token)
    await verifier.authenticate(other)
    key = f"tcn_{'0' * 26}_{'0' * 43}000000"
    with pytest.raises(Unauthenticated):
        await verifier.authenticate(key)
    auth.clock.ahead += 900
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier.authenticate(token)
    await verifier.stop()


async def test_nobody_new_comes_in_while_the_auth_service_is_away(auth: Auth) -> None:
    """Neither a key that was not seen lately nor a login: they are told to come later, and are let in then no earlier."""
    verifier = RemoteAuthenticator(auth.url, auth.clock)
    await verifier.start()
    root = await auth.token()
    await verifier.authenticate(root)
    key = (await auth.ask("POST", "/api/v1/api-keys", root, json={"name": "late"}))[1]["api_key"]
    await auth.server.stop()
    with pytest.raises(Unavailable):
        await verifier.authenticate(key)
    await verifier.authenticate(root)
    await auth.server.start()
    auth.clock.ahead += 1
    assert (await verifier.authenticate(key)).subject.startswith("key:")
    await verifier.stop()


async def test_a_stop_answers_what_had_been_asked(environ: dict[str, str], tmp_path: Path, nats_url: str) -> None:
    """A deployment loses no request for a secret: what has reached a replica is answered before it goes."""
    bus = Bus(nats_url, name="worker")
    await bus.start()
    async with started(environ, tmp_path) as auth:
        root = await auth.token()
        body = {"namespace": "team-a", "value": "x"}
        assert (await auth.ask("PUT", "/api/v1/secrets/s", root, json=body))[0] in {200, 201}
        client = SecretsClient(bus)
        asked = [asyncio.ensure_future(client.resolve("team-a", ["s"], used_by={"run": str(n)})) for n in range(50)]  # noqa: TID251 - gathered below
        await asyncio.sleep(0)  # noqa: TID251 - each has asked
        await bus.nats.flush()  # and the server has it: behind nobody's back it is given to the replica that now stops
    assert len(await asyncio.gather(*asked)) == 50
    await bus.stop()
