"""Nodes without power, as the lab was written down last: another program may have stopped them.

What is left of a node that is stopped looks to the kernel as one on which nothing runs.

"""

from __future__ import annotations

import json
from typing import Any

from playground.errors import AgentError, AgentGone
from playground.operations.connection.client import Client

# Of a text that is announced and not saved yet: the next look will see it.
_WITHIN_S = 0.5


class StoppedElsewhere:
    """The names of stopped nodes; the text is read again only where another one was saved."""

    def __init__(self) -> None:
        self._stamp = ""
        self._names: frozenset[str] = frozenset()

    def names(self, agent: Client) -> frozenset[str]:
        """Return them as they stand in the lab that was saved; raises `AgentGone`."""
        try:
            stamp = agent.call("state_stamp")
            if stamp != self._stamp:
                self._names = stopped_names(agent.call("state_load", wait_s=_WITHIN_S))
                self._stamp = stamp
        except AgentGone:
            raise
        except AgentError:  # of a version that has no such stamp
            return frozenset()
        return self._names


def stopped_names(saved: str | None) -> frozenset[str]:
    """Return the stopped nodes of a lab that was saved as text; none where nothing was.

    >>> stopped_names('{"plan": {"stopped": [{"name": "h1"}]}}')
    frozenset({'h1'})

    """
    data: Any = json.loads(saved) if saved else {}
    return frozenset(item["name"] for item in data.get("plan", {}).get("stopped", ()))
