"""The neighbours of a node: on its links, as ARP and NDP found them, and those of its daemons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from playground.operations.captures.frames import Directory
from playground.operations.diagnosis.evidence.adjacencies import Said
from playground.operations.diagnosis.evidence.network_state import NeighbourState

LINK_COLUMNS = ("node", "address", "mac", "state", "interface", "protocol")
DAEMON_COLUMNS = ("protocol", "neighbour", "state", "interface", "detail")


def link_rows(
    neighbours: Iterable[NeighbourState], directory: Directory
) -> Iterator[Mapping[str, Any]]:
    """Yield a row for each neighbour on a link; ``node`` is who has the address in this lab."""
    for one in neighbours:
        if one.state == "noarp":  # the kernel's own, as those of loopback
            continue
        owner = directory.owner(one.mac) if one.mac else None
        yield {
            "node": owner.node if owner else "",
            "address": one.address,
            "mac": one.mac or "nobody answered",
            "state": one.state,
            "interface": one.interface,
            # RFC 826, RFC 4861.
            "protocol": "NDP" if ":" in one.address else "ARP",
        }


def daemon_rows(said: Said) -> Iterator[Mapping[str, Any]]:
    """Yield a row for each neighbour that a routing daemon knows: OSPF, OSPFv3 and BGP."""
    for protocol, interfaces in (("OSPF", said.ospf), ("OSPFv3", said.ospf6)):
        for name, interface in (interfaces or {}).items():
            for router_id, state in interface.states.items():
                yield {
                    "protocol": protocol,
                    "neighbour": router_id,
                    "state": state,
                    "interface": name,
                    "detail": f"area {interface.area}",
                }
    for address, session in (said.bgp or {}).items():
        ended = f", last ended: {session.reason}" if session.reason else ""
        yield {
            "protocol": "BGP",
            "neighbour": address,
            "state": session.state,
            "interface": "",
            "detail": f"AS {session.as_number}{ended}",
        }
