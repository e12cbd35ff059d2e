"""Messages to the kernel, and its answers."""

from __future__ import annotations

import struct

from playground.agent.links import links
from playground.agent.links.netlink import NLMSG_ERROR, Netlink


class _LateSocket:
    """A netlink socket in which acknowledgements of an earlier batch still are."""

    def __init__(self) -> None:
        self.packets = [self._acknowledge(sequence) for sequence in (1, 2, 3, 4)]

    def _acknowledge(self, sequence: int) -> bytes:
        return struct.pack("IHHIIi", 20, NLMSG_ERROR, 0, sequence, 0, -sequence)

    def send(self, data: bytes) -> None:
        pass

    def recv(self, size: int) -> bytes:
        return self.packets.pop(0)


def test_acknowledgements_that_come_late_are_not_taken_for_others() -> None:
    line = Netlink.__new__(Netlink)
    line.socket = _LateSocket()  # type: ignore[assignment]
    line.sequence = 2
    messages = [links.delete_link("eth0"), links.delete_link("eth1")]
    assert [number for _, number, _ in line.attempt(messages)] == [3, 4]
