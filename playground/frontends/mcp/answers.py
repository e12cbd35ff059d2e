"""Answers to an assistant: whatever an operation returns, as text of a bounded length.

Text that a host made has no character with an effect of its own: `display.safe_text`.

"""

from __future__ import annotations

from typing import Any

from playground.display.safe_text import visible
from playground.operations.connection.command_results import Result

# Some 7,000 words of a language model.
MOST_CHARACTERS = 24_000

# Of a text that is too long so much of the end is shown: there a log says what happened last.
_TAIL_SHARE = 0.25


def answer_text(value: Any) -> str:
    """Return what an operation has returned, as text.

    >>> answer_text(None)
    'done'

    """
    if value is None:
        return "done"
    if isinstance(value, Result):
        return bounded(_result(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return bounded(str(value) or "(nothing)")


def bounded(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return a text of at most so many characters, and a line for what is left out.

    >>> print(bounded("abcdefgh" * 10, 40))
    abcdefghabcdefghabcdefghabcdef
    [40 characters are left out: ask for less at a time]
    ghabcdefgh

    """
    if len(text) > most:
        tail = int(most * _TAIL_SHARE)
        left_out = f"\n[{len(text) - most:,} characters are left out: ask for less at a time]\n"
        text = text[: most - tail] + left_out + text[len(text) - tail :]
    return visible(text)


def _result(result: Result) -> str:
    said = [f"exit status {result.returncode}"]
    if result.returncode < 0:
        said = [f"ended by signal {-result.returncode}"]
    for name, text in (("stdout", result.stdout), ("stderr", result.stderr)):
        if text:
            said.append(f"{name}:\n{bounded(text.rstrip())}")
    return "\n".join(said)
