"""What each service is given in the all-in-one platform: addresses, its bus user, and secrets drawn on the first start.

A required secret of a service that nobody gave is drawn once and kept in the data folder (mode 0600), so that no secret ever
has a default. What the environment or the settings file gives wins.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic.fields import FieldInfo

from tocsin_kit.chassis import GROUP, ServiceDefinition
from tocsin_kit.config import Secret, Section
from tocsin_kit.config.loading import is_given
from tocsin_kit.embedded import DataFolder, ServerFailed
from tocsin_kit.embedded.ports import LOOPBACK
from tocsin_kit.platform.options import Ports
from tocsin_kit.platform.servers import CALLOUT_SEED

EXAMPLES: Final = Path(__file__).parents[3] / "examples"
"""The examples of a checkout; an installed distribution has none."""

_EXAMPLES_LOADED: Final = "examples-loaded"

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

    @property
    def wants_examples(self) -> bool:
        """Whether there are examples that were not loaded into this data folder yet, and somebody to load them."""
        fresh = self.examples and not (self.folder.path / _EXAMPLES_LOADED).exists()
        return fresh and EXAMPLES.is_dir() and self.admin_file.is_file()

    def mark_examples_loaded(self) -> None:
        """Do not load them again."""
        (self.folder.path / _EXAMPLES_LOADED).touch()

    def renew_admin_url(self) -> None:
        """Keep the address beside the first administrator's password true when the ports have moved since."""
        if not self.admin_file.is_file():
            return
        admin = orjson.loads(self.admin_file.read_bytes())
        if admin.get("url") != self.url:
            text = orjson.dumps({**admin, "url": self.url}, option=orjson.OPT_INDENT_2).decode()
            self.folder.write_private(self.admin_file.name, text + "\n")

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
        identity = {"service_secret": self._identity(service)} if "service_secret" in kind.model_fields else {}
        known: Mapping[str, dict[str, object]] = {
            service: {},
            "auth": {
                "service_secrets": {name: self._identity(name) for name in self.ports.services if name != "auth"},
                "admin_file": self.admin_file,
                "nats_public_url": self.nats_url,
                "callout_seed": (self.folder.path / "secrets" / CALLOUT_SEED).read_text().strip() if self.own_nats else None,
            },
            "executor": {"allow_private": True},  # tasks of a laptop call services on the same laptop
            "observer": {"allow_private": True},  # and so do its webhooks
            # and what its triggers ask, functions that were put into the data folder included
            "trigger": {"allow_private": True, "plugins": (str(self.folder.path / "plugins"),)},
            "gateway": {"examples": self.examples, "ops_port": self.ports.ops},
        }
        return {
            name: value
            for name, value in {**known[service], **identity}.items()
            if name in kind.model_fields and value is not None and not is_given(kind.section, name)
        }

    def _identity(self, service: str) -> str:
        """The secret by which the auth service knows another service."""
        return self.folder.secret(f"service-{service}")[1]

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
