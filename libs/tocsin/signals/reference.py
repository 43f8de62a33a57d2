"""The reference page of signals and the AsyncAPI file, made from the catalogue.

``python -m tocsin.signals.reference [--check]``, from the root of the repository: writes both files, or with ``--check`` fails
when one of them is not what the code says.
"""

import pathlib
import sys
from collections.abc import Mapping
from typing import Any, Final

from tocsin.signals import asyncapi
from tocsin.signals.catalogue import CATALOGUE
from tocsin.signals.ids import DEPTH_LIMIT
from tocsin.signals.kinds import SYSTEM_NAMESPACE, Payload, SignalType

FOLDER: Final = pathlib.Path("docs") / "reference"

_OWNERS: Final = ("executor", "trigger", "scheduler", "lineage", "case", "auth", "observer", "any")

_INTRODUCTION = f"""# Signals

Generated from the catalogue by `make docs`; the AsyncAPI 3.0 form is [asyncapi.json](asyncapi.json).

Every change of state is published as one signal: a [CloudEvent](https://cloudevents.io) in structured JSON on NATS JetStream,
stream `SIGNALS`. Look at them with `tocsin signal tail`, over HTTP at `GET /api/v1/signals/stream`, or with any NATS client
whose credentials (`tocsin auth nats-credentials`) permit it.

## Subjects

| what | subject |
| --- | --- |
| signals | `signals.<namespace>.<entity>.<transition>.<id>` |
| custom events, from anyone who may | `events.<namespace>.<type>` (the dots of the type stay dots) |
| commands to a service | `commands.<service>.<verb>.<key>` |
| messages that could not be handled | `dead.<service>.<original subject>` |

All signals of one run and its tasks: `signals.*.*.*.<run id>`. An id or name is one token: dots, wildcards, white space and
anything outside ASCII are percent-encoded. What belongs to no namespace (users, roles, logins) is in the namespace
`{SYSTEM_NAMESPACE}`.

## The envelope

`id` is derived from `source` and `sequence`, so a repeated delivery repeats the id. `source` is
`/namespaces/<namespace>/<collection>/<id>`; `subject` is the id of the entity (of a task: its run). A chain of causes ends
at a `depth` of {DEPTH_LIMIT}: an event chain that feeds itself is stopped, with `io.tocsin.event.chain-stopped.v1`.

| extension | type | meaning |
| --- | --- | --- |
"""


def page() -> str:
    """The page as Markdown."""
    parts = [_INTRODUCTION]
    parts += [f"| `{name}` | {kind} | {text} |\n" for name, (kind, text) in asyncapi.ENVELOPE_EXTENSIONS.items()]
    for owner in _OWNERS:
        kinds = [kind for kind in CATALOGUE.values() if kind.owner == owner]
        if kinds:
            parts.append(f"\n## {'From any service' if owner == 'any' else f'From {owner}'}\n\n")
            parts.append("| type | subject | meaning |\n| --- | --- | --- |\n")
            parts += [_row(kind) for kind in kinds]
            parts += [_section(model, kinds) for model in dict.fromkeys(kind.payload for kind in kinds)]
    return "".join(parts)


def pages() -> Mapping[str, str]:
    """File names under ``docs/reference`` and what they must hold."""
    return {"signals.md": page(), "asyncapi.json": asyncapi.render()}


def main() -> int:
    """Write the files, or with ``--check`` compare them; 1 when one is stale."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, text in pages().items():
        path = FOLDER / name
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        sys.stderr.write(f"Stale: {', '.join(stale)}. Run `python -m tocsin.signals.reference` and commit the result.\n")
    return int(bool(stale))


def _row(kind: SignalType[Payload]) -> str:
    subject = f"signals.<namespace>.{kind.entity}.{kind.transition}.<id>"
    return f"| `{kind.type}` | `{subject}` | {kind.summary} |\n"


def _section(model: type[Payload], kinds: list[SignalType[Payload]]) -> str:
    users = ", ".join(f"`{kind.entity}.{kind.transition}`" for kind in kinds if kind.payload is model)
    schema = model.model_json_schema(mode="serialization", by_alias=True)
    needed = model.model_json_schema(mode="validation", by_alias=True).get("required", [])
    lines = [f"\nData of {users}:\n", "| member | type | required | meaning |", "| --- | --- | --- | --- |"]
    for name, member in schema["properties"].items():
        required = "yes" if name in needed else "no"
        lines.append(f"| `{name}` | {_type(member)} | {required} | {member.get('description', '')} |")
    return "\n".join(lines) + "\n"


def _type(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"] if one.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"array of {_type(schema['items'])}"
    return str(schema.get("format") or schema.get("type") or "any JSON")


if __name__ == "__main__":
    sys.exit(main())
