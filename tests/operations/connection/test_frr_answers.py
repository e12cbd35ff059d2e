"""What stands in the place of FRR's answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from playground.operations.connection.frr_answers import number_in, said_by_frr, text_in


def read(said: Sequence[Any]) -> tuple[str, int]:
    return text_in(said[0], "state"), 1000 * number_in(said[0], "hello", 10)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"state": "Full", "hello": 5}', ("Full", 5000)),
        ('% A warning\n{"state": null}', ("", 10_000)),
        ('{"state": 7}\n{"state": 8}', ("7", 10_000)),
    ],
)
def test_what_is_read_of_an_answer(text: str, found: tuple[str, int]) -> None:
    assert said_by_frr(text, read) == found


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[1]",
        "{",
        '{"state": ["Full"]}',
        '{"hello": "5"}',
        '{"hello": 1e9}',
        '{"a":' * 100_000,
        '{"hello": ' + "9" * 10_000 + "}",
    ],
    ids=lambda text: str(text)[:12],
)
def test_what_frr_does_not_say_is_no_answer(text: str | None) -> None:
    assert said_by_frr(text, read) is None
