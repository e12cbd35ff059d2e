"""Addresses that come of a router's words: which interfaces make them, and which they will be.

A router and an interface's identifier say what an address will be, so that names, rules and
routes can be planned before anything runs.  Pure functions.

"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import IPv6Interface

from playground.errors import TopologyError
from playground.model.addresses import Network
from playground.model.ipv6.slaac import SLAAC, Automatic
from playground.model.parts import End
from playground.model.topology import Host, Router
from playground.planning.addresses.segments import Segment
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.broadcast_domains import find_domains
from playground.planning.interface_names import Wiring
from playground.planning.ipv6.identifiers import eui64, secret, stable
from playground.planning.plan import Plan
from playground.planning.plan_parts import AdvertisementPlan, InterfacePlan


def find_automatic(segments: Sequence[Segment], everywhere: bool) -> dict[End, Automatic]:
    """Return how ends get addresses from others, of those that do.

    With ``everywhere`` each host does by SLAAC that a router is linked with, unless an IPv6
    address, or none, was said.

    """
    found = {end: end.automatic for item in segments for end in item.ends if end.automatic}
    for segment in segments if everywhere else ():
        if not any(isinstance(end.node, Router) for end in segment.ends):
            continue
        for end in segment.ends:
            by_hand = end.unaddressed or any(item.version == 6 for item in end.addresses)
            if isinstance(end.node, Host) and not by_hand and not end.automatic.of_ipv6:
                found[end] = replace(end.automatic, slaac=SLAAC())
    return found


def speaking(segments: Sequence[Segment], automatic: Mapping[End, Automatic]) -> set[Segment]:
    """Return the segments that need IPv6, for somebody there advertises it or waits for it."""
    told = {
        link.end(end.node)
        for segment in segments
        for end in segment.ends
        if isinstance(end.node, Router)
        for link in end.node.advertised
    }
    return {
        segment
        for segment in segments
        for end in segment.ends
        if end in told or (end in automatic and automatic[end].of_ipv6)
    }


def identifiers(
    automatic: Mapping[End, Automatic], wiring: Wiring, lab: str
) -> dict[End, Callable[[Network], int]]:
    """Return what tells the identifier of each end that makes its address itself."""
    return {
        end: _identifier(end, how.slaac, wiring, lab)
        for end, how in automatic.items()
        if how.slaac is not None
    }


def _identifier(end: End, how: SLAAC, wiring: Wiring, lab: str) -> Callable[[Network], int]:
    if how.identifier == "stable":
        return partial(stable, secret(lab, end.node.name, wiring.names[end]))
    return partial(_of_mac, wiring.macs[end])


def _of_mac(mac: str, network: Network) -> int:
    return eui64(mac)


def interface_settings(
    lab: str, node: str, interface: InterfacePlan, is_router: bool
) -> Iterator[tuple[str, str]]:
    """Yield the settings of an interface that listens to routers, as ip-sysctl has their names."""
    # Documentation/networking/ip-sysctl: 2 for one that forwards itself.
    yield "accept_ra", "2" if is_router else "1"
    yield "autoconf", "1" if interface.slaac else "0"
    # Without an answer it asks again and again (RFC 7559), at first without delay: RFC 4861
    # section 6.3.7 would wait up to a second, for many hosts that wake up together.
    yield "router_solicitations", "-1"
    yield "router_solicitation_delay", "0"
    yield "accept_dad", "1"
    yield "dad_transmits", "1"
    yield "use_tempaddr", "2" if interface.slaac and interface.slaac.temporary else "0"
    if interface.slaac and interface.slaac.identifier == "stable":
        # Written whole, as the kernel shows it; it turns the interface to RFC 7217.
        yield "stable_secret", secret(lab, node, interface.name).exploded


def expected(plan: Plan) -> dict[tuple[str, str], tuple[IPv6Interface, ...]]:
    """Return the addresses that interfaces will get: of what is advertised, or by DHCPv6."""
    found = {}
    for domain in find_domains(plan):
        said = list(_advertised(plan, domain))
        prefixes = {prefix for item in said if item.autonomous for prefix in item.prefixes}
        for name, port in domain:
            interface = _interface(plan, name, port)
            if interface is None or not (interface.of_others or interface.delegated):
                continue
            addresses = tuple(
                address
                for address in interface.addresses
                if isinstance(address, IPv6Interface)
                and (interface.slaac is None or address.network in prefixes)
            )
            if addresses:
                found[name, port] = addresses
    return found


def told_servers(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the name servers of which routers tell each node that listens to any."""
    found: dict[str, dict[str, None]] = {}
    for domain in find_domains(plan):
        said = [str(one) for item in _advertised(plan, domain) for one in item.rdnss]
        for name, port in domain:
            interface = _interface(plan, name, port)
            if interface is not None and interface.of_others:
                found.setdefault(name, {}).update(dict.fromkeys(said))
    return {name: tuple(servers) for name, servers in found.items()}


def check(plan: Plan, doubts: Doubts) -> None:
    """Say which interfaces wait for a router that nobody is."""
    waiting = [
        (node, interface) for node in plan.nodes for interface in node.interfaces if interface.slaac
    ]
    if not waiting:
        return
    served = expected(plan)
    for node, interface in waiting:
        for address in interface.addresses:
            # RFC 2464 section 4: an identifier on Ethernet has 64 bits.
            if isinstance(address, IPv6Interface) and address.network.prefixlen != 64:
                raise TopologyError(
                    f'{node.name} has address="slaac", and its network {address.network} is no '
                    "/64, of which alone addresses are made (RFC 4862); give it a /64"
                )
        if (node.name, interface.name) not in served:
            doubts.say(
                f'{node.name} has address="slaac", and no router on its network '
                f"({interface.segment}) advertises the prefix: let one do so, as in "
                "r1.advertise(link)"
            )


def _advertised(plan: Plan, domain: Sequence[tuple[str, str]]) -> Iterator[AdvertisementPlan]:
    for name, port in domain:
        if name not in plan.switch_names:
            yield from (item for item in plan.node(name).advertisements if item.interface == port)


def _interface(plan: Plan, node: str, name: str) -> InterfacePlan | None:
    if node in plan.switch_names:
        return None
    return next((item for item in plan.node(node).interfaces if item.name == name), None)
