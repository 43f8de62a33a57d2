"""Tables for spreadsheets: CSV (RFC 4180) of which no cell is taken for a formula. Every export in CSV goes through here.

A cell that a spreadsheet would carry out (``=HYPERLINK(...)`` in the name of a run) becomes text by an apostrophe in front of
it, as OWASP advises; numbers of ours stay numbers.
"""

from collections.abc import Iterable
from typing import Final

MEDIA_TYPE: Final = "text/csv; charset=utf-8"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are full-width


def csv_row(cells: Iterable[object]) -> bytes:
    """One row with its end of line; ``None`` is an empty cell."""
    return (",".join(_cell(cell) for cell in cells) + "\r\n").encode("utf-8", "replace")


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    if not isinstance(value, int | float) and text.lstrip(" ").startswith(_FORMULA):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text
