"""Whether one component can do its work now, in words a person on call can use.

It lives below bus, store and web because each of them reports it; the chassis adds them up to the readiness of a process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Health:
    """The state of one component.

    Attributes:
        ready: Whether it can do its work now; one that cannot turns the readiness of the process off.
        detail: One short sentence, for example ``connected`` or ``no answer from MongoDB since 12 s``.
        facts: Small numbers and words beside it (lag, reconnects); never a secret.
    """

    ready: bool
    detail: str
    facts: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
