"""Bindings, groups and what is known about namespaces as plain documents and back."""

from collections.abc import Mapping
from datetime import time, timedelta
from typing import Any

from tocsin_auth.domain.conditions import Condition, NamespaceRules, Window
from tocsin_auth.domain.factor_rules import FactorRule, FactorRules
from tocsin_auth.domain.groups import Group, Policy
from tocsin_auth.domain.roles import Binding
from tocsin_kit.store import Document

Stored = Mapping[str, Any]  # what BSON holds; the edge of the codec


def encode_binding(binding: Binding) -> Document:
    """A binding; what is usual is left out, as older versions did."""
    document: Document = {"role": binding.role, "namespace": binding.namespace}
    if binding.names != "*":
        document["names"] = binding.names
    if binding.deny:
        document["deny"] = True
    if binding.when is not None:
        document["when"] = _encode_condition(binding.when)
    return document


def decode_binding(stored: Stored) -> Binding:
    """A binding."""
    when = stored.get("when")
    return Binding(
        stored["role"],
        stored["namespace"],
        stored.get("names", "*"),
        stored.get("deny", False),
        None if when is None else _decode_condition(when),
    )


def _encode_condition(condition: Condition) -> Document:
    window = condition.window
    return {
        "environments": list(condition.environments),
        "labels": [[name, value] for name, value in condition.labels.items()],  # names may hold dots
        "window": None
        if window is None
        else {
            "days": list(window.days),
            "start": window.start.isoformat(),
            "end": window.end.isoformat(),
            "zone": window.zone,
        },
        "not_before": condition.not_before,
        "not_after": condition.not_after,
    }


def _decode_condition(stored: Stored) -> Condition:
    window = stored["window"]
    return Condition(
        environments=tuple(stored["environments"]),
        labels=dict(stored["labels"]),
        window=None
        if window is None
        else Window(
            tuple(window["days"]), time.fromisoformat(window["start"]), time.fromisoformat(window["end"]), window["zone"]
        ),
        not_before=stored["not_before"],
        not_after=stored["not_after"],
    )


def encode_group(group: Group) -> Document:
    """A group."""
    return {
        "name": group.name,
        "members": list(group.members),
        "claimed": list(group.claimed),
        "bindings": [encode_binding(binding) for binding in group.bindings],
        "summary": group.summary,
    }


def decode_group(stored: Stored) -> Group:
    """A group."""
    return Group(
        stored["name"],
        tuple(stored["members"]),
        tuple(stored["claimed"]),
        tuple(decode_binding(item) for item in stored["bindings"]),
        stored["summary"],
    )


def encode_namespace(rules: NamespaceRules) -> Document:
    """What is known about a namespace."""
    return {
        "name": rules.name,
        "environment": rules.environment,
        "labels": [[name, value] for name, value in rules.labels.items()],
        "protected": rules.protected,
        "reviewed": rules.reviewed,
    }


def decode_namespace(stored: Stored) -> NamespaceRules:
    """What is known about a namespace."""
    labels = dict(stored["labels"])
    reviewed = stored.get("reviewed", False)  # not there in what was stored before there was such a thing
    return NamespaceRules(stored["name"], stored["environment"], labels, stored["protected"], reviewed)


def encode_factor_rules(rules: FactorRules) -> Document:
    """Rules about second factors."""
    return {
        "rules": [
            {"role": one.role, "namespace": one.namespace, "since": one.since, "grace_s": one.grace.total_seconds()}
            for one in rules.rules
        ]
    }


def decode_factor_rules(stored: Stored) -> FactorRules:
    """Rules about second factors."""
    return FactorRules(
        tuple(
            FactorRule(one["role"], one["namespace"], one["since"], timedelta(seconds=one["grace_s"]))
            for one in stored["rules"]
        )
    )


def encode_policy(policy: Policy) -> Document:
    """The number of the rules."""
    return {"number": policy.number, "settled_at": policy.settled_at}


def decode_policy(stored: Stored) -> Policy:
    """The number of the rules."""
    return Policy(stored["number"], stored.get("settled_at"))
