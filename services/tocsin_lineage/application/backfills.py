"""Making what is missing or failed anew, through the scheduler's backfill: a few at a time, below live work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tocsin.errors import Invalid
from tocsin.signals import Cause, Json, derive
from tocsin_kit.clock import Clock
from tocsin_kit.store import undisputed
from tocsin_lineage.application.announcing import start_backfill
from tocsin_lineage.application.assets import Assets
from tocsin_lineage.application.automation import input_of
from tocsin_lineage.domain.assets import Asset, Condition, Slot
from tocsin_lineage.domain.partitions import is_key, time_of
from tocsin_lineage.ports import AssetStore, Changes

ITEMS_LIMIT = 1000  # of one command, which is one message
Which = Literal["missing", "failed", "missing-or-failed"]
_CONDITIONS: Mapping[str, frozenset[Condition]] = {
    "missing": frozenset({Condition.MISSING}),
    "failed": frozenset({Condition.FAILED}),
    "missing-or-failed": frozenset({Condition.MISSING, Condition.FAILED}),
}


class NothingToFill(Invalid):
    """No partition of the asset is as asked for."""

    code = "lineage.nothing_to_fill"


@dataclass(frozen=True, slots=True)
class Asked:
    """A backfill that was asked for.

    Attributes:
        id: Name of the backfill at the scheduler.
        partitions: What it makes, in order.
        left: How many more there are; ask again for them.
    """

    id: str
    partitions: Sequence[str]
    left: int


class Backfills:
    """The use case of people who want the gaps closed.

    Args:
        assets: Which partitions there are.
        store: Where assets are.
        clock: Time.
    """

    def __init__(self, assets: Assets, store: AssetStore, *, clock: Clock) -> None:
        self._assets = assets
        self._store = store
        self._clock = clock

    @undisputed
    async def start(
        self, namespace: str, key: str, which: Which | Sequence[str], *, concurrency: int, actor: str, cause: Cause
    ) -> Asked:
        """Ask the scheduler for runs of the asset's maker, one for each partition.

        Raises:
            NotFound: There is no such asset.
            Invalid: It has no maker, or no such partition.
        """
        entry = await self._assets.get(namespace, key)
        asset = entry.value
        if asset is None or asset.policy.maker is None:
            raise Invalid(f"It is not said what makes {key}.", hint="Declare `maker` with a workflow.")
        names = await self._names(asset, which)
        chosen, left = names[:ITEMS_LIMIT], max(0, len(names) - ITEMS_LIMIT)
        now = self._clock.now()
        backfill = derive("asset-backfill", namespace, key, cause.id)
        places = {name: (namespace, key, name) for name in chosen}
        slots = await self._store.load_slots(list(places.values()))
        marked = []
        for name, place in places.items():
            slot = slots[place].value or Slot(namespace=namespace, asset=key, partition=name)
            marked.append((slots[place], replace(slot, requested_at=now, requested_run=f"backfill:{backfill}"), ()))
        command = start_backfill(
            backfill, asset, [_item(asset, name) for name in chosen], concurrency=concurrency, actor=actor, now=now, cause=cause
        )
        await self._store.commit_together(Changes(assets=[(entry, asset, [command])], slots=[*marked]))
        return Asked(backfill, chosen, left)

    async def _names(self, asset: Asset, which: Which | Sequence[str]) -> list[str]:
        if isinstance(which, str):
            slots = await self._assets.partitions(asset.namespace, asset.key, condition=None)
            names = [slot.partition for slot in slots if slot.condition in _CONDITIONS[which] and slot.partition]
            if not names:
                raise NothingToFill(f"No partition of {asset.key} is {which}.")
            return names
        wrong = [name for name in which if not is_key(asset.policy.partitions, name)]
        if wrong:
            raise Invalid(f"{asset.key} has no partition {wrong[0]!r}.")
        if not which:
            raise NothingToFill("No partition was named.")
        return list(dict.fromkeys(which))


def _item(asset: Asset, partition: str) -> dict[str, Json]:
    window = time_of(asset.policy.partitions, partition)
    return {
        "key": partition,
        "input": dict(input_of(asset, partition)),
        "logical_time": window.start.isoformat() if window is not None else None,
    }
