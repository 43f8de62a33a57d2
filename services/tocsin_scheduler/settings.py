"""What an operator chooses about the scheduler."""

from tocsin_kit.config import Section


class SchedulerSettings(Section):
    """Schedules. Everything about them is chosen through the API; nothing is left to set here yet."""

    section = "scheduler"
