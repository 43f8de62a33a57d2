"""What an operator chooses about lineage."""

from datetime import timedelta

from pydantic import Field

from tocsin_kit.config import Duration, Secret, Section


class LineageSettings(Section):
    """Lineage. Everything about assets is chosen through the API; here is who else is told about runs."""

    section = "lineage"

    history: Duration = Field(
        default=timedelta(days=400),
        description="How long it is kept what happened to assets: writings, readings, results of checks, foreign events. "
        "What an asset and its partitions are now stays.",
    )
    service_secret: Secret | None = Field(
        None, description="With it lineage asks what runs wait for when an asset is late; one of `auth.service_secrets`."
    )
    emit_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Where every run and task is told as OpenLineage events, such as `https://host/api/v1/lineage`. "
        "Nothing is told if not given.",
    )
    emit_token: Secret | None = Field(default=None, description="Bearer token for `emit_url`.")
    emit_namespace: str = Field(
        default="tocsin",
        min_length=1,
        max_length=128,
        description="Of our jobs at `emit_url`; ours are put behind it.",
    )
    emit_allow_private: bool = Field(
        default=False, description="Whether `emit_url` may be on loopback or in a private network."
    )
