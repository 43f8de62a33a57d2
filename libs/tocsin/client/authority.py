"""Who may do what, over the API: groups, decisions, sessions, second factors, single sign-on."""

from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

import orjson

from tocsin.client.transport import Record, Transport

_AUTH = "/api/v1/auth"


def _path(*parts: str) -> str:
    return "/".join([_AUTH, *(quote(part, safe="") for part in parts)])


class Authority:
    """Groups, decisions and logins."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    def groups(self) -> AsyncIterator[Record]:
        """All groups."""
        return self._http.pages("/api/v1/groups")

    async def put_group(self, name: str, body: Record) -> Record:
        """Create or change a group: ``members``, ``claimed``, ``bindings``, ``summary``."""
        return await self._http.put(f"/api/v1/groups/{quote(name, safe='')}", body)

    async def delete_group(self, name: str) -> Record:
        """Delete a group."""
        return await self._http.delete(f"/api/v1/groups/{quote(name, safe='')}")

    async def rotate_api_key(self, key: str, overlap_seconds: int) -> Record:
        """Replace a key; the old one works on for the overlap."""
        body: Record = {"overlap_seconds": overlap_seconds}
        return await self._http.post(f"/api/v1/api-keys/{quote(key, safe='')}/rotate", body)

    async def put_namespace(self, name: str, body: Record) -> Record:
        """Say what a namespace is: ``environment``, ``labels``, ``protected``, ``reviewed``."""
        return await self._http.put(_path("namespaces", name), body)

    def namespaces(self) -> AsyncIterator[Record]:
        """What is known about namespaces."""
        return self._http.pages(_path("namespaces"), paged=False)

    async def factor_rules(self) -> Record:
        """Which roles take a second factor: ``rules`` of ``role``, ``namespace``, ``grace_days``, ``since``."""
        return await self._http.get(_path("second-factor-rules"))

    async def put_factor_rules(self, rules: Sequence[Record]) -> Record:
        """Say which roles take a second factor."""
        return await self._http.put(_path("second-factor-rules"), {"rules": [*rules]})

    async def reset_second_factor(self, user: str) -> Record:
        """Ask somebody for none any more; where one is needed, there is time again to add one."""
        return await self._http.delete(f"/api/v1/users/{quote(user, safe='')}/second-factor")

    async def can_i(self, question: Record) -> Record:
        """Whether the credential at hand permits it: ``permission``, ``namespace``, ``name``."""
        return await self._http.post(_path("can-i"), question)

    async def explain(self, question: Record) -> Record:
        """Why somebody may do it or not: as above, and ``user``."""
        return await self._http.post(_path("explain"), question)

    async def simulate(self, user: str, bindings: Sequence[Record]) -> Record:
        """What would change if a user had these bindings."""
        return await self._http.post(_path("simulate"), {"user": user, "bindings": [*bindings]})

    def sessions(self, user: str | None = None) -> AsyncIterator[Record]:
        """Logins that are going on; one's own unless a user is named."""
        return self._http.pages(_path("sessions"), {"user": user})

    async def end_session(self, session: str) -> Record:
        """End a login; its tokens are refused within seconds."""
        return await self._http.delete(_path("sessions", session))

    async def rotate_signing_key(self) -> Record:
        """Sign tokens with a new key: its ``kid``. Tokens of the one before count until they expire."""
        return await self._http.post(_path("signing-keys", "rotate"))

    async def enrol(self, password: str) -> Record:
        """Begin with a second factor: ``uri`` and ``recovery_codes``, shown once."""
        return await self._http.post(_path("second-factor"), {"password": password})

    async def confirm(self, code: str) -> Record:
        """Show a code; from then on it is asked for."""
        return await self._http.post(_path("second-factor", "confirm"), {"code": code})

    async def leave(self, password: str) -> Record:
        """Be asked for no second factor any more."""
        return await self._http.post(_path("second-factor", "remove"), {"password": password})

    async def begin_oidc(self, redirect_uri: str) -> Record:
        """Begin a login at the identity provider: ``url``, ``state``, ``ticket``."""
        return await self._anonymous("begin", {"redirect_uri": redirect_uri})

    async def finish_oidc(self, state: str, ticket: str, code: str) -> Record:
        """Finish it: tokens."""
        return await self._anonymous("finish", {"state": state, "ticket": ticket, "code": code})

    async def _anonymous(self, action: str, body: Record) -> Record:
        answer = await self._http.send("POST", _path("oidc", action), content=orjson.dumps(body), authenticated=False)
        value: Record = orjson.loads(answer) if answer else {}
        return value
