"""What a running platform measures: every metric that the reference and the dashboard name is really there."""

import re
import urllib.request
from pathlib import Path

from e2e.machine import Machine, Platform, awaited
from tocsin_kit.telemetry.reference import declared

ROOT = Path(__file__).parents[2]


def scraped(platform: Platform) -> str:
    with urllib.request.urlopen(f"{platform.ready['ops']}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def test_a_running_platform_exposes_every_metric(platform: Platform) -> None:
    """With the kind that the reference says."""
    text = scraped(platform)
    for metric in declared(ROOT):
        shown = metric.name + ("_total" if metric.kind == "counter" else "")
        assert f"# TYPE {shown} {metric.kind}\n" in text


def test_queues_slots_leases_and_outboxes_are_told_after_a_run(platform: Platform, machine: Machine) -> None:
    """A queue has slots, partitions have an owner whose lease is young, every part is ready, and no slot is leaked."""
    machine.tocsin("run", "start", "hello", "--wait")

    def value(pattern: str) -> float | None:
        found = re.search(pattern + r"[^}]*} ([0-9.e+]+)$", scraped(platform), re.MULTILINE)
        return float(found[1]) if found else None

    def told() -> bool | None:
        text = scraped(platform)
        ages = re.findall(r"^tocsin_lease_age_seconds\{.*} [0-9.e+-]+$", text, re.MULTILINE)
        agree = (
            (value(r'^tocsin_queue_slots\{queue="default"') or 0) > 0
            and value(r'^tocsin_queue_in_hand_tasks\{queue="default"') == value(r'^tocsin_queue_slots_busy\{queue="default"')
            and value(r"^tocsin_executor_partitions\{") == value(r"^tocsin_executor_partitions_expected\{")
            and value(r'^tocsin_limit_runs\{service="executor",state="unbegun"') == 0
            and not re.search(r"^tocsin_component_ready\{.*} 0\.0$", text, re.MULTILINE)
            and len(ages) == 2  # the executor's and the observer's
        )
        return agree or None

    awaited(told, within=60, what="queues and slots that agree, and parts that are all ready")
