"""The small outside world that the example workflows talk to.

A newcomer's first workflow should call a real HTTP service and get a real answer; this is that service: a warehouse, a bank and
something that fails. Answers depend on the question only, so an example can be told and repeated.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

# Enough for everyone who tries the retry example at once; older counts are forgotten.
REMEMBERED_KEYS = 1_000


@dataclass(frozen=True, slots=True)
class Stock:
    """What the warehouse says about an article."""

    sku: str
    available: bool
    quantity: int


@dataclass(frozen=True, slots=True)
class Payment:
    """What the bank says about a payment."""

    id: str
    approved: bool
    reason: str | None


def stock(sku: str) -> Stock:
    """Articles that end in ``-0`` are sold out; the others have between 1 and 40 pieces, always the same number."""
    quantity = 0 if sku.endswith("-0") else 1 + hashlib.sha256(sku.encode()).digest()[0] % 40
    return Stock(sku, quantity > 0, quantity)


def payment(reference: str, amount: float) -> Payment:
    """Payments up to 1,000 are approved.

    Args:
        reference: The payer's own reference; the payment's id is derived from it, so a repeat is the same payment.
        amount: In whole currency units.
    """
    identity = "pay_" + hashlib.sha256(reference.encode()).hexdigest()[:12]
    return Payment(identity, amount <= 1_000, None if amount <= 1_000 else "above the limit of 1,000")


@dataclass(slots=True)
class Flaky:
    """Something that fails the first N times it is asked with the same key."""

    counts: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def ask(self, key: str, failures: int) -> tuple[bool, int]:
        """Whether this call succeeds, and how many calls with ``key`` there were, this one included."""
        count = self.counts.pop(key, 0) + 1
        self.counts[key] = count
        while len(self.counts) > REMEMBERED_KEYS:
            self.counts.popitem(last=False)
        return count > failures, count
