"""What an operator chooses about lineage."""

from tocsin_kit.config import Section


class LineageSettings(Section):
    """Lineage. Everything about assets is chosen through the API; nothing is left to set here yet."""

    section = "lineage"
