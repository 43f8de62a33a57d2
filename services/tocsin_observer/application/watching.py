"""What the observer does with all signals: keep what it hears, find it again, let people look live."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import timedelta

import structlog

from tocsin.errors import Defect, Forbidden, Rejected
from tocsin.signals.subjects import ANY
from tocsin_kit.clock import Clock
from tocsin_kit.web import Namespaces
from tocsin_observer.application.reading import Reader
from tocsin_observer.domain.audit import Heard
from tocsin_observer.domain.patterns import PatternIndex
from tocsin_observer.domain.records import SignalRecord, record_of
from tocsin_observer.domain.viewing import PositionGone, checked_filter, narrowed
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

    async def follow(self, pattern: str, *, permitted: Namespaces, after: int | None) -> AsyncGenerator[Seen, None]:
        """Signals live; behind ``after`` without a gap, also where the stream does not go back as far as what is kept.

        Args:
            pattern: Filter over their subjects.
            permitted: Where the reader may look.
            after: Position of the last signal the reader has; ``None`` to start now, 0 for all that is kept.

        Raises:
            Invalid: ``pattern`` is no filter over signals.
            Forbidden: It covers no namespace that the reader may look into.
            PositionGone: What came behind ``after`` is not kept any more, or ``after`` is of another stream.
        """
        subjects = self._subjects(pattern, permitted)
        if after is None:
            return self._stream.follow(subjects, after=None)
        first, last = await self._stream.bounds()
        if after > last:
            raise PositionGone(
                f"position {after} is behind the end of the stream, which is {last}: it is of another one",
                hint="begin without a position",
                last=last,
            )
        if after + 1 < first:
            kept = await self._store.first()
            if after and (kept is None or kept > after + 1):
                raise PositionGone(
                    f"signals behind position {after} are not kept any more; the first that are have {kept or first}",
                    hint=f"begin with `after={(kept or first) - 1}`, or without a position",
                    first=kept or first,
                )
        return self._resumed(subjects, after)

    async def _resumed(self, subjects: Sequence[str], after: int) -> AsyncGenerator[Seen, None]:
        wanted = PatternIndex((one, one) for one in subjects)
        while after + 1 < (first := (await self._stream.bounds())[0]):
            async for batch in self._store.between(after + 1, first - 1):
                for one in batch:
                    if wanted.matching(one.subject):
                        yield Seen(one.position, one.subject, one.payload)
            after = first - 1
        async with aclosing(self._stream.follow(subjects, after=after)) as live:
            async for seen in live:
                yield seen

    @staticmethod
    def _subjects(pattern: str, permitted: Namespaces) -> tuple[str, ...]:
        namespace = checked_filter(pattern).split(".")[1]
        if namespace not in {ANY, ">"}:
            if namespace not in permitted:
                raise Forbidden(f"no permission to read the signals of namespace {namespace}", namespace=namespace)
            return (pattern,)
        if permitted.everywhere:
            return (pattern,)
        if permitted.prefixes:
            raise Forbidden("name one namespace: a grant on a pattern of namespaces cannot be followed as a whole")
        return narrowed(pattern, permitted.exact)

    async def tidy(self) -> int:
        """Remove what retention no longer covers; how many signals went."""
        return await self._store.forget(self._clock.now())
