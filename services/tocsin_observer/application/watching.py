"""What the observer does with all signals: keep what it hears, find it again, let people look live."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from tocsin.errors import Defect, Forbidden, Rejected
from tocsin.signals.subjects import ANY
from tocsin_kit.clock import Clock
from tocsin_kit.web import Namespaces
from tocsin_observer.application.reading import Reader
from tocsin_observer.domain.audit import Heard
from tocsin_observer.domain.records import SignalRecord, record_of
from tocsin_observer.domain.viewing import checked_filter, narrowed
from tocsin_observer.ports import Found, Search, Seen, SignalStore, SignalStream

log = structlog.get_logger()


class Observer:
    """The observer's use cases.

    Args:
        store: Where signals are kept.
        stream: The live stream.
        clock: Time.
        retention: How long signals are kept.
        kept: Told about what is kept now; safe to repeat.
    """

    def __init__(
        self,
        store: SignalStore,
        stream: SignalStream,
        *,
        clock: Clock,
        retention: timedelta,
        kept: Callable[[Sequence[SignalRecord]], Awaitable[None]] | None = None,
    ) -> None:
        self._kept = kept
        self._store = store
        self._stream = stream
        self._clock = clock
        self._retention = retention

    async def work(self, reader: Reader) -> None:
        """Keep all signals until cancelled.

        Raises:
            Unavailable: The bus or the database does not answer; begin again from the place that is kept.
        """
        await reader.each(self.keep)

    async def keep(self, signals: Sequence[Heard]) -> None:
        """Keep signals; safe to repeat. One that is none, or that the database refuses, does not hold up the others.

        Raises:
            Unavailable: The database does not answer.
        """
        records: list[SignalRecord] = []
        for heard in signals:
            try:
                records.append(record_of(heard, retention=self._retention))
            except Rejected as error:  # the audit trail has it as it is
                log.warning("signals.unreadable", position=heard.position, error=error.detail)
        await self._keep(records)
        if self._kept is not None:
            await self._kept(records)

    async def _keep(self, records: Sequence[SignalRecord]) -> None:
        try:
            await self._store.keep(records)
        except (Rejected, Defect) as error:
            if len(records) == 1:
                log.error("signals.not_kept", position=records[0].position, error=error.detail)
                return
            for one in records:
                await self._keep([one])

    async def search(self, search: Search, *, limit: int, cursor: str | None) -> Found:
        """One page of signals, newest first."""
        return await self._store.search(search, limit=limit, cursor=cursor)

    def follow(self, pattern: str, *, permitted: Namespaces, after: int | None) -> AsyncIterator[Seen]:
        """Signals live.

        Args:
            pattern: Filter over their subjects.
            permitted: Where the reader may look.
            after: Position of the last signal the reader has; ``None`` to start now.

        Raises:
            Invalid: ``pattern`` is no filter over signals.
            Forbidden: It covers no namespace that the reader may look into.
        """
        namespace = checked_filter(pattern).split(".")[1]
        if namespace not in {ANY, ">"}:
            if namespace not in permitted:
                raise Forbidden(f"no permission to read the signals of namespace {namespace}", namespace=namespace)
            return self._stream.follow((pattern,), after=after)
        if permitted.everywhere:
            return self._stream.follow((pattern,), after=after)
        if permitted.prefixes:
            raise Forbidden("name one namespace: a grant on a pattern of namespaces cannot be followed as a whole")
        return self._stream.follow(narrowed(pattern, permitted.exact), after=after)

    async def tidy(self) -> int:
        """Remove what retention no longer covers; how many signals went."""
        return await self._store.forget(self._clock.now())
