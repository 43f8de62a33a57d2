"""Every place in the code that opens a connection is known, and either goes through the guard or is here with its reason."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
OPENERS = {
    "ClientSession",
    "open_session",
    "Docker",
    "DigestAuth",
    "insecure_channel",
    "secure_channel",
    "open_connection",
    "open_unix_connection",
    "create_connection",
    "urlopen",
    "AsyncIOMotorClient",
    "OTLPSpanExporter",
    "SMTP",
}
QUALIFIED = {("nats", "connect"), ("aiosmtplib", "send"), ("socket", "socket")}

GUARDED = {
    "libs/tocsin_kit/web/outgoing.py": "the guard itself",
    "services/tocsin_executor/worker/calling.py": "calls of tasks, tokens for them, and what definitions import",
    "services/tocsin_executor/worker/runners/grpc.py": "to the address that the guard has seen",
    "libs/tocsin_kit/bus/foreign.py": "the same; its callers are tasks that publish to and hear other brokers",
    "services/tocsin_trigger/adapters/polling.py": "polled addresses, and keys of webhooks' tokens",
    "services/tocsin_observer/adapters/http_sender.py": "webhooks and notification channels",
    "services/tocsin_lineage/adapters/receiver.py": "lineage for somebody else's receiver",
}
OWN = {
    "libs/tocsin/client/transport.py": "a client: it calls whom its user names, with its user's rights",
    "libs/tocsin_kit/bus/connection.py": "our broker, from the settings",
    "libs/tocsin_kit/store/database.py": "our database, from the settings",
    "libs/tocsin_kit/telemetry/otlp.py": "the operator's collector, from the settings",
    "libs/tocsin_kit/web/outside.py": "the auth service, from the settings",
    "libs/tocsin_kit/embedded/mongo_server.py": "our own server on this machine's loopback",
    "libs/tocsin_kit/embedded/nats_server.py": "the same",
    "libs/tocsin_kit/embedded/ports.py": "looks for a free port of this machine",
    "services/tocsin_auth/adapters/oidc_provider.py": "the operator's provider; what it names has https; no redirects",
    "services/tocsin_auth/adapters/vault.py": "the operator's vault, from the settings; a reference never leaves its path",
    "services/tocsin_case/adapters/runs.py": "the executor, from the settings",
    "services/tocsin_gateway/adapters/upstream.py": "our services, from the settings",
    "services/tocsin_lineage/adapters/runs.py": "the executor, from the settings",
    "services/tocsin_observer/adapters/mailer.py": "the operator's mail server, from the settings",
    "services/tocsin_trigger/adapters/results.py": "the executor, from the settings",
    "services/tocsin_executor/worker/runners/container.py": "the operator's; it pulls images by itself (docs/security.md)",
}


def openers() -> dict[str, list[str]]:
    """Files with what they open connections by."""
    found: dict[str, list[str]] = {}
    for top in ("libs", "services"):
        for path in sorted((ROOT / top).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if name.startswith("libs/tocsin_kit/testing/"):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and (opener := _opener(node.func)):
                    found.setdefault(name, []).append(opener)
    return found


def _opener(called: ast.expr) -> str:
    match called:
        case ast.Name(id=name) if name in OPENERS:
            return name
        case ast.Attribute(attr=name) if name in OPENERS:
            return name
        case ast.Attribute(value=ast.Name(id=module), attr=name) if (module, name) in QUALIFIED:
            return f"{module}.{name}"
        case _:
            return ""


def test_every_connection_goes_through_the_guard_or_has_a_reason() -> None:
    """A new one is looked at by somebody who then writes it down here."""
    assert openers().keys() == GUARDED.keys() | OWN.keys()


@pytest.mark.parametrize("name", sorted(GUARDED.keys() | OWN.keys()))
def test_no_connection_takes_a_proxy_from_the_environment(name: str) -> None:
    """A proxy would connect where the guard has not looked, and see what is sent."""
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    trusting = [
        keyword
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "trust_env" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    ]
    assert not trusting or name == "libs/tocsin/client/transport.py"
