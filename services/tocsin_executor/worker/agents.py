"""Agents by their cards: where they speak JSON-RPC, in which version of the protocol, and a request in that version. Pure.

The language has the methods and messages of A2A 0.3; an agent that knows only 1.x is sent the same in its words. What it says
is left as it is: the output of a call is the result that the agent gave.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from tocsin_executor.domain.values import ErrorKind, Json
from tocsin_executor.worker.tasks import Failed

_METHODS: Final = {
    "message/send": "SendMessage",
    "message/stream": "SendStreamingMessage",
    "tasks/get": "GetTask",
    "tasks/list": "ListTasks",
    "tasks/cancel": "CancelTask",
    "tasks/resubscribe": "SubscribeToTask",
    "tasks/pushNotificationConfig/set": "CreateTaskPushNotificationConfig",
    "tasks/pushNotificationConfig/get": "GetTaskPushNotificationConfig",
    "tasks/pushNotificationConfig/list": "ListTaskPushNotificationConfigs",
    "tasks/pushNotificationConfig/delete": "DeleteTaskPushNotificationConfig",
    "agent/getAuthenticatedExtendedCard": "GetExtendedAgentCard",
}
_ROLES: Final = {"user": "ROLE_USER", "agent": "ROLE_AGENT"}
_PUSH: Final = "tasks/pushNotificationConfig/"


@dataclass(frozen=True, slots=True)
class Interface:
    """A place where an agent speaks JSON-RPC.

    Attributes:
        url: Absolute.
        version: Of the protocol, such as ``0.3``.
        tenant: Whom it asks for there, or ``None``.
    """

    url: str
    version: str = "0.3"
    tenant: str | None = None

    @property
    def newer(self) -> bool:
        """Whether it is spoken to in the words of 1.x."""
        return not self.version.startswith("0.")


def interface_of(card: Json, uri: str) -> Interface:
    """The interface of a card to be used: one of the version that the language has the words of, if there is one.

    Args:
        card: The agent card.
        uri: Where it came from; relative addresses are relative to it.

    Raises:
        Failed: ``configuration``: the agent speaks no JSON-RPC.
    """
    found = list(_interfaces(card, uri)) if isinstance(card, Mapping) else []
    if not found:
        raise Failed(ErrorKind.CONFIGURATION, "The agent card names no address at which the agent speaks JSON-RPC.")
    return next((one for one in found if not one.newer), found[0])


def _interfaces(card: Mapping[str, Json], uri: str) -> Iterator[Interface]:
    version = str(card.get("protocolVersion") or "0.3")
    for section, default in (("supportedInterfaces", "1.0"), ("additionalInterfaces", version)):
        listed = card.get(section)
        for one in listed if isinstance(listed, list) else []:
            if isinstance(one, Mapping) and isinstance(one.get("url"), str):
                binding, tenant = one.get("protocolBinding") or one.get("transport"), one.get("tenant")
                if binding == "JSONRPC":
                    place = urljoin(uri, str(one["url"]))
                    yield Interface(place, str(one.get("protocolVersion") or default), str(tenant) if tenant else None)
    if isinstance(card.get("url"), str) and card.get("preferredTransport", "JSONRPC") == "JSONRPC":
        yield Interface(urljoin(uri, str(card["url"])), version)


def in_words_of(interface: Interface, method: str, parameters: Mapping[str, Json]) -> tuple[str, dict[str, Json]]:
    """Method and parameters as the agent knows them."""
    if not interface.newer:
        return method, dict(parameters)
    given = dict(parameters)
    if method.startswith(_PUSH):
        given = _push(method.removeprefix(_PUSH), given)
    if isinstance(message := given.get("message"), Mapping):
        given["message"] = _message(message)
    if isinstance(configuration := given.get("configuration"), Mapping):
        given["configuration"] = _configuration(configuration)
    if interface.tenant is not None:
        given.setdefault("tenant", interface.tenant)
    return _METHODS.get(method, method), given


def _message(message: Mapping[str, Json]) -> Json:
    role, parts = message.get("role"), message.get("parts")
    said = {name: held for name, held in message.items() if name != "kind"}
    if isinstance(role, str):
        said["role"] = _ROLES.get(role, role)
    if isinstance(parts, list):
        said["parts"] = [_part(part) if isinstance(part, Mapping) else part for part in parts]
    return said


def _part(part: Mapping[str, Json]) -> Json:
    said = {name: held for name, held in part.items() if name != "kind"}
    file = said.pop("file", None)
    if isinstance(file, Mapping):
        names = {"bytes": "raw", "uri": "url", "mimeType": "mediaType", "name": "filename"}
        said |= {names.get(name, name): held for name, held in file.items()}
    return said


def _configuration(configuration: Mapping[str, Json]) -> Json:
    said = dict(configuration)
    if "blocking" in said:
        said["returnImmediately"] = said.pop("blocking") is False
    if isinstance(push := said.pop("pushNotificationConfig", None), Mapping):
        said["taskPushNotificationConfig"] = _pushed(push)
    return said


def _push(what: str, given: dict[str, Json]) -> dict[str, Json]:
    if what == "set":
        push = given.pop("pushNotificationConfig", None)
        return {**given, **(_pushed(push) if isinstance(push, Mapping) else {})}
    if "id" in given and "taskId" not in given:
        given["taskId"] = given.pop("id")
    if "pushNotificationConfigId" in given:
        given["id"] = given.pop("pushNotificationConfigId")
    return given


def _pushed(push: Mapping[str, Json]) -> dict[str, Json]:
    said = dict(push)
    if isinstance(who := said.get("authentication"), Mapping) and isinstance(schemes := who.get("schemes"), list):
        rest = {name: held for name, held in who.items() if name != "schemes"}
        said["authentication"] = {**rest, **({"scheme": schemes[0]} if schemes else {})}
    return said
