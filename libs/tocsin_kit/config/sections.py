"""The sections of settings that every service shares. A service's own section stands in its ``settings.py``.

A field without a default must be given; a field with one has a default that is safe on a laptop. No secret has a default.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from tocsin_kit.config.durations import Duration
from tocsin_kit.config.secret import Secret

Own = TypeVar("Own", bound="Section")


class Section(BaseModel):
    """A table of settings; the class docstring says what they are about."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    section: ClassVar[str]
    """Its name: the table in the file, and the middle of the environment variables' names."""


class NatsSection(Section):
    """The connection to NATS JetStream."""

    section = "nats"

    url: str = Field("nats://127.0.0.1:7722", description="Server, or several separated by commas.")
    user: str | None = Field(None, description="User name; each service has its own.")
    password: Secret | None = Field(None, description="Password of the user.")
    patience: Duration = Field(timedelta(seconds=5), description="How long a publish or request waits for its answer.")
    start_timeout: Duration = Field(timedelta(seconds=20), description="How long a starting service waits for NATS.")
    replicas: int = Field(1, ge=1, le=5, description="Copies of each stream: 1 on one node, 3 in production.")
    signals_max_age: Duration | None = Field(None, description="How long signals stay in the stream; 14d if not given.")
    events_max_age: Duration | None = Field(None, description="How long custom events stay in the stream; 7d if not given.")
    dead_max_age: Duration | None = Field(None, description="How long dead letters stay in the stream; 30d if not given.")


class MongoSection(Section):
    """The connection to MongoDB, which must be a replica set (one node will do)."""

    section = "mongo"

    url: Secret = Field(
        Secret("mongodb://127.0.0.1:7717/?replicaSet=tocsin"), description="Connection string; may hold a password."
    )
    database_prefix: str = Field(
        "tocsin", pattern=r"^[a-z][a-z0-9-]{0,30}$", description="Each service's database is <prefix>_<service>."
    )
    start_timeout: Duration = Field(timedelta(seconds=30), description="How long a starting service waits for MongoDB.")


class HttpSection(Section):
    """Where the service's API listens."""

    section = "http"

    host: str = Field("127.0.0.1", description="Address; 0.0.0.0 for all.")
    port: int | None = Field(
        None, ge=0, le=65535, description="Port; the service's own (7700-7707) if not given; 0 for a free one."
    )
    max_body: int = Field(4 * 1024 * 1024, ge=1024, description="Largest request body in bytes; a route may allow less.")
    trusted_proxies: tuple[str, ...] = Field(
        ("127.0.0.0/8", "::1/128"), description="Networks whose X-Forwarded-For is believed, for example that of the gateway."
    )
    drain: Duration = Field(timedelta(seconds=5), description="How long requests in hand may take when the service stops.")


class OpsSection(Section):
    """The operations port of the process: /livez, /readyz, /metrics. Never give it to the public."""

    section = "ops"

    host: str = Field("127.0.0.1", description="Address; 0.0.0.0 for all.")
    port: int = Field(7790, ge=0, le=65535, description="Port; 0 for a free one.")
    start_within: Duration = Field(timedelta(seconds=90), description="Deadline for the whole start.")
    stop_within: Duration = Field(
        timedelta(seconds=20), description="Deadline for an orderly stop; below the 30 s that Kubernetes gives by default."
    )
    lame: Duration = Field(
        timedelta(0), description="After SIGTERM, stay at work but not ready for so long, so that load balancers notice."
    )


class LogSection(Section):
    """What the process writes to standard error."""

    section = "log"

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity that is written.")
    format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal, JSON otherwise.")


class OtlpSection(Section):
    """Export of traces to an OpenTelemetry collector; off without an endpoint."""

    section = "otlp"

    endpoint: str | None = Field(None, description="OTLP/HTTP base URL, for example http://collector:4318.")
    headers: dict[str, Secret] = Field(default_factory=dict, description="Headers for the collector, as a JSON object.")
    sample: float = Field(1.0, ge=0, le=1, description="Share of new traces that are recorded; a caller's decision is kept.")


class ServicesSection(Section):
    """Where the services find one another over HTTP."""

    section = "services"

    gateway_url: str = Field("http://127.0.0.1:7700", description="The gateway, as users reach it; links are made with it.")
    auth_url: str = Field("http://127.0.0.1:7701", description="The auth service; everyone fetches its public keys.")
    trigger_url: str = Field("http://127.0.0.1:7702", description="The trigger service.")
    scheduler_url: str = Field("http://127.0.0.1:7703", description="The scheduler service.")
    executor_url: str = Field("http://127.0.0.1:7704", description="The executor service.")
    lineage_url: str = Field("http://127.0.0.1:7705", description="The lineage service.")
    case_url: str = Field("http://127.0.0.1:7706", description="The case service.")
    observer_url: str = Field("http://127.0.0.1:7707", description="The observer service.")

    def url_of(self, service: str) -> str:
        """Base URL of a service, without a slash at the end.

        Raises:
            KeyError: There is no such service.
        """
        name = f"{service}_url"
        if name not in type(self).model_fields:
            raise KeyError(service)
        url: str = getattr(self, name)
        return url.rstrip("/")


class EmbeddedSection(Section):
    """The NATS and MongoDB that `tocsin up` starts itself. Not used where servers are named by URL."""

    section = "embedded"

    nats_port: int = Field(7722, ge=1, le=65535, description="Port of the embedded NATS.")
    nats_monitor_port: int = Field(7723, ge=1, le=65535, description="Port of its monitoring pages.")
    mongo_port: int = Field(7717, ge=1, le=65535, description="Port of the embedded MongoDB.")
    sync: Literal["lazy", "always"] = Field(
        "always",
        description="always: an acknowledged message is on the disk. lazy: it is with the operating system and on the disk two "
        "minutes later; faster, and safe against dying processes, but not against a power cut.",
    )


SHARED: tuple[type[Section], ...] = (
    NatsSection,
    MongoSection,
    HttpSection,
    OpsSection,
    LogSection,
    OtlpSection,
    ServicesSection,
    EmbeddedSection,
)


@dataclass(frozen=True, slots=True)
class PlatformSettings:
    """The shared sections, read once for a process."""

    nats: NatsSection
    mongo: MongoSection
    http: HttpSection
    ops: OpsSection
    log: LogSection
    otlp: OtlpSection
    services: ServicesSection
    embedded: EmbeddedSection
