"""Arguments at the door: what a value is, before anything is done with it.

Whether a value may be an argument is asked here and nowhere else: any value may come,
one that compares with nothing, is hashed by nothing, or cannot even be shown.  The
sentences that refuse it belong to those who know what it is for.

"""

from __future__ import annotations

import itertools
import os
import reprlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from playground.errors import BadArgument, PlaygroundError

# A hundred million seconds are three years, and no number of threading or socket overflows.
LONGEST_S = 1e8

_MOST_ITEMS = 10_000

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 100
_short.maxlong = 40


def shown(value: object) -> str:
    """Return a value as an error shows it: its repr, in one short line.

    >>> shown("a" * 10_000)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"

    """
    try:
        return _short.repr(value)
    except Exception:  # whatever a repr of somebody else's raises
        return f"<{type(value).__name__}>"


def is_number(value: object, least: float, most: float) -> TypeGuard[float]:
    """Whether it is a number from ``least`` to ``most``: no bool, and not NaN."""
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
    )


def is_whole(value: object, least: int, most: int) -> TypeGuard[int]:
    """Whether it is a whole number from ``least`` to ``most``: no bool, no 1.0."""
    return isinstance(value, int) and is_number(value, least, most)


def is_port(value: object) -> TypeGuard[int]:
    return is_whole(value, 1, 65535)


def is_choice(value: object, choices: Collection[str]) -> TypeGuard[str]:
    """Whether it is one of some words."""
    return isinstance(value, str) and value in choices


def is_list(value: object) -> TypeGuard[Collection[Any]]:
    """Whether it holds several things, in a list, a tuple or a set: text does not."""
    return isinstance(value, (list, tuple, set, frozenset))


def check_seconds(name: str, value: object, *, needed: bool = False) -> None:
    """Refuse what is no time: a number above zero, or, unless ``needed``, None for no limit."""
    if (needed or value is not None) and (not is_number(value, 0, LONGEST_S) or not value):
        raise BadArgument(
            f"{name}={shown(value)} is no number of seconds above zero; write for example {name}=5"
        )


def check_mapping(
    here: str, value: object, example: str, error: type[PlaygroundError] = BadArgument
) -> Mapping[Any, Any]:
    """Return a mapping; refuse all else with an example of what to write."""
    if not isinstance(value, Mapping):
        raise error(f"{here}={shown(value)} maps nothing to anything; write for example {example}")
    return value


def check_path(value: object, example: str) -> Path:
    """Return the path of a file here; refuse what can be none."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text or "\0" in text:
        raise BadArgument(f"{shown(value)} is no path: write for example {example}")
    return Path(text)


def check_several(
    here: str, value: object, error: type[PlaygroundError] = BadArgument
) -> tuple[Any, ...]:
    """Return the things that are one or several, as a tuple: None is none, a list holds some.

    An empty list is refused: it would mean "all" as None does, where whoever made it
    meant "none of them".

    """
    if value is None:
        return ()
    if not is_list(value):
        return (value,)
    if not value:
        raise error(
            f"{here}={shown(value)} is empty, and nothing fits it; leave it out where all shall fit"
        )
    return tuple(value)


def check_iterable(
    here: str, value: object, example: str, error: type[PlaygroundError] = BadArgument
) -> tuple[Any, ...]:
    """Return the items of a list or the like; refuse text, and what has no end.

    A network is one: 10.0.0.0/8 would be sixteen million addresses.

    """
    text = isinstance(value, (str, bytes, bytearray))
    if not text and isinstance(value, Iterable):
        found = tuple(itertools.islice(value, _MOST_ITEMS + 1))
        if len(found) <= _MOST_ITEMS:
            return found
    raise error(f"{here}={shown(value)} is no list; write for example {example}")


def check_flag(here: str, value: object, error: type[PlaygroundError] = BadArgument) -> bool:
    if not isinstance(value, bool):
        raise error(f"{here}={shown(value)} is neither True nor False; write one")
    return value
