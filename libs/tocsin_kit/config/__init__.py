"""Settings: typed, from a file and the environment, documented where they are declared.

Only ``__main__`` reads them; everything else is given what it needs. Nothing below this package knows where a value came from.
"""

from tocsin_kit.config.complaints import in_words
from tocsin_kit.config.durations import Duration
from tocsin_kit.config.loading import Settings, SettingsInvalid, load
from tocsin_kit.config.secret import Secret
from tocsin_kit.config.sections import (
    SHARED,
    EmbeddedSection,
    HttpSection,
    LogSection,
    MongoSection,
    NatsSection,
    OpsSection,
    OtlpSection,
    PlatformSettings,
    Section,
    ServicesSection,
)

__all__ = [
    "SHARED",
    "Duration",
    "EmbeddedSection",
    "HttpSection",
    "LogSection",
    "MongoSection",
    "NatsSection",
    "OpsSection",
    "OtlpSection",
    "PlatformSettings",
    "Secret",
    "Section",
    "ServicesSection",
    "Settings",
    "SettingsInvalid",
    "in_words",
    "load",
]
