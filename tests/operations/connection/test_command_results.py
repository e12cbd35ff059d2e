"""Commands that have ended: their text, their statuses, the signals that ended them."""

from __future__ import annotations

import pytest

from playground.operations.connection.command_results import (
    Result,
    command_text,
    failure_sentence,
)


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        pytest.param(
            Result("exit 3", 3, "", ""), "'exit 3' on h1 ended with exit status 3", id="status"
        ),
        pytest.param(
            Result(("foo", "a b"), 127, "", "foo: not found\n"),
            "there is no command 'foo' on h1",
            id="no-command",
        ),
        pytest.param(
            Result("foo | cat", 127, "", "/bin/sh: 1: foo: not found\n"),
            "there is no command 'foo' on h1",
            id="no-command-in-sh",
        ),
        pytest.param(
            Result(("bash", "-c", "foo"), 127, "", "bash: line 1: foo: command not found\n"),
            "there is no command 'foo' on h1",
            id="no-command-in-bash",
        ),
        pytest.param(
            Result("exit 127", 127, "", ""),
            "'exit 127' on h1 ended with exit status 127",
            id="127-of-its-own",
        ),
        pytest.param(
            Result("sleep 9", -15, "", ""),
            "'sleep 9' on h1 was ended by signal SIGTERM (15)",
            id="signal",
        ),
        pytest.param(
            Result("x", -40, "", ""), "'x' on h1 was ended by signal 40", id="real-time-signal"
        ),
    ],
)
def test_a_failure_is_told_in_a_sentence(result: Result, sentence: str) -> None:
    assert failure_sentence("h1", result) == sentence


@pytest.mark.parametrize("returncode", [-9, 137])
def test_a_command_killed_where_memory_is_limited_may_have_wanted_more(returncode: int) -> None:
    said = failure_sentence("h1", Result("x", returncode, "", ""), memory_mb=64)
    assert said.endswith("; it may have needed more memory than h1 has with memory_mb=64")
    assert "memory" not in failure_sentence("h1", Result("x", 1, "", ""), memory_mb=64)
    assert "memory" not in failure_sentence("h1", Result("x", returncode, "", ""))


def test_a_result_has_text_and_the_exact_bytes() -> None:
    result = Result.from_bytes("cat x", 0, b"caf\xe9\n", b"")
    assert result.stdout == "caf\N{REPLACEMENT CHARACTER}\n"
    assert result.stdout_bytes == b"caf\xe9\n"
    assert result.ok
    assert repr(Result.from_bytes(["true"], 0, b"", b"")) == (
        "Result(args=('true',), returncode=0, stdout='', stderr='')"
    )


def test_the_repr_of_a_long_result_is_short() -> None:
    shown = repr(Result.from_bytes("yes", 0, b"y\n" * 1000, b""))
    assert shown.endswith("'... and 1840 characters more, stderr='')")
    assert len(shown) < 500


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("  ip route\n", "ip route"),
        (["grep", "two words"], "grep 'two words'"),
        ("one\ntwo", "one..."),
        ("x" * 100, "x" * 69 + "..."),
    ],
)
def test_a_command_is_shown_as_one_short_line(command: str | list[str], text: str) -> None:
    assert command_text(command) == text


@pytest.mark.parametrize(
    ("stdout", "stderr", "printed"),
    [
        ("one\ntwo\n", "", "one\ntwo"),
        ("one", "no\n", "one\nno"),
        ("one\n", "no\n", "one\nno"),
        ("", "no\n", "no"),
        ("", "", ""),
        ("\n\n", "", "\n"),
    ],
)
def test_a_result_prints_what_the_command_printed(stdout: str, stderr: str, printed: str) -> None:
    assert str(Result("x", 0, stdout, stderr)) == printed
