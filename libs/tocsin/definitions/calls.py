"""What a ``call`` takes in its ``with``, by the protocol that is called.

Any other name is a function and takes any data.
"""

from tocsin.definitions.grammar import TEXT, TEXTS
from tocsin.definitions.shapes import (
    Data,
    Duration,
    Either,
    Flag,
    Record,
    Rule,
    Strict,
    Table,
    Text,
    Whole,
)

_OUTPUT = Text(("raw", "content", "response"))
_A2A = (
    "message/send",
    "message/stream",
    "tasks/get",
    "tasks/list",
    "tasks/cancel",
    "tasks/resubscribe",
    "tasks/pushNotificationConfig/set",
    "tasks/pushNotificationConfig/get",
    "tasks/pushNotificationConfig/list",
    "tasks/pushNotificationConfig/delete",
    "agent/getAuthenticatedExtendedCard",
)
_MCP = (
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "resources/templates/list",
)
_PROTOCOLS = (
    "amqp", "amqp1", "anypointmq", "googlepubsub", "http", "ibmmq", "jms", "kafka", "mercure", "mqtt",
    "mqtt5", "nats", "pulsar", "redis", "sns", "solace", "sqs", "stomp", "ws",
)  # fmt: skip
_VALUES = Either((Table(Data()), Strict()))
_MESSAGE = Record({"payload": _VALUES, "headers": _VALUES})
_CONSUME = Record(
    {"for": Duration(), "amount": Whole(least=1), "while": Strict(), "until": Strict()},
    one_of=(("amount",), ("while",), ("until",)),
)
_TRANSPORT = Record(
    {
        "http": Record({"endpoint": Rule("endpoint"), "headers": Table(TEXT)}, required=("endpoint",), open=True),
        "stdio": Record({"command": TEXT, "arguments": TEXTS, "environment": Table(TEXT)}, required=("command",), open=True),
        "options": Table(TEXT),
    },
    one_of=(("http",), ("stdio",)),
)
# What ``with`` holds, by the protocol that is called; any other name is a function and takes any data.
CALLS: dict[str, Record] = {
    "asyncapi": Record(
        {
            "document": Rule("resource"),
            "channel": TEXT,
            "operation": TEXT,
            "server": Record({"name": TEXT, "variables": Table(Data())}, required=("name",)),
            "protocol": Text(_PROTOCOLS),
            "message": _MESSAGE,
            "subscription": Record(
                {"filter": Strict(), "consume": _CONSUME, "foreach": Rule("iterator")}, required=("consume",)
            ),
            "authentication": Rule("authentication or name"),
        },
        required=("document",),
        one_of=(("operation", "message"), ("operation", "subscription"), ("channel", "message"), ("channel", "subscription")),
    ),
    "grpc": Record(
        {
            "proto": Rule("resource"),
            "service": Record(
                {
                    "name": TEXT,
                    "host": Text(pattern=r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", expects="a host name"),
                    "port": Whole(least=0, most=65535),
                    "authentication": Rule("authentication or name"),
                },
                required=("name", "host"),
            ),
            "method": TEXT,
            "arguments": _VALUES,
        },
        required=("proto", "service", "method"),
    ),
    "http": Record(
        {
            "method": TEXT,
            "endpoint": Rule("endpoint"),
            "headers": _VALUES,
            "body": Data(),
            "query": _VALUES,
            "output": _OUTPUT,
            "redirect": Flag(),
        },
        required=("method", "endpoint"),
    ),
    "openapi": Record(
        {
            "document": Rule("resource"),
            "operationId": TEXT,
            "parameters": _VALUES,
            "authentication": Rule("authentication or name"),
            "output": _OUTPUT,
            "redirect": Flag(),
        },
        required=("document", "operationId"),
    ),
    "a2a": Record(
        {
            "agentCard": Rule("resource"),
            "server": Rule("endpoint"),
            "method": Text(_A2A),
            "parameters": Either((Table(Data(), least=1), TEXT)),
        },
        required=("method",),
    ),
    "mcp": Record(
        {
            "protocolVersion": TEXT,
            "method": Text(_MCP),
            "parameters": Either((Table(Data()), TEXT)),
            "timeout": Duration(),
            "transport": _TRANSPORT,
            "client": Record({"name": TEXT, "version": TEXT}, required=("name", "version"), open=True),
        },
        required=("method", "transport"),
        open=True,
    ),
}

OWN_CALLS = frozenset({"noop", "approval"})
"""Functions that this platform has beside the language's: ``noop`` gives back its arguments, for trials and measurements."""
