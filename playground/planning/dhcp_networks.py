"""DHCP as a plan has it: which server serves which network, and with what (RFC 2131).

A host with ``address="dhcp"`` has an address in the plan as all others, so that names,
rules and routes can be known before anything runs; its server keeps this very address
for it, by its MAC address, and the host asks for it as a real one does.  Pure functions.

"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from playground.errors import TopologyError
from playground.model.addresses import Address, InterfaceAddress, Network, address_from
from playground.model.parts import End
from playground.model.records import dataclass
from playground.model.services.dhcp import DHCP, DHCPRelay
from playground.model.topology import Machine
from playground.planning.addresses.addressing import declared_subnet
from playground.planning.addresses.segments import Segment
from playground.planning.broadcast_domains import find_domains
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import InterfacePlan

# Of a pool that nobody has set: as many as a home router's has.
POOL_ADDRESSES = 100


@dataclass(frozen=True)
class NodeInterface:
    """One interface of one node of a plan."""

    node: NodePlan
    interface: InterfacePlan

    @property
    def address(self) -> IPv4Interface | None:
        """Its first IPv4 address."""
        found = (item for item in self.interface.addresses if isinstance(item, IPv4Interface))
        return next(found, None)


def wanted(segments: Sequence[Segment]) -> dict[End, IPv4Address]:
    """Return the addresses that hosts are to get because their server's settings say so.

    Those of ``static`` first, then the free ones of the pool, in the order declared; of a
    server on the network, or else of one that a relay there leads to.  Where a server serves
    several networks, each host gets what lies in its own.

    """
    chosen: dict[End, IPv4Address] = {}
    served = {segment: _serving(segment, segments) for segment in segments}
    for segment, settings in served.items():
        clients = [end for end in segment.ends if end.dhcp]
        if settings is None or not clients:
            continue
        elsewhere = [
            subnet
            for other, its in served.items()
            if its is settings and other is not segment and (subnet := declared_subnet(other))
        ]
        taken = {getattr(item, "ip", item) for end in segment.ends for item in end.addresses}
        for end in clients:
            named = {name.lower(): address for name, address in settings.static.items()}
            static = next(
                (named[name] for name in sorted(end.node.calls, key=len) if name in named), None
            )
            if static and not _lies(IPv4Address(static), elsewhere):
                chosen[end] = IPv4Address(static)
        taken |= set(chosen.values())
        free = (
            address
            for address in _pool(settings)
            if address not in taken and not _lies(address, elsewhere)
        )
        for end in clients:
            if end not in chosen and (address := next(free, None)) is not None:
                chosen[end] = address
    return chosen


def check(plan: Plan) -> None:
    """Raise `TopologyError` for a host that no server could give its address."""
    served = {
        (place.node.name, place.interface.name)
        for node in plan.nodes
        if _settings(node)
        for network in _networks(plan, node)
        for place in network
    }
    for node in plan.nodes:
        kinds = {settings.service for settings in node.services}
        for server in ("dhcp", "dhcpv6"):
            if {server, "dhcp-relay"} <= kinds:
                raise TopologyError(
                    f"{node.name} has the services {server} and dhcp-relay, which want the same "
                    f"port; leave one of them out"
                )
        for settings in node.services:
            if isinstance(settings, DHCPRelay):
                relayed_to(plan, node, settings)
        for interface in node.interfaces:
            if interface.dhcp and (node.name, interface.name) not in served:
                raise TopologyError(
                    f'{node.name} has address="dhcp", and nobody on its network '
                    f"({interface.segment}) answers: give a host or router there "
                    f'services=["dhcp"], or a router services=[DHCPRelay(to=...)]'
                )


def server_lines(plan: Plan, node: NodePlan) -> tuple[str, ...]:
    """Return the lines of dnsmasq(8) for the networks that a node serves or relays."""
    lines: list[str] = []
    for item in node.services:
        if isinstance(item, DHCPRelay):
            lines += [
                f"dhcp-relay={own.ip},{server}"
                for server in relayed_to(plan, node, item)
                for interface in node.interfaces
                for own in _first(interface, server.version)
                if server not in own.network
            ]
    if settings := _settings(node):
        for number, places in enumerate(_networks(plan, node)):
            lines += _network_lines(f"net{number}", settings, places)
    return tuple(lines)


def _network_lines(tag: str, settings: DHCP, places: Sequence[NodeInterface]) -> Iterator[str]:
    addresses = [place.address for place in places if place.address is not None]
    network = addresses[0].network
    mask, lease = network.netmask, settings.lease_s
    pool = list(_pool(settings)) or _free(network, {item.ip for item in addresses})
    pool = [item for item in pool if item in network]
    if pool:
        yield f"dhcp-range=set:{tag},{pool[0]},{pool[-1]},{mask},{lease}"
    else:
        yield f"dhcp-range=set:{tag},{network.network_address},static,{mask},{lease}"
    gateway = _gateway(places)
    # An option without a value is not sent.
    yield f"dhcp-option=tag:{tag},option:router" + (f",{gateway}" if gateway else "")
    servers = {
        str(item): None
        for place in places
        if place.interface.dhcp
        for item in place.node.nameservers
        if item.version == 4
    }
    yield ",".join([f"dhcp-option=tag:{tag},option:dns-server", *servers])
    for place in places:
        if place.interface.dhcp and place.address is not None:
            yield f"dhcp-host={place.interface.mac},{place.address.ip},{place.node.short}"


def _gateway(places: Sequence[NodeInterface]) -> IPv4Address | None:
    for place in places:
        for route in place.node.routes:
            default = route.destination.prefixlen == 0 and route.destination.version == 4
            if place.interface.dhcp and default and route.interface == place.interface.name:
                return route.via if isinstance(route.via, IPv4Address) else None
    routers = (place.address for place in places if place.node.kind == "router")
    return next((item.ip for item in routers if item is not None), None)


def _free(network: IPv4Network, taken: set[IPv4Address]) -> list[IPv4Address]:
    """Return the longest run of addresses that nobody has, up to a hundred of them."""
    base, size = int(network.network_address), min(network.num_addresses, 1 << 16)
    best: range = range(0)
    first = 1
    for number in range(1, size):
        if IPv4Address(base + number) in taken or number == size - 1:
            if number - first > len(best):
                best = range(first, number)
            first = number + 1
    return [IPv4Address(base + number) for number in best[-POOL_ADDRESSES:]]


def _pool(settings: DHCP) -> Iterator[IPv4Address]:
    if settings.pool:
        first, last = (int(IPv4Address(item)) for item in settings.pool)
        yield from map(IPv4Address, range(first, last + 1))


def _serving(segment: Segment, segments: Sequence[Segment]) -> DHCP | None:
    """Return the settings of the server that a network has, or has a relay to."""
    for end in segment.ends:
        for settings in _offered(end):
            return settings
    for end in segment.ends:
        relaying = end.node.declared_services if isinstance(end.node, Machine) else ()
        for relay in relaying:
            if not isinstance(relay, DHCPRelay):
                continue
            for other in (other for one in segments for other in one.ends):
                addresses = [str(getattr(item, "ip", item)) for item in other.addresses]
                if relay.to.lower() in (*other.node.calls, *addresses):
                    for settings in _offered(other):
                        return settings
    return None


def _lies(address: IPv4Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _offered(end: End) -> list[DHCP]:
    node = end.node
    services = node.declared_services if isinstance(node, Machine) else ()
    return [settings for settings in services if isinstance(settings, DHCP)]


def _settings(node: NodePlan) -> DHCP | None:
    return next((item for item in node.services if isinstance(item, DHCP)), None)


def _networks(plan: Plan, server: NodePlan) -> list[list[NodeInterface]]:
    """Return the networks that a server serves: its own, and those relayed to it."""
    domains = _domains(plan)
    found = []
    for places in domains:
        here = any(place.node is server for place in places)
        relayed = any(
            isinstance(settings, DHCPRelay)
            and not _own(server).isdisjoint(relayed_to(plan, place.node, settings))
            for place in places
            for settings in place.node.services
        )
        if (here or relayed) and any(place.address is not None for place in places):
            found.append(places)
    return found


def _own(node: NodePlan) -> set[Address]:
    return {item.ip for interface in node.interfaces for item in interface.addresses}


def relayed_to(plan: Plan, relay: NodePlan, settings: DHCPRelay) -> tuple[Address, ...]:
    """Return the addresses that a relay takes questions to: one of each family that is offered.

    Raises `TopologyError` where that is no server.

    """
    try:
        server = plan.node(settings.to)
    except KeyError:
        pass
    else:
        offered = {item.service for item in server.services}
        families = [n for n, name in ((4, "dhcp"), (6, "dhcpv6")) if name in offered]
        if not families:
            raise TopologyError(
                f"{relay.name} relays to {server.name}, which has no dhcp service; give it "
                f'services=["dhcp"]'
            )
        found = [
            next((own.ip for item in server.interfaces for own in _first(item, family)), None)
            for family in families
        ]
        if addresses := tuple(one for one in found if one is not None):
            return addresses
    try:
        return (address_from(settings.to),)
    except ValueError:
        raise TopologyError(
            f"{relay.name} relays to {settings.to!r}, which is no node of this lab and no "
            f"address; write DHCPRelay(to=...) with one of them"
        ) from None


def _first(interface: InterfacePlan, family: int) -> tuple[InterfaceAddress, ...]:
    """Return the first address of an interface of one family, if there is one."""
    return tuple(item for item in interface.addresses if item.version == family)[:1]


def _domains(plan: Plan) -> list[list[NodeInterface]]:
    """Return which interfaces of a plan are on one network, in the order of the wires."""
    interfaces: Mapping[tuple[str, str], NodeInterface] = {
        (node.name, interface.name): NodeInterface(node, interface)
        for node in plan.nodes
        for interface in node.interfaces
    }
    return [
        [interfaces[key] for key in domain if key in interfaces] for domain in find_domains(plan)
    ]
