"""People and programs on the bus: a real NATS client against a real server whose logins the auth service decides."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from integration.auth.harness import Auth, started
from tocsin_auth.adapters.nats_jwt import Issuer
from tocsin_kit.bus import Bus, ensure_streams
from tocsin_kit.bus.permissions import permissions_of
from tocsin_kit.bus.topology import TopologyLimits
from tocsin_kit.config import Secret
from tocsin_kit.embedded import AuthCallout, NatsOptions, NatsServer, NatsUser, free_ports
from tocsin_kit.testing.waiting import eventually


@pytest.fixture(scope="module")
def seed() -> str:
    import nkeys

    return nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_ACCOUNT).decode()


@pytest.fixture
async def guarded(tmp_path: Path, seed: str) -> AsyncIterator[str]:
    """A NATS server with the platform's own users and the callout; its URL."""
    (port,) = free_ports(1)
    names = ("auth", "trigger", "observer")
    rights = {name: permissions_of(name) for name in names}
    users = tuple(
        NatsUser(name, f"{name}-password", publish=rights[name].publish, subscribe=rights[name].subscribe) for name in names
    )
    callout = AuthCallout(issuer=Issuer(Secret(seed), "$G").public, users=names)
    folder = tmp_path / "nats"
    folder.mkdir()
    server = NatsServer(folder, NatsOptions(port=port, users=users, callout=callout))
    await server.start()
    yield server.url
    await server.stop()


@pytest.fixture
async def auth(environ: dict[str, str], guarded: str, seed: str, tmp_path: Path) -> AsyncIterator[Auth]:
    """The auth service, connected as itself and answering the callout."""
    own = {
        "TOCSIN_NATS_URL": guarded,
        "TOCSIN_NATS_USER": "auth",
        "TOCSIN_NATS_PASSWORD": "auth-password",
        "TOCSIN_AUTH_CALLOUT_SEED": seed,
    }
    async with started({**environ, **own}, tmp_path) as auth:
        trigger = Bus(guarded, name="trigger", user="trigger", password="trigger-password")
        await trigger.start()
        await ensure_streams(trigger, TopologyLimits(), "EVENTS")
        await trigger.stop()
        yield auth


class Client:
    """A NATS client and what the server told it was refused."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.nats: Any = None


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Client]:
    client = Client()

    async def note(error: Exception) -> None:
        client.refused.append(str(error).lower())  # as nats-py does itself, mostly

    client.nats = nats.NATS()
    try:
        await client.nats.connect(
            url, allow_reconnect=False, max_reconnect_attempts=0, connect_timeout=5, error_cb=note, **options
        )
    except BaseException:
        if (transport := client.nats._transport) is not None:  # which nats-py leaves open after a refusal
            transport.close()
            await transport.wait_closed()
        raise
    try:
        yield client
    finally:
        await client.nats.close()


async def credentials(auth: Auth, token: str, *grants: tuple[str, str]) -> dict[str, Any]:
    body = {"name": "nats", "grants": [{"permission": p, "namespace": n} for p, n in grants]}
    status, answer = await auth.ask("POST", "/api/v1/auth/nats-credentials", token, json=body)
    assert status == 201, answer
    return answer


def options(given: dict[str, Any]) -> dict[str, Any]:
    return {"user": given["user"], "password": given["password"], "inbox_prefix": given["inbox_prefix"]}


async def test_credentials_let_somebody_publish_events_in_their_namespace_only(auth: Auth, guarded: str) -> None:
    """The event is stored; the same subject of another namespace, commands and signals are refused."""
    given = await credentials(auth, await auth.token(), ("event:publish", "default"))
    async with connected(guarded, **options(given)) as client:
        ack = await client.nats.jetstream().publish("events.default.order.placed", b"{}")
        assert ack.stream == "EVENTS"
        for subject in (
            "events.other.order.placed",
            "commands.executor.start.x",
            "signals.default.run.started.x",
            "executor.in.0.x",
        ):
            await client.nats.publish(subject, b"{}")
            await client.nats.flush()
            assert await eventually(lambda s=subject: any(s in text for text in client.refused), what=f"refusal of {subject}")


async def test_a_reader_hears_its_namespace_only(auth: Auth, guarded: str) -> None:
    """Live signals of the namespace; no other subject, no inbox of others, no JetStream API."""
    given = await credentials(auth, await auth.token(), ("signal:read", "default"))
    assert given["publish"] == []
    async with connected(guarded, **options(given)) as client:
        await client.nats.subscribe("signals.default.>")
        await client.nats.flush()
        assert client.refused == []
        for subject in (
            "signals.other.>",
            "signals.>",
            "events.default.>",
            "_INBOX.>",
            "_INBOX_auth.>",
            ">",
            "$SYS.>",
            "$JS.>",
        ):
            await client.nats.subscribe(subject)
            await client.nats.flush()
            assert await eventually(
                lambda s=subject: any(f'"{s.lower()}"' in text for text in client.refused), what=f"refusal of {subject}"
            )
        with pytest.raises((NatsError, APIError, TimeoutError)):
            await client.nats.jetstream(timeout=0.3).account_info()


async def test_an_access_token_works_as_the_password_too(auth: Auth, guarded: str) -> None:
    """For those who have just logged in."""
    token = await auth.token()
    _, me = await auth.ask("GET", "/api/v1/auth/me", token)
    assert me["subject"] == "user:admin"
    async with connected(guarded, user="admin", password=token) as client:
        await client.nats.publish("events.default.x", b"{}")
        await client.nats.flush()
        assert client.refused == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"user": "admin", "password": "x"},
        {"token": "tcn_nonsense"},
        {"user": "auth", "password": "wrong"},
        {"user": "somebody", "password": "tcn_" + "0" * 26 + "_" + "A" * 43 + "000000"},
    ],
)
async def test_without_credentials_nobody_connects(auth: Auth, guarded: str, wrong: dict[str, str]) -> None:
    """Anonymous, guessed, mistyped: refused, whichever way it is sent."""
    with pytest.raises((NatsError, OSError)):
        async with connected(guarded, **wrong):
            pass


async def test_a_revoked_key_connects_no_more(auth: Auth, guarded: str) -> None:
    """Within seconds of the revocation."""
    token = await auth.token()
    given = await credentials(auth, token, ("event:publish", "default"))
    async with connected(guarded, **options(given)):
        pass
    assert (await auth.ask("DELETE", f"/api/v1/api-keys/{given['key']}", token))[0] == 204
    auth.clock.ahead += 11
    with pytest.raises((NatsError, OSError)):
        async with connected(guarded, **options(given)):
            pass


async def test_a_refused_connection_is_recorded_once_a_minute(auth: Auth, guarded: str) -> None:
    """Who tries all day fills no disk."""
    for _ in range(3):
        with pytest.raises((NatsError, OSError)):
            async with connected(guarded, user="x", password="x"):
                pass
    observer = Bus(guarded, name="observer", user="observer", password="observer-password")
    await observer.start()
    signals = await observer.jetstream.stream_info("SIGNALS", subjects_filter="signals.system.bus-login.failed.>")
    assert sum((signals.state.subjects or {}).values()) == 1
    await observer.stop()


async def test_a_connection_ends_when_its_credential_does(auth: Auth, guarded: str) -> None:
    """The server closes it at the expiry that the answer named."""
    status, answer = await auth.ask(
        "POST",
        "/api/v1/auth/nats-credentials",
        await auth.token(),
        json={"name": "short", "expires_at": _in_seconds(auth, 2)},
    )
    assert status == 201, answer
    async with connected(guarded, **options(answer)) as client:
        assert await eventually(lambda: not client.nats.is_connected, within=10)


def _in_seconds(auth: Auth, seconds: float) -> str:
    from datetime import timedelta

    return (auth.clock.now() + timedelta(seconds=seconds)).isoformat()


async def test_a_deny_rule_takes_a_namespace_away_on_the_bus_too(auth: Auth, guarded: str) -> None:
    """Whoever may publish everywhere but there is refused there, and hears nothing from there."""
    root = await auth.token()
    bindings = [{"role": "operator"}, {"role": "operator", "namespace": "prod", "deny": True}]
    body = {"name": "eve", "password": "seven quiet harbours at night", "bindings": bindings}
    assert (await auth.ask("POST", "/api/v1/users", root, json=body))[0] == 201
    given = await credentials(auth, await auth.token("eve", body["password"]))
    assert given["publish"] == ["events.*.>"]
    async with connected(guarded, **options(given)) as client:
        assert (await client.nats.jetstream().publish("events.default.order.placed", b"{}")).stream == "EVENTS"
        await client.nats.publish("events.prod.order.placed", b"{}")
        await client.nats.flush()
        await eventually(lambda: any("events.prod.order.placed" in text for text in client.refused))
        await client.nats.subscribe("signals.prod.>")
        await client.nats.flush()
        await eventually(lambda: any("signals.prod.>" in text for text in client.refused))


async def test_a_connection_ends_when_its_credential_is_withdrawn(auth: Auth, guarded: str) -> None:
    """A revoked key, a disabled person: their connections end at once, others stay, and the ends are recorded."""
    root = await auth.token()
    mine = await auth.user("leaver", ("operator", "default"))
    first, second = await credentials(auth, mine), await credentials(auth, mine)
    other = await credentials(auth, root, ("event:publish", "default"))
    async with (
        connected(guarded, **options(first)) as by_key,
        connected(guarded, **options(second)) as by_other_key,
        connected(guarded, user="leaver", password=mine) as by_token,
        connected(guarded, **options(other)) as stranger,
    ):
        assert (await auth.ask("DELETE", f"/api/v1/api-keys/{first['key']}", mine))[0] == 204
        await eventually(lambda: not by_key.nats.is_connected, within=60)
        assert by_other_key.nats.is_connected
        assert by_token.nats.is_connected
        assert (await auth.ask("PATCH", "/api/v1/users/leaver", root, json={"disabled": True}))[0] == 200
        await eventually(lambda: not (by_other_key.nats.is_connected or by_token.nats.is_connected), within=60)
        assert stranger.nats.is_connected
        assert (await stranger.nats.jetstream().publish("events.default.order.placed", b"{}")).stream == "EVENTS"
    observer = Bus(guarded, name="observer", user="observer", password="observer-password")
    await observer.start()

    async def said() -> bool:
        found = await observer.jetstream.stream_info("SIGNALS", subjects_filter="signals.system.bus-login.ended.>")
        return sum((found.state.subjects or {}).values()) == 3

    await eventually(said, within=60)
    await observer.stop()
