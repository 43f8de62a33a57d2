"""Commands of the NATS protocol that are written by hand: nothing that a subject holds may be one of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import Defect
from tocsin.signals.subjects import InvalidSubject
from tocsin_kit.bus.direct import command, command_with_headers
from tocsin_kit.bus.messages import Message
from tocsin_kit.bus.wire import carried, publication


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nPUB b 0", "a\x00", "a.*", "a.>", "a\t", "x" * 3001, "é" * 1501])
def test_what_is_no_subject_is_not_written(subject: str) -> None:
    """A line break would begin a command of its own; a line that is too long ends the connection, and with it all others."""
    for write in (
        lambda: command(subject, "_INBOX.r", b"{}"),
        lambda: command_with_headers(subject, "_INBOX.r", b"NATS/1.0\r\n\r\n", b"{}"),
    ):
        with pytest.raises(InvalidSubject):
            write()
    with pytest.raises(Defect):
        publication(Message(subject, b"{}"), "_INBOX.r", 1024)


@given(st.text(max_size=50))
def test_the_first_line_of_a_command_has_one_subject(subject: str) -> None:
    """Or there is no command."""
    if carried(subject):
        line, _, rest = command(subject, "r", b"{}").partition(b"\r\n")
        assert line == b"PUB " + subject.encode() + b" r 2"
        assert rest == b"{}\r\n"
