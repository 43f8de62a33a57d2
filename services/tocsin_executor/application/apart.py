"""Large values where they come in and are looked into: what is large is stored apart, and loaded where somebody needs it."""

import orjson

from tocsin.errors import NotFound, TooLarge
from tocsin.signals.nesting import DEEPEST, too_deep
from tocsin_executor.domain.large import APART, Large, holds
from tocsin_executor.domain.values import Json
from tocsin_executor.ports import Values


class Apart:
    """Loads and stores large values.

    Args:
        values: Where they are; ``None`` where there are none, and nothing may be large.
        limit: Bytes of JSON that one value may have.
    """

    def __init__(self, values: Values | None, limit: int) -> None:
        self._values = values
        self.limit = limit if values is not None else APART

    async def kept(self, raw: bytes, *, always: bool = False, what: str = "The value") -> Json:
        """A value as JSON text; a reference to it, if it is large.

        Raises:
            TooLarge: It is above the limit.
            Unavailable: It cannot be stored now.
        """
        size = len(raw)
        if size > self.limit:
            raise TooLarge(
                f"{what} has {size} bytes, the limit is {self.limit}.",
                hint="Keep what is larger in a store of its own and pass its address.",
                size=size,
                limit=self.limit,
            )
        if self._values is not None and (always or size > APART):
            return Large(await self._values.keep(raw), size)
        value: Json = orjson.loads(raw)
        return value

    async def keep(self, value: Json, *, what: str = "The value") -> Json:
        """As :meth:`kept`, of a value that is here: a small one, as most are, is handed back as it is.

        Raises:
            TooLarge: Also when it is nested too deep.
        """
        try:
            raw = orjson.dumps(value)
            nested = too_deep(value, raw)
        except TypeError as error:
            if "ecursion" not in str(error):
                raise
            nested = True
        if nested:
            raise TooLarge(f"{what} is nested deeper than {DEEPEST} levels.", hint="Write it flatter.", limit=DEEPEST)
        return value if len(raw) <= APART else await self.kept(raw, what=what)

    async def read(self, digest: str) -> bytes:
        """The JSON of a value.

        Raises:
            NotFound: There is none, or none any more.
            Unavailable: The store does not answer.
        """
        if self._values is None:
            raise NotFound(f"There is no value {digest}.", digest=digest)
        return await self._values.read(digest)

    async def loaded(self, value: Json) -> Json:
        """A value with everything in its place.

        Raises:
            NotFound: A value is gone.
            Unavailable: The store does not answer.
        """
        return orjson.loads(orjson.dumps(await self.fragment(value))) if holds(value) else value

    async def fragment(self, value: Json) -> object:
        """As :meth:`loaded`, for a message that is written next: what is stored apart stays text."""
        if isinstance(value, Large) and self._values is not None:
            return orjson.Fragment(await self._values.read(value.digest))
        if not holds(value):
            return value
        if isinstance(value, dict):
            return {name: await self.fragment(part) for name, part in value.items()}
        return [await self.fragment(part) for part in value] if isinstance(value, list | tuple) else value
