"""What commands print of what strangers wrote."""

import pytest

from tocsin.cli.output import harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m and plain\t.", "\x1b[31mred\x1b[0m and plain\t."),
        ("\x1b[2J\x1b]0;title\x07", "␛[2J␛]0;title␇"),
        ("10%\r20%\x08\x7f\x9b2J", "10%␍20%␈␡\ufffd2J"),
        ("grüße €𝄞", "grüße €𝄞"),
    ],
)
def test_a_terminal_is_not_moved_cleared_renamed_or_asked(text: str, shown: str) -> None:
    """Colours are harmless; what is not is made visible."""
    assert harmless(text) == shown
