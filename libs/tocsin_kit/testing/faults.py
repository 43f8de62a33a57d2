"""Faults on demand around any port: refuse, delay, duplicate, and the cruellest: *done, but reported as a timeout*.

``faulty(port, plan)`` looks like ``port``. Before each call of an async method the plan is asked what happens to it. A plan
is a function, so a test can script the third call of ``commit`` or draw from a seeded :class:`~tocsin_kit.chance.Chance`.
"""

import enum
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, assert_never, cast

from tocsin.errors import Unavailable
from tocsin_kit.chance import Chance
from tocsin_kit.clock import Clock, SystemClock

Port = TypeVar("Port")


class Fault(enum.Enum):
    """What happens to one call."""

    #: It works.
    NONE = "none"
    #: It fails before anything is done.
    REFUSE = "refuse"
    #: It works, late.
    DELAY = "delay"
    #: It is done twice; the second result is returned.
    DUPLICATE = "duplicate"
    #: It is done, and the caller is told that it was not.
    DONE_BUT_TIMED_OUT = "done_but_timed_out"


Plan = Callable[[str, int], Fault]
"""Asked with the method's name and the 1-based number of this call of it."""


class Injected(Unavailable):
    """A fault that a test injected."""

    code = "injected_fault"


@dataclass(slots=True)
class Ledger:
    """What was injected, for assertions.

    Attributes:
        calls: How often each method was called.
        faults: (method, number, fault) of each call that was not left alone.
    """

    calls: dict[str, int] = field(default_factory=dict)
    faults: list[tuple[str, int, Fault]] = field(default_factory=list)


def faulty(
    port: Port,
    plan: Plan,
    *,
    ledger: Ledger | None = None,
    delay: timedelta = timedelta(milliseconds=20),
    clock: Clock | None = None,
) -> Port:
    """Wrap a port.

    Args:
        port: Any object; only its async methods are touched.
        plan: What happens to which call.
        ledger: Filled with what happened.
        delay: Length of a :attr:`Fault.DELAY`.
        clock: Time, for the delay.
    """
    wrapper = _Faulty(port, plan, ledger or Ledger(), delay, clock or SystemClock())
    return cast(Port, wrapper)


def at(method: str, *numbers: int, fault: Fault) -> Plan:
    """The plan that hits these calls (1-based) of one method."""
    return lambda name, number: fault if name == method and number in numbers else Fault.NONE


def at_random(chance: Chance, shares: Mapping[Fault, float], *, only: frozenset[str] | None = None) -> Plan:
    """The plan that hits calls by chance.

    Args:
        chance: Seeded, so that a failing run can be repeated.
        shares: Probability of each fault; the rest works.
        only: Methods that may be hit; all without it.
    """

    def plan(name: str, number: int) -> Fault:  # part of the signature of a plan
        if only is not None and name not in only:
            return Fault.NONE
        sample = chance.sample()
        for fault, share in shares.items():
            if sample < share:
                return fault
            sample -= share
        return Fault.NONE

    return plan


class _Faulty:
    def __init__(self, port: object, plan: Plan, ledger: Ledger, delay: timedelta, clock: Clock) -> None:
        self._port = port
        self._plan = plan
        self._ledger = ledger
        self._delay = delay
        self._clock = clock

    def __getattr__(self, name: str) -> Any:  # whatever the port has
        found = getattr(self._port, name)
        if not inspect.iscoroutinefunction(found):
            return found

        @functools.wraps(found)
        async def call(*args: Any, **kwargs: Any) -> Any:
            number = self._ledger.calls[name] = self._ledger.calls.get(name, 0) + 1
            fault = self._plan(name, number)
            if fault is not Fault.NONE:
                self._ledger.faults.append((name, number, fault))
            match fault:
                case Fault.NONE:
                    return await found(*args, **kwargs)
                case Fault.REFUSE:
                    raise Injected(f"{name} was refused.")
                case Fault.DELAY:
                    await self._clock.sleep(self._delay)
                    return await found(*args, **kwargs)
                case Fault.DUPLICATE:
                    await found(*args, **kwargs)
                    return await found(*args, **kwargs)
                case Fault.DONE_BUT_TIMED_OUT:
                    await found(*args, **kwargs)
                    raise Injected(f"{name} did not answer in time.")
                case _:
                    assert_never(fault)

        return call
