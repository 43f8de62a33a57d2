"""What people type most, shown below the help of each group of commands.

Held true by a test that parses each line with the commands themselves; nothing here is ever run by the program.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "workflow": (
            "tocsin workflow validate examples/hello.yaml",
            "tocsin workflow apply examples/hello.yaml",
            "tocsin workflow show hello",
        ),
        "run": (
            'tocsin run start hello --input \'{"name": "Ada"}\' --watch',
            "tocsin run list --status faulted",
            "tocsin run explain RUN",
            "tocsin run exec examples/hello.yaml",
        ),
        "proposal": ("tocsin proposal list", "tocsin proposal approve PROPOSAL"),
        "approval": ("tocsin approval list --mine", "tocsin approval answer APPROVAL '{\"approved\": true}'"),
        "worker": ("tocsin worker list",),
        "pool": ("tocsin pool set database --limit 4", "tocsin pool show database"),
        "event": (
            'tocsin event publish com.example.visitor.arrived --data \'{"name": "Ada"}\'',
            "tocsin event list --refused",
            "tocsin event explain EVENT",
        ),
        "signal": (
            "tocsin signal tail",
            "tocsin signal tail --filter 'signals.default.run.*.*'",
            "tocsin signal list --run RUN",
        ),
        "audit": (
            "tocsin audit list --since 1h",
            "tocsin audit export trail.jsonl",
            "tocsin audit verify trail.jsonl",
        ),
        "observer": ("tocsin observer runs", "tocsin observer failures", "tocsin observer health"),
        "alert": ("tocsin alert apply failures.yaml", "tocsin alert list --state firing", "tocsin alert acknowledge ALERT"),
        "webhook": ("tocsin webhook list", "tocsin webhook deliveries NAME", "tocsin webhook test NAME"),
        "trigger": (
            "tocsin trigger apply examples/triggers/orders.yaml",
            "tocsin trigger send orders --data @examples/inputs/order-fulfilment.json",
            "tocsin trigger list",
        ),
        "schedule": (
            "tocsin schedule next '0 9 * * mon-fri' --timezone Europe/Berlin",
            "tocsin schedule apply examples/schedules/hourly-hello.yaml",
            "tocsin schedule upcoming hourly-hello",
        ),
        "backfill": ("tocsin backfill list", "tocsin backfill show NAME"),
        "case": (
            "tocsin case open 'Printer on fire' --priority high",
            "tocsin case list --text fire",
            "tocsin case take CASE",
            "tocsin case move CASE resolved --resolution 'The fire is out.'",
        ),
        "asset": ("tocsin asset list --state stale", "tocsin asset show shop/orders", "tocsin asset freshness shop/orders"),
        "lineage": ("tocsin lineage upstream shop/orders", "tocsin lineage graph shop/orders --format mermaid"),
        "dead-letter": ("tocsin dead-letter list executor", "tocsin dead-letter redrive executor"),
        "expression": ("tocsin expression eval '.a + 1' --input '{\"a\": 41}'",),
        "secret": ("tocsin secret set payment-token --stdin", "tocsin secret list"),
        "auth": ("tocsin auth can-i run:start", "tocsin auth user list", "tocsin auth api-key create ci"),
    }
)


def shown(group: str) -> str | None:
    """The examples of a group as the end of its help; ``None`` without any."""
    lines = EXAMPLES.get(group)
    return "\n  ".join(("Examples:", *lines)) if lines else None
