"""What an expression is found in, and one that never comes to an end."""

from __future__ import annotations

import pytest

from playground.lab.checks.bounded_search import MOST_CHARACTERS, is_found


def test_what_is_found_and_what_is_not() -> None:
    assert is_found("^h.$", "hi")
    assert not is_found("ho", "hi")
    assert not is_found("z", "a" * MOST_CHARACTERS + "z")


def test_what_would_take_for_ever_ends() -> None:
    with pytest.raises(TimeoutError, match=r"not known after 0.5 s"):
        is_found("(a+)+$", "a" * 60 + "!", 0.5)
