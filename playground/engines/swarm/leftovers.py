"""Removal of what a dead owner left on a swarm: the work of a `Guardian`'s process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

from playground.engines.swarm.engine import SwarmEngine
from playground.errors import EngineError

# As for the containers of one engine: `engines.docker.leftovers`.
_QUIET_S = 2.0
_LIMIT_S = 600.0
_LOOK_S = 0.2


def remove_leftovers(lab_id: str, url: str | None, coming: Iterable[str] = ()) -> None:
    """Remove all services of a lab until no more have come for two seconds, and its helpers.

    A manager that does not answer is asked again for ten minutes.

    """
    engine = SwarmEngine(url)
    begin = last_seen = time.monotonic()
    while (now := time.monotonic()) - begin < _LIMIT_S and now - last_seen < _QUIET_S:
        try:
            if any(record.id == lab_id for record in engine.labs()):
                engine.stop(lab_id)
                last_seen = time.monotonic()
        except EngineError:
            last_seen = time.monotonic()
        time.sleep(_LOOK_S)
    # The owner may have ended between the helpers of a lab to keep and its first service.
    with contextlib.suppress(EngineError):
        engine.remove_helpers(lab_id)
