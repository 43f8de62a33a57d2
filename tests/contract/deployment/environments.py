"""Checks a container's environment against the settings that the code knows, by reading it as the service would."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from tocsin_kit.bus.permissions import SERVICES
from tocsin_kit.config import Section, load


def sections_of(module: str) -> tuple[type[Section], ...]:
    """The sections that ``python -m module`` reads beside the shared ones."""
    if module.endswith(".worker"):
        definition = import_module(f"{module}.__main__").WORKER
    else:
        definition = import_module(f"{module}.wiring").SERVICE
    return (definition.settings, *getattr(definition, "more_settings", ()))


def read(module: str, environment: Mapping[str, str], secrets: Path) -> None:
    """Read the settings as the service would, with ``secrets`` in the place of /run/secrets.

    Raises:
        SettingsInvalid: A variable that no setting has, or a value that it refuses.
    """
    moved = {name: value.replace("/run/secrets", str(secrets)) for name, value in environment.items()}
    kinds = sections_of(module)
    load(kinds, environ=moved, foreign=set(SERVICES) - {kind.section for kind in kinds})
