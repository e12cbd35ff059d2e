"""Addresses of a machine of the lab of which another one was told no name.

A machine is told the names of whom it reaches by the routers of the plan.  Labs of other tools
have hosts that forward, and hosts whose own scripts give them addresses: the plan knows no way,
or no address, and there is one.

"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from itertools import islice
from typing import Any

from playground.model.topology import Machine
from playground.operations.connection.handles import Node
from playground.planning.addresses.nat_realms import find_realms
from playground.planning.addresses.parts_apart import keeping_apart
from playground.planning.addresses.segments import find_segments

# Of what a host says that it has: its root may have given it thousands.
_MOST_ADDRESSES = 100


def addresses_of(node: Node, target: Node | str) -> list[str]:
    """Return the addresses by which a node may ask a machine that it was told no name of.

    Those of the plan, or else those that the machine has now, at most a hundred: IPv4 first, and
    of these the one in a network that both share.  [] where the node's hosts file or the lab's
    DNS was to know the name, and for a machine that NAT, a VLAN or a VRF hides from it.

    """
    live = node.running()
    name = target if isinstance(target, str) else target.name
    try:
        other = live.lab.node(name)
    except LookupError:  # a name of nobody, or a switch
        return []
    plan = live.lab.running_plan()
    own = plan.node(node.name)
    serving = plan.zones or any(one.records for one in plan.nodes)
    if (own.nameservers and serving) or any(other.name in entry.names for entry in own.hosts):
        return []
    if node.name != other.name and _is_hidden(live.lab.nodes, node, other):
        return []
    found, here = ([*_planned(plan.node(one.name))] for one in (other, node))
    if not found:
        found = [*_real(other)]
    if not here:
        here = [*_real(node)]
    return sorted_for(here, found)


def sorted_for(
    here: Sequence[IPv4Interface | IPv6Interface], found: Sequence[IPv4Interface | IPv6Interface]
) -> list[str]:
    """Return addresses in the order in which a node with those of ``here`` would try them.

    >>> here = [ip_interface("10.0.2.1/24")]
    >>> found = [ip_interface(one) for one in ("fd00::2/64", "10.0.1.2/24", "10.0.2.2/24")]
    >>> sorted_for(here, found)
    ['10.0.2.2', '10.0.1.2', 'fd00::2']

    """
    families = {one.version for one in here}

    def place(one: IPv4Interface | IPv6Interface) -> tuple[bool, int, bool]:
        shared = any(one.version == own.version and one.ip in own.network for own in here)
        return one.version not in families, one.version, not shared

    return [*dict.fromkeys(str(one.ip) for one in sorted(found, key=place))]


def _planned(plan: Any) -> Iterator[IPv4Interface | IPv6Interface]:
    for interface in plan.interfaces:
        yield from interface.addresses


def _real(node: Node) -> Iterator[IPv4Interface | IPv6Interface]:
    """Yield the addresses that a running machine has by its kernel; none of a stopped one."""
    live = node.running()
    if live.stopped:
        return
    [row] = live.agent.call("states", pids=[live.pid], with_connections=False)
    yield from islice(_usable(row["interfaces"]), _MOST_ADDRESSES)


def _usable(interfaces: Iterable[Any]) -> Iterator[IPv4Interface | IPv6Interface]:
    """Yield the addresses by which others may ask: none of the machine or of one link alone."""
    for interface in interfaces:
        for said in interface["addresses"]:
            with suppress(ValueError):
                address = ip_interface(said["address"])
                local = address.ip.is_loopback or (
                    address.version == 6 and address.ip.is_link_local
                )
                if not local and not said["refused"]:
                    yield address


def _is_hidden(nodes: Sequence[Any], node: Node, other: Node) -> bool:
    """Tell whether what stands between two is there to keep the one from the other."""
    if not (isinstance(node, Machine) and isinstance(other, Machine)):
        return True
    if not node.links or not other.links:
        return True
    own, theirs = (
        {part.vlan for part in one.attachments if part.vlan is not None} for one in (node, other)
    )
    if own and theirs and not own & theirs:
        return True
    realms = find_realms(find_segments(nodes))
    there = realms.of_node(other)
    if not set(there) & set(realms.reached_from(node)) and any(realm.exits for realm in there):
        return True
    return (
        any(getattr(one, "vrfs", ()) for one in nodes)
        and keeping_apart(node, other, nodes) is not None
    )
