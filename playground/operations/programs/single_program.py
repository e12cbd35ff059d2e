"""A program that is controlled in the words of a service, which may have several programs."""

from __future__ import annotations

from abc import ABC, abstractmethod

from playground.model.arguments import tells_wrong_calls
from playground.operations.connection.handles import Node


@tells_wrong_calls
class SingleProgram(ABC):
    """One program of a node: ``name`` is its name, ``node`` that of where it runs."""

    def __init__(self, node: Node, name: str) -> None:
        self.name = name
        self.node = node.name
        self._node = node

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that it answers on: nobody has said any."""
        return ()

    @property
    def programs(self) -> tuple[str, ...]:
        """Itself, in the words of a service, which may have several."""
        return (self.name,)

    @abstractmethod
    def start(self) -> None:
        """Start the program; it is well when this returns."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the program."""

    def restart(self) -> None:
        """Stop the program and start it again."""
        self.stop()
        self.start()
