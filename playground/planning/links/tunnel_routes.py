"""Routes to the endpoints of tunnels: by the network below, whatever leads through a tunnel.

A tunnel is one step for whoever counts routers, and so seems to be the shortest way to the
very address at which it ends.  A packet of the tunnel's that took it would be put into
another, and so on for ever.

"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network

from playground.model.addresses import Address, InterfaceAddress
from playground.model.parts import End
from playground.model.topology import Link, Machine
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.nat_realms import Realms
from playground.planning.addresses.router_parts import own_links
from playground.planning.links.tunnels import TunnelPlan
from playground.planning.plan_parts import MAIN_TABLE, RoutePlan
from playground.planning.routing.static_routes import find_routes

Routes = dict[Machine, tuple[RoutePlan, ...]]

# Where a packet goes: the gateway, or None for the link itself, and the interface.
_Target = tuple[Address | None, str]


def with_endpoints(
    routes: Routes,
    tunnels: Mapping[Link, TunnelPlan],
    machines: Sequence[Machine],
    realms: Realms,
    addressing: Addressing,
    names: Mapping[End, str],
) -> Routes:
    """Return the static routes of all nodes, with those that endpoints of tunnels need.

    Each node sends to an endpoint as it would without tunnels: by a route of its own for that
    address, where its other routes lead elsewhere.

    """
    if not tunnels:
        return routes
    bare = _without(addressing, tunnels)
    below = find_routes(machines, realms, bare, names)
    endpoints = dict.fromkeys(
        end.remote for plan in tunnels.values() for end in plan.ends if end.remote is not None
    )
    return {
        machine: (
            *_needed(machine, endpoints, found, below[machine], addressing, bare, names),
            *found,
        )
        for machine, found in routes.items()
    }


def _without(addressing: Addressing, tunnels: Iterable[Link]) -> Addressing:
    """Return all addresses but those of tunnels."""
    ends = {end for link in tunnels for end in link.ends}
    links = set(tunnels)
    return Addressing(
        {
            key: subnet
            for key, subnet in addressing.subnets.items()
            if not links.issuperset(key[0].links)
        },
        {end: () if end in ends else items for end, items in addressing.addresses.items()},
    )


def _needed(
    machine: Machine,
    endpoints: Iterable[Address],
    routes: Sequence[RoutePlan],
    below: Sequence[RoutePlan],
    addressing: Addressing,
    bare: Addressing,
    names: Mapping[End, str],
) -> list[RoutePlan]:
    own = {item.ip for link in machine.attachments for item in _of(addressing, link, machine)}
    own |= {item.ip for item in machine.loopback}
    found = []
    for address in endpoints:
        if address in own:
            continue
        wanted = _sent(machine, address, below, bare, names)
        if wanted is not None and wanted != _sent(machine, address, routes, addressing, names):
            found.append(RoutePlan(ip_network(address), *wanted))
    return found


def _of(addressing: Addressing, link: Link, machine: Machine) -> Sequence[InterfaceAddress]:
    return addressing.addresses.get(link.end(machine), ())


def _sent(
    machine: Machine,
    address: Address,
    routes: Sequence[RoutePlan],
    addressing: Addressing,
    names: Mapping[End, str],
) -> _Target | None:
    """Return where a node sends what is for an address, by the longest prefix that holds it."""
    best: tuple[int, _Target] | None = None
    for link in own_links(machine):
        end = link.end(machine)
        for item in addressing.addresses.get(end, ()):
            if item.version == address.version and address in item.network:
                length = item.network.prefixlen
                if best is None or length > best[0]:
                    best = length, (None, names[end])
    for route in routes:
        if route.table != MAIN_TABLE:
            continue
        if route.destination.version == address.version and address in route.destination:
            length = route.destination.prefixlen
            if best is None or length > best[0]:
                best = length, (route.via, route.interface)
    return best[1] if best else None
