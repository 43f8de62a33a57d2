"""What an operator chooses about the case service."""

from pydantic import Field

from tocsin_kit.config import Secret, Section


class CaseSettings(Section):
    """Cases. What they look like is chosen through the API."""

    section = "case"

    service_secret: Secret | None = Field(
        None,
        description="With it the case service reads the results of playbooks, so that they are written back; one of "
        "`auth.service_secrets`. Without it cases say that a playbook has ended and not what it found.",
    )
