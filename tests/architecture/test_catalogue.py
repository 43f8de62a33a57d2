"""The catalogue promises what is said: a signal that nobody publishes would be a lie in the AsyncAPI document."""

import importlib
import pathlib
import pkgutil
import re

import pytest

from tocsin.signals import catalogue
from tocsin.signals.kinds import SignalType

ROOT = pathlib.Path(__file__).parents[2]
SERVICES = ROOT / "services"
KINDS = sorted(
    ("platform" if module.name == "platform" else value.owner, name)
    for module in pkgutil.iter_modules(catalogue.__path__)
    for name, value in vars(importlib.import_module(f"{catalogue.__name__}.{module.name}")).items()
    if isinstance(value, SignalType)
)


@pytest.mark.parametrize(("owner", "name"), KINDS, ids=lambda part: part)
def test_every_signal_is_said_by_the_service_that_owns_it(owner: str, name: str) -> None:
    """Its constant stands somewhere in the owner's code."""
    word = re.compile(rf"\b{name}\b")
    said_by = ROOT / "libs" / "tocsin_kit" if owner == "platform" else SERVICES / f"tocsin_{owner}"  # platform: by all alike
    assert any(word.search(path.read_text(encoding="utf-8")) for path in said_by.rglob("*.py"))
