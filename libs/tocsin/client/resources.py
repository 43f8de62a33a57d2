"""The resources of the API, one small class each; a method is one request.

Answers are the JSON objects of the API as they are: its OpenAPI document describes them, and a newer platform may say more.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from urllib.parse import quote

import orjson

from tocsin.client.transport import Record, Transport
from tocsin.signals import CloudEvent, Json, decode, encode

Filters = Mapping[str, str | int | bool | list[str] | None]

_API = "/api/v1"


def _path(*parts: str) -> str:
    return "/".join([_API, *(quote(part, safe="") for part in parts)])


class Auth:
    """Logins, users and keys."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def login(self, user: str, password: str, code: str | None = None) -> Record:
        """Tokens for a user: ``access_token``, ``refresh_token``, ``expires_in``; ``code`` of the second factor."""
        return await self._anonymous("login", {"user": user, "password": password, **({"code": code} if code else {})})

    async def refresh(self, refresh_token: str) -> Record:
        """New tokens for old; the old refresh token is used up."""
        return await self._anonymous("refresh", {"refresh_token": refresh_token})

    async def logout(self, refresh_token: str) -> Record:
        """End the login that the refresh token belongs to."""
        return await self._anonymous("logout", {"refresh_token": refresh_token})

    async def me(self) -> Record:
        """Who the credentials belong to, and what they permit."""
        return await self._http.get(_path("auth", "me"))

    async def nats_credentials(self, body: Record) -> Record:
        """Server, user and password for a NATS client; ``body`` as for an API key."""
        return await self._http.post(_path("auth", "nats-credentials"), body)

    def users(self) -> AsyncIterator[Record]:
        """All users."""
        return self._http.pages(_path("users"))

    async def create_user(self, name: str, password: str | None, bindings: Sequence[Record]) -> Record:
        """A new user, or without a password a service account; bindings are ``{"role", "namespace", "names", "deny"}``."""
        kind: Record = {"machine": True} if password is None else {"password": password}
        return await self._http.post(_path("users"), {"name": name, "bindings": [*bindings], **kind})

    async def user(self, name: str) -> Record:
        """One user."""
        return await self._http.get(_path("users", name))

    async def change_user(self, name: str, change: Record) -> Record:
        """Change ``bindings`` or ``disabled``; what is left out stays."""
        return await self._http.patch(_path("users", name), change)

    async def set_password(self, name: str, password: str) -> Record:
        """Give a user a new password; all sessions of the user end."""
        return await self._http.put(_path("users", name, "password"), {"password": password})

    async def delete_user(self, name: str) -> Record:
        """Delete a user."""
        return await self._http.delete(_path("users", name))

    def roles(self) -> AsyncIterator[Record]:
        """All roles."""
        return self._http.pages(_path("roles"), paged=False)

    async def put_role(self, name: str, permissions: Sequence[str], summary: str) -> Record:
        """Create or change a role of one's own."""
        return await self._http.put(_path("roles", name), {"permissions": [*permissions], "summary": summary})

    async def delete_role(self, name: str) -> Record:
        """Delete a role that nobody holds."""
        return await self._http.delete(_path("roles", name))

    def api_keys(self, owner: str | None = None) -> AsyncIterator[Record]:
        """API keys of a user, of all (``*``), or one's own; never their secrets."""
        return self._http.pages(_path("api-keys"), {"owner": owner})

    async def create_api_key(self, body: Record) -> Record:
        """A new key; its secret is in this answer and nowhere else."""
        return await self._http.post(_path("api-keys"), body)

    async def revoke_api_key(self, key: str) -> Record:
        """Revoke a key."""
        return await self._http.delete(_path("api-keys", key))

    async def _anonymous(self, action: str, body: Record) -> Record:
        answer = await self._http.send("POST", _path("auth", action), content=orjson.dumps(body), authenticated=False)
        value: Record = orjson.loads(answer) if answer else {}
        return value


class Workflows:
    """Definitions."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def apply(self, document: bytes, *, media_type: str = "application/yaml") -> Record:
        """Publish a definition, as YAML or JSON: ``namespace``, ``name``, ``version``, ``digest``."""
        body = await self._http.send("POST", _path("workflows"), content=document, headers={"Content-Type": media_type})
        value: Record = orjson.loads(body)
        return value

    def list(self, namespace: str | None = None, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Definitions, newest version of each."""
        return self._http.pages(_path("workflows"), {"namespace": namespace}, limit=limit)

    async def show(self, namespace: str, name: str, version: str | None = None) -> Record:
        """One definition with its document."""
        return await self._http.get(_path("workflows", namespace, name), {"version": version})

    async def delete(self, namespace: str, name: str, version: str | None = None) -> Record:
        """Delete a version, or all."""
        return await self._http.delete(_path("workflows", namespace, name), {"version": version})


class Runs:
    """Runs and their tasks."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def start(self, body: Record, *, wait_seconds: float | None = None) -> Record:
        """Start a run: ``namespace``, ``workflow``, ``version``, ``input``, ``labels``, ``idempotency_key``.

        With ``wait_seconds`` the answer comes when the run has ended, or after that time.
        """
        query = {"wait": f"{wait_seconds:g}s"} if wait_seconds else None
        return await self._http.post(_path("runs"), body, query, seconds=30 + (wait_seconds or 0))

    def list(self, filters: Filters, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Runs, newest first; filters as the API has them: namespace, workflow, status, ..."""
        return self._http.pages(_path("runs"), filters, limit=limit)

    async def show(self, run: str) -> Record:
        """One run with input, output and error."""
        return await self._http.get(_path("runs", run))

    async def value(self, run: str, ref: str) -> Json:
        """A large value of it: what the fields named in ``large`` refer to by ``dataref``."""
        value: Json = orjson.loads(await self._http.send("GET", _path("runs", run, "values", ref)))
        return value

    async def filled(self, record: Record, run: str) -> Record:
        """A run as :meth:`show` gives it, or one of its tasks, with the large values in their place."""
        large = record.get("large")
        for name in large if isinstance(large, list) else []:
            held = record[str(name)]
            if isinstance(held, dict):
                record[str(name)] = await self.value(run, str(held["dataref"]))
        return record

    async def explain(self, run: str) -> Record:
        """What it waits for, and which inputs were refused."""
        return await self._http.get(_path("runs", run, "explanation"))

    def tasks(self, run: str) -> AsyncIterator[Record]:
        """Its tasks, in the order in which they began."""
        return self._http.pages(_path("runs", run, "tasks"))

    def logs(self, run: str) -> AsyncIterator[Record]:
        """Lines that its tasks printed."""
        return self._http.pages(_path("runs", run, "logs"))

    async def control(self, run: str, verb: str, reason: str | None = None) -> Record:
        """Ask for ``cancel``, ``suspend`` or ``resume``; it is done when the status of the run says so."""
        return await self._http.post(_path("runs", run, verb), {"reason": reason} if reason else {})


class Events:
    """Custom events."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def publish(self, event: CloudEvent, namespace: str) -> Record:
        """Publish one event in a namespace; when this returns, it is on disk."""
        headers = {"Content-Type": "application/cloudevents+json"}
        body = await self._http.send(
            "POST", _path("events"), query={"namespace": namespace}, content=encode(event), headers=headers
        )
        value: Record = orjson.loads(body) if body else {}
        return value

    def list(self, filters: Filters, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Events that came in, with what was decided about them, newest first."""
        return self._http.pages(_path("events"), filters, limit=limit)

    async def show(self, key: str) -> Record:
        """One record of an event, with the event and the decisions about it."""
        return await self._http.get(_path("events", key))

    async def explain(self, event: str, *, namespace: str | None = None, source: str | None = None) -> Record:
        """Why an event did or did not start something: by the key of its record, or by its id with its source."""
        return await self._http.get(_path("events", event, "explanation"), {"namespace": namespace, "source": source})

    async def replay(
        self, namespace: str, keys: Sequence[str], *, triggers: Sequence[str] = (), name: str | None = None
    ) -> Record:
        """Let the triggers (or those named) decide again; the same name again starts nothing twice."""
        body: Record = {"namespace": namespace, "events": list(keys)}
        if triggers:
            body["triggers"] = list(triggers)
        if name is not None:
            body["id"] = name
        return await self._http.post(_path("events", "replay"), body)

    async def replay_window(self, namespace: str, window: Record, *, triggers: Sequence[str], name: str | None) -> Record:
        """The same for the events of a window: ``since``, ``until``, ``type``, ``trigger``."""
        body: Record = {"namespace": namespace, "window": window}
        if triggers:
            body["triggers"] = list(triggers)
        if name is not None:
            body["id"] = name
        return await self._http.post(_path("events", "replay"), body)


class Signals:
    """Every change of state of anything."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    def list(self, filters: Filters, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Signals that are kept, newest first; filters: namespace, entity, id, type, correlation, actor, since, until."""
        return self._http.pages(_path("signals"), filters, limit=limit)

    def audit(self, filters: Filters, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Who did what, newest first."""
        return self._http.pages(_path("audit"), filters, limit=limit)

    async def stream(self, subject: str, *, last_id: str | None = None) -> AsyncGenerator[CloudEvent | None]:
        """Signals as they happen, for ever; ``None`` whenever the stream is (again) connected."""
        query = {"subject": subject}
        async for event in self._http.stream(_path("signals", "stream"), query, last_id=last_id):
            if event.event == "open":
                yield None
            elif event.data.startswith("{"):
                yield decode(event.data)


class Named:
    """Things with a namespace and a name: triggers, schedules."""

    def __init__(self, transport: Transport, collection: str) -> None:
        """``collection`` is the segment of their path."""
        self._http = transport
        self._collection = collection

    async def apply(self, namespace: str, name: str, body: Record) -> Record:
        """Create or replace one."""
        return await self._http.put(_path(self._collection, namespace, name), body)

    def list(self, namespace: str | None = None, *, limit: int | None = None) -> AsyncIterator[Record]:
        """All of them in a namespace."""
        return self._http.pages(_path(self._collection), {"namespace": namespace}, limit=limit)

    async def show(self, namespace: str, name: str) -> Record:
        """One of them."""
        return await self._http.get(_path(self._collection, namespace, name))

    async def delete(self, namespace: str, name: str) -> Record:
        """Delete one."""
        return await self._http.delete(_path(self._collection, namespace, name))

    async def pause(self, namespace: str, name: str, reason: str | None = None) -> Record:
        """Pause one; the reason is shown to whoever wonders."""
        return await self._http.post(_path(self._collection, namespace, name, "pause"), {"reason": reason} if reason else {})

    async def resume(self, namespace: str, name: str) -> Record:
        """Let it go on."""
        return await self._http.post(_path(self._collection, namespace, name, "resume"))

    async def upcoming(self, namespace: str, name: str, count: int) -> Record:
        """The next instants of a schedule."""
        return await self._http.get(_path(self._collection, namespace, name, "next"), {"count": count})

    def firings(self, namespace: str, name: str, *, limit: int | None = None) -> AsyncIterator[Record]:
        """Instants of a schedule that had a run, the latest first."""
        return self._http.pages(_path(self._collection, namespace, name, "firings"), limit=limit)

    async def simulate(self, namespace: str | None, body: Record) -> Record:
        """What all schedules of a namespace will do."""
        return await self._http.post(_path(self._collection, "simulate"), body, query={"namespace": namespace})


class Backfills:
    """Runs for what is past."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def preview(self, namespace: str, name: str, body: Record) -> Record:
        """What a backfill would do."""
        return await self._http.post(_path("backfills", namespace, name, "preview"), body)

    async def start(self, namespace: str, name: str, body: Record) -> Record:
        """Start one; asked for again, it is answered as it is."""
        return await self._http.put(_path("backfills", namespace, name), body)

    def list(self, namespace: str | None = None, *, limit: int | None = None) -> AsyncIterator[Record]:
        """All of them in a namespace."""
        return self._http.pages(_path("backfills"), {"namespace": namespace}, limit=limit)

    async def show(self, namespace: str, name: str) -> Record:
        """One of them, with its progress."""
        return await self._http.get(_path("backfills", namespace, name))

    async def cancel(self, namespace: str, name: str, reason: str | None = None) -> Record:
        """Start nothing more of it, and cancel its runs."""
        return await self._http.post(_path("backfills", namespace, name, "cancel"), {"reason": reason} if reason else {})


class Platform:
    """The platform itself."""

    def __init__(self, transport: Transport) -> None:
        """Over ``transport``."""
        self._http = transport

    async def status(self) -> Record:
        """Readiness and version of each service."""
        return await self._http.get(_path("status"))

    async def deliver(self, path: str, body: bytes, headers: Mapping[str, str]) -> Record:
        """POST to a webhook, as a partner would: signed, not logged in."""
        answer = await self._http.send("POST", path, content=body, headers=headers, authenticated=False)
        value = orjson.loads(answer) if answer else {}
        return value if isinstance(value, dict) else {"answer": value}
