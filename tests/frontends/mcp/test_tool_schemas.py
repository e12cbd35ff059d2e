"""Schemas come from signatures, descriptions from docstrings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from playground.errors import BadArgument
from playground.frontends.mcp.tool_schemas import (
    MOST_DESCRIPTION,
    check_arguments,
    description,
    input_schema,
)


class Node:
    """A node of a network."""


def tool(
    node: Node,
    target: Node | str,
    *several: Node | str,
    count: int = 3,
    wait_s: float | None = None,
    ways: Sequence[str] = (),
    kind: Literal["up", "down"] = "up",
    secret: bool = False,
) -> None:
    """Do something to a node.

    It takes ``count`` of them::

        h1.tool(h2)

    And says so.

    >>> h1.tool(h2)
    done

    """


SCHEMA = input_schema(tool, hidden=["secret"])


def test_a_schema_is_a_signature() -> None:
    assert SCHEMA == {
        "type": "object",
        "properties": {
            "target": {"type": "string"},
            "several": {"type": "array", "items": {"type": "string"}},
            "count": {"type": "integer", "default": 3},
            "wait_s": {"type": ["integer", "number", "null"]},
            "ways": {"type": "array"},
            "kind": {"enum": ["up", "down"], "default": "up"},
        },
        "required": ["target"],
        "additionalProperties": False,
    }


def test_a_description_is_a_docstring_without_its_examples() -> None:
    assert description(tool) == (
        "Do something to a node.\n\nIt takes `count` of them.\n\nAnd says so."
    )


def test_a_long_description_ends_with_a_sentence() -> None:
    def long() -> None: ...

    long.__doc__ = "This is a sentence. " * 500
    assert len(description(long)) <= MOST_DESCRIPTION
    assert description(long).endswith("sentence.")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"target": "h2", "counts": 1}, "tool has no argument 'counts': did you mean count?"),
        ({"target": "h2", "zzz": 1}, "it has target, several, count"),
        ({}, "tool needs the argument target"),
        ({"target": 5}, "target is a text, and not 5"),
        ({"target": "h2", "count": True}, "count is a whole number, and not True"),
        ({"target": "h2", "wait_s": "long"}, "wait_s is a whole number or a number, and not"),
        ({"target": "h2", "kind": "left"}, "kind is one of up, down, and not 'left'"),
    ],
)
def test_a_wrong_call_is_told_in_a_sentence(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadArgument) as refused:
        check_arguments("tool", SCHEMA, given)
    assert words in str(refused.value)


def test_a_right_call_passes() -> None:
    check_arguments("tool", SCHEMA, {"target": "h2", "wait_s": None, "several": ["h3"]})
