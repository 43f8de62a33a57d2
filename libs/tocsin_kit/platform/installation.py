"""What each service is given in the all-in-one platform: addresses, its bus user, and secrets drawn on the first start.

A required secret of a service that nobody gave is drawn once and kept in the data folder (mode 0600), so that no secret ever
has a default. What the environment or the settings file gives wins.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from tocsin_kit.chassis import GROUP, ServiceDefinition
from tocsin_kit.config import Secret, Section
from tocsin_kit.config.loading import is_given
from tocsin_kit.embedded import DataFolder, ServerFailed
from tocsin_kit.embedded.ports import LOOPBACK
from tocsin_kit.platform.options import Ports
from tocsin_kit.platform.servers import CALLOUT_SEED

Overrides = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Installation:
    """Where everything is.

    Attributes:
        folder: The data folder.
        ports: All ports.
        nats_url: The NATS in use.
        mongo_url: The MongoDB in use.
        own_nats: Whether it is the embedded one, with a user for each service.
        examples: Whether the example services are offered.
    """

    folder: DataFolder
    ports: Ports
    nats_url: str
    mongo_url: str
    own_nats: bool
    examples: bool

    @property
    def url(self) -> str:
        """Where people go."""
        return f"http://{LOOPBACK}:{self.ports.services['gateway']}"

    @property
    def admin_file(self) -> Path:
        """The first administrator's credentials, written by the auth service."""
        return self.folder.path / "admin.json"

    def overrides(self, definition: ServiceDefinition[Any]) -> Overrides:
        """What a service's settings are overridden with."""
        name = definition.name
        nats: dict[str, object] = {"url": self.nats_url}
        if self.own_nats:
            nats |= {"user": name, "password": self.folder.secret(f"nats-{name}")[1]}
        urls = {f"{service}_url": f"http://{LOOPBACK}:{port}" for service, port in self.ports.services.items()}
        shared: Overrides = {
            "nats": nats,
            "mongo": {"url": self.mongo_url},
            "http": {"host": LOOPBACK, "port": self.ports.services.get(name, 0)},
            "ops": {"host": LOOPBACK, "port": self.ports.ops},
            "services": dict(urls),
        }
        for kind in (definition.settings, *definition.more_settings):
            shared[kind.section] = {**self._own(name, kind), **self._drawn(kind)}
        return shared

    def _own(self, service: str, kind: type[Section]) -> dict[str, object]:
        """Fields that only the platform can know, where the service has them."""
        known: Mapping[str, dict[str, object]] = {
            "auth": {
                "admin_file": self.admin_file,
                "nats_public_url": self.nats_url,
                "callout_seed": (self.folder.path / "secrets" / CALLOUT_SEED).read_text().strip() if self.own_nats else None,
            },
            "gateway": {"examples": self.examples, "ops_port": self.ports.ops},
        }
        return {
            name: value
            for name, value in known.get(service, {}).items()
            if name in kind.model_fields and value is not None and not is_given(kind.section, name)
        }

    def _drawn(self, kind: type[Section]) -> dict[str, object]:
        return {
            name: self.folder.secret(f"{kind.section}-{name.replace('_', '-')}")[1]
            for name, field in kind.model_fields.items()
            if field.is_required() and _is_secret(field) and not is_given(kind.section, name)
        }


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is Secret


def installed_services(only: Collection[str] = ()) -> list[ServiceDefinition[Any]]:
    """All services (or only those named) that declare themselves under the entry point group, by name.

    Raises:
        ServerFailed: There is none, or none of a given name.
    """
    entries = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    if unknown := sorted(set(only) - {entry.name for entry in entries}):
        raise ServerFailed(f"There is no service {unknown[0]!r}.", hint=f"There are {', '.join(e.name for e in entries)}")
    services: list[ServiceDefinition[Any]] = [entry.load() for entry in entries if not only or entry.name in only]
    if not services:
        raise ServerFailed("No service is installed.", hint="Install Tocsin into this Python: pip install -e '.[embedded]'.")
    return services
