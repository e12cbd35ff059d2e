"""What an assistant reads: bounded, and without effects of its own."""

from __future__ import annotations

import pytest

from playground.frontends.mcp.answers import MOST_CHARACTERS, answer_text, bounded
from playground.operations.connection.command_results import Result


@pytest.mark.parametrize(
    ("value", "text"), [(None, "done"), (True, "yes"), (False, "no"), ("", "(nothing)"), (3, "3")]
)
def test_short_answers(value: object, text: str) -> None:
    assert answer_text(value) == text


def test_a_command_says_its_status_and_both_streams() -> None:
    result = Result.from_bytes("ls", 2, b"one\n", b"no such file\n")
    assert answer_text(result) == "exit status 2\nstdout:\none\nstderr:\nno such file"
    assert answer_text(Result.from_bytes("x", -9, b"", b"")) == "ended by signal 9"


def test_what_a_host_prints_is_bounded_and_harmless() -> None:
    result = Result.from_bytes("yes", 0, b"\x1b[2J" + b"y\n" * 1_000_000, b"n\n" * 1_000_000)
    text = answer_text(result)
    assert len(text) < 1.1 * MOST_CHARACTERS
    assert "\x1b" not in text
    assert "characters are left out" in text


def test_beginning_and_end_of_a_long_text_are_shown() -> None:
    text = bounded("first" + "x" * 100_000 + "last")
    assert text.startswith("first")
    assert text.endswith("last")
    assert len(text) < 1.01 * MOST_CHARACTERS
