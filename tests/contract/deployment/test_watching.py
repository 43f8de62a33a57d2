"""Alerts, scraping and the dashboard: valid, and about metrics that exist."""

import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from contract.deployment.manifests import ROOT, named
from tocsin_kit.bus.permissions import SERVICES
from tocsin_kit.telemetry.reference import declared

RULES = ROOT / "deploy/prometheus/rules.yaml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/tocsin.json"
FOREIGN = re.compile(r"\b(up|process_\w+|jetstream_\w+|gnatsd_\w+)\b")  # Prometheus itself, its client, the NATS exporter


def rules() -> list[dict[str, Any]]:
    groups = YAML(typ="safe", pure=True).load(io.StringIO(RULES.read_text(encoding="utf-8")))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard_expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


def series() -> set[str]:
    """Names of the metrics that the code declares, as Prometheus shows them."""
    return {name for metric in declared(ROOT) for name in metric.series}


def test_the_rules_are_valid_for_prometheus() -> None:
    """By its own checker."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool: it comes with Debian's package prometheus")
    for check, file in (("rules", RULES), ("config", ROOT / "deploy/prometheus/prometheus.yaml")):
        done = subprocess.run([promtool, "check", check, str(file)], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_fire_when_they_should_and_stay_quiet_just_below() -> None:
    """On made-up series, by Prometheus' own evaluator."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool: it comes with Debian's package prometheus")
    made_up = ROOT / "tests/contract/deployment/alerts.yaml"
    done = subprocess.run([promtool, "test", "rules", str(made_up)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_on_series() -> None:
    """A rule that nobody tried may never fire, or always."""
    tried = YAML(typ="safe", pure=True).load(
        io.StringIO((ROOT / "tests/contract/deployment/alerts.yaml").read_text(encoding="utf-8"))
    )
    named_there = {one["alertname"] for test in tried["tests"] for one in test["alert_rule_test"]}
    assert {rule["alert"] for rule in rules()} <= named_there


def test_every_alert_says_what_to_do() -> None:
    """A severity, a sentence, a first step."""
    assert len(rules()) >= 10
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert {"summary", "action"} == rule["annotations"].keys()
        assert all(text.endswith(".") for text in rule["annotations"].values())


def test_kubernetes_has_the_same_alerts() -> None:
    """The PrometheusRule is the file, indented."""
    assert [
        rule for group in named("production", "PrometheusRule", "tocsin")["spec"]["groups"] for rule in group["rules"]
    ] == rules()


def test_alerts_and_panels_are_about_metrics_that_exist() -> None:
    """A metric that was renamed would silence its alert without anybody noticing."""
    known = series()
    for expression in (*(rule["expr"] for rule in rules()), *dashboard_expressions()):
        ours = set(re.findall(r"\btocsin_\w+", expression))
        assert ours <= known, expression
        assert ours or FOREIGN.search(expression), expression


def test_every_metric_is_on_the_dashboard_and_explained() -> None:
    """What nobody can look at is measured for nothing; what has no sentence is understood by nobody."""
    shown = set(re.findall(r"\btocsin_\w+", " ".join(dashboard_expressions())))
    for metric in declared(ROOT):
        assert shown & set(metric.series), metric.name
        assert metric.about.endswith("."), metric.name


def test_every_service_is_scraped() -> None:
    """By compose's Prometheus, on the operations port."""
    config = YAML(typ="safe", pure=True).load(
        io.StringIO((ROOT / "deploy/prometheus/prometheus.yaml").read_text(encoding="utf-8"))
    )
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs["tocsin"]["static_configs"][0]["targets"]) == {f"{service}:7790" for service in SERVICES}
    assert jobs["tocsin"]["honor_labels"] is True


def test_the_dashboard_shows_each_of_the_golden_signals() -> None:
    """Traffic, errors, latency, saturation; and what is special here: the bus, dead letters, runs."""
    text = " ".join(dashboard_expressions())
    for metric in (
        "tocsin_http_requests_total",
        "tocsin_http_request_seconds_bucket",
        "tocsin_http_requests_in_hand",
        "jetstream_consumer_num_pending",
        'stream_name="DEAD"',
        "process_resident_memory_bytes",
    ):
        assert metric in text
