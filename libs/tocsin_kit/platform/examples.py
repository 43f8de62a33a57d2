"""Publishes the example workflows of a checkout on the first start, as the administrator would, through the public API."""

from pathlib import Path
from typing import Final

import orjson
import structlog

from tocsin.client import Client, StaticToken
from tocsin.errors import TocsinError
from tocsin_kit.platform.installation import Installation

log = structlog.get_logger()

_FOLDER: Final = Path(__file__).parents[3] / "examples"
_DONE: Final = "examples-loaded"


async def load_examples(installation: Installation) -> int:
    """Publish what is in ``examples/``, once for each data folder; deleted examples do not come back.

    Returns:
        How many were published now. A failure is logged and ends nothing: examples are a courtesy.
    """
    mark = installation.folder.path / _DONE
    files = sorted(_FOLDER.glob("*.yaml"))
    if mark.exists() or not files or not installation.admin_file.is_file():
        return 0
    loaded = 0
    try:
        admin = orjson.loads(installation.admin_file.read_bytes())
        async with Client(installation.url, StaticToken(None)) as anonymous:
            tokens = await anonymous.auth.login(str(admin["user"]), str(admin["password"]))
        async with Client(installation.url, StaticToken(str(tokens["access_token"]))) as client:
            for file in files:
                await client.transport.send(
                    "POST", "/api/v1/workflows", content=file.read_bytes(), headers={"Content-Type": "application/yaml"}
                )
                loaded += 1
        mark.touch()
    except (TocsinError, OSError, KeyError, ValueError) as error:
        log.warning("platform.examples_not_loaded", error=str(error), loaded=loaded)
    return loaded
