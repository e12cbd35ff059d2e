"""Everything that can be done to a running host or router.

`NodeOperations` is what `playground.topology.Host` and ``Router`` inherit; each
method is a thin door to the room that does the work.

"""

from __future__ import annotations

from playground.errors import NotRunning
from playground.live import Agent, LabHandle, LiveNode, Node, Probe, Process, ServiceRow

__all__ = [
    "Agent",
    "LabHandle",
    "LiveNode",
    "Node",
    "NodeOperations",
    "Probe",
    "Process",
    "ServiceRow",
]


class NodeOperations:
    """The operations on a node; each raises `NotRunning` before it is started."""

    name: str
    short: str
    _live: LiveNode | None = None

    def running(self) -> LiveNode:
        """Return the live handle of this node.

        Raises `NotRunning` when its lab is not started.

        """
        live = self._live
        if live is None:
            raise NotRunning(
                f"{self.name} is not running: use it inside `with Lab(...)` or after lab.start()"
            )
        return live
