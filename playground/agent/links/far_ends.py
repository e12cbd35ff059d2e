"""Far ends of links that cross machines: whether there is a carrier, told and taken over.

The carrier of a cable is lost at both ends where either is unplugged.  Between machines somebody
has to carry that over: the far end of each half has a carrier as long as the
node's end is up, and is set down where that is so on the other machine.

"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Sequence

from playground.agent.links.interfaces import (
    IFF_UP,
    IFLA_CARRIER,
    IFLA_IFNAME,
    RTM_GETLINK,
    RTM_NEWLINK,
    link_body,
    set_link,
    settle,
)
from playground.agent.links.netlink import (
    NLM_F_DUMP,
    RTMGRP_LINK,
    Message,
    Netlink,
    attributes,
    events_of,
    plain_text,
)
from playground.agent.protocol import Request

_FAR_END = re.compile(r"x[0-9a-f]{6}")


def far_ends() -> list[Request]:
    """Return the far ends that are here, whether each is up and whether it has a carrier."""
    netlink = Netlink(None)
    links = netlink.ask(Message(RTM_GETLINK, NLM_F_DUMP, link_body(), "list the interfaces"))
    netlink.close()
    return [row for link in links if (row := _row(link)) is not None]


def set_far_ends(up: Sequence[str], down: Sequence[str]) -> None:
    """Set far ends up and down; those that are gone already are passed over."""
    netlink = Netlink(None)
    netlink.attempt([*(set_link(name, True) for name in up), *(set_link(n, False) for n in down)])
    if up:
        settle(netlink)
    netlink.close()


def interface_names() -> list[str]:
    """Return the names of all interfaces of the lab's own namespace."""
    return [name for _, name in socket.if_nameindex()]


class FarEndWatch:
    """A socket by which the kernel tells of each change of a far end."""

    def __init__(self, tell: Callable[[Request], None]) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.socket.bind((0, RTMGRP_LINK))
        self.socket.setblocking(False)
        self._tell = tell

    def read(self, fd: int, events: int) -> None:
        try:
            packet = self.socket.recv(1 << 17)
        except BlockingIOError:
            return
        except OSError:  # ENOBUFS: some were lost; all are told of anew, netlink(7)
            for known in far_ends():
                self._tell(known)
            return
        for kind, body in events_of(packet):
            if kind == RTM_NEWLINK and (row := _row(body)) is not None:
                self._tell(row)


def _row(link: bytes) -> Request | None:
    (flags,) = struct.unpack_from("I", link, 8)
    found = attributes(link[16:])
    name = plain_text(found.get(IFLA_IFNAME))
    if not _FAR_END.fullmatch(name):
        return None
    carrier = found.get(IFLA_CARRIER, b"\0")[0] == 1
    return {"interface": name, "up": bool(flags & IFF_UP), "carrier": carrier}
