"""A function's output, as it is shown while the function runs."""

from __future__ import annotations

import io

import pytest

from playground.operations.nodes.call import StreamCopy


class Screen(io.StringIO):
    def __init__(self, at_terminal: bool) -> None:
        super().__init__()
        self.at_terminal = at_terminal

    def isatty(self) -> bool:
        return self.at_terminal


PIECES = [b"ab\x1b]0;title\x07\xe2\x82", b"\xac one\r", b"\ntwo\r", b"three", b""]


@pytest.mark.parametrize(
    ("at_terminal", "shown"),
    [
        (True, "ab\\x1b]0;title\\x07\u20ac one\r\ntwo\\rthree"),
        (False, "ab\x1b]0;title\x07\u20ac one\r\ntwo\rthree"),
    ],
)
def test_a_terminal_gets_nothing_that_it_would_obey(at_terminal: bool, shown: str) -> None:
    screen = Screen(at_terminal)
    copy = StreamCopy(screen)
    for piece in PIECES:
        copy.write(piece)
    assert screen.getvalue() == shown
    assert bytes(copy.seen) == b"".join(PIECES)
