"""What a definition finds around it while it is tried: events at the right moments, and secrets that go away again.

Events are JSON lines ``{"when": "start" | "waiting" | seconds, "event": {...}}``, published one after the other: at once, when
the run (or a run that it waits for) waits for an event, or so many seconds after the start. Between two that wait for the run
to wait, the first is given time to be consumed.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from tocsin.cli.output import now, read_file
from tocsin.client import Client, Record
from tocsin.errors import Conflict, Forbidden, Invalid, NotFound
from tocsin.signals import CloudEvent, Json, decode

_LOOK_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 1.0  # an event that nobody takes must not hold up the next one
_DEPTH: Final = 8  # runs below the one that is tried


@dataclass(frozen=True, slots=True)
class Planned:
    """An event and its moment.

    Attributes:
        when: ``"start"``, ``"waiting"``, or seconds after the start.
        event: What is published.
    """

    when: str | float
    event: CloudEvent


def read_events(name: str) -> list[Planned]:
    """The events of a file of JSON lines; those after so many seconds keep their place in the file.

    Raises:
        Invalid: A line is not what it should be; the message says which.
    """
    lines = read_file(name, "the events").decode("utf-8", "replace").splitlines()
    return [_planned(line, f"{name}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def _planned(line: str, where: str) -> Planned:
    hint = 'write {"when": "waiting", "event": {"type": "com.example.paid", "data": {}}}'
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise Invalid(f"{where} is not JSON: {exc}", hint=hint) from exc
    event = found.get("event") if isinstance(found, dict) else None
    when: Json = found.get("when", "waiting") if isinstance(found, dict) else None
    if not isinstance(event, dict) or "type" not in event:
        raise Invalid(f"{where} has no event with a type", hint=hint)
    if isinstance(when, bool) or not (when in ("start", "waiting") or (isinstance(when, int | float) and when >= 0)):
        raise Invalid(f"{where}: `when` is start, waiting or a number of seconds, not {when!r}", hint=hint)
    defaults: Record = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "/exec", "time": now().isoformat()}
    return Planned(when if isinstance(when, str) else float(str(when)), decode(orjson.dumps({**defaults, **event})))


async def renewed(client: Client, run: str, namespace: str, planned: Sequence[Planned]) -> list[Planned]:
    """The same events, under other ids where an earlier try has used them up: an event counts once, in all of its namespace.

    Two lines of a file with one id remain one event.
    """
    known: dict[tuple[str, str], bool] = {}
    for each in planned:
        key = each.event.source, each.event.id
        if key not in known:
            known[key] = await _came_before(client, namespace, *key)
    return [
        replace(each, event=replace(each.event, id=f"{each.event.id}~{run}"))
        if known[each.event.source, each.event.id]
        else each
        for each in planned
    ]


async def _came_before(client: Client, namespace: str, source: str, event: str) -> bool:
    try:
        await client.events.explain(event, namespace=namespace, source=source)
    except (NotFound, Forbidden):
        return False
    return True


async def feed(client: Client, run: str, namespace: str, planned: Sequence[Planned]) -> None:
    """Publish the events at their moments; ends when all are published or the run has ended."""
    began = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        timed = [each for each in planned if isinstance(each.when, float)]
        for each in timed:
            group.create_task(_later(client, namespace, each, began))
        before: list[str] = []
        for each in planned:
            if each.when == "waiting":
                waits = await _waiting(client, run, before)
                if waits is None:
                    break
                before = waits
            if not isinstance(each.when, float):
                await client.events.publish(each.event, namespace)


async def _later(client: Client, namespace: str, planned: Planned, began: float) -> None:
    assert isinstance(planned.when, float)
    await asyncio.sleep(began + planned.when - asyncio.get_running_loop().time())
    await client.events.publish(planned.event, namespace)


async def _waiting(client: Client, run: str, before: list[str]) -> list[str] | None:
    """What the run waits for, once that is an event, and another one than before; ``None`` when the run is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE_SECONDS
    while True:
        explained = await client.runs.explain(run)
        if explained.get("status") in {"completed", "faulted", "cancelled"}:
            return None
        waits = await _events_of(client, explained, _DEPTH)
        if waits and (waits != before or loop.time() > until):
            return waits
        await asyncio.sleep(_LOOK_SECONDS)


async def _events_of(client: Client, explained: Record, depth: int) -> list[str]:
    """The events that a run waits for, and the runs that it waits for."""
    found: list[str] = []
    waits = explained.get("waits")
    for wait in waits if isinstance(waits, list) else ():
        if not isinstance(wait, dict):
            continue
        if wait.get("for") == "event":
            found.append(f"{explained.get('id')} {wait.get('token')} {wait.get('detail')}")
        elif wait.get("for") == "child" and depth:
            with contextlib.suppress(NotFound):  # it has not begun yet
                found += await _events_of(client, await client.runs.explain(str(wait.get("run"))), depth - 1)
    return found


def read_secrets(name: str) -> dict[str, str | Record]:
    """The secrets of a file: a JSON object whose members are strings or objects.

    Raises:
        Invalid: It is none; no value is ever in the message.
    """
    try:
        found = orjson.loads(read_file(name, "the secrets"))
    except orjson.JSONDecodeError as exc:
        raise Invalid(f"the secrets in {name} are not JSON (line {exc.lineno})") from None
    if not isinstance(found, dict) or not all(isinstance(value, str | dict) for value in found.values()):
        raise Invalid(f"the secrets in {name} are no JSON object of strings and objects")
    return found


@contextlib.asynccontextmanager
async def lent(client: Client, namespace: str, secrets: dict[str, str | Record]) -> AsyncIterator[None]:
    """The secrets exist while the block runs; those that somebody else has stored are never touched.

    Raises:
        Conflict: There is a secret of that name already.
    """
    stored: list[str] = []
    try:
        for name, value in secrets.items():
            if await _there_is(client, namespace, name):
                raise Conflict(
                    f"there is a secret {name} in {namespace} already, and it is not replaced for a try",
                    hint="leave it out of the file, or try with --ephemeral",
                )
            await client.secrets.put(name, {"namespace": namespace, "value": value, "summary": "for one `tocsin run exec`"})
            stored.append(name)
        yield
    finally:
        for name in stored:
            await client.secrets.delete(namespace, name)


async def _there_is(client: Client, namespace: str, name: str) -> bool:
    try:
        await client.secrets.show(namespace, name)
    except NotFound:
        return False
    return True
