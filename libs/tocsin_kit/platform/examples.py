"""Publishes the examples of a checkout on the first start, as the administrator would, through the public API.

Loaded by name and only then: reading YAML costs a later start nothing. Each data folder gets the examples once; deleted ones do
not come back. A failure is logged and ends nothing, because examples are a courtesy.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson
import structlog
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tocsin.client import Client, Record, StaticToken
from tocsin.errors import Defect, TocsinError
from tocsin_kit.platform.installation import EXAMPLES, Installation

log = structlog.get_logger()

HOOKS_FILE: Final = "hooks.json"
"""Secrets of the example webhooks by ``<namespace>/<name>``, for ``tocsin login --local``; private like the password."""


async def load_examples(installation: Installation) -> int:
    """Publish the workflows in ``examples/``, then the triggers and schedules that start them.

    Returns:
        How many were published now.
    """
    loaded = 0
    try:
        admin = orjson.loads(installation.admin_file.read_bytes())
        async with Client(installation.url, StaticToken(None)) as anonymous:
            tokens = await anonymous.auth.login(str(admin["user"]), str(admin["password"]))
        async with Client(installation.url, StaticToken(str(tokens["access_token"]))) as client:
            for file in sorted(EXAMPLES.glob("*.yaml")):
                await client.transport.send(
                    "POST", "/api/v1/workflows", content=file.read_bytes(), headers={"Content-Type": "application/yaml"}
                )
                loaded += 1
            loaded += await _load_starters(client, installation)
        installation.mark_examples_loaded()
    except (TocsinError, OSError, KeyError, ValueError, YAMLError) as error:
        log.warning("platform.examples_not_loaded", error=str(error), loaded=loaded)
    return loaded


async def _load_starters(client: Client, installation: Installation) -> int:
    hooks: dict[str, str] = {}
    loaded = 0
    for collection, resource in (("triggers", client.triggers), ("schedules", client.schedules)):
        for document in _documents(EXAMPLES / collection):
            namespace, name = str(document.pop("namespace", "default")), str(document.pop("name"))
            answer = await resource.apply(namespace, name, document)
            loaded += 1
            if isinstance(secret := answer.get("secret"), str):
                hooks[f"{namespace}/{name}"] = secret
    if hooks:
        installation.folder.write_private(HOOKS_FILE, orjson.dumps(hooks, option=orjson.OPT_INDENT_2).decode())
    return loaded


def _documents(folder: Path) -> Iterator[Record]:
    for file in sorted(folder.glob("*.yaml")):
        for document in YAML(typ="safe", pure=True).load_all(file.read_text(encoding="utf-8")):
            if not isinstance(document, dict) or "name" not in document:
                raise Defect(f"The example {file.name} has no name.")
            yield document
