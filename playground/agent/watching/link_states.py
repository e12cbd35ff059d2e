"""States and counters of all interfaces of some nodes, as few bytes as tell of them.

For who looks again and again: one question to each kernel's network, however many links it has.

"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from playground.agent.links.interfaces import (
    IFF_UP,
    IFLA_CARRIER,
    IFLA_IFNAME,
    IFLA_STATS64,
    RTM_GETLINK,
    STATISTICS,
    link_body,
)
from playground.agent.links.netlink import (
    NLM_F_DUMP,
    Message,
    Netlink,
    attributes,
    plain_text,
)
from playground.agent.nodes.entering import coming_back
from playground.agent.protocol import Request

# linux/if_link.h: the kind of the queue where frames leave.
IFLA_QDISC = 6

_RX, _TX = STATISTICS.index("rx_bytes"), STATISTICS.index("tx_bytes")


def link_states(pids: Sequence[int]) -> list[Request | None]:
    found: list[Request | None] = []
    for pid in pids:
        try:
            with coming_back():
                found.append(_states(Netlink(pid)))
        except OSError:
            found.append(None)
    return found


def _states(netlink: Netlink) -> Request:
    try:
        rows = {}
        question = Message(RTM_GETLINK, NLM_F_DUMP, link_body(), "list interfaces")
        for answer in netlink.ask(question):
            (flags,) = struct.unpack_from("I", answer, 8)
            said = attributes(answer[16:])
            counters = struct.unpack_from(f"{len(STATISTICS)}Q", said[IFLA_STATS64])
            rows[plain_text(said.get(IFLA_IFNAME))] = [
                bool(flags & IFF_UP) and said.get(IFLA_CARRIER, b"\0")[0] == 1,
                counters[_RX],
                counters[_TX],
                plain_text(said.get(IFLA_QDISC)),
            ]
        return rows
    finally:
        netlink.close()
