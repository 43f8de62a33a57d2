"""Secrets from the API to the service that uses them: sealed, recorded, rotated, and never shown."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientError, ClientSession
from pymongo import AsyncMongoClient

from integration.auth.harness import KEY, Auth, started
from integration.auth.test_signals import said
from tocsin_kit.bus import Bus
from tocsin_kit.bus.secrets import SecretForbidden, SecretNotFound, SecretsClient, secret_text, secret_value
from tocsin_kit.embedded import free_ports
from tocsin_kit.testing.waiting import eventually

CANARY = "canary-secret-value-7160"
USED_BY = {"run": "0" * 26, "task": "/do/0/charge", "workflow": "billing-eu"}


@asynccontextmanager
async def asking(nats_url: str, service: str = "worker") -> AsyncIterator[SecretsClient]:
    """A service that asks, on a bus of its own."""
    bus = Bus(nats_url, name=service)
    await bus.start()
    try:
        yield SecretsClient(bus)
    finally:
        await bus.stop()


@pytest.fixture
async def worker(auth: Auth, nats_url: str) -> AsyncIterator[SecretsClient]:
    """The worker, which uses secrets."""
    async with asking(nats_url) as client:
        yield client


async def put(auth: Auth, name: str, token: str, **body: Any) -> tuple[int, Any]:
    return await auth.ask("PUT", f"/api/v1/secrets/{name}", token, json=body)


async def test_the_nearest_value_is_given_and_its_use_is_recorded(auth: Auth, worker: SecretsClient, nats_url: str) -> None:
    """Own namespace before global; strings and objects; who used it for which run and task is a signal."""
    token = await auth.token()
    for name, namespace, value in (
        ("api", "*", "global"),
        ("api", "team-a", CANARY),
        ("db", "*", {"user": "u", "password": CANARY}),
    ):
        status, answer = await put(auth, name, token, namespace=namespace, value=value)
        assert status == 200, answer
        assert CANARY not in str(answer)
    mine = await worker.resolve("team-a", ["api", "db"], used_by=USED_BY)
    assert (secret_text(mine["api"]), secret_value(mine["db"])) == (CANARY, {"user": "u", "password": CANARY})
    assert secret_value((await worker.resolve("team-ab", ["api"], used_by=USED_BY))["api"]) == "global"
    with pytest.raises(SecretNotFound) as missing:
        await worker.resolve("team-a", ["api", "absent"], used_by=USED_BY)
    assert missing.value.fields["names"] == "absent"

    async def uses() -> list[Any]:
        return [signal for signal in await said(nats_url) if signal.type == "io.tocsin.secret.used.v1"]

    async def both() -> list[Any]:
        found = await uses()
        return found if len(found) == 2 else []

    first, second = await eventually(both)
    assert first.payload["used_by"] == USED_BY
    assert [(one["name"], one["scope"]) for one in first.payload["secrets"]] == [("api", "team-a"), ("db", "*")]
    assert (first.namespace, first.extensions["authid"]) == ("team-a", "service:worker")
    assert first.correlation_id == USED_BY["run"]
    assert second.namespace == "team-ab"
    assert CANARY not in repr(await said(nats_url))
    shown = await auth.ask("GET", "/api/v1/secrets?namespace=team-a", token)
    assert shown[1]["items"][0]["last_used_at"] is not None


async def test_a_secret_for_some_workflows_is_for_no_other(auth: Auth, worker: SecretsClient, nats_url: str) -> None:
    """By whole segments; the attempt is a signal."""
    await put(auth, "card", await auth.token(), namespace="team-a", value=CANARY, workflows=["billing-*"])
    assert await worker.resolve("team-a", ["card"], used_by=USED_BY)
    for other in ("billingeu", "refunds", ""):
        with pytest.raises(SecretForbidden):
            await worker.resolve("team-a", ["card"], used_by={**USED_BY, "workflow": other})

    async def refusals() -> bool:
        return [signal.type for signal in await said(nats_url)].count("io.tocsin.secret.refused.v1") == 3

    await eventually(refusals)


async def test_a_service_that_has_no_business_with_secrets_is_given_none(auth: Auth, nats_url: str) -> None:
    """The subject says who asks."""
    await put(auth, "card", await auth.token(), value=CANARY)
    async with asking(nats_url, "lineage") as client:
        with pytest.raises(Exception, match="given no secrets"):
            await client.resolve("default", ["card"], used_by={})


async def test_who_may_write_what(auth: Auth) -> None:
    """Authors in their namespaces; global secrets and foreign places need it everywhere; nobody ever reads a value."""
    author, viewer = await auth.user("ada", ("author", "team-a")), await auth.user("vic", ("viewer", "team-a"))
    assert (await put(auth, "s", author, namespace="team-a", value=CANARY))[0] == 200
    for namespace in ("team-ab", "*", "default"):
        assert (await put(auth, "s", author, namespace=namespace, value=CANARY))[0] == 403
    assert (await put(auth, "s", viewer, namespace="team-a", value=CANARY))[0] == 403
    assert (await put(auth, "e", author, namespace="team-a", provider="environment", reference="PATH"))[0] == 403
    for body in (
        {"value": ""},
        {"value": 7},
        {},
        {"value": "x", "provider": "environment", "reference": "A"},
        {"provider": "vault", "reference": "team-a/x"},  # not set up here
        {"value": CANARY, "unknown": CANARY},
        {"value": "x" * 65537},
    ):
        status, answer = await put(auth, "bad", author, namespace="team-a", **body)
        assert status in {413, 422}, (body, answer)
        assert CANARY not in str(answer)
    status, listed = await auth.ask("GET", "/api/v1/secrets", author)
    assert (status, [item["name"] for item in listed["items"]]) == (200, ["s"])
    assert (await auth.ask("GET", "/api/v1/secrets", viewer))[0] == 403
    shown = (await auth.ask("GET", "/api/v1/secrets/s?namespace=team-a", author))[1]
    assert CANARY not in str(shown)
    assert shown["version"] == 1


async def test_versions_are_kept_restored_and_deleted(auth: Auth, worker: SecretsClient) -> None:
    """A rotation gives out the new value at once; an earlier one can come back; a deleted secret is gone."""
    token = await auth.token()
    where = "/api/v1/secrets/s"
    assert (await auth.ask("POST", f"{where}/rotate", token, json={"value": "x"}))[0] == 404
    await put(auth, "s", token, value="first")
    assert (await auth.ask("POST", f"{where}/rotate", token, json={"value": "second"}))[1]["version"] == 2

    async def now() -> str:
        return secret_text((await worker.resolve("default", ["s"], used_by=USED_BY))["s"])

    assert await now() == "second"
    restored = await auth.ask("POST", f"{where}/restore", token, json={"version": 1})
    assert [item["number"] for item in restored[1]["versions"]] == [3, 2, 1]
    assert await now() == "first"
    assert (await auth.ask("POST", f"{where}/restore", token, json={"version": 9}))[0] == 404
    assert (await auth.ask("DELETE", where, token))[0] == 204
    with pytest.raises(SecretNotFound):
        await now()


async def test_both_keys_are_changed_while_secrets_are_used(
    environ: dict[str, str], nats_url: str, mongo_url: str, mongo_prefix: str, tmp_path: Path
) -> None:
    """Data keys while requests go on, the key-encryption key over a restart: no request fails, and the old key can go."""
    new = "22" * 32
    async with started(environ, tmp_path) as auth, asking(nats_url) as worker:
        token = await auth.token()
        for number in range(20):
            await put(auth, f"s{number}", token, value=f"{CANARY} {number}")
        before = await stored(mongo_url, mongo_prefix)
        going = True

        async def use() -> int:
            count = 0
            while going:
                values = await worker.resolve("default", [f"s{n}" for n in range(20)], used_by=USED_BY)
                assert [secret_text(values[f"s{n}"]) for n in range(20)] == [f"{CANARY} {n}" for n in range(20)]
                count += 1
            return count

        async with asyncio.TaskGroup() as group:
            users = [group.create_task(use()) for _ in range(4)]
            for _ in range(3):
                status, answer = await auth.ask("POST", "/api/v1/auth/data-keys/rotate", token)
                assert (status, answer["secrets"]) == (200, 20) or status == 200, answer
            going = False
        assert sum(user.result() for user in users) > 10
        await auth.ask("POST", "/api/v1/auth/data-keys/rotate", token)
        after = await stored(mongo_url, mongo_prefix)
        assert not {item["data_key"] for item in before} & {item["data_key"] for item in after}
    changed = {**environ, "TOCSIN_AUTH_KEY": new, "TOCSIN_AUTH_PREVIOUS_KEY": KEY}
    async with started(changed, tmp_path) as auth, asking(nats_url) as worker:
        assert await worker.resolve("default", ["s1"], used_by=USED_BY)
        token = await auth.token()
        status, answer = await auth.ask("POST", "/api/v1/auth/data-keys/rewrap", token)
        assert (status, answer["keys"] >= 2) == (200, True), answer
    async with started({**environ, "TOCSIN_AUTH_KEY": new}, tmp_path) as auth, asking(nats_url) as worker:
        assert secret_text((await worker.resolve("default", ["s1"], used_by=USED_BY))["s1"]) == f"{CANARY} 1"
        assert await auth.token()


async def stored(url: str, prefix: str) -> list[Any]:
    """All versions as they lie in the database; no value is among them."""
    async with AsyncMongoClient(url) as client:
        documents = await client[f"{prefix}_auth"]["secrets"].find({"v": {"$exists": True}}).to_list()
        assert CANARY.encode() not in repr(documents).encode()
        return [version for document in documents for version in document["v"]["versions"]]


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A development server of OpenBao; its URL."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("bao") / "log"
    command = [
        str(Path(sys.executable).with_name("bao")),
        "server",
        "-dev",
        "-dev-root-token-id=root",
        f"-dev-listen-address=127.0.0.1:{port}",
        "-dev-no-store-token",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield url
        finally:
            process.terminate()
            process.wait(10)


async def test_values_and_the_wrapping_key_may_live_in_a_vault(
    bao: str, environ: dict[str, str], nats_url: str, tmp_path: Path
) -> None:
    """Key-value pairs of OpenBao as secrets, its transit engine as the key-encryption key; without it nothing is given out."""
    headers = {"X-Vault-Token": "root"}

    async def tell(path: str, body: dict[str, Any]) -> None:
        async with ClientSession() as http, http.post(f"{bao}/v1/{path}", json=body, headers=headers) as response:
            assert response.status < 300, await response.text()

    async def up() -> bool:
        try:
            async with ClientSession() as http, http.get(f"{bao}/v1/sys/health") as response:
                return response.status == 200
        except ClientError:
            return False

    await eventually(up, within=timedelta(seconds=20))
    await tell("sys/mounts/transit", {"type": "transit"})
    await tell("transit/keys/tocsin", {"type": "aes256-gcm96"})
    await tell("secret/data/team-a/db", {"data": {"user": "u", "password": CANARY}})
    await tell("secret/data/team-b/db", {"data": {"password": "of another team"}})
    own = {"TOCSIN_AUTH_VAULT_URL": bao, "TOCSIN_AUTH_VAULT_TOKEN": "root", "TOCSIN_AUTH_VAULT_TRANSIT_KEY": "tocsin"}
    async with started({**environ, **own}, tmp_path) as auth, asking(nats_url) as worker:
        author = await auth.user("ada", ("author", "team-a"))
        for name, reference in (("db", "team-a/db"), ("password", "team-a/db#password"), ("gone", "team-a/absent")):
            assert (await put(auth, name, author, namespace="team-a", provider="vault", reference=reference))[0] == 200
        assert (await put(auth, "x", author, namespace="team-a", provider="vault", reference="team-b/db"))[0] == 403
        assert (await put(auth, "here", author, namespace="team-a", value=CANARY))[0] == 200
        values = await worker.resolve("team-a", ["db", "password", "here"], used_by=USED_BY)
        assert {name: secret_value(value) for name, value in values.items()} == {
            "db": {"user": "u", "password": CANARY},
            "password": CANARY,
            "here": CANARY,
        }
        with pytest.raises(SecretNotFound):
            await worker.resolve("team-a", ["gone"], used_by=USED_BY)
        status, answer = await auth.ask("POST", "/api/v1/auth/data-keys/rewrap", await auth.token())
        assert (status, answer["keys"]) == (200, 0), orjson.dumps(answer)
