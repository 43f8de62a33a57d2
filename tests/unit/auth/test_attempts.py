"""Logins that are made at the same moment as others, or as a change of what they prove."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tocsin.signals import root
from tocsin_auth.application.administrators import Administrators
from tocsin_auth.application.authority import Authority
from tocsin_auth.application.logins import Logins
from tocsin_auth.application.revoking import RevocationLedger
from tocsin_auth.application.saying import Asker
from tocsin_auth.application.sessions import Sessions
from tocsin_auth.application.throttling import AT_ONCE, FREE_BY_ADDRESS, FREE_BY_NAME, FREE_CODES, Pace, Throttle
from tocsin_auth.domain.api_keys import KeyRecord
from tocsin_auth.domain.errors import LastAdministrator, SessionEnded, TooManyLogins, WrongCode, WrongCredentials
from tocsin_auth.domain.roles import ADMINISTRATOR
from tocsin_auth.domain.second_factor import SecondFactor
from tocsin_auth.domain.throttle import network_of
from tocsin_auth.domain.users import User
from tocsin_kit.chance import SystemChance
from tocsin_kit.testing.clocks import ManualClock
from tocsin_kit.web.revocations import digest
from unit.auth.memory import MemoryRecords

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RIGHT = "three words and more"


class Hasher:
    """Hashes that take until the test lets them end."""

    def __init__(self) -> None:
        self.begun, self.gate = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def have_begun(self, number: int) -> None:
        for _ in range(number):
            await self.begun.acquire()

    async def verify(self, encoded: str | None, password: str) -> bool:
        self.begun.release()
        await self.gate.acquire()
        return encoded == password

    def is_outdated(self, encoded: str) -> bool:
        return False


class Place:
    """The use cases, on records in memory."""

    def __init__(self) -> None:
        self.clock, self.hasher = ManualClock(NOW), Hasher()
        self.users, self.open, self.failures = MemoryRecords(), MemoryRecords(), MemoryRecords()
        self.sessions = Sessions(
            users=self.users,
            sessions=self.open,
            authority=SimpleNamespace(standing=self._standing),  # type: ignore[arg-type]
            tokens=SimpleNamespace(issue=self._issue),  # type: ignore[arg-type]
            teller=SimpleNamespace(tell=self._nothing),  # type: ignore[arg-type]
            clock=self.clock,
            chance=SystemChance(),
            idle=timedelta(days=1),
            longest=timedelta(days=30),
        )
        self.logins = Logins(
            users=self.users,
            sessions=self.sessions,
            throttle=Throttle(self.failures, self.clock),
            factors=SimpleNamespace(used=lambda user, code: user if code == "123456" else None),  # type: ignore[arg-type]
            hasher=self.hasher,  # type: ignore[arg-type]
            clock=self.clock,
        )

    async def user(self, name: str) -> None:
        await self.users.commit(await self.users.load(name), User(name, RIGHT, (), False, NOW, NOW))

    async def login(self, password: str = RIGHT, *, name: str = "ada", address: str = "192.0.2.1") -> Any:
        return await self.logins.login(name, password, Asker(root("test"), address=address))

    async def _standing(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(grants=(), proof=None, until=None)

    async def _issue(self, **_: Any) -> str:
        return "a token"

    async def _nothing(self) -> None:
        return


@pytest.fixture
def place() -> Place:
    return Place()


async def outcome(attempt: Any) -> str:
    try:
        await attempt
    except (TooManyLogins, WrongCredentials, WrongCode, SessionEnded) as error:
        return type(error).__name__
    return "in"


async def test_attempts_that_begin_together_are_worth_no_more_than_one_after_the_other(place: Place) -> None:
    """A flood of guesses that are all hashed before the first has failed: a few are answered, and the right one is not."""
    await place.user("ada")
    async with asyncio.TaskGroup() as group:
        guesses = [group.create_task(outcome(place.login(f"guess {number}"))) for number in range(19)]
        right = group.create_task(outcome(place.login()))
        await place.hasher.have_begun(20)
        for each in (*guesses, right):
            place.hasher.gate.release()
            await each
    answers = Counter(guess.result() for guess in guesses)
    assert answers == {"WrongCredentials": FREE_BY_NAME, "TooManyLogins": 19 - FREE_BY_NAME}
    assert right.result() == "TooManyLogins"


async def test_a_flood_from_one_network_takes_nobody_elses_turn(place: Place) -> None:
    """Hashes are few at a time: what one network may have waiting is bounded, and others get in between."""
    await place.user("ada")
    async with asyncio.TaskGroup() as group:
        flood = [group.create_task(outcome(place.login("x", name=f"n{number}"))) for number in range(3 * AT_ONCE)]
        await place.hasher.have_begun(AT_ONCE)
        other = group.create_task(outcome(place.login(address="192.0.2.2")))
        await place.hasher.have_begun(1)
        place.hasher.gate.release()
        for _ in range(AT_ONCE):
            place.hasher.gate.release()
    assert other.result() == "in"
    assert Counter(each.result() for each in flood)["TooManyLogins"] >= 2 * AT_ONCE
    place.hasher.gate.release()
    assert await outcome(place.login()) == "in", "the turns are given back"


async def test_a_login_with_a_password_that_is_changed_meanwhile_is_none(place: Place) -> None:
    """A hash takes a while, and a flood of logins makes others wait for theirs: what counts is the password at the end."""
    await place.user("ada")
    async with asyncio.TaskGroup() as group:
        late = group.create_task(outcome(place.login()))
        await place.hasher.have_begun(1)
        entry = await place.users.load("ada")
        await place.users.commit(entry, entry.value.with_password("another one", NOW, entry.revision + 1))
        await place.clock.advance(timedelta(seconds=5))
        place.hasher.gate.release()
    assert late.result() == "WrongCredentials"


async def test_a_session_from_before_a_change_of_the_password_is_over_whatever_the_clocks_say(place: Place) -> None:
    """Opened later than the change by the clock of another replica, but from the record as it was before."""
    await place.user("ada")
    stale = await place.users.load("ada")
    await place.users.commit(stale, stale.value.with_password("another one", NOW, stale.revision + 1))
    await place.clock.advance(timedelta(seconds=5))
    late = await place.sessions.open(stale, "password", Asker(root("test")))
    assert await outcome(place.sessions.refresh(late.refresh_token, Asker(root("test")))) == "SessionEnded"
    place.hasher.gate.release()
    fresh = await place.login("another one")
    assert await outcome(place.sessions.refresh(fresh.refresh_token, Asker(root("test")))) == "in"


async def test_of_two_refreshes_at_once_the_second_ends_the_session(place: Place) -> None:
    """Whichever is told no by the database decides again, and finds a token that was used before."""
    await place.user("ada")
    place.hasher.gate.release()
    token = (await place.login()).refresh_token
    load, both, looked = place.open.load, asyncio.Barrier(2), 0

    async def together(key: str) -> Any:
        nonlocal looked
        looked += 1
        found = await load(key)
        if looked <= 2:
            await both.wait()
        return found

    place.open.load = together  # type: ignore[method-assign]
    results = await asyncio.gather(*(outcome(place.sessions.refresh(token, Asker(root("test")))) for _ in range(2)))
    assert sorted(results) == ["SessionEnded", "in"]
    (session,) = place.open.held.values()
    assert session.value.ending is not None


async def test_who_has_logged_in_from_a_network_before_is_not_locked_out_by_others_there(place: Place) -> None:
    """An office shares an address: failures of others there make strangers wait, not those who are known there."""
    for name in ("ada", "eve"):
        await place.user(name)
    place.hasher.gate = asyncio.Semaphore(1000)
    assert await outcome(place.login()) == "in"
    for number in range(FREE_BY_ADDRESS + 5):
        await outcome(place.login("wrong", name=f"nobody-{number}"))
    assert await outcome(place.login(name="eve")) == "TooManyLogins"
    assert await outcome(place.login(name="eve", address="192.0.2.2")) == "in"
    assert await outcome(place.login()) == "in"


async def test_a_customer_of_a_provider_is_one_place_whatever_address_of_theirs_they_use(place: Place) -> None:
    """Whoever has an IPv6 address has 2^64 of them."""
    await place.user("ada")
    place.hasher.gate = asyncio.Semaphore(1000)
    for number in range(FREE_BY_NAME):
        assert await outcome(place.login("wrong", address=f"2001:db8:1:2::{number:x}")) == "WrongCredentials"
    assert await outcome(place.login(address="2001:db8:1:2:ffff::1")) == "TooManyLogins"
    assert await outcome(place.login(address="2001:db8:1:3::1")) == "in"


async def test_who_has_found_out_a_password_does_not_keep_its_owner_out_by_wrong_codes(place: Place) -> None:
    """Wrong codes from elsewhere count together; where the owner has come in from before, those from there count."""
    secret = SecondFactor(b"sealed", confirmed=True)
    await place.users.commit(await place.users.load("ada"), User("ada", RIGHT, (), False, NOW, NOW, second=secret))
    place.hasher.gate = asyncio.Semaphore(1000)
    asker = Asker(root("test"), address="192.0.2.1")
    assert (await place.logins.login("ada", RIGHT, asker, code="123456")).refresh_token
    for number in range(FREE_CODES):
        elsewhere = Asker(root("test"), address=f"198.51.100.{number}")
        assert await outcome(place.logins.login("ada", RIGHT, elsewhere, code="000000")) == "WrongCode"
    strange = Asker(root("test"), address="203.0.113.9")
    assert await outcome(place.logins.login("ada", RIGHT, strange, code="123456")) == "TooManyLogins"
    assert await outcome(place.logins.login("ada", RIGHT, asker, code="123456")) == "in"


def test_a_network_is_named_alike_in_every_spelling() -> None:
    """Mapped, scoped, long and short."""
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("2001:DB8::1%eth0") == network_of("2001:0db8:0:0:9::7")
    assert network_of("unknown") == "unknown"


async def test_very_much_that_is_withdrawn_costs_everybody_one_new_token_and_not_one_after_the_other(place: Place) -> None:
    """Somebody who makes and revokes keys all the time must not have all others log in again and again."""
    policies, keys = MemoryRecords(), MemoryRecords()
    authority = Authority(
        roles=MemoryRecords(),
        groups=MemoryRecords(),
        namespaces=MemoryRecords(),
        policies=policies,
        factor_rules=MemoryRecords(),
        clock=place.clock,
    )
    ledger = RevocationLedger(
        users=place.users,
        sessions=place.open,
        run_tokens=MemoryRecords(),
        keys=keys,
        departures=MemoryRecords(),
        authority=authority,
        clock=place.clock,
        lifetime=timedelta(minutes=15),
        most=50,
    )

    async def revoke(name: str) -> None:
        record = KeyRecord(name, name, "eve", b"", (), NOW, revoked_at=place.clock.now())
        await keys.commit(await keys.load(name), record)

    for number in range(60):
        await revoke(f"many-{number}")
        await place.clock.advance(timedelta(seconds=1))
    assert (await ledger.current()).policy == 1
    await revoke("later")
    for _ in range(3):
        await place.clock.advance(timedelta(minutes=1))
        known = await ledger.current()
        assert known.policy == 1
        assert digest("key:later") in known.ended


async def test_administrators_who_have_seen_each_other_both_remain(place: Place) -> None:
    """Each looked before the other had gone: the second look finds nobody, and undoes it."""
    asker, one = Asker(root("test")), Administrators(place.users, place.clock)  # type: ignore[arg-type]
    for name in ("ada", "ben"):
        await place.users.commit(await place.users.load(name), User(name, RIGHT, (ADMINISTRATOR,), False, NOW, NOW))
    before = {name: await place.users.load(name) for name in ("ada", "ben")}
    after = {name: entry.value.with_access((), None, NOW, entry.revision + 1) for name, entry in before.items()}
    for name, entry in before.items():
        await one.keep(entry.value, after[name])
    stored = {name: await place.users.commit(entry, after[name]) for name, entry in before.items()}
    with pytest.raises(LastAdministrator):
        await one.confirm(before["ada"].value, stored["ada"], asker)
    await one.confirm(before["ben"].value, stored["ben"], asker)
    assert ADMINISTRATOR in (await place.users.load("ada")).value.bindings
    assert ADMINISTRATOR not in (await place.users.load("ben")).value.bindings


def test_nobody_fills_the_database_with_logins_that_only_begin() -> None:
    """So many a minute from one place; others, and the next minute, are not concerned."""
    pace = Pace(3)
    for address in ("192.0.2.1", "2001:db8:1:2::1", "192.0.2.1", "192.0.2.1"):
        pace.take(address, NOW)
    with pytest.raises(TooManyLogins):
        pace.take("::ffff:192.0.2.1", NOW)
    pace.take("2001:db8:1:2::2", NOW)
    pace.take("192.0.2.1", NOW + timedelta(minutes=1))
