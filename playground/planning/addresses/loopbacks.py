"""Addresses of a node's own, on its loopback interface: where they are, and who else has them.

A router is known by such an address whichever of its links is up; routing protocols take it for
the router's name (RFC 2328 section 1.2, RFC 4271 section 4.2).  Pure.

"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from playground.errors import TopologyError
from playground.model.addresses import InterfaceAddress, Network
from playground.model.topology import Machine, Router
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.nat_realms import Realm, Realms
from playground.planning.addresses.router_parts import own_links
from playground.planning.plan_parts import LOOPBACK, InterfacePlan

# drivers/net/loopback.c
_MTU_BYTES = 65536


def loopback_interface(machine: Machine) -> InterfacePlan | None:
    """Return a node's loopback interface as planned; None where it has no address of its own."""
    if not machine.loopback:
        return None
    return InterfacePlan(
        name=LOOPBACK,
        mac="00:00:00:00:00:00",
        addresses=machine.loopback,
        mtu_bytes=_MTU_BYTES,
        offload=False,
        segment="",
    )


def home(machine: Machine, realms: Realms) -> Realm | None:
    """Return the realm in which a node's loopback addresses are: inside before outside.

    None where the node is linked to nothing, or by links in VRFs alone.

    """
    return next(iter(realms.of_node(machine)), None) if own_links(machine) else None


def check_loopbacks(machines: Iterable[Machine], realms: Realms, addressing: Addressing) -> None:
    """Raise `TopologyError` where a loopback address is another's too.

    Several may share one for anycast (RFC 4786), of which static routes lead to the nearest, and
    a routing protocol finds it: not the first of a router, by which a protocol knows it.

    Nor may it lie in the subnet of a network that can be reached from there: who is on that
    network would look for it there, in vain.

    """
    seen: dict[tuple[Realm | None, InterfaceAddress], Machine] = {}
    for machine in machines:
        realm = home(machine, realms)
        for address in machine.loopback:
            other = seen.setdefault((realm, address), machine)
            if other is not machine and not _is_anycast(machine, other, address):
                raise TopologyError(
                    f"{machine.name} and {other.name} both have the loopback address {address}; "
                    "choose another for one of them. Hosts may share one (anycast), routers may "
                    "behind a first address that is each one's own"
                )
            for near in realms.reach[realm] if realm is not None else ():
                _refuse_used(machine, address, near, addressing)


def _is_anycast(one: Machine, other: Machine, address: InterfaceAddress) -> bool:
    """Tell whether two nodes may have an address.

    It is no router's name (router id), and either a protocol tells of both, or static routes lead
    to both.

    """
    speaking = set()
    for machine in (one, other):
        same = [item for item in machine.loopback if item.version == address.version]
        if isinstance(machine, Router) and same[0] == address:
            return False
        speaking.add(isinstance(machine, Router) and bool(machine.protocols))
    return len(speaking) == 1


def _refuse_used(
    machine: Machine, address: InterfaceAddress, realm: Realm, addressing: Addressing
) -> None:
    for segment in realm.segments:
        if not addressing.speaks(segment, address.version):
            continue
        for end in segment.ends:
            if any(item.ip == address.ip for item in addressing.of(end, address.version)):
                raise TopologyError(
                    f"{machine.name}: its loopback address {address} is that of {end.node.name} "
                    f"on {segment.name} already; choose another"
                )
        subnet = addressing.subnets[segment, address.version]
        if subnet is not None and address.ip in subnet:
            raise TopologyError(
                f"{machine.name}: its loopback address {address} lies in the subnet {subnet} of "
                f"{segment.name}, where the others would look for it in vain; choose one outside "
                f"that subnet"
            )


def reserved(machines: Iterable[Machine]) -> list[Network]:
    """Return the loopback addresses, around which subnets are chosen."""
    return [ip_network(address.ip) for machine in machines for address in machine.loopback]


def by_realm(machines: Iterable[Machine], realms: Realms) -> Mapping[Realm, list[Machine]]:
    """Return the nodes that have loopback addresses, by where these are."""
    found: dict[Realm, list[Machine]] = {}
    for machine in machines:
        realm = home(machine, realms) if machine.loopback else None
        if realm is not None:
            found.setdefault(realm, []).append(machine)
    return found
