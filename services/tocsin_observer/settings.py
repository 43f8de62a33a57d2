"""Settings of the observer."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from tocsin_kit.config import Duration, Secret, Section


class ObserverSettings(Section):
    """The observer: signals kept, followed and searched; the audit trail; webhooks out and alerts."""

    section = "observer"

    key: Secret = Field(
        description="Signs the audit trail and encrypts the secrets of webhooks and channels at rest; at least 32 characters. "
        "Losing it means new secrets, and a new key in the audit trail."
    )
    retention: Duration = Field(timedelta(days=90), description="How long signals are kept, and alerts that are over.")
    audit_retention: Duration = Field(
        timedelta(days=400),
        description="How long records of the audit trail are kept in full; digests keep it provable behind that.",
    )
    delivery_retention: Duration = Field(timedelta(days=14), description="How long the log of deliveries is kept.")
    lease: Duration = Field(timedelta(seconds=6), description="How long a silent replica keeps what only one of them does.")
    smtp_host: str = Field("", description="Mail server for notifications by e-mail; none if empty.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port: 587 for STARTTLS, 465 for TLS.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is protected; none only within one machine."
    )
    smtp_sender: str = Field("tocsin@localhost", max_length=254, description="The address that e-mail comes from.")
    smtp_user: str | None = Field(None, description="Logs in to the mail server with this name.")
    smtp_password: Secret | None = Field(None, description="Its password.")
    allow_private: bool = Field(
        False, description="Whether webhooks and notifications may go to loopback and private networks."
    )
