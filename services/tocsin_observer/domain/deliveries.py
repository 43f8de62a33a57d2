"""What waits to be sent to an endpoint, what becomes of it, and which of it goes next.

An endpoint is whatever is told something from here: a webhook, a channel of notifications. Each has a queue of its own, so a
slow or dead one delays nobody else. Time is an argument: a test lets days of retries go by in a millisecond.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from tocsin_observer.domain.spans import span

DELAYS: Final = tuple(timedelta(seconds=one) for one in (5, 30, 120, 600, 1800, 3600, 7200))  # then every two hours
LOGGED: Final = 10  # attempts of a delivery that are kept
EXCERPT: Final = 4096  # bytes of a request or an answer that are kept
_GONE: Final = 410
_WORTH_HIDING: Final = 4  # characters; what is shorter stands in any text by chance, and is no secret
_TOO_LATE: Final = timedelta(hours=6)  # a Retry-After above this is not believed
_OPENS: Final = 5  # failures in a row after which an endpoint is asked with one delivery at a time
_REST: Final = timedelta(seconds=5)
_LONGEST_REST: Final = timedelta(minutes=5)


class DeliveryState(Enum):
    """Where a delivery is."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one attempt.

    Attributes:
        status: HTTP status; ``None`` when there was no answer. 200 for an e-mail that was taken.
        seconds: How long it took.
        error: Why there was no answer, or why nothing was sent.
        retry_after: How long the endpoint asks to be left alone.
        headers: Of the request, without secrets.
        request: The beginning of what was sent.
        answer: The beginning of what came back.
        hopeless: Whether another attempt cannot help: what should be sent cannot even be made.
    """

    status: int | None
    seconds: float
    error: str | None = None
    retry_after: timedelta | None = None
    headers: tuple[tuple[str, str], ...] = ()
    request: str = ""
    answer: str = ""
    hopeless: bool = False

    @property
    def good(self) -> bool:
        """Whether it was taken."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the endpoint says that it wants nothing any more."""
        return self.status == _GONE


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as it is kept."""

    at: datetime
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message for one endpoint.

    Attributes:
        id: Its id.
        endpoint: ``webhook/<namespace>/<name>`` or ``channel/<namespace>/<name>``.
        message: The same in every attempt and in a redelivery: the receiver recognises repeats by it.
        order: Messages of one key go in this order.
        key: Messages with the same key do not overtake one another, where the endpoint wants that.
        subject: Of the signal.
        type: CloudEvents type.
        event: The signal as structured JSON; of a notification, what it is made from.
        created_at: When it began to wait.
        due: Not before.
        state: Where it is.
        attempts: How many there were.
        first_at: When the first attempt was.
        log: The last attempts.
        reason: Why it was given up or discarded.
    """

    id: str
    endpoint: str
    message: str
    order: int
    key: str
    subject: str
    type: str
    event: bytes
    created_at: datetime
    due: datetime
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    first_at: datetime | None = None
    log: tuple[Attempt, ...] = field(default=())
    reason: str | None = None


def after_attempt(delivery: Delivery, answer: Answer, *, now: datetime, jitter: float, retry_for: timedelta) -> Delivery:
    """What becomes of a delivery that was tried.

    Args:
        delivery: As it waited.
        answer: What came of it.
        now: The present.
        jitter: Sample from [0, 1): up to a fifth is added to the delay.
        retry_for: How long after the first attempt the last one may be.
    """
    first = delivery.first_at or now
    tried = replace(
        delivery, attempts=delivery.attempts + 1, first_at=first, log=(*delivery.log, Attempt(now, answer))[-LOGGED:]
    )
    if answer.good:
        return replace(tried, state=DeliveryState.DELIVERED)
    if answer.hopeless:
        return replace(tried, state=DeliveryState.GIVEN_UP, reason=answer.error or "it cannot be sent")
    delay = DELAYS[min(tried.attempts, len(DELAYS)) - 1]
    if answer.retry_after is not None:
        delay = max(delay, min(answer.retry_after, _TOO_LATE))
    due = now + delay * (1 + jitter / 5)
    if due > first + retry_for:
        return replace(tried, state=DeliveryState.GIVEN_UP, reason=f"not taken within {span(retry_for)}: {told(answer)}")
    return replace(tried, due=due)


def redacted(answer: Answer, secrets: Iterable[str]) -> Answer:
    """The answer without secrets that went along and that the other side may have repeated; for the log of deliveries."""
    for secret in secrets:
        if len(secret) >= _WORTH_HIDING:
            request, said = (text.replace(secret, "(hidden)") for text in (answer.request, answer.answer))
            error = None if answer.error is None else answer.error.replace(secret, "(hidden)")
            answer = replace(answer, request=request, answer=said, error=error)
    return answer


def told(answer: Answer) -> str:
    """What came of an attempt, in a few words."""
    if answer.error is not None:
        return answer.error
    return f"HTTP {answer.status}" if answer.status is not None else "no answer"


def choose(waiting: Iterable[Delivery], *, ordered: bool, busy: Collection[str], now: datetime, room: int) -> list[Delivery]:
    """What goes next.

    Args:
        waiting: In order.
        ordered: Whether messages of one key must not overtake one another.
        busy: What is on its way: keys where it is ordered, ids otherwise.
        now: The present.
        room: How many may go.
    """
    chosen: list[Delivery] = []
    seen = set(busy)
    for delivery in waiting:
        if len(chosen) >= room:
            break
        mark = delivery.key if ordered else delivery.id
        if mark in seen:
            continue
        seen.add(mark)  # a message that is not due yet holds back those of its key behind it
        if delivery.due <= now:
            chosen.append(delivery)
    return chosen


@dataclass(frozen=True, slots=True)
class Circuit:
    """How an endpoint behaves lately; one that fails all the time is asked ever more seldom, with one delivery at a time.

    Attributes:
        failures: In a row.
        rests_until: Nothing is sent before; ``None`` when it does not rest.
    """

    failures: int = 0
    rests_until: datetime | None = None

    @property
    def suspect(self) -> bool:
        """Whether the last attempt failed."""
        return self.failures > 0

    def room(self, parallel: int, now: datetime) -> int:
        """How many may be on their way."""
        if self.rests_until is not None and now < self.rests_until:
            return 0
        return 1 if self.failures >= _OPENS else parallel

    def after(self, answer: Answer, *, now: datetime, jitter: float) -> "Circuit":
        """The circuit after an attempt. What cannot even be made says nothing against the endpoint."""
        if answer.good or answer.hopeless:
            return Circuit()
        failures = self.failures + 1
        if failures < _OPENS and answer.retry_after is None:
            return Circuit(failures)
        rest = min(_REST * (1 << min(max(failures - _OPENS, 0), 10)), _LONGEST_REST)
        if answer.retry_after is not None:
            rest = max(rest, min(answer.retry_after, _TOO_LATE))
        return Circuit(failures, now + rest * (1 + jitter / 5))


@dataclass(frozen=True, slots=True)
class Pace:
    """A bound of deliveries a second, with a burst of one second.

    Attributes:
        rate: Deliveries a second; ``None`` for no bound.
        allowance: What may go at once.
        at: When that was so, in seconds of a monotonic clock.
    """

    rate: float | None = None
    allowance: float = 1.0
    at: float = 0.0

    def refilled(self, now: float) -> "Pace":
        """With what has come in since."""
        if self.rate is None:
            return self
        most = max(1.0, self.rate)
        return Pace(self.rate, min(most, self.allowance + (now - self.at) * self.rate), now)

    @property
    def room(self) -> int:
        """How many may go now."""
        return 1 << 30 if self.rate is None else int(self.allowance)

    def spent(self, count: int) -> "Pace":
        """After so many went."""
        return self if self.rate is None else Pace(self.rate, self.allowance - count, self.at)
