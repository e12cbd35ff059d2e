"""Open files: how many there may be, and which a fresh child keeps."""

from __future__ import annotations

import os
import resource
from collections.abc import Collection

from playground.agent.nodes.entering import forget_nodes

# Of open files, soft and hard, as they were when this began: what commands get.
FILES_LIMITS = resource.getrlimit(resource.RLIMIT_NOFILE)
FILES_WANTED = 1 << 16


def keep_only(kept: int | Collection[int], files: tuple[int, int] = FILES_LIMITS) -> None:
    """Close, in a fresh child, all descriptors but this one, or these, and the first three.

    Among them are other commands' pipes, which would not end while it has them.
    Its limit of open files, soft and hard, is what the engine gave, or what is given.

    """
    forget_nodes()
    floor = 3
    for fd in sorted([kept] if isinstance(kept, int) else kept):
        os.closerange(floor, fd)
        floor = max(floor, fd + 1)
    # The limit may have been lowered since some were opened.
    os.closerange(floor, max(FILES_WANTED, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
    resource.setrlimit(resource.RLIMIT_NOFILE, files)


def many_files() -> tuple[int, int]:
    """Return limits of open files, soft and hard, for who has some of each node."""
    soft, hard = FILES_LIMITS
    if 0 <= soft < FILES_WANTED:
        soft = FILES_WANTED if hard < 0 else min(FILES_WANTED, hard)
    return soft, hard
