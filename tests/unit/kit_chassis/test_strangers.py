"""Refusals without a credential: all are counted, few are told."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin.signals.catalogue.platform import RequestAnswered
from tocsin_kit.chassis.strangers import MOST, QUIET, Strangers

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def came(address: str, reason: str = "expired") -> RequestAnswered:
    return RequestAnswered(
        service="auth", method="GET", route="/r", target="/r", status=401, address=address, request="r", reason=reason
    )


def test_the_first_is_told_at_once_and_the_others_as_a_number() -> None:
    """One line now, one line a minute while it goes on, none when it is over."""
    strangers = Strangers()
    assert strangers.came(came("a"), AT) == came("a")
    assert [strangers.came(came("a"), AT) for _ in range(7)] == [None] * 7
    assert strangers.came(came("a", "forged"), AT) is not None
    assert strangers.due(AT) == []
    assert [(one.address, one.reason, one.more) for one in strangers.due(AT + QUIET)] == [("a", "expired", 6)]
    assert strangers.came(came("a"), AT + QUIET) is None
    assert [one.more for one in strangers.due(AT + 2 * QUIET)] == [0]
    assert strangers.due(AT + 3 * QUIET) == []
    assert strangers.came(came("a"), AT + 3 * QUIET) is not None


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.integers(0, 90)), max_size=600))
def test_nobody_is_left_out_and_nobody_floods(tries: list[tuple[int, int, int]]) -> None:
    """Whoever tries, from wherever, however often: lines and numbers add up to the tries; lines a minute are bounded."""
    strangers, told, now, lines = Strangers(), 0, AT, 0
    for address, reason, seconds in tries:
        later = now + timedelta(seconds=seconds)
        for one in strangers.due(later):
            told += 1 + one.more
            lines += 1
        now = later
        if strangers.came(came(str(address), str(reason)), now) is not None:
            told += 1
            lines += 1
    told += sum(1 + one.more for one in strangers.due())
    assert told == len(tries)
    minutes = (now - AT) // QUIET + 1
    assert lines <= 2 * (MOST + 1) * minutes
