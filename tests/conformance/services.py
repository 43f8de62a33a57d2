"""More of the outside world of the scenarios: an authorization server, an agent, a tool server, documents, a catalog.

Each answers as its protocol says and refuses what its protocol refuses: a scenario passes only if the runtime speaks it.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from tests.conformance.methods import PROTOS

Answer = tuple[int, Any, dict[str, str]]
_STREAM = {"Content-Type": "text/event-stream"}
_TEXT = {"Content-Type": "text/yaml"}
_FUNCTION = b"""
input: {schema: {format: json, document: {type: object, required: [name]}}}
set: {greeting: '${ "hello \\(.name)" }'}
"""


def served(words: list[str], method: str, headers: Mapping[str, str], body: bytes, origin: str) -> Answer | None:
    """The answer of one of these services; ``None`` for other paths."""
    match words:
        case ["digest", user, password]:
            return _digest(headers.get("authorization", ""), method, user, password)
        case ["oauth2", "token"] | ["realm", "tokens"]:
            return _token(headers, body)
        case ["realm", ".well-known", "openid-configuration"]:
            return 200, {"issuer": origin, "token_endpoint": f"{origin}/realm/tokens"}, {}
        case ["whose"]:
            scheme, _, token = headers.get("authorization", "").partition(" ")
            parts = {} if not token else dict(zip(("grant", "client", "user", "scope"), token.split("."), strict=True))
            return (200, parts, {}) if scheme == "Bearer" else (401, None, {})  # the token itself would be taken out
        case ["agent", "card.json"]:
            return 200, {"name": "agent", "url": f"{origin}/agent/rpc", "preferredTransport": "JSONRPC"}, {}
        case ["agent", "both.json"]:
            newer, older = _interface(f"{origin}/agent/newer", "1.0"), _interface(f"{origin}/agent/rpc", "0.3")
            return 200, {"name": "agent", "supportedInterfaces": [newer, older]}, {}
        case ["agent", "newer.json"]:
            return 200, {"name": "agent", "supportedInterfaces": [_interface(f"{origin}/agent/newer", "1.0")]}, {}
        case ["agent", "rpc"]:
            return _agent(json.loads(body))
        case ["agent", "newer"]:
            return _newer_agent(headers, json.loads(body))
        case ["tools"]:
            return _tools(method, headers, body)
        case ["feed"]:
            events = b"".join(b"data: %b\n\n" % json.dumps({"n": n}).encode() for n in range(1, 7))
            return (200, events, dict(_STREAM)) if method == "GET" else (202, None, {})
        case _:
            return _document(words, origin)


def _document(words: list[str], origin: str) -> Answer | None:
    host = origin.removeprefix("http://")
    match words:
        case ["openapi.json"]:
            return 200, _openapi(origin), {}
        case ["asyncapi3.json"]:
            return 200, _asyncapi(host), {}
        case ["asyncapi2.json"]:
            servers = {"web": {"url": origin, "protocol": "http"}}
            return 200, {"asyncapi": "2.6.0", "servers": servers, "channels": {"feed": {"publish": {}, "subscribe": {}}}}, {}
        case ["split.json"]:
            paths = {"/echo/{id}": {"$ref": "parts/paths.json#/echo"}}
            return 200, {"openapi": "3.1.0", "servers": [{"url": origin}], "paths": paths}, {}
        case ["parts", "paths.json"]:
            return 200, {"echo": {"get": {"operationId": "look", "parameters": [{"$ref": "common.json#/id"}]}}}, {}
        case ["parts", "common.json"]:
            return 200, {"id": {"name": "id", "in": "path", "required": True, "style": "label", "explode": True}}, {}
        case ["protos", *names] if "/".join(names) in PROTOS:
            return 200, PROTOS["/".join(names)], {"Content-Type": "text/plain"}
        case ["catalog", "functions", "greet", "1.0.0", "function.yaml"] | ["function.yaml"]:
            return 200, _FUNCTION, dict(_TEXT)
        case ["schema.json"]:
            return 200, {"type": "object", "required": ["n"]}, {}
        case ["script.py"]:
            return 200, b"import sys; print('fetched', sys.argv[1])", {"Content-Type": "text/plain"}
        case _:
            return None


def _digest(header: str, method: str, user: str, password: str) -> Answer:
    challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n1", qop="auth", algorithm=SHA-256'}
    if not header.startswith("Digest "):
        return 401, None, challenge
    parts = dict(part.strip().split("=", 1) for part in header.removeprefix("Digest ").split(","))
    said = {name: value.strip('"') for name, value in parts.items()}
    one, two = _sha(f"{user}:r:{password}"), _sha(f"{method}:{said['uri']}")
    right = said["response"] == _sha(f"{one}:n1:{said['nc']}:{said['cnonce']}:auth:{two}")
    return (200, {"authenticated": True}, {}) if right else (401, None, challenge)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _token(headers: Mapping[str, str], body: bytes) -> Answer:
    if headers.get("content-type", "").startswith("application/json"):
        form = json.loads(body)
    else:
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
    basic = headers.get("authorization", "")
    if basic.startswith("Basic "):
        form["client_id"], _, form["client_secret"] = base64.b64decode(basic[6:]).decode().partition(":")
    if form.get("client_secret") != "open" and form.get("client_assertion") is None:
        return 401, {"error": "invalid_client"}, {}
    parts = [form["grant_type"].rpartition(":")[2], form.get("client_id", ""), form.get("username", ""), form.get("scope", "")]
    return 200, {"access_token": ".".join(parts), "token_type": "Bearer", "expires_in": 60}, {}


def _agent(asked: dict[str, Any]) -> Answer:
    """An agent that says what it was told; it knows no tasks."""
    message = asked.get("params", {}).get("message", {})
    told = {"role": message.get("role"), "identified": _identified(message.get("messageId")), "parts": message.get("parts")}
    head = {"jsonrpc": "2.0", "id": asked["id"]}
    match asked["method"]:
        case "message/send":
            return 200, {**head, "result": told}, {}
        case "message/stream":
            events = [json.dumps({**head, "result": {"n": n}}).encode() for n in range(3)]
            return 200, b"".join(b"data: %b\n\n" % event for event in events), dict(_STREAM)
        case _:
            return 200, {**head, "error": {"code": -32001, "message": "no such task"}}, {}


def _identified(identity: Any) -> str:
    """By what kind of id."""
    try:
        return "uuid" if str(UUID(identity)) == identity else "otherwise"
    except (ValueError, TypeError, AttributeError):
        return "otherwise" if identity else "not"


def _interface(url: str, version: str) -> dict[str, str]:
    return {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": version}


def _newer_agent(headers: Mapping[str, str], asked: dict[str, Any]) -> Answer:
    """An agent of A2A 1.0, which knows no other words."""
    head, message = {"jsonrpc": "2.0", "id": asked["id"]}, asked.get("params", {}).get("message", {})
    if asked["method"] != "SendMessage" or headers.get("a2a-version") != "1.0":
        return 200, {**head, "error": {"code": -32601, "message": "Method not found"}}, {}
    told = {"role": message.get("role"), "identified": _identified(message.get("messageId")), "parts": message.get("parts")}
    return 200, {**head, "result": {"message": told}}, {}


def _tools(method: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """A tool server that answers nothing before it was initialized."""
    if method == "DELETE":
        return 200, None, {}
    asked = json.loads(body)
    head = {"jsonrpc": "2.0", "id": asked.get("id")}
    if asked["method"] == "initialize":
        about = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
        return 200, {**head, "result": about}, {"Mcp-Session-Id": "opened"}
    if headers.get("mcp-session-id") != "opened":
        return 400, {**head, "error": {"code": -32600, "message": "initialize first"}}, {}
    match asked["method"], asked.get("params", {}).get("name"):
        case "notifications/initialized", _:
            return 202, b"", {}
        case "tools/list", _:
            return 200, {**head, "result": {"tools": [{"name": "add", "inputSchema": {"type": "object"}}]}}, {}
        case "tools/call", "fail":
            return 200, {**head, "result": {"isError": True, "content": [{"type": "text", "text": "out of order"}]}}, {}
        case "tools/call", "gone":
            return 404, {**head, "error": {"code": -32600, "message": "no such session"}}, {}
        case "tools/call", "add":
            given = asked["params"]["arguments"]
            return 200, {**head, "result": {"content": [{"type": "text", "text": str(given["a"] + given["b"])}]}}, {}
        case _:
            return 200, {**head, "error": {"code": -32602, "message": f"no tool {asked.get('params', {}).get('name')}"}}, {}


def _openapi(origin: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "put": {
            "operationId": "replace",
            "parameters": [
                {"name": "tags", "in": "query", "schema": {"type": "array"}},
                {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
            ],
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        },
    }
    elsewhere = {"get": {"operationId": "elsewhere", "responses": {}}}
    upload = {"operationId": "upload", "requestBody": {"content": {"multipart/form-data": {"schema": {"type": "object"}}}}}
    item["post"] = upload
    key = {"type": "apiKey", "name": "X-Key", "in": "header"}
    paths = {"/echo/{id}": item, "/redirect": elsewhere, "/status/503": {"get": {"operationId": "broken", "responses": {}}}}
    components = {"securitySchemes": {"key": key}}
    return {"openapi": "3.1.0", "servers": [{"url": origin}], "paths": paths, "components": components}


def _asyncapi(host: str) -> dict[str, Any]:
    channel = {"address": "feed", "servers": [{"$ref": "#/servers/web"}]}
    operations = {
        "say": {"action": "send", "channel": {"$ref": "#/channels/feed"}},
        "follow": {"action": "receive", "channel": {"$ref": "#/channels/feed"}},
    }
    servers = {"web": {"host": host, "protocol": "http"}}
    return {"asyncapi": "3.0.0", "servers": servers, "channels": {"feed": channel}, "operations": operations}
