"""What the auth service says: every change, in order, and never a secret."""

from collections import defaultdict
from typing import Any

from structlog.testing import capture_logs

from integration.auth.harness import Auth
from tocsin.signals import CloudEvent, decode
from tocsin_kit.bus import Bus
from tocsin_kit.testing.waiting import eventually


async def said(url: str) -> list[CloudEvent]:
    """All signals so far."""
    bus = Bus(url, name="observer")
    await bus.start()
    try:
        info = await bus.jetstream.stream_info("SIGNALS")
        messages = [await bus.jetstream.get_msg("SIGNALS", seq) for seq in range(1, info.state.last_seq + 1)]
        return [decode(message.data or b"") for message in messages]
    finally:
        await bus.stop()


async def exercise(auth: Auth) -> list[str]:
    """Do everything once; gives all secrets that passed by."""
    admin = await auth.login()
    token = admin["access_token"]
    ada = await auth.user("ada", ("viewer", "default"))
    _, made = await auth.ask("POST", "/api/v1/api-keys", ada, json={"name": "k"})
    await auth.ask("POST", "/api/v1/auth/login", json={"user": "ada", "password": "a wrong password"})
    await auth.ask("POST", "/api/v1/auth/login", json={"user": "a password in the wrong field", "password": "x"})
    await auth.ask("POST", "/api/v1/auth/login", json={"user": "ada", "password": 7, "nonsense in the body": 1})
    await auth.ask("DELETE", f"/api/v1/api-keys/{made['id']}", ada)
    await auth.ask("PUT", "/api/v1/roles/own", token, json={"permissions": ["run:read"]})
    await auth.ask("PATCH", "/api/v1/users/ada", token, json={"disabled": True})
    await auth.ask("POST", "/api/v1/auth/signing-keys/rotate", token)
    await auth.ask("POST", "/api/v1/auth/logout", json={"refresh_token": admin["refresh_token"]})
    return [
        auth.admin["password"],
        "a long password of ada",
        "a wrong password",
        "a password in the wrong field",
        admin["access_token"].rpartition(".")[2],
        admin["refresh_token"].rpartition("_")[2],
        made["api_key"].rpartition("_")[2],
        "11" * 32,
    ]


async def test_every_change_is_said_in_order_and_without_gaps(auth: Auth, nats_url: str) -> None:
    """With who did it and why, counted for each entity."""
    await exercise(auth)

    async def complete() -> list[CloudEvent] | None:
        signals = await said(nats_url)
        return signals if any(signal.type == "io.tocsin.login.ended.v1" for signal in signals) else None

    signals: Any = await eventually(complete)
    types = {signal.type.removeprefix("io.tocsin.").removesuffix(".v1") for signal in signals}
    assert {name for name in types if not name.startswith("request.")} == {  # those are about requests, not about auth
        "user.created",
        "user.disabled",
        "login.succeeded",
        "login.failed",
        "login.ended",
        "api-key.created",
        "api-key.revoked",
        "role.created",
        "signing-key.rotated",
        "data-key.rotated",
    }
    numbers = defaultdict(list)
    for signal in signals:
        numbers[signal.source].append(signal.sequence)
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
    created = next(s for s in signals if s.type.startswith("io.tocsin.user.created") and s.subject == "ada")
    assert created.extensions["authid"] == "user:admin"
    assert created.correlation_id
    disabled = next(s for s in signals if s.type.startswith("io.tocsin.user.disabled"))
    assert changes_of(disabled) == {"disabled": (False, True)}
    assert changes_of(created)["password_hash"] == (None, "**hidden**")
    role = next(s for s in signals if s.type.startswith("io.tocsin.role.created"))
    assert changes_of(role)["permissions"] == (None, ["run:read"])
    revoked = next(s for s in signals if s.type.startswith("io.tocsin.api-key.revoked"))
    assert set(changes_of(revoked)) == {"revoked_at"}


def changes_of(signal: CloudEvent) -> dict[str, tuple[Any, Any]]:
    """Before and after by field."""
    data: Any = signal.payload
    return {one["field"]: (one.get("before"), one.get("after")) for one in data["changes"]}


async def test_no_secret_is_said_or_logged(auth: Auth, nats_url: str) -> None:
    """Canaries are looked for in all signals and in all log entries."""
    with capture_logs() as logs:
        secrets = await exercise(auth)
        await eventually(lambda: _complete(nats_url))
    sinks = repr(logs) + repr(await said(nats_url))
    assert [secret for secret in secrets if secret in sinks] == []


async def _complete(url: str) -> bool:
    return any(signal.type == "io.tocsin.login.ended.v1" for signal in await said(url))
