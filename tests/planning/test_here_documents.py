"""Here-documents: what a shell reads is the text, whatever stands in it."""

from __future__ import annotations

import subprocess

import pytest

from playground.planning.here_documents import here_document


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n",
        "END\necho run\n",
        "END\nEND2\necho run\n",
        "$(echo run) `echo run` \\\n",
        "a\x0cEND\necho run\n",
        "a\u2028END\necho run\n",
    ],
)
def test_a_shell_reads_the_text_and_runs_none_of_it(text: str) -> None:
    done = subprocess.run(
        ["sh"], input=here_document("cat", text).encode(), capture_output=True, check=True
    )
    assert done.stdout.decode() == text


def test_a_word_that_nul_hides_is_another_too() -> None:
    assert here_document("cat", "E\0ND\nx\n").endswith("\nEND2")


def test_a_last_line_has_an_end() -> None:
    assert here_document("cat", "a") == "cat <<'END'\na\nEND"
