"""Logging in at a real OpenID Connect provider."""

import contextlib
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from aiohttp import ClientError, ClientSession, encode_basic_auth

from integration.auth.harness import Auth, started
from tocsin.cli import browser as command_line
from tocsin.client import Client, StaticToken
from tocsin_kit.embedded import free_ports
from tocsin_kit.testing.waiting import eventually

BACK = "http://127.0.0.1:49152/callback"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A provider with two people; its issuer."""
    (port,) = free_ports(1)
    people = [{"sub": "s-ada", "preferred_username": "ada", "groups": ["ops"]}, {"sub": "s-adb", "preferred_username": "ada"}]
    command = [sys.executable, str(Path(__file__).with_name("provider.py")), "--port", str(port)]
    for person in people:
        command += ["--user-claims", orjson.dumps(person).decode()]
    log = tmp_path_factory.mktemp("oidc") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture
async def auth(environ: dict[str, str], issuer: str, tmp_path: Path) -> AsyncIterator[Auth]:
    """The service with that provider."""

    async def up() -> bool:
        try:
            async with ClientSession() as http, http.get(f"{issuer}/.well-known/openid-configuration") as response:
                return response.status == 200
        except ClientError:
            return False

    await eventually(up, within=timedelta(seconds=20))
    async with started({**environ, "TOCSIN_AUTH_OIDC_ISSUER": issuer, "TOCSIN_AUTH_OIDC_SECRET": "s"}, tmp_path) as auth:
        yield auth


async def at_the_provider(auth: Auth, begun: dict[str, Any], subject: str) -> dict[str, str]:
    """What the provider sends a person back with."""
    async with auth.http.post(begun["url"], data={"sub": subject}, allow_redirects=False) as response:
        assert response.status == 302, await response.text()
        target = response.headers["Location"]
    assert target.startswith(BACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}


async def begin(auth: Auth) -> dict[str, Any]:
    status, begun = await auth.ask("POST", "/api/v1/auth/oidc/begin", json={"redirect_uri": BACK})
    assert status == 200, begun
    return begun


async def finish(auth: Auth, begun: dict[str, Any], code: str) -> tuple[int, Any]:
    body = {"state": begun["state"], "ticket": begun["ticket"], "code": code}
    return await auth.ask("POST", "/api/v1/auth/oidc/finish", json=body)


async def log_in(auth: Auth, subject: str) -> tuple[int, Any]:
    begun = await begin(auth)
    back = await at_the_provider(auth, begun, subject)
    assert back["state"] == begun["state"]
    return await finish(auth, begun, back["code"])


async def test_somebody_comes_in_and_holds_what_their_groups_hold(auth: Auth) -> None:
    """The provider's groups become roles; the same person is the same user the next time; refresh works as ever."""
    root = await auth.token()
    group = {"claimed": ["ops"], "bindings": [{"role": "operator", "namespace": "default"}]}
    assert (await auth.ask("PUT", "/api/v1/groups/ops", root, json=group))[0] == 200
    status, pair = await log_in(auth, "s-ada")
    assert status == 200, pair
    token = pair["access_token"]
    me = (await auth.ask("GET", "/api/v1/auth/me", token))[1]
    assert me["subject"] == "user:ada"
    assert {"permission": "run:*", "namespace": "default", "name": "*", "deny": False} in me["grants"]
    assert (await log_in(auth, "s-ada"))[0] == 200
    assert (await auth.ask("POST", "/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]}))[0] == 200
    users = (await auth.ask("GET", "/api/v1/users", root))[1]["items"]
    assert [user["name"] for user in users] == ["ada", "admin"]
    assert (await auth.ask("GET", "/api/v1/auth/oidc"))[1]["available"] is True


async def test_a_name_at_the_provider_makes_nobody_a_user_of_ours(auth: Auth) -> None:
    """Two people of one name stay two, and a local user of that name is a third; no password opens any of them."""
    await auth.user("ada", ("admin", "*"))
    names = []
    for subject in ("s-ada", "s-adb"):
        _, pair = await log_in(auth, subject)
        me = (await auth.ask("GET", "/api/v1/auth/me", pair["access_token"]))[1]
        names.append(me["name"])
        assert me["grants"] == []
    assert len({"ada", *names}) == 3
    body = {"user": names[0], "password": "!"}
    assert (await auth.ask("POST", "/api/v1/auth/login", json=body))[0] == 401


async def test_a_login_is_finished_once_by_who_began_it(auth: Auth) -> None:
    """Replayed, with another's ticket, with a made-up code, or late: refused."""
    begun, other = await begin(auth), await begin(auth)
    back = await at_the_provider(auth, begun, "s-ada")
    assert (await finish(auth, {**begun, "ticket": other["ticket"]}, back["code"]))[0] == 401
    assert (await finish(auth, begun, back["code"]))[0] == 200
    assert (await finish(auth, begun, back["code"]))[0] == 401
    assert (await finish(auth, other, "made-up"))[0] == 401
    third = await begin(auth)
    mine = await at_the_provider(auth, third, "s-ada")
    fourth = await begin(auth)
    assert (await finish(auth, fourth, mine["code"]))[0] == 401, "a code of another login: the nonce is another"
    auth.clock.ahead += 601
    assert (await finish(auth, third, mine["code"]))[0] == 401
    status, answer = await auth.ask("POST", "/api/v1/auth/oidc/begin", json={"redirect_uri": "https://evil.example/callback"})
    assert (status, answer["code"]) == (422, "invalid")


async def test_a_stolen_code_is_worth_nothing_without_the_verifier(auth: Auth, issuer: str) -> None:
    """The provider keeps to RFC 7636: the code with our id, secret and address is not enough, nor is a made-up verifier."""
    for verifier in (None, "x" * 43):
        begun = await begin(auth)
        query = parse_qs(urlsplit(begun["url"]).query)
        assert (query["code_challenge_method"], query["response_type"]) == (["S256"], ["code"])
        back = await at_the_provider(auth, begun, "s-ada")
        form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": BACK, "client_id": "tocsin"}
        if verifier is not None:
            form["code_verifier"] = verifier
        ours = {"Authorization": encode_basic_auth("tocsin", "s")}
        async with auth.http.post(f"{issuer}/oauth2/token", data=form, headers=ours) as response:
            assert response.status == 400, await response.text()
    assert (await log_in(auth, "s-ada"))[0] == 200


async def test_a_group_that_the_provider_says_no_more_gives_nothing_more(auth: Auth, issuer: str) -> None:
    """From the next login on the role is lost, and tokens from before are refused, also those of sessions that go on."""
    root = await auth.token()
    group = {"claimed": ["night"], "bindings": [{"role": "operator", "namespace": "default"}]}
    assert (await auth.ask("PUT", "/api/v1/groups/night", root, json=group))[0] == 200

    async def says(*groups: str) -> None:
        person = {"sub": "s-eve", "preferred_username": "eve", "groups": groups}
        async with auth.http.put(f"{issuer}/users/s-eve", json=person) as response:
            assert response.status == 204

    async def grants(token: str) -> Any:
        return (await auth.ask("GET", "/api/v1/auth/me", token))[1].get("grants")

    await says("night", "day")
    _, first = await log_in(auth, "s-eve")
    assert await grants(first["access_token"])
    await says("day")
    assert await grants(first["access_token"]), "nobody has told us yet"
    status, second = await log_in(auth, "s-eve")
    assert (status, await grants(second["access_token"])) == (200, [])

    async def refused() -> bool:
        return (await auth.ask("GET", "/api/v1/auth/me", first["access_token"]))[0] == 401

    await eventually(refused, within=timedelta(seconds=60))
    status, going_on = await auth.ask("POST", "/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert (status, await grants(going_on["access_token"])) == (200, [])


async def test_a_session_that_ends_at_one_replica_is_over_at_the_other(
    auth: Auth, environ: dict[str, str], issuer: str, tmp_path: Path
) -> None:
    """Logged out, or ended by somebody else: access and refresh tokens are refused everywhere within seconds."""
    own = {"TOCSIN_AUTH_OIDC_ISSUER": issuer, "TOCSIN_AUTH_OIDC_SECRET": "s"}
    async with started({**environ, **own}, tmp_path) as other:
        for deed in ("logout", "revoke"):
            _, pair = await log_in(auth, "s-ada")
            token, body = pair["access_token"], {"refresh_token": pair["refresh_token"]}
            assert (await other.ask("GET", "/api/v1/auth/me", token))[0] == 200
            if deed == "logout":
                assert (await auth.ask("POST", "/api/v1/auth/logout", json=body))[0] == 204
            else:
                sessions = (await auth.ask("GET", "/api/v1/auth/sessions", token))[1]["items"]
                assert len(sessions) == 1
                assert (await other.ask("DELETE", f"/api/v1/auth/sessions/{sessions[0]['id']}", token))[0] == 204

            async def refused(token: str = token) -> bool:
                answers = [await each.ask("GET", "/api/v1/auth/me", token) for each in (auth, other)]
                return [status for status, _ in answers] == [401, 401]

            await eventually(refused, within=timedelta(seconds=60))
            assert (await other.ask("POST", "/api/v1/auth/refresh", json=body))[0] == 401


async def test_a_disabled_person_stays_out(auth: Auth) -> None:
    """Whatever the provider says."""
    assert (await log_in(auth, "s-ada"))[0] == 200
    await auth.ask("PATCH", "/api/v1/users/ada", await auth.token(), json={"disabled": True})
    assert (await log_in(auth, "s-ada"))[0] == 401


async def test_the_command_line_logs_in_through_the_browser(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person comes back to a port of this machine; a page that comes with another state is not listened to."""

    def browser(url: str) -> bool:
        query = parse_qs(urlsplit(url).query)
        back = query["redirect_uri"][0]
        urllib.request.urlopen(f"{back}?state=of-somebody-else&code=x").read()
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"{back.removesuffix('callback')}favicon.ico").read()
        urllib.request.urlopen(url, data=b"sub=s-ada").read()  # and follows the redirect
        return True

    monkeypatch.setattr("webbrowser.open", browser)
    async with Client(auth.url, StaticToken(None)) as client:
        tokens = await command_line.log_in(client)
    assert (await auth.ask("GET", "/api/v1/auth/me", str(tokens["access_token"])))[1]["name"] == "ada"


async def test_an_algorithm_that_is_not_pinned_is_refused(environ: dict[str, str], issuer: str, tmp_path: Path) -> None:
    """The provider signs with RS256; who pins another believes none of it. Nor another issuer."""
    own = {"TOCSIN_AUTH_OIDC_ISSUER": issuer, "TOCSIN_AUTH_OIDC_ALGORITHMS": '["PS256"]'}
    async with started({**environ, **own}, tmp_path) as auth:
        assert (await log_in(auth, "s-ada"))[0] == 401
    async with started({**environ, "TOCSIN_AUTH_OIDC_ISSUER": f"{issuer}/"}, tmp_path) as auth:
        assert (await auth.ask("POST", "/api/v1/auth/oidc/begin", json={"redirect_uri": BACK}))[0] == 503
