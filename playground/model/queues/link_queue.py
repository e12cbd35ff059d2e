"""The base of whatever frames wait in where they leave by a link."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any


class LinkQueue:
    """A queue, or classes of traffic with a queue each, in one direction of a link.

    ``needs`` are the rows of `model.kernel.features` that it needs, ``shapes`` tells whether it
    keeps the rate of its link by itself, ``promised_mbit`` is what it promises to packets
    whatever happens.

    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The word for it in tc(8)."""

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def shapes(self) -> bool: ...

    @property
    def promised_mbit(self) -> float:
        return 0

    def class_names(self) -> dict[int, str]:
        """Return the names of its classes by their numbers."""
        return {}

    def class_rates(self) -> dict[str, float]:
        """Return what each of its classes is promised, in Mbit/s, by their names."""
        return {}

    @abstractmethod
    def request(self, rate_mbit: float | None, mtu_bytes: int) -> dict[str, Any]:
        """Return it as the agent takes it, on a link of this rate and MTU."""

    @abstractmethod
    def as_shell(
        self, interface: str, where: str, handle: str, rate_mbit: float | None, mtu_bytes: int
    ) -> Iterator[str]:
        """Yield the tc(8) commands that put it in its place, ``where`` on an interface."""

    @abstractmethod
    def data(self) -> dict[str, Any]:
        """Return it as it is written down; `direction.from_data` reads it."""
