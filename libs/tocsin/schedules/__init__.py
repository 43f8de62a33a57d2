"""Timetables: cron patterns (Open Cron Pattern Specification) and intervals, in time zones, without a server.

Only the calculation is here. What becomes of an instant (fire, skip, catch up) is decided by the scheduler service.
"""

from tocsin.schedules.calendars import CalendarInvalid, Exclusions, read_ics
from tocsin.schedules.failures import NeverFires, TimetableInvalid
from tocsin.schedules.timetable import Timetable, kind_of, next_texts, parse_timetable
from tocsin.schedules.zones import Gap, Overlap

__all__ = [
    "CalendarInvalid",
    "Exclusions",
    "Gap",
    "NeverFires",
    "Overlap",
    "Timetable",
    "TimetableInvalid",
    "kind_of",
    "next_texts",
    "parse_timetable",
    "read_ics",
]
