"""What an operator chooses about the case service."""

from tocsin_kit.config import Section


class CaseSettings(Section):
    """Cases. Everything about them is chosen through the API; nothing is left to set here yet."""

    section = "case"
