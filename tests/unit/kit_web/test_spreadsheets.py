"""CSV that no spreadsheet carries out."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from tocsin_kit.web.spreadsheets import csv_row

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")


def read(row: bytes) -> list[str]:
    (cells,) = csv.reader(io.StringIO(row.decode(), newline=""), strict=True)
    return cells


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=6))
def test_whatever_stands_in_a_cell_is_read_back_and_is_no_formula(cells):
    """Commas, quotes, line breaks: as RFC 4180 says; only what would be carried out gets an apostrophe."""
    for cell, found in zip(cells, read(csv_row(cells)), strict=True):
        assert found in {cell, "'" + cell}
        assert not found.lstrip(" ").startswith(FORMULAS)


def test_formulas_become_text_and_numbers_stay_numbers():
    """The forms that OWASP lists, also behind blanks and in full width."""
    row = csv_row(["=cmd|' /C calc'!A0", " =1+1", "-2+3", "@SUM(A1)", "+1", "\t=1", "\uff1d1", -5, 1.5, None, "plain", 'a"b'])
    shown = ["'=cmd|' /C calc'!A0", "' =1+1", "'-2+3", "'@SUM(A1)", "'+1", "'\t=1", "'\uff1d1", "-5", "1.5", "", "plain", 'a"b']
    assert read(row) == shown
