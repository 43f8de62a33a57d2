"""The outside world of the scenarios: the pet store and the authentication that the conformance kit names, and an echo."""

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.conformance.services import served

PETS = {1: {"id": 1, "name": "Milou", "status": "available"}, 2: {"id": 2, "name": "Idefix", "status": "sold"}}
_PARAMETERS = {
    "findPetsByStatus": ("/pet/findByStatus", "status", "query", "string"),
    "getPetById": ("/pet/{petId}", "petId", "path", "integer"),
}


def swagger(origin: str) -> dict[str, Any]:
    """A Swagger 2.0 document of the pet store."""
    paths = {
        path: {
            "get": {
                "operationId": operation,
                "parameters": [{"name": name, "in": place, "required": True, "type": kind}],
                "responses": {"200": {"description": "ok"}},
            }
        }
        for operation, (path, name, place, kind) in _PARAMETERS.items()
    }
    host = origin.removeprefix("http://")
    return {
        "swagger": "2.0",
        "info": {"title": "pets", "version": "1"},
        "host": host,
        "basePath": "/v2",
        "schemes": ["http"],
        "paths": paths,
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    counts: ClassVar[Counter[str]] = Counter()
    lock = threading.Lock()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing on the console."""

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        status, content, headers = self._content(urlsplit(self.path).path, parse_qs(urlsplit(self.path).query), body)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", headers.pop("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the library's names

    def _content(self, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any, dict[str, str]]:
        words = path.strip("/").split("/")
        origin = f"http://{self.headers['host']}"
        match words:
            case ["v2", "swagger.json"]:
                return 200, swagger(origin), {}
            case ["v2", "pet", "findByStatus"]:
                return 200, [pet for pet in PETS.values() if pet["status"] in query.get("status", [])], {}
            case ["v2", "pet", number] if number.isdigit() and int(number) in PETS:
                return 200, PETS[int(number)], {}
            case ["basic-auth", user, password]:
                wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
                right = self.headers.get("authorization") == wanted
                return (200, {"authenticated": True}, {}) if right else (401, None, {"WWW-Authenticate": "Basic"})
            case ["bearer", token]:
                right = self.headers.get("authorization") == f"Bearer {token}"
                return (200, {"authenticated": True}, {}) if right else (401, None, {})
            case ["echo", *_]:
                return 200, self._echo(path, query, body), {"X-Answer": "yes"}
            case ["status", code]:
                return int(code), {"status": int(code)}, {}
            case ["text"]:
                return 200, b"plain words", {"Content-Type": "text/plain"}
            case ["redirect"]:
                return 302, None, {"Location": "/echo/moved"}
            case ["flaky", key, times]:
                with self.lock:
                    self.counts[key] += 1
                    seen = self.counts[key]
                return (200, {"tries": seen}, {}) if seen > int(times) else (503, {"tries": seen}, {})
            case _:
                known = {name.lower(): value for name, value in self.headers.items()}
                answer = served(words, self.command, known, body, origin)
                return (404, {"message": "not found"}, {}) if answer is None else answer

    def _echo(self, path: str, query: dict[str, list[str]], body: bytes) -> dict[str, Any]:
        try:
            content = json.loads(body) if body else None
        except ValueError:
            content = body.decode("utf-8", "replace")
        return {
            "method": self.command,
            "path": path,
            "query": {name: values[-1] for name, values in query.items()},
            "headers": {name.lower(): value for name, value in self.headers.items() if name.lower().startswith("x-")},
            "body": content,
        }


@contextmanager
def stub() -> Iterator[str]:
    """The origin of a server on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
