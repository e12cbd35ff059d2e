"""DHCPv6 as a plan has it: which server serves which network, with what, and who asks (RFC 8415).

As with DHCP of IPv4, an address is planned, and its server keeps this very one for the host, by
its MAC address.  Pure functions.

"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from ipaddress import IPv6Address, IPv6Interface

from playground.errors import TopologyError
from playground.model.addresses import Network
from playground.model.ipv6.slaac import Automatic
from playground.model.parts import End
from playground.model.services.dhcp import DHCPRelay
from playground.model.services.ipv6.dhcpv6 import DHCPv6, DHCPv6Client
from playground.model.topology import Machine
from playground.planning.addresses.addressing import declared_subnet
from playground.planning.addresses.segments import Segment
from playground.planning.broadcast_domains import find_domains
from playground.planning.dhcp_networks import relayed_to
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import DelegationPlan, InterfacePlan

# RFC 8415 section 11.4: of the MAC address, by which the server knows whose it is.
_CLIENT = """\
duid ll
nodev
noipv4
noipv6rs
option domain_name_servers, domain_search
nohook hostname, ntp.conf, lookup-hostname
"""


def wanted(
    segments: Sequence[Segment], automatic: Mapping[End, Automatic]
) -> dict[End, Callable[[Network], int]]:
    """Return the numbers in their network of ends whose server's settings say their address.

    Those of ``static`` first, then the free ones of the pool, in the order declared; of a server
    on the network, or else of one that a relay there leads to.

    """
    chosen: dict[End, IPv6Address] = {}
    served = {segment: _serving(segment, segments) for segment in segments}
    for segment in segments:
        settings = served[segment]
        clients = [end for end in segment.ends if _asks(automatic.get(end))]
        if settings is None or not clients:
            continue
        elsewhere = [
            subnet
            for other, its in served.items()
            if its is settings and other is not segment and (subnet := declared_subnet(other, 6))
        ]
        taken = {getattr(item, "ip", item) for end in segment.ends for item in end.addresses}
        named = {name.lower(): address for name, address in settings.static.items()}
        for end in clients:
            static = next((named[name] for name in sorted(end.node.calls) if name in named), None)
            if static is not None and not _lies(IPv6Address(static), elsewhere):
                chosen[end] = IPv6Address(static)
        taken |= set(chosen.values())
        free = (
            address
            for address in _pool(settings)
            if address not in taken and not _lies(address, elsewhere)
        )
        for end in clients:
            if end not in chosen and (address := next(free, None)) is not None:
                chosen[end] = address
    return {end: partial(_number, end, address) for end, address in chosen.items()}


def client(
    interfaces: Sequence[InterfacePlan], delegations: Sequence[DelegationPlan] = ()
) -> tuple[DHCPv6Client, ...]:
    """Return the service that asks for the addresses and the prefixes of a node; none if none."""
    prefixes = {item.interface: item for item in delegations}
    asking = [item for item in interfaces if item.dhcpv6 or item.name in prefixes]
    if not asking:
        return ()
    given = [one.interface for item in delegations for one in item.to]
    lines = [f"allowinterfaces {' '.join([*(item.name for item in asking), *given])}"]
    if not any(item.dhcpv6 for item in asking):
        lines += ["nohook resolv.conf"]
    for number, item in enumerate(asking, start=1):
        lines += [f"interface {item.name}"]
        if item.dhcpv6:
            # One that has made its address asks for the rest alone (RFC 8415 section 6.1).
            lines += ["inform6" if item.slaac else f"ia_na {number}"]
        if item.name in prefixes:
            # dhcpcd.conf(5): interface, which part of the prefix, its length, the own number.
            parts = (f"{to.interface}/{to.part}/64/{to.number}" for to in prefixes[item.name].to)
            lines += [f"ia_pd {100 + number} {' '.join(parts)}"]
    return (DHCPv6Client(_CLIENT + "".join(f"{line}\n" for line in lines)),)


def server_lines(plan: Plan, node: NodePlan) -> tuple[str, ...]:
    """Return the lines of dnsmasq(8) for the networks that a node serves."""
    settings = _settings(node)
    if settings is None:
        return ()
    lines: list[str] = []
    for number, places in enumerate(_networks(plan, node)):
        lines += _network_lines(plan, f"net{number}", settings, places)
    return tuple(lines)


def told_servers(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the name servers of which a DHCPv6 server tells each node that asks one."""
    found: dict[str, tuple[str, ...]] = {}
    for server in plan.nodes:
        for places in _networks(plan, server) if _settings(server) else ():
            servers = _name_servers(plan, places)
            found |= {node.name: servers for node, item in places if item.dhcpv6}
    return found


def check(plan: Plan) -> None:
    """Raise `TopologyError` for a host that no server could give its address, or no way."""
    waiting = [
        (node, interface)
        for node in plan.nodes
        for interface in node.interfaces
        if interface.dhcpv6
    ]
    if not waiting:
        return
    served: dict[tuple[str, str], DHCPv6] = {}
    told: set[tuple[str, str]] = set()
    for server in plan.nodes:
        if (settings := _settings(server)) is not None:
            for places in _networks(plan, server):
                served |= {(node.name, item.name): settings for node, item in places}
    for domain in find_domains(plan):
        if any(
            said.interface == port
            for name, port in domain
            if name not in plan.switch_names
            for said in plan.node(name).advertisements
        ):
            told.update(domain)
    for node, interface in waiting:
        here = f'{node.name} has address="dhcpv6", and'
        place = node.name, interface.name
        if place not in served:
            raise TopologyError(
                f"{here} nobody on its network ({interface.segment}) answers: give a host or "
                'router there services=["dhcpv6"], or a router services=[DHCPRelay(to=...)]'
            )
        if served[place].stateless and not interface.slaac:
            raise TopologyError(
                f"{here} the server on its network ({interface.segment}) is stateless and gives no "
                'addresses: write address=["slaac", "dhcpv6"]'
            )
        if place not in told:
            raise TopologyError(
                f"{here} no router on its network ({interface.segment}) advertises it: DHCPv6 "
                "tells an address and no way (RFC 8415): let one say the way, as in "
                "r1.advertise(link, managed=True, other=True)"
            )


def _asks(how: Automatic | None) -> bool:
    return how is not None and how.dhcpv6 and how.slaac is None


def _number(end: End, address: IPv6Address, network: Network) -> int:
    if address not in network:
        raise TopologyError(
            f"{end.node.name} is to get {address} by DHCPv6, which lies outside its network "
            f"{network}; choose another for it, or another pool"
        )
    return int(address) - int(network.network_address)


def _pool(settings: DHCPv6) -> Iterator[IPv6Address]:
    if settings.pool:
        first, last = (int(IPv6Address(item)) for item in settings.pool)
        yield from map(IPv6Address, range(first, last + 1))


def _serving(segment: Segment, segments: Sequence[Segment]) -> DHCPv6 | None:
    """Return the settings of the server that a network has, or has a relay to."""
    for end in segment.ends:
        for settings in _offered(end):
            return settings
    for end in segment.ends:
        for relay in end.node.declared_services if isinstance(end.node, Machine) else ():
            if not isinstance(relay, DHCPRelay):
                continue
            for other in (other for one in segments for other in one.ends):
                addresses = [str(getattr(item, "ip", item)) for item in other.addresses]
                if relay.to.lower() in (*other.node.calls, *addresses):
                    for settings in _offered(other):
                        return settings
    return None


def _offered(end: End) -> list[DHCPv6]:
    services = end.node.declared_services if isinstance(end.node, Machine) else ()
    return [settings for settings in services if isinstance(settings, DHCPv6)]


def _lies(address: IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _settings(node: NodePlan) -> DHCPv6 | None:
    return next((item for item in node.services if isinstance(item, DHCPv6)), None)


_Place = tuple[NodePlan, InterfacePlan]


def _networks(plan: Plan, server: NodePlan) -> list[list[_Place]]:
    """Return the networks with IPv6 that a server serves, each with all interfaces there.

    It is on them, or questions are relayed to it from them.

    """
    interfaces = {
        (node.name, item.name): (node, item) for node in plan.nodes for item in node.interfaces
    }
    domains = (
        [interfaces[place] for place in domain if place in interfaces]
        for domain in find_domains(plan)
    )
    own = {one.ip for item in server.interfaces for one in item.addresses if one.version == 6}
    return [
        places
        for places in domains
        if any(_address(item) for _, item in places)
        and any(
            (node is server and _address(item))
            or any(
                isinstance(one, DHCPRelay) and not own.isdisjoint(relayed_to(plan, node, one))
                for one in node.services
            )
            for node, item in places
        )
    ]


def _address(interface: InterfacePlan) -> IPv6Interface | None:
    found = (item for item in interface.addresses if isinstance(item, IPv6Interface))
    return next(found, None)


def _network_lines(
    plan: Plan, tag: str, settings: DHCPv6, places: Sequence[_Place]
) -> Iterator[str]:
    network = next(item.network for _, one in places if (item := _address(one)))
    length, lease = network.prefixlen, settings.lease_s
    pool = [IPv6Address(item) for item in settings.pool]
    if pool and all(item in network for item in pool):
        yield f"dhcp-range=set:{tag},{pool[0]},{pool[1]},{length},{lease}"
    else:
        yield f"dhcp-range=set:{tag},{network.network_address},static,{length},{lease}"
    if servers := _name_servers(plan, places):
        listed = ",".join(f"[{item}]" for item in servers)
        yield f"dhcp-option=tag:{tag},option6:dns-server,{listed}"
    for node, one in places:
        if one.dhcpv6 and not one.slaac and (address := _address(one)):
            yield f"dhcp-host={one.mac},[{address.ip}],{node.short}"


def _name_servers(plan: Plan, places: Sequence[_Place]) -> tuple[str, ...]:
    """Return the IPv6 addresses of the name servers that those who ask here have."""
    asked = (item for node, one in places if one.dhcpv6 for item in node.nameservers)
    found: dict[str, None] = {}
    for item in asked:
        if isinstance(item, IPv6Address):
            found[str(item)] = None
        elif (owner := plan.owners.get(str(item))) is not None:
            own = (address for one in plan.node(owner).interfaces if (address := _address(one)))
            found.update(dict.fromkeys(str(address.ip) for address in [*own][:1]))
    return tuple(found)
