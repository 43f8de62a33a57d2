"""Functions of plugins that are asked again and again: packages that somebody installed, each look in a process of its own.

A plugin is a package with entry points in the group ``tocsin.sensors``. Nothing of it is ever imported here: a function that
hangs is killed, one that crashes says so in the trigger's state, and none sees the environment of this process.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson

from tocsin.errors import Invalid, Rejected, Unavailable
from tocsin.expressions import Json
from tocsin_trigger.adapters import plugin_process
from tocsin_trigger.adapters.polling import ANSWER, SecretSource, identified
from tocsin_trigger.domain.sources import FunctionSource
from tocsin_trigger.domain.triggers import Trigger
from tocsin_trigger.domain.watching import Look

GROUP: Final = "tocsin.sensors"
_AT_ONCE: Final = 2  # processes: an interpreter starts in a tenth of a second of a core


class Plugins:
    """Asks functions.

    Args:
        folders: Where plugins are looked for beside the packages that are installed.
        secrets: For arguments.
    """

    def __init__(self, folders: Sequence[str], secrets: SecretSource) -> None:
        self._folders = list(folders)
        self._secrets = secrets
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def look(self, trigger: Trigger, source: FunctionSource, cursor: Json) -> Look:
        """What the function found since ``cursor``.

        Raises:
            Unavailable: It failed, hung or was killed; ask it again.
            Rejected: What it gives cannot be read.
        """
        arguments: dict[str, Json] = orjson.loads(source.arguments)
        hidden = await self._secret_arguments(trigger, source)
        question = {"group": GROUP, "function": source.function, "folders": self._folders, "cursor": cursor}
        async with self._slots:
            answer = await _ask(orjson.dumps({**question, "arguments": {**arguments, **hidden}}), source)
        if isinstance(error := answer.get("error"), str):
            for value in hidden.values():
                error = error.replace(value, "***") if isinstance(value, str) else error
            raise Unavailable(f"The function {source.function} failed: {error}")
        items = answer.get("items")
        found = identified(source.id, items if isinstance(items, list) else [])
        return Look(found, answer.get("cursor"), more=bool(found) and answer.get("more") is True)

    async def _secret_arguments(self, trigger: Trigger, source: FunctionSource) -> dict[str, Json]:
        if not source.secrets:
            return {}
        names = [name for _, name in source.secrets]
        values = await self._secrets.resolve(trigger.namespace, names, used_by={"trigger": trigger.name})
        return {argument: orjson.loads(values[name].reveal()) for argument, name in source.secrets}


async def _ask(question: bytes, source: FunctionSource) -> dict[str, Json]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(Path(plugin_process.__file__)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": "/nonexistent"},
        cwd="/",
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    body = bytearray()
    try:
        async with asyncio.timeout(source.patience.total_seconds()):
            with suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
                process.stdin.write(question)
                await process.stdin.drain()
                process.stdin.close()
            while chunk := await process.stdout.read(64 * 1024):
                body += chunk
                if len(body) > ANSWER:
                    raise Rejected(f"The function {source.function} gives more than {ANSWER} bytes.")
    except TimeoutError:
        raise Unavailable(
            f"The function {source.function} did not answer within {source.patience.total_seconds():g} s and was killed."
        ) from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also what it has started
        await process.wait()
    try:
        answer = orjson.loads(bytes(body))
    except orjson.JSONDecodeError as error:
        raise Unavailable(f"The function {source.function} ended without an answer.") from error
    if not isinstance(answer, dict):
        raise Invalid(f"The function {source.function} answers with no object.")
    return answer
