"""People of every kind on a running platform, and HTTP without any politeness."""

import contextlib
import http.client
import json
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from e2e.machine import awaited

Refusal = tuple[int, str, str]
"""Status; the request's id, or for want of a credential the address; why."""
PASSWORD = "seven quiet harbours at night"
ROLES = ("viewer", "operator", "author", "admin")
ONE_OF_EACH = {"users", "triggers", "schedules", "runs", "assets", "cases", "audit"}
HOME, NEAR = "team-a", "team-ab"  # the second begins with the first


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body decoded."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of a problem; empty when it is none."""
        return str(self.json.get("code", "")) if self.headers.get("content-type", "").startswith("application/problem") else ""


class World:
    """A platform under attack.

    Args:
        ready: What it printed when it was ready.
        traces: What it tells its collector of traces, as it comes.
    """

    def __init__(self, ready: Mapping[str, Any], traces: list[bytes]) -> None:
        self.ready, self.traces = ready, traces
        url = urlsplit(ready["url"])
        assert url.hostname is not None
        self.host, self.port = url.hostname, url.port
        admin = json.loads(Path(ready["admin_file"]).read_text())
        self.admin_password = str(admin["password"])
        self.root = self.login(str(admin["user"]), self.admin_password)["access_token"]
        self._people: dict[str, str] = {}
        self._stale: set[str] = set()
        self._refused: list[Refusal] = []

    # ---- HTTP ------------------------------------------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        base: str | None = None,
    ) -> Answer:
        """One request; bytes go as they are, anything else as JSON. Only the head of an event stream is read."""
        given = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None and not any(name.lower() == "content-type" for name in given):
            given["Content-Type"] = "application/json"
        url = urlsplit(base) if base else None
        connection = http.client.HTTPConnection(
            (url.hostname or "") if url else self.host, url.port if url else self.port, timeout=20
        )
        try:
            connection.request(method, path, body=data, headers=given)
            answer = connection.getresponse()
            head = {name.lower(): value for name, value in answer.getheaders()}
            endless = head.get("content-type", "").startswith("text/event-stream")
            found = Answer(answer.status, head, b"" if endless else answer.read())
            self._note(path, given, found)
            return found
        finally:
            connection.close()

    def _note(self, path: str, headers: Mapping[str, str], answer: Answer) -> None:
        """Remember a refusal that has to be in the audit trail; logins and webhooks have entries of their own there."""
        if path.startswith(("/hooks/", "/api/v1/auth/login")) or not answer.code:
            return
        if answer.status == 403:
            self._refused.append((403, answer.headers["x-request-id"], ""))
        if answer.status == 401:
            self._refused.append((401, headers.get("X-Forwarded-For", "127.0.0.1"), answer.json["detail"]))

    def unrecorded(self) -> set[Refusal]:
        """What was refused since the last look and is not in the audit trail."""
        query = "action=request.refused&limit=500"
        recorded: set[Refusal] = set()
        cursor = ""
        while True:
            page = self.good("GET", f"/api/v1/audit?{query}{cursor}")
            for one in page["items"]:
                data = one["event"]["data"]
                recorded.add((403, one["request"], ""))
                recorded.add((data["status"], one["address"], data.get("reason") or ""))
            if page["next_cursor"] is None:
                break
            cursor = "&cursor=" + quote(page["next_cursor"])
        # From more than a hundred addresses and reasons in a minute only the number is told.
        many = {where for _, where, _ in recorded if where == "many addresses"}
        missing = set(self._refused) - recorded
        return {one for one in missing if not (many and one[0] == 401)}

    @contextlib.contextmanager
    def open(self, path: str, token: str) -> Iterator[http.client.HTTPResponse]:
        """An answer whose body is still to be read, line by line."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            with connection.getresponse() as answer:
                assert answer.status == 200, answer.status
                yield answer
        finally:
            connection.close()

    def raw(self, text: bytes) -> bytes:
        """Bytes in, bytes out, until the server closes."""
        with socket.create_connection((self.host, self.port), timeout=20) as connection:
            connection.sendall(text)
            chunks = []
            while chunk := connection.recv(65536):
                chunks.append(chunk)
            return b"".join(chunks)

    def log(self) -> str:
        """What the platform has logged."""
        return (Path(self.ready["data"]) / "tocsin.log").read_text()

    @property
    def mongo(self) -> str:
        """The database, which only a process on the same machine reaches."""
        texts = (path.read_text() for path in (Path(self.ready["data"]) / "mongo").rglob("*.log"))
        ports = {port for text in texts for port in re.findall(r'"port":(\d+)', text)}
        return f"mongodb://127.0.0.1:{ports.pop()}"

    def login(self, user: str, password: str) -> dict[str, Any]:
        """A pair of tokens."""
        answer = self.ask("POST", "/api/v1/auth/login", {"user": user, "password": password})
        assert answer.status == 200, answer
        pair: dict[str, Any] = answer.json
        return pair

    def good(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Any:
        """A request of the administrator that has to work."""
        answer = self.ask(method, path, body, token=token or self.root)
        assert answer.status < 300, (method, path, answer)
        return answer.json if answer.body else None

    # ---- people ----------------------------------------------------------------------------------------------------------

    def user(self, name: str, *bindings: tuple[str, str]) -> str:
        """A user with roles in namespaces; an access token of theirs."""
        if name not in self._people:
            held = [{"role": role, "namespace": namespace} for role, namespace in bindings]
            self.good("POST", "/api/v1/users", {"name": name, "password": PASSWORD, "bindings": held})
            self._people[name] = self.login(name, PASSWORD)["access_token"]
        if name in self._stale:
            self._stale.discard(name)
            self._people[name] = self.login(name, PASSWORD)["access_token"]
        return self._people[name]

    def renew(self) -> None:
        """Log everybody in again, after a change of rules that withdraws all tokens."""
        self.root = self.login("admin", self.admin_password)["access_token"]
        self._stale = set(self._people)  # logged in when they are needed: a password takes its time

    def holder(self, role: str, namespace: str = "*") -> str:
        """Somebody with one role."""
        return self.user(f"{role}-{namespace}".replace("*", "all"), (role, namespace))

    @property
    def nobody(self) -> str:
        """A user without any role."""
        return self.user("norole")

    @cached_property
    def roles(self) -> dict[str, list[str]]:
        """The permissions of each role."""
        return {role["name"]: role["permissions"] for role in self.good("GET", "/api/v1/roles")["items"]}

    @cached_property
    def api(self) -> dict[str, Any]:
        """The OpenAPI document of all services; one that is slow to describe itself is left out, so it is asked for again."""

        def whole() -> dict[str, Any] | None:
            document: dict[str, Any] = self.good("GET", "/openapi.json")
            described = {path.split("/")[3] for path in document["paths"] if path.startswith("/api/v1/")}
            return document if described >= ONE_OF_EACH else None

        return awaited(whole, what="descriptions of all services")
