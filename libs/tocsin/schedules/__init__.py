"""Timetables: cron patterns (Open Cron Pattern Specification) and intervals, in time zones, without a server.

Only the calculation is here. What becomes of an instant (fire, skip, catch up) is decided by the scheduler service.
"""

from tocsin.schedules.failures import NeverFires, TimetableInvalid
from tocsin.schedules.timetable import Timetable, next_texts, parse_timetable
from tocsin.schedules.zones import Gap, Overlap

__all__ = ["Gap", "NeverFires", "Overlap", "Timetable", "TimetableInvalid", "next_texts", "parse_timetable"]
