"""Agent cards of both generations of the protocol, and requests in the words of the newer one."""

from typing import Any

import pytest

from tocsin_executor.worker.agents import Interface, in_words_of, interface_of
from tocsin_executor.worker.tasks import Failed

CARD = "https://a.example/.well-known/agent-card.json"
NEWER = Interface("https://a.example/rpc", "1.0")


def one(url: str, binding: str = "JSONRPC", version: str | None = None, **more: Any) -> dict[str, Any]:
    said = {"protocolVersion": version} if version else {}
    return {"url": url, "protocolBinding": binding, **said, **more}


@pytest.mark.parametrize(
    ("card", "found"),
    [
        ({"url": "/rpc"}, Interface("https://a.example/rpc")),
        ({"url": "/rpc", "protocolVersion": "0.2.6"}, Interface("https://a.example/rpc", "0.2.6")),
        (
            {"url": "/grpc", "preferredTransport": "GRPC", "additionalInterfaces": [{"url": "/rpc", "transport": "JSONRPC"}]},
            Interface("https://a.example/rpc"),
        ),
        ({"supportedInterfaces": [one("/new", version="1.0"), one("/old", version="0.3")]}, Interface("https://a.example/old")),
        (
            {"supportedInterfaces": [one("/new", version="1.0")], "url": "/old", "protocolVersion": "0.3"},
            Interface("https://a.example/old"),
        ),
        (
            {"supportedInterfaces": [one("/g", "GRPC"), one("https://b.example/new", tenant="us")]},
            Interface("https://b.example/new", "1.0", "us"),
        ),
    ],
)  # fmt: skip
def test_an_agent_is_asked_where_it_knows_the_words_of_the_language(card: Any, found: Interface) -> None:
    """Whichever it lists first; one that knows only newer words is asked in those."""
    assert interface_of(card, CARD) == found


@pytest.mark.parametrize("card", [None, [], {}, {"url": "/x", "preferredTransport": "GRPC"}, {"supportedInterfaces": [1, {}]}])
def test_a_card_without_json_rpc_is_refused(card: Any) -> None:
    """There is nothing to call."""
    with pytest.raises(Failed, match="no address"):
        interface_of(card, CARD)


def test_what_the_language_says_is_said_in_newer_words() -> None:
    """Methods, roles, parts, and how to be told of the end."""
    parts = [
        {"kind": "text", "text": "hi"},
        {"kind": "file", "file": {"uri": "https://f.example/a", "mimeType": "image/png", "name": "a"}, "metadata": {"m": 1}},
        {"kind": "file", "file": {"bytes": "aGk="}},
        {"kind": "data", "data": {"kind": "mine"}},
        {"text": "said so already"},
    ]
    message = {"kind": "message", "role": "user", "messageId": "m", "contextId": "c", "parts": parts}
    push = {"url": "https://us.example", "authentication": {"schemes": ["Bearer"], "credentials": "x"}}
    configuration = {"blocking": False, "historyLength": 3, "pushNotificationConfig": push}
    method, given = in_words_of(NEWER, "message/send", {"message": message, "configuration": configuration})
    pushed = {"url": "https://us.example", "authentication": {"credentials": "x", "scheme": "Bearer"}}
    assert method == "SendMessage"
    assert given == {
        "message": {
            "role": "ROLE_USER",
            "messageId": "m",
            "contextId": "c",
            "parts": [
                {"text": "hi"},
                {"metadata": {"m": 1}, "url": "https://f.example/a", "mediaType": "image/png", "filename": "a"},
                {"raw": "aGk="},
                {"data": {"kind": "mine"}},
                {"text": "said so already"},
            ],
        },
        "configuration": {"returnImmediately": True, "historyLength": 3, "taskPushNotificationConfig": pushed},
    }


@pytest.mark.parametrize(
    ("method", "given", "said", "sent"),
    [
        ("tasks/get", {"id": "1", "historyLength": 2}, "GetTask", {"id": "1", "historyLength": 2}),
        ("tasks/resubscribe", {"id": "1"}, "SubscribeToTask", {"id": "1"}),
        (
            "tasks/pushNotificationConfig/set",
            {"taskId": "1", "pushNotificationConfig": {"id": "c", "url": "u"}},
            "CreateTaskPushNotificationConfig",
            {"taskId": "1", "id": "c", "url": "u"},
        ),
        (
            "tasks/pushNotificationConfig/delete",
            {"id": "1", "pushNotificationConfigId": "c"},
            "DeleteTaskPushNotificationConfig",
            {"taskId": "1", "id": "c"},
        ),
        ("tasks/pushNotificationConfig/list", {"id": "1"}, "ListTaskPushNotificationConfigs", {"taskId": "1"}),
        ("agent/getAuthenticatedExtendedCard", {}, "GetExtendedAgentCard", {}),
    ],
)
def test_every_method_has_a_newer_name(method: str, given: dict[str, Any], said: str, sent: dict[str, Any]) -> None:
    """And the parameters theirs; to an agent of the older kind everything goes as it is."""
    assert in_words_of(NEWER, method, given) == (said, sent)
    assert in_words_of(Interface("u", "1.0", "us"), method, given)[1] == {**sent, "tenant": "us"}
    assert in_words_of(Interface("u"), method, given) == (method, given)
