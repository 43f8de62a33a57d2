"""Sealing, password hashing, the callout's JWTs, and the file with the first password."""

import asyncio
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nkeys
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tocsin.errors import Defect, Invalid, Unavailable
from tocsin_auth.adapters.admin_file import JsonAdminFile
from tocsin_auth.adapters.nats_jwt import CalloutRequest, Issuer, read_request
from tocsin_auth.adapters.passwords import Argon2Hasher
from tocsin_auth.adapters.sealing import AesSealer
from tocsin_auth.adapters.vault import VaultClient
from tocsin_auth.domain.bus_access import BusAccess
from tocsin_kit.config import Secret
from tocsin_kit.web.encoding import decode_base64url, encode_base64url

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REQUEST = CalloutRequest(user_nkey="UABC", server_id="NABC", credential="x", address="::1", client=7, id="1")


@pytest.mark.parametrize(
    "key",
    ["00" * 32, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "-_" * 21 + "8"],
)
def test_a_sealed_value_opens_only_where_it_was_sealed(key: str) -> None:
    """Another key, another place, or a changed byte: refused."""
    sealer = AesSealer.of(Secret(key))
    sealed = sealer.seal(b"secret", context="a", nonce=bytes(12))
    assert sealer.unseal(sealed, context="a") == b"secret"
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for broken, context in (
        (sealed, "b"),
        (changed, "a"),
        (b"", "a"),
        (b"\x03" + sealed[1:], "a"),
        (b"\x01" + sealed[1:], "a"),
    ):
        with pytest.raises(Defect):
            sealer.unseal(broken, context=context)
    with pytest.raises(Defect):
        AesSealer.of(Secret("11" * 32)).unseal(sealed, context="a")


@pytest.mark.parametrize("key", ["", "00" * 31, "zz" * 32, "A" * 42, "a password"])
def test_a_key_of_another_size_is_refused(key: str) -> None:
    """Fail closed, and say how to make one."""
    with pytest.raises(Invalid, match="32 bytes"):
        AesSealer.of(Secret(key))


async def test_a_password_is_verified_and_nobody_costs_as_much() -> None:
    """An unknown user's hash is verified against something as slow."""
    hasher = Argon2Hasher(rounds=1, memory=1024, parallel=2)
    encoded = await hasher.hash("correct horse")
    assert encoded.startswith("$argon2id$")
    assert await hasher.verify(encoded, "correct horse")
    assert not await hasher.verify(encoded, "wrong")
    assert not await hasher.verify("nonsense", "wrong")
    assert not await hasher.verify(None, "nobody")
    assert Argon2Hasher(rounds=2, memory=1024, parallel=1).is_outdated(encoded)


def issuer() -> Issuer:
    return Issuer(Secret(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_ACCOUNT).decode()), "$G")


def claims(token: bytes | str) -> dict[str, object]:
    body = (token.decode() if isinstance(token, bytes) else token).split(".")[1]
    decoded: dict[str, object] = orjson.loads(decode_base64url(body) or b"")
    return decoded


def test_nothing_to_publish_is_a_denial_of_everything() -> None:
    """An empty list of allowed subjects would mean all of them."""
    answer = claims(
        issuer().user(REQUEST, name="a", access=BusAccess((), ("_INBOX_x.>",)), now=NOW, expires=NOW + timedelta(hours=1))
    )
    assert answer["aud"] == "NABC"
    user = claims(answer["nats"]["jwt"])  # type: ignore[index]
    assert user["nats"]["pub"] == {"deny": [">"]}  # type: ignore[index]
    assert user["nats"]["sub"] == {"allow": ["_INBOX_x.>"]}  # type: ignore[index]
    assert user["exp"] == int((NOW + timedelta(hours=1)).timestamp())


@pytest.mark.parametrize("prefix", [nkeys.PREFIX_BYTE_USER, nkeys.PREFIX_BYTE_OPERATOR])
def test_only_the_seed_of_an_account_signs(prefix: int) -> None:
    """Another seed would be refused by the server, much later."""
    with pytest.raises(Invalid):
        Issuer(Secret(nkeys.encode_seed(bytes(32), prefix).decode()), "$G")
    with pytest.raises(Invalid):
        Issuer(Secret("nonsense"), "$G")


def signed(payload: object, *, prefix: int = nkeys.PREFIX_BYTE_SERVER, tamper: bool = False) -> bytes:
    pair = nkeys.from_seed(nkeys.encode_seed(bytes(32), prefix))
    body = {**payload, "iss": pair.public_key.decode()} if isinstance(payload, dict) else payload
    head = f"{encode_base64url(b'{}')}.{encode_base64url(orjson.dumps(body))}"
    signature = pair.sign(head.encode())
    return f"{head}.{encode_base64url(bytes(64) if tamper else signature)}".encode()


GOOD = {
    "aud": "nats-authorization-request",
    "jti": "1",
    "nats": {
        "user_nkey": "UABC",
        "server_id": {"id": "NABC"},
        "connect_opts": {"user": "a", "pass": "p"},
        "client_info": {"host": "::1", "id": 7},
    },
}


def test_a_request_of_a_server_is_read() -> None:
    """The password, or the token in its place; the credential is not shown."""
    request = read_request(signed(GOOD))
    assert (request.credential, request.address, request.server_id, request.client) == ("p", "::1", "NABC", 7)
    assert "credential" not in repr(request)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"a.b.c",
        b"\xff",
        signed(GOOD, tamper=True),
        signed(GOOD, prefix=nkeys.PREFIX_BYTE_USER),
        signed({**GOOD, "aud": "x"}),
        signed({**GOOD, "nats": {}}),
        signed({**GOOD, "nats": None}),
        signed([]),
    ],
)
def test_what_no_server_signed_is_refused(raw: bytes) -> None:
    """Whoever can publish on the subject still cannot ask."""
    with pytest.raises(Invalid):
        read_request(raw)


def test_the_first_password_is_for_its_owner_only(tmp_path: Path) -> None:
    """Mode 0600 from the first byte on; a link in its place is replaced, not followed."""
    target, path = tmp_path / "elsewhere", tmp_path / "admin.json"
    target.write_text("untouched")
    path.symlink_to(target)
    JsonAdminFile(path, "http://x").write(user="admin", password="p")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert target.read_text() == "untouched"
    assert orjson.loads(path.read_bytes()) == {"url": "http://x", "user": "admin", "password": "p"}


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """One sentence with the path and the setting."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"file/admin\.json"):
        JsonAdminFile(tmp_path / "file" / "admin.json", "http://x").write(user="admin", password="p")


async def test_an_answer_of_the_vault_that_comes_in_pieces_is_read_whole() -> None:
    """A network gives what has come so far; an answer without end is not waited for, and none is told of."""
    value, pieces = "s" * 200_000, 40

    async def answer(request: web.Request) -> web.StreamResponse:
        body = orjson.dumps({"data": {"data": {"key": value}}}) * (1 if request.path.endswith("whole") else 6)
        response = web.StreamResponse()
        await response.prepare(request)
        for at in range(0, len(body), len(body) // pieces):
            await response.write(body[at : at + len(body) // pieces])
        return response

    app = web.Application()
    app.router.add_get("/v1/{tail:.*}", answer)
    async with TestServer(app) as server:
        vault = VaultClient(str(server.make_url("")), Secret("t"))
        await vault.start()
        try:
            assert await vault.read("kv/data/whole") == {"data": {"key": value}}
            with pytest.raises(Unavailable) as error:
                await vault.read("kv/data/endless")
            assert "sss" not in str(error.value)
        finally:
            await vault.stop()


async def test_passwords_do_not_wait_for_minutes() -> None:
    """Above so many that wait, the next is told to come again."""
    hasher = Argon2Hasher(rounds=1, memory=1024, parallel=1, most=3)
    results = await asyncio.gather(*(hasher.hash(f"password {number}") for number in range(5)), return_exceptions=True)
    assert [type(result) for result in results].count(Unavailable) == 2
    assert await hasher.verify(await hasher.hash("a"), "a")
