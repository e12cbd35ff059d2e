"""Answers of FRR's daemons, as JSON: root of a router may have put another program in its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def said_by_frr(text: str | None, read: Callable[[Sequence[Any]], T]) -> T | None:
    """Return what ``read`` makes of the JSON objects of a text; None where FRR says no such thing.

    The objects stand one after the other, and what else stands there is left out.  ``read`` takes
    what it needs as it comes: what it raises says that the text is not FRR's.

    >>> said_by_frr('{"version": "10.3"}', lambda said: said[0]["version"])
    '10.3'
    >>> said_by_frr("[1, 2]", lambda said: said[0]["version"]) is None
    True

    """
    if text is None:
        return None
    try:
        return read(_documents(text))
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None


def _documents(text: str) -> list[Any]:
    decoder, found, place = json.JSONDecoder(), [], text.find("{")
    while place >= 0:
        try:
            document, end = decoder.raw_decode(text, place)
        except ValueError:
            break
        found.append(document)
        place = text.find("{", end)
    return found


def text_in(row: Mapping[str, Any], name: str) -> str:
    """Return the text of a row by its name, or a number as such; "" where there is none."""
    value = row.get(name)
    if not isinstance(value, (str, int, type(None))):
        raise TypeError(f"{name} is no text")
    return "" if value is None else str(value)


def number_in(row: Mapping[str, Any], name: str, default: int = 0) -> int:
    """Return the whole number of a row by its name."""
    value = row.get(name)
    if not isinstance(value, (int, type(None))):
        raise TypeError(f"{name} is no whole number")
    return default if value is None else value
