"""What an operator chooses about the observer."""

from datetime import timedelta

from pydantic import Field

from tocsin_kit.config import Duration, Section


class ObserverSettings(Section):
    """The observer: signals kept, followed and searched."""

    section = "observer"

    retention: Duration = Field(timedelta(days=90), description="How long signals are kept and found.")
