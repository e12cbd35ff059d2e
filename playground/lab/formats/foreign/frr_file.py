"""FRR's own files in labs of other tools: the lines that a router of ours is told."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The lab says who it is, who may come in and what it logs, and its FRR has a version of its own.
_NEEDLESS = re.compile(r"\s*(enable password|password|log|hostname|service|frr)(?!\S)")
_SAYING = re.compile(r"\s*[^\s!#]")


def frr_lines(lines: Iterable[str]) -> str | None:
    """Return the text of FRR's lines with "!" for each that the lab says itself; None: no others.

    >>> frr_lines(["hostname r1", "router ospf", " log-adjacency-changes"])
    '!\\nrouter ospf\\n log-adjacency-changes'

    """
    kept = ["!" if _NEEDLESS.match(line) else line for line in lines]
    return "\n".join(kept) if any(map(_SAYING.match, kept)) else None
