"""Paths as files write them, where "~" is a user's folder."""

from __future__ import annotations

from pathlib import Path

from playground.errors import TopologyError
from playground.model.arguments import shown


def expanded(text: str) -> Path:
    """Return a path with "~" or "~NAME" written out; raises `TopologyError` for no such user.

    >>> expanded("site/index.html")
    PosixPath('site/index.html')

    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise TopologyError(
            f"{shown(text)} begins in the folder of a user that this machine does not have; write "
            "the whole path"
        ) from None
