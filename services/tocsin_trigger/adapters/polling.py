"""HTTP addresses that are asked again and again, through the guard that keeps calls out of the inside."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import aiohttp
import orjson
from yarl import URL

from tocsin.errors import Invalid, Rejected, Unavailable
from tocsin.expressions import Expression, Json, compile_condition
from tocsin_kit.config import Secret
from tocsin_kit.web.outgoing import OutgoingGuard, open_session
from tocsin_trigger.domain.sources import PollSource
from tocsin_trigger.domain.triggers import Trigger
from tocsin_trigger.domain.watching import Item, Look

TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
ANSWER = 4 * 1024 * 1024  # bytes
_MOST = 1000  # items in one answer


class SecretSource(Protocol):
    """Gives secrets at the moment of use."""

    async def resolve(self, namespace: str, names: Collection[str], *, used_by: Mapping[str, str]) -> Mapping[str, Secret]:
        """Their values as JSON text."""
        ...


class Fetching:
    """One pool of connections through the guard.

    Args:
        guard: Says where calls may go.
    """

    def __init__(self, guard: OutgoingGuard) -> None:
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes, Mapping[str, str]]:
        """Ask once; redirects are not followed. Names of headers come in lower case.

        Raises:
            Unavailable: No answer, or one above the limit.
            Invalid: It is no URL.
            OutgoingRefused: It may not be called.
        """
        if self._session is None:
            self._session = open_session(self._guard, connections=32, timeout=TIMEOUT)
        try:
            target = URL(url, encoded=True)
            self._guard.check(target.host)
            async with self._session.get(target, headers=headers, allow_redirects=False) as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(64 * 1024):
                    body += chunk
                    if len(body) > ANSWER:
                        raise Unavailable(f"The answer is above the limit of {ANSWER} bytes.")
                return response.status, bytes(body), {name.lower(): value for name, value in response.headers.items()}
        except (aiohttp.InvalidURL, ValueError) as error:
            raise Invalid("This is no URL that can be asked.") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"The address does not answer: {type(error).__name__}.") from error


class HttpPolls:
    """Asks.

    Args:
        fetching: The connections.
        secrets: For headers.
    """

    def __init__(self, fetching: Fetching, secrets: SecretSource) -> None:
        self._fetching = fetching
        self._secrets = secrets

    async def close(self) -> None:
        """Close the connections."""
        await self._fetching.close()

    async def look(self, trigger: Trigger, source: PollSource, cursor: Json) -> Look:
        """The items of one answer; those that are known are recognised by their ids.

        Raises:
            Unavailable: It does not answer, or not well.
            Rejected: What it answers cannot be read as the trigger says.
        """
        known: dict[str, Json] = cursor if isinstance(cursor, dict) else {}
        headers = {"Accept": "application/json", **dict(source.headers), **await self._secret_headers(trigger, source)}
        for header, field in (("If-None-Match", "etag"), ("If-Modified-Since", "modified")):
            if isinstance(value := known.get(field), str):
                headers[header] = value
        status, body, answered = await self._fetching.get(_url(source, known.get("cursor")), headers)
        if status == 304:
            return Look((), known)
        if status != 200:
            raise Unavailable(f"The address answered {status}.")
        try:
            answer: Json = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Unavailable("The answer is not JSON.") from error
        found = _items(source, answer)
        after: dict[str, Json] = {"etag": answered.get("etag"), "modified": answered.get("last-modified")}
        reached = None if source.cursor is None else _path(source.cursor).evaluate(answer, {})
        after["cursor"] = known.get("cursor") if reached is None else reached
        return Look(
            found, {name: value for name, value in after.items() if value is not None}, more=_moved(found, known, reached)
        )

    async def _secret_headers(self, trigger: Trigger, source: PollSource) -> dict[str, str]:
        names = [name for _, name in source.secrets]
        if not names:
            return {}
        values = await self._secrets.resolve(trigger.namespace, names, used_by={"trigger": trigger.name})
        texts = {}
        for header, name in source.secrets:
            value = orjson.loads(values[name].reveal())
            if not isinstance(value, str):
                raise Invalid(f"The secret {name} is no text, so it cannot be a header.")
            texts[header] = value
        return texts


def _moved(found: tuple[Item, ...], known: Mapping[str, Json], reached: Json) -> bool:
    """A cursor that moved on with items may have more behind it."""
    return bool(found) and reached is not None and reached != known.get("cursor")


def _url(source: PollSource, cursor: Json) -> str:
    if cursor is None or source.cursor_parameter is None:
        return str(URL(source.url))
    return str(URL(source.url).update_query({source.cursor_parameter: str(cursor)}))


def _items(source: PollSource, answer: Json) -> tuple[Item, ...]:
    found = answer if source.items is None else _path(source.items).evaluate(answer, {})
    if found is None:
        return ()
    return identified(source.id, found if isinstance(found, list) else [found])


def identified(path: str | None, listed: Sequence[Json]) -> tuple[Item, ...]:
    """Items with the ids by which they are known again.

    Args:
        path: jq path in an item; ``None``: its digest.
        listed: At most a thousand.

    Raises:
        Rejected: There are more, or an id is none.
    """
    if len(listed) > _MOST:
        raise Rejected(f"The answer has {len(listed)} items; at most {_MOST} are taken at once.")
    return tuple(Item(_id(path, each), each) for each in listed)


def _id(path: str | None, item: Json) -> str:
    if path is None:
        return hashlib.sha256(orjson.dumps(item, None, orjson.OPT_SORT_KEYS)).hexdigest()
    value = _path(path).evaluate(item, {})
    if isinstance(value, bool) or not isinstance(value, str | int) or not 1 <= len(str(value)) <= 256:
        raise Rejected("An item's id is text of 1 to 256 characters, or a whole number.")
    return str(value)


def _path(text: str) -> Expression:
    return compile_condition(text, frozenset())
