"""Settings of the trigger service."""

from datetime import timedelta

from pydantic import Field

from tocsin_kit.config import Secret, Section
from tocsin_kit.config.durations import Duration


class TriggerSection(Section):
    """Triggers, webhooks and what came in."""

    section = "trigger"

    key: Secret = Field(description="Encrypts the keys of webhooks at rest; at least 32 characters. Losing it means new keys.")
    keep_events: Duration = Field(timedelta(days=30), description="How long events and decisions are kept.")
    batch: int = Field(256, ge=1, le=1000, description="Events decided about together.")
    chain_rate: int = Field(
        1000, ge=1, description="Runs of one trigger within one flow and minute; above it counts as a loop."
    )
    most_groups: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Keys that one trigger remembers at once; events of more are not held.",
    )
    folders: tuple[str, ...] = Field(
        (), description="Folders whose files triggers may watch, and what is below them; none without."
    )
    plugins: tuple[str, ...] = Field(
        (), description="Folders with plugins (`tocsin.sensors`) beside the packages that are installed."
    )
    allow_private: bool = Field(
        False,
        description="Whether polled addresses may be on loopback and private networks (`tocsin up` allows it). "
        "Link-local addresses are refused always.",
    )
    service_secret: Secret | None = Field(
        None, description="With it senders of webhooks may wait for the run's output; one of `auth.service_secrets`."
    )
    foreign_url: str | None = Field(None, description="NATS server of somebody else's, whose subjects triggers may listen to.")
    foreign_user: str | None = Field(None, description="User there.")
    foreign_password: Secret | None = Field(None, description="Password there.")
