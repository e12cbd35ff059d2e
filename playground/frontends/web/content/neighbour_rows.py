"""The neighbours of a node: on its links, as ARP and NDP found them, and those of its daemons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from playground.operations.captures.frames import Directory
from playground.operations.diagnosis.evidence.adjacencies import Said
from playground.operations.diagnosis.evidence.network_state import NeighbourState

LINK_COLUMNS = ("node", "address", "mac", "state", "interface")
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
        }


def daemon_rows(said: Said) -> Iterator[Mapping[str, Any]]:
    """Yield a row for each neighbour that a routing daemon knows, in the order of protocols."""
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
    for name, circuit in (said.isis or {}).items():
        for one in circuit.neighbours:
            addresses = ", ".join(one.addresses)
            yield {
                "protocol": "IS-IS",
                "neighbour": one.system,
                "state": one.state,
                "interface": name,
                "detail": f"level {one.level}" + (f", {addresses}" if addresses else ""),
            }
    for protocol, sources in (("RIP", said.rip_sources), ("RIPng", said.ripng_sources)):
        for source in sources:
            bad = [
                f"{count} bad {what}"
                for count, what in ((source.bad_packets, "packets"), (source.bad_routes, "routes"))
                if count
            ]
            yield {
                "protocol": protocol,
                "neighbour": source.address,
                # RFC 2453 has no states: a router is there as long as it is heard.
                "state": f"heard {source.updated} ago",
                "interface": "",
                "detail": ", ".join(bad),
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
