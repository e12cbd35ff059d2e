"""Removal of what a dead owner left at a Docker engine: the work of a `Guardian`'s process."""

from __future__ import annotations

import time
from collections.abc import Iterable

from playground.engines.docker.engine import DockerEngine
from playground.engines.docker.http import TIMEOUT_S
from playground.errors import EngineError

# Leftovers come for a moment still: what the engine had begun when the owner
# died.  After this long without any there are no more, unless one is known to come.
_QUIET_S = 1.0
# A request of the owner's that the engine has not answered may take as long as it
# takes, on a slow disk say; an engine that hangs may be started again.
_LIMIT_S = 600.0
# A request made when the owner died may never have reached the engine.  This is
# twice what the owner itself would have waited for.
_COMING_LIMIT_S = 2 * TIMEOUT_S
# Between two looks: often at first, and then as is no burden to an engine in need.
_LOOK_S = (0.05, 0.5)


def remove_leftovers(
    lab_id: str, url: str | None, engine: DockerEngine | None = None, coming: Iterable[str] = ()
) -> None:
    """Remove all containers of a lab until no more have come for a second.

    Those of the names ``coming`` are waited for, two minutes long.  An engine that does
    not answer is asked again for ten.

    """
    if engine is None:
        engine = DockerEngine(url)
    awaited = set(coming)
    begin = last_seen = time.monotonic()
    pause_s, longest_s = _LOOK_S
    while (now := time.monotonic()) - begin < _LIMIT_S:
        if now - last_seen > (_COMING_LIMIT_S if awaited else _QUIET_S):
            break
        try:
            if there := engine.containers(lab_id):
                awaited -= there
                engine.stop(lab_id)
                last_seen, pause_s = time.monotonic(), _LOOK_S[0]
        except EngineError:
            last_seen = time.monotonic()
        time.sleep(pause_s)
        pause_s = min(longest_s, pause_s * 1.1)
