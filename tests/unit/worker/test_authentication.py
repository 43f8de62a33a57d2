"""Every authentication of the language against a real server on this machine."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from aiohttp import web

from local_http import serving
from tocsin_executor.worker.calling import Caller
from tocsin_executor.worker.runners.http import HttpRunner
from tocsin_executor.worker.tasks import Failed, Task
from tocsin_kit.chance import SeededChance
from tocsin_kit.testing import ManualClock
from tocsin_kit.web.outgoing import OutgoingGuard

SECRET = "a-client-secret-of-32-characters!"


class Authority:
    """An authorization server, and an API that takes its tokens."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.given = 0
        self.revoked: set[str] = set()
        self.refuses = False
        self.says: dict[str, Any] = {}
        self.url = ""

    async def token(self, request: web.Request) -> web.Response:
        body = await request.json() if request.content_type == "application/json" else dict(await request.post())
        self.asked.append({**body, "authorization": request.headers.get("Authorization")})
        await asyncio.sleep(0)  # noqa: TID251  # others come meanwhile
        if self.refuses:
            return web.json_response({"error": body.get("password", "invalid_client")}, status=401)
        self.given += 1
        token = jwt.encode({"iss": "https://issuer.example", "n": self.given}, "k" * 32)
        more = {"refresh_token": f"refresh-{self.given}"} if body["grant_type"] in {"password", "refresh_token"} else {}
        return web.json_response({"access_token": token, "expires_in": 60, "token_type": "Bearer", **more, **self.says})

    async def configuration(self, request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.url, "token_endpoint": f"{self.url}/elsewhere"})

    async def api(self, request: web.Request) -> web.Response:
        header = request.headers.get("Authorization", "")
        scheme, _, token = header.partition(" ")
        if scheme == "Digest" or not header:
            return self._digest(request, header)
        if token in self.revoked:
            return web.Response(status=401)
        return web.json_response({"scheme": scheme, "n": jwt.decode(token, options={"verify_signature": False})["n"]})

    def _digest(self, request: web.Request, header: str) -> web.Response:
        challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n1", qop="auth", algorithm=SHA-256'}
        if not header:
            return web.Response(status=401, headers=challenge)
        parts = dict(part.strip().split("=", 1) for part in header.removeprefix("Digest ").split(","))
        said = {name: value.strip('"') for name, value in parts.items()}
        one, two = _sha("user:r:open sesame"), _sha(f"{request.method}:{said['uri']}")
        meant = _sha(f"{one}:n1:{said['nc']}:{said['cnonce']}:auth:{two}")
        return web.json_response({"scheme": "Digest"}, status=200 if said["response"] == meant else 401)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@asynccontextmanager
async def world() -> AsyncIterator[tuple[Authority, Any, ManualClock]]:
    """An authority, and a function that calls its API with a policy."""
    authority, clock = Authority(), ManualClock()
    routes = {"/oauth2/token": authority.token, "/elsewhere": authority.token, "/api": authority.api}
    routes["/realm/.well-known/openid-configuration"] = authority.configuration
    caller = Caller(OutgoingGuard(allow_private=True, setting="x"), clock, SeededChance(1))
    async with serving(routes) as authority.url:

        async def ask(policy: Any, **secrets: Any) -> Any:
            spec = {"method": "get", "endpoint": {"uri": f"{authority.url}/api", "authentication": policy}}
            task = Task("r", "h:1#1", "http", "t", "/do/0/t", "n", spec, None, None, None, None, "s", secrets=secrets)
            try:
                return (await HttpRunner(caller).run(task)).output
            except Failed as failed:
                failed.problem = {name: task.redaction.value(said) for name, said in failed.problem.items()}
                raise

        try:
            yield authority, ask, clock
        finally:
            await caller.close()


def oauth2(url: str, **fields: Any) -> dict[str, Any]:
    client = {"id": "us", "secret": SECRET}
    return {"oauth2": {"authority": url, "grant": "client_credentials", "client": client, **fields}}


async def test_a_token_is_asked_for_once_and_again_when_it_has_expired() -> None:
    """Of the same authority, client and scopes; other scopes are another token."""
    async with world() as (authority, ask, clock):
        policy = oauth2(authority.url, scopes=["api", "more"], audiences=["them"])
        assert [(await ask(policy))["n"] for _ in range(3)] == [1, 1, 1]
        assert authority.asked == [
            {
                "grant_type": "client_credentials",
                "scope": "api more",
                "audience": "them",
                "client_id": "us",
                "client_secret": SECRET,
                "authorization": None,
            }
        ]
        assert (await ask(oauth2(authority.url, scopes=["other"])))["n"] == 2
        await clock.advance(55)
        assert (await ask(policy))["n"] == 3


async def test_a_token_that_was_revoked_is_replaced_once() -> None:
    """A cached token that the API refuses is not used again."""
    async with world() as (authority, ask, _):
        await ask(oauth2(authority.url))
        authority.revoked.add(jwt.encode({"iss": "https://issuer.example", "n": 1}, "k" * 32))
        assert (await ask(oauth2(authority.url)))["n"] == 2


async def test_many_tasks_ask_once() -> None:
    """For a token that nobody has, and for one in the place of a cached one that a service does not take any more."""
    async with world() as (authority, ask, _):
        assert [found["n"] for found in await asyncio.gather(*(ask(oauth2(authority.url)) for _ in range(20)))] == [1] * 20
        authority.revoked.add(jwt.encode({"iss": "https://issuer.example", "n": 1}, "k" * 32))
        assert [found["n"] for found in await asyncio.gather(*(ask(oauth2(authority.url)) for _ in range(20)))] == [2] * 20
        assert authority.given == 2


async def test_a_new_token_that_is_refused_is_not_asked_for_again() -> None:
    """The service means it."""
    async with world() as (authority, ask, _):
        authority.revoked |= {jwt.encode({"iss": "https://issuer.example", "n": n}, "k" * 32) for n in (1, 2)}
        with pytest.raises(Failed) as caught:
            await ask(oauth2(authority.url))
        assert (caught.value.problem["status"], authority.given) == (401, 1)


async def test_those_who_wait_for_a_token_hear_the_same_failure() -> None:
    """Instead of each asking an authority that refuses, one after the other; and none hears what was sent."""
    async with world() as (authority, ask, _):
        authority.refuses = True
        policy = oauth2(authority.url, grant="password", username="u", password="hunter-two-three")
        found = await asyncio.gather(*(ask(policy) for _ in range(20)), return_exceptions=True)
        assert all(isinstance(each, Failed) and each.problem["status"] == 401 for each in found)
        assert not any("hunter" in str(each.problem) for each in found if isinstance(each, Failed))
        assert len(authority.asked) <= 2
        authority.refuses = False
        assert (await ask(policy))["n"] == 1


@pytest.mark.parametrize(
    ("says", "later", "asked"),
    [
        ({"expires_in": "60"}, 45, 1),
        ({"expires_in": "60"}, 55, 2),
        ({"expires_in": 5}, 3, 1),
        ({"expires_in": 5}, 5, 2),
        ({"expires_in": None}, 30, 1),
        ({"expires_in": "soon", "token_type": "bearer"}, 70, 2),
        ({"expires_in": -1, "token_type": None}, 0, 2),
    ],
)
async def test_a_token_is_kept_as_long_as_its_server_says(says: dict[str, Any], later: float, asked: int) -> None:
    """In numbers or text, for short lives as well; without a word for a minute."""
    async with world() as (authority, ask, clock):
        authority.says = says
        await ask(oauth2(authority.url))
        await clock.advance(later)
        await ask(oauth2(authority.url))
        assert len(authority.asked) == asked


async def test_tokens_that_are_no_bearers_are_not_used_as_such() -> None:
    """Without the proof that belongs to them they are nothing."""
    async with world() as (authority, ask, _):
        authority.says = {"token_type": "DPoP"}
        with pytest.raises(Failed, match="DPoP"):
            await ask(oauth2(authority.url))


async def test_clients_say_who_they_are_in_every_way_of_the_reference() -> None:
    """In the body, in a header, with a signed assertion, with one that they have, or not at all."""
    async with world() as (authority, ask, _):
        for method in ("client_secret_post", "client_secret_basic", "client_secret_jwt", "private_key_jwt", "none"):
            client = {
                "id": "us",
                "secret": SECRET,
                "authentication": method,
                "assertion": "a.b.c" if "private" in method else "",
            }
            await ask(oauth2(authority.url, client=client, scopes=[method]))
        post, basic, signed, private, none = authority.asked
        assert (post["client_id"], post["client_secret"]) == ("us", SECRET)
        assert base64.b64decode(basic["authorization"].partition(" ")[2]).decode().startswith("us:a-client-secret")
        assert "client_secret" not in basic
        unaged = {"verify_exp": False, "verify_iat": False}
        audience = f"{authority.url}/oauth2/token"
        claims = jwt.decode(signed["client_assertion"], SECRET, ["HS256"], audience=audience, options=unaged)
        assert (claims["iss"], claims["sub"]) == ("us", "us")
        assert private["client_assertion"] == "a.b.c"
        assert (none["client_id"], "client_secret" in none, none["authorization"]) == ("us", False, None)


async def test_a_password_grant_is_renewed_with_its_refresh_token() -> None:
    """The password is sent once; JSON requests are JSON."""
    async with world() as (authority, ask, clock):
        policy = oauth2(authority.url, grant="password", username="u", password="p", request={"encoding": "application/json"})
        await ask(policy)
        await clock.advance(55)
        await ask(policy)
        first, second = authority.asked
        assert (first["grant_type"], first["username"], first["password"]) == ("password", "u", "p")
        assert (second["grant_type"], second["refresh_token"], "password" in second) == ("refresh_token", "refresh-1", False)


async def test_refresh_and_exchange_are_grants_of_their_own() -> None:
    """The token of the subject, and of who acts for it."""
    async with world() as (authority, ask, _):
        subject = {"token": "of-subject", "type": "urn:ietf:params:oauth:token-type:access_token"}
        await ask(oauth2(authority.url, grant="refresh_token", subject=subject))
        exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
        await ask(oauth2(authority.url, grant=exchange, subject=subject, actor={"token": "of-actor", "type": "t"}))
        assert authority.asked[0]["refresh_token"] == "of-subject"
        assert (authority.asked[1]["subject_token"], authority.asked[1]["actor_token"]) == ("of-subject", "of-actor")


async def test_openid_connect_finds_the_endpoint_by_discovery() -> None:
    """With the configuration's address, or that of the authority."""
    async with world() as (authority, ask, _):
        for address in (f"{authority.url}/realm", f"{authority.url}/realm/.well-known/openid-configuration"):
            policy = {"oidc": {**oauth2(address)["oauth2"], "issuers": ["https://issuer.example"]}}
            assert (await ask(policy))["scheme"] == "Bearer"


async def test_a_challenge_that_was_only_too_old_is_answered_anew() -> None:
    """Once: among other schemes, with the body in the proof, and a wrong password is refused at once."""
    seen: list[str] = []

    async def api(request: web.Request) -> web.Response:
        said = request.headers.get("Authorization", "")
        seen.append(said)
        if 'nonce="n2"' in said:
            return web.json_response({"body": await request.text()})
        offered = web.Response(status=401)
        offered.headers.add("WWW-Authenticate", 'Basic realm="r"')
        digest = 'Digest realm="r", nonce="n2", stale=true' if said else 'Digest realm="r", nonce="n1"'
        offered.headers.add("WWW-Authenticate", f'{digest}, qop="auth-int", algorithm=MD5')
        return offered

    caller = Caller(OutgoingGuard(allow_private=True, setting="x"), ManualClock(), SeededChance(1))
    async with serving({"/api": api}) as url:
        policy = {"digest": {"username": "u", "password": "p"}}
        spec = {"method": "post", "endpoint": {"uri": f"{url}/api?q=1", "authentication": policy}, "body": "all of it"}
        task = Task("r", "h:1#1", "http", "t", "/do/0/t", "n", spec, None, None, None, None, "s")
        try:
            assert (await HttpRunner(caller).run(task)).output == {"body": "all of it"}
        finally:
            await caller.close()
    assert [said.partition(" ")[0] for said in seen] == ["", "Digest", "Digest"]
    assert "qop=auth-int" in seen[1]
    assert 'uri="/api?q=1"' in seen[1]


async def test_basic_bearer_and_digest_come_inline_or_from_a_secret() -> None:
    """A secret holds the policy; for a bearer it may be the token alone."""
    async with world() as (authority, ask, _):
        token = jwt.encode({"n": 9}, "k" * 32)
        assert await ask({"bearer": {"token": token}}) == {"scheme": "Bearer", "n": 9}
        assert await ask({"bearer": {"use": "key"}}, key=token) == {"scheme": "Bearer", "n": 9}
        login = {"username": "user", "password": "open sesame"}
        assert await ask({"digest": login}) == {"scheme": "Digest"}
        assert await ask({"digest": {"use": "login"}}, login=login) == {"scheme": "Digest"}
        whole = oauth2(authority.url)["oauth2"]
        assert (await ask({"oauth2": {"use": "machine"}}, machine=whole))["n"] == 1


@pytest.mark.parametrize(
    ("fields", "refuses", "kind", "says"),
    [
        ({}, True, "authentication", "invalid_client"),
        ({"issuers": ["https://other.example"]}, False, "authentication", "issuers"),
        ({"authority": "http://127.0.0.1:1"}, False, "communication", "cannot be reached"),
        ({"grant": "authorization_code"}, False, "configuration", "no browser"),
        ({"grant": "password"}, False, "configuration", "'username'"),
        ({"client": {"secret": SECRET}}, False, "configuration", "client.id"),
    ],
)
async def test_no_token_is_an_error_of_its_kind(fields: dict[str, Any], refuses: bool, kind: str, says: str) -> None:
    """And never shows the secret."""
    async with world() as (authority, ask, _):
        authority.refuses = refuses
        with pytest.raises(Failed) as failure:
            await ask(oauth2(authority.url, **fields) if "authority" not in fields else oauth2(fields["authority"]))
        assert str(failure.value.problem["type"]).endswith(kind)
        assert says in str(failure.value.problem["detail"])
        assert SECRET not in str(failure.value.problem)
