"""Counts those who come without a valid credential, so that each way of trying is recorded and nobody can flood the record.

What comes from one address and is refused for one reason is told at once, and then as a number for each minute that it goes
on. More than :data:`MOST` such ways in one minute share one entry: whoever tries from a thousand addresses leaves that many
tries in the record, and no more lines than somebody with a hundred.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tocsin.signals.catalogue.platform import RequestAnswered

QUIET: Final = timedelta(minutes=1)  # between two entries about the same
MOST: Final = 100  # kept apart at the same time
_MANY: Final = "many addresses"


@dataclass(frozen=True, slots=True)
class _Way:
    """One way of trying.

    Attributes:
        until: Nothing is told about it before.
        latest: The latest request.
        more: So many were not told yet.
    """

    until: datetime
    latest: RequestAnswered
    more: int = 0


class Strangers:
    """Decides which refusals are told, and adds up the others."""

    def __init__(self) -> None:
        self._ways: OrderedDict[tuple[str, str], _Way] = OrderedDict()

    def came(self, request: RequestAnswered, now: datetime) -> RequestAnswered | None:
        """Somebody was refused; what is to be told at once, if anything."""
        key = (request.address, request.reason or "")
        if key not in self._ways and len(self._ways) >= MOST:
            request = request.model_copy(update={"address": _MANY})
            key = (_MANY, "")
        way = self._ways.get(key)
        if way is not None:
            self._ways[key] = replace(way, latest=request, more=way.more + 1)
            return None
        self._ways[key] = _Way(now + QUIET, request)
        return request

    def due(self, now: datetime | None = None) -> list[RequestAnswered]:
        """What is to be told of the minutes that are over (all of them without ``now``), with the numbers."""
        told = []
        for key, way in list(self._ways.items()):
            if now is not None and way.until > now:
                continue
            del self._ways[key]
            if way.more:
                # The latest one stands for itself and for the others.
                told.append(way.latest.model_copy(update={"more": way.more - 1}))
                if now is not None:  # it goes on: the next minute begins quiet
                    self._ways[key] = _Way(now + QUIET, way.latest)
        return told
