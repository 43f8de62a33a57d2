"""All signals there are. A signal that is not here cannot be published.

Each service owns one module and adds its kinds to its shelf; the reference page and the AsyncAPI document are made from here.
"""

from typing import Final

from tocsin.errors import Defect
from tocsin.signals.catalogue import approvals, auth, case, executor, lineage, observer, platform, proposals, scheduler, trigger
from tocsin.signals.kinds import Payload, SignalType

_SHELVES = (
    auth.SHELF,
    trigger.SHELF,
    scheduler.SHELF,
    executor.SHELF,
    approvals.SHELF,
    proposals.SHELF,
    lineage.SHELF,
    case.SHELF,
    observer.SHELF,
    platform.SHELF,
)


class UnknownSignal(Defect):
    """There is no such signal in the catalogue."""

    code = "unknown_signal"


def _gather() -> dict[str, SignalType[Payload]]:
    gathered: dict[str, SignalType[Payload]] = {}
    places: dict[tuple[str, str], str] = {}
    for shelf in _SHELVES:
        for kind in shelf.kinds:
            other = places.setdefault((kind.entity, kind.transition), kind.type)
            if kind.type in gathered or other != kind.type:
                raise UnknownSignal(f"{kind.type} is in the catalogue twice, or shares its subject with {other}")
            gathered[kind.type] = kind
    return gathered


CATALOGUE: Final = _gather()
"""Kinds by CloudEvents type."""


def kind_of(signal_type: str) -> SignalType[Payload]:
    """The kind of a CloudEvents type.

    Raises:
        UnknownSignal: It is not in the catalogue.
    """
    try:
        return CATALOGUE[signal_type]
    except KeyError:
        raise UnknownSignal(f"{signal_type} is not in the catalogue of signals") from None
