"""From declarations to a plan: all that a lab will be, decided before it is made.

`make_plan` puts together what the pure rooms decide (segments, addresses,
realms, routes, NAT, names) and checks what can only be seen in the whole.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

from playground.errors import TopologyError
from playground.model.addresses import Address, InterfaceAddress, Network
from playground.model.containers.container import refuse_strange_links
from playground.model.ipv6.slaac import BY_HAND, Automatic
from playground.model.parts import End
from playground.model.policy_routing import routes_of, sysctl_key, sysctl_parts
from playground.model.services.frr import frr_services, refuse_idle_lines
from playground.model.services.settings import ServiceSettings
from playground.model.switch_ports import port_settings_and_guards
from playground.model.topology import Link, Machine, Node, Router, Switch, storms
from playground.model.vlans import PortPlan
from playground.planning import dhcp_networks
from playground.planning.addresses.addressing import Addressing, assign
from playground.planning.addresses.loopbacks import check_loopbacks, loopback_interface, reserved
from playground.planning.addresses.nat_realms import check_forwards, check_realms, find_realms
from playground.planning.addresses.router_parts import RouterPart, Speaker, with_parts
from playground.planning.addresses.segments import (
    Segment,
    collect,
    find_segments,
    link_name,
    links_of,
)
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.difference import refuse_late_frr, refuse_other_containers
from playground.planning.interface_names import Wiring, choose_names
from playground.planning.ipv6 import delegation, dhcpv6, nat64
from playground.planning.ipv6.advertisements import find_advertisements, refuse_late, services_of
from playground.planning.ipv6.autoconfigured import (
    check,
    find_automatic,
    identifiers,
    interface_settings,
    speaking,
)
from playground.planning.links.bonds import check_bonds, find_bond, switch_bonds
from playground.planning.links.overlays import find_vnis, ports_of_vnis
from playground.planning.links.programs import refuse_late_programs, with_tun, with_wireguard
from playground.planning.links.tunnel_routes import with_endpoints
from playground.planning.links.tunnels import TunnelPlan, find_tunnels
from playground.planning.names.host_names import NodeNames, find_names
from playground.planning.names.sight import Horizon
from playground.planning.names.zones import find_zones
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import (
    MAIN_TABLE,
    AdvertisementPlan,
    HostsEntry,
    InterfacePlan,
    NatPlan,
    OwnRoutePlan,
    RoutePlan,
    SwitchPlan,
    VirtualRouterPlan,
    WireEnd,
    WirePlan,
)
from playground.planning.routing import virtual_routers
from playground.planning.routing.labels import label_settings, labelled, ldp_services
from playground.planning.routing.multicast import pim_services
from playground.planning.routing.policy_routes import find_own_routes, find_own_rules
from playground.planning.routing.ports import is_unnumbered, unnumbered_ends
from playground.planning.routing.static_routes import find_routes
from playground.planning.routing.virtual_routers import find_virtual_routers, through_virtual
from playground.planning.routing.vrfs import find_vrfs, refuse_taken_names, vrf_settings
from playground.planning.rules_and_nat import find_nat, with_rules

if TYPE_CHECKING:
    from playground.planning.routing.routing_daemons import Daemons

# RFC 8200 section 5: every link that carries IPv6 takes this many octets.
IPV6_MTU_BYTES = 1280

# BR_MAX_PORTS of net/bridge/br_private.h is 1024, and port 0 is none.
BRIDGE_PORTS = 1023


def make_plan(
    nodes: Iterable[Node],
    *,
    lab: str = "lab",
    ipv6: bool | str = False,
    previous: Plan | None = None,
    strict: bool = True,
) -> Plan:
    """Plan the lab made of these nodes and all that are linked to them.

    ``lab`` is the lab's name, which MAC addresses are derived from.  With
    ``ipv6`` every segment gets an IPv6 subnet, and with "slaac" hosts make their addresses
    themselves; those set by hand work in any case.  ``previous`` is the plan of the lab as it
    runs: whatever has a name, an address or a MAC in it keeps them, and what was declared
    since is fitted in.  The same declarations give an equal plan on every run.  Without
    ``strict`` what may be a fault that is meant (see `planning.tolerated_faults`) is among the
    plan's warnings.

    Raises `TopologyError` if this cannot become a network; nothing is changed
    in either case.

    >>> make_plan([home]).node("h1").interfaces[0].addresses
    (IPv4Interface('192.168.1.2/24'),)

    """
    found = collect(nodes)
    doubts = Doubts(strict)
    _check_ports(found)
    looped: set[Link] = set()
    for storm in storms(node for node in found if isinstance(node, Switch)):
        doubts.say(storm.sentence)
        looped.update(storm.links)
    links = links_of(found)
    check_bonds(links)
    machines = [node for node in found if isinstance(node, Machine)]
    segments = find_segments(found)
    wiring = choose_names(found, links, lab=lab, previous=previous)
    realms = find_realms(segments)
    earlier = _earlier_addresses(machines, wiring)
    everywhere = ipv6 == "slaac"
    delegations = delegation.find_delegations(segments)
    automatic = find_automatic(segments, everywhere)
    addressing = assign(
        segments,
        ipv6=bool(ipv6),
        earlier=earlier,
        wanted=dhcp_networks.wanted(segments),
        reserved=reserved(machines),
        speaking=speaking(segments, automatic),
        delegated=delegation.subnets(delegations, segments),
        identifiers=identifiers(automatic, wiring, lab) | dhcpv6.wanted(segments, automatic),
        doubts=doubts,
    )
    tunnels = find_tunnels(links, segments, addressing, wiring.earlier)
    _check_mtus(segments, addressing, tunnels)
    for link in links:
        if len(set(link.mtus)) > 1:
            (a, b), (one, other) = (end.node.name for end in link.ends), link.mtus
            doubts.say(
                f"link {a} - {b}: the MTU is {one} bytes at {a} and {other} at {b}, where the "
                f"longer frames of the other are lost; give both the same"
            )
    check_realms(realms, addressing, doubts)
    check_forwards(realms, addressing)
    check_loopbacks(machines, realms, addressing)
    virtual = find_virtual_routers(machines, addressing, realms.segment_of, wiring.names)
    unnumbered = unnumbered_ends(machines, wiring)
    speaking_routers = any(
        part.protocols for part in with_parts(machines) if isinstance(part, Router | RouterPart)
    )
    heard: Mapping[Speaker, Collection[tuple[str, Address]]] = {}
    if speaking_routers:
        # Only labs with routing protocols wait for what writes their settings: 13 modules.
        from playground.planning.routing.routing_daemons import (
            find_daemons,
            find_domains,
            next_hops,
        )

        domains = find_domains(machines, realms, addressing, wiring, doubts)
        # Ways through tunnels and virtual routers are made of those through neighbours.
        heard = next_hops(domains) if not tunnels and not any(virtual.values()) else {}
    routes = find_routes(machines, realms, addressing, wiring.names, unnumbered, heard)
    routes = through_virtual(routes, addressing, realms.segment_of)
    routes = with_endpoints(routes, tunnels, machines, realms, addressing, wiring.names)
    daemons: dict[Machine, Daemons] = {}
    if speaking_routers:
        daemons = find_daemons(machines, domains, routes, doubts)
    hidden = {machine: daemons[machine].hidden for machine in daemons}
    horizon = Horizon(machines, realms, addressing, hidden)
    zones = find_zones(
        machines, lambda machine: horizon.sight(machine).seen, previous.zones if previous else ()
    )
    names = find_names(machines, realms, horizon, zones)
    nameservers = {machine: names[machine].nameservers for machine in machines}
    advertised = find_advertisements(
        segments,
        addressing,
        wiring.names,
        automatic,
        everywhere,
        nameservers,
        nat64.translating_servers(
            machines, addressing, lambda machine: horizon.sight(machine).seen
        ),
    )
    planned = [
        _node(
            machine,
            addressing,
            realms.segment_of,
            wiring,
            routes[machine],
            names[machine],
            daemons.get(machine),
            find_own_routes(machine, realms, addressing, wiring.names),
            find_nat(machine, realms, addressing, wiring.names)
            if isinstance(machine, Router)
            else None,
            automatic,
            advertised.get(machine, ()),
            delegations,
            lab,
            tunnels,
            virtual.get(machine, ()),
        )
        for machine in machines
    ]
    if not strict:
        planned = [_without_far_gateways(node, doubts) for node in planned]
    plan = Plan(
        lab=lab,
        ipv6=ipv6,
        nodes=tuple(planned),
        switches=tuple(_switch(node, wiring, looped) for node in found if isinstance(node, Switch)),
        wires=tuple(_wire(link, wiring, tunnels.get(link)) for link in links),
        records=next((node.records for node in planned if node.records), ()),
        strict=strict,
        zones=zones,
    )
    dhcp_networks.check(plan)
    dhcpv6.check(plan)
    check(plan, doubts)
    plan = dataclasses.replace(plan, warnings=tuple(doubts.said))
    refuse_late(previous, plan.nodes)
    refuse_late_programs(previous, plan)
    refuse_other_containers(previous, plan)
    refuse_late_frr(previous, plan)
    virtual_routers.refuse_late(previous, plan.nodes)
    refuse_strange_links({node.name: node.container for node in plan.nodes})
    # Rules name nodes and links, whose addresses and interfaces are known only now.
    return with_rules(plan, machines)


def _earlier_addresses(
    machines: Iterable[Machine], wiring: Wiring
) -> dict[End, tuple[InterfaceAddress, ...]]:
    """Return the addresses that stay: an interface that was moved to a VLAN has none."""
    return {
        end: interface.addresses
        for machine in machines
        for link in machine.attachments
        for end in [link.end(machine)]
        if (interface := wiring.earlier.get(end)) and interface.segment == link_name(link)
    }


def _own_settings(machine: Machine, daemons: Daemons | None) -> tuple[ServiceSettings, ...]:
    declared = {settings.service for settings in machine.declared_services}
    for settings in daemons.settings if daemons else ():
        if settings.service in declared:
            routing = machine.routing if isinstance(machine, Router) else None
            raise TopologyError(
                f'{machine.name}: routing="{routing}" has the lab write the settings of '
                f"{settings.service!r}, and that service is declared too; leave it out of services"
            )
    return daemons.settings if daemons else ()


def _node(
    machine: Machine,
    addressing: Addressing,
    segment_of: Mapping[End, Segment],
    wiring: Wiring,
    routes: Sequence[RoutePlan],
    names: NodeNames,
    daemons: Daemons | None,
    own_routes: tuple[OwnRoutePlan, ...],
    nat: NatPlan | None,
    automatic: Mapping[End, Automatic],
    advertisements: tuple[AdvertisementPlan, ...],
    delegations: Sequence[delegation.Delegation],
    lab: str,
    tunnels: Mapping[Link, TunnelPlan],
    virtual: tuple[VirtualRouterPlan, ...],
) -> NodePlan:
    vrfs, vrf_of = find_vrfs(machine, dict(daemons.vrf_as_numbers) if daemons else {})
    vni_of = ports_of_vnis(machine)
    interfaces = tuple(
        InterfacePlan(
            name=wiring.names[end],
            mac=wiring.macs[end] if tunnel is None or tunnel.ethernet else "",
            # A trunk's own interface has none: they are in its VLANs.
            addresses=addressing.addresses.get(end, ()),
            mtu_bytes=tunnel.mtu_bytes if tunnel else link.mtus[link.ends.index(end)],
            offload=link.offload,
            segment=link_name(link),
            dhcp=end.dhcp,
            vlan=end.vlan,
            parent=wiring.parents.get(end),
            slaac=automatic.get(end, BY_HAND).slaac,
            dhcpv6=automatic.get(end, BY_HAND).dhcpv6,
            delegated=any(end in item.parts for item in delegations),
            tunnel=tunnel.ends[link.ends.index(end)] if tunnel else None,
            vrf=vrf_of.get(link),
            bond=find_bond(link, machine, wiring.names),
            vni=vni_of.get(link),
        )
        for link in machine.cards
        for end, tunnel in [(link.end(machine), tunnels.get(link))]
    )
    vnis = find_vnis(machine, interfaces)
    refuse_taken_names(machine.name, vrfs, interfaces)
    # Last, so that the others stand in the order of the node's links.
    interfaces += (own,) if (own := loopback_interface(machine)) is not None else ()
    is_router = isinstance(machine, Router)
    ipv6 = any(address.version == 6 for address in machine.loopback) or any(
        is_unnumbered(link)
        or ((segment := segment_of.get(link.end(machine))) and addressing.speaks(segment, 6))
        for link in machine.attachments
    )
    routes = daemons.routes if daemons else routes
    by_hand = routes_of(machine.own_routes)
    services = (*machine.declared_services, *_own_settings(machine, daemons))
    if any(item.tunnel and item.tunnel.kind == "wireguard" for item in interfaces):
        services = with_wireguard(services)
    if isinstance(machine, Router) and (text := machine.frr_text) is not None:
        services = frr_services(text, services)
    requested = delegation.plans(machine, delegations, addressing, wiring.names)
    services += (*services_of(advertisements), *dhcpv6.client(interfaces, requested))
    services += virtual_routers.services_of(virtual, machine.short)
    services += nat64.translator(machine, addressing)
    services += pim_services(machine, interfaces, addressing)
    labels = labelled(machine, addressing, wiring.names)
    services += ldp_services(machine, labels)
    _refuse_twice(machine.name, services)
    refuse_idle_lines(machine.name, services)
    return NodePlan(
        name=machine.name,
        short=machine.short,
        kind="router" if is_router else "host",
        services=services,
        interfaces=interfaces,
        routes=tuple(
            route
            for route in routes
            if (route.destination, None if route.table == MAIN_TABLE else route.table)
            not in by_hand
        ),
        sysctls=_sysctls(machine, interfaces, ipv6, lab, labels),
        # Nodes share their lines, and their texts with them, where nothing was said.
        hosts=(*names.hosts, *extra) if (extra := _extra_hosts(machine)) else names.hosts,
        nameservers=tuple(map(ip_address, machine.container.dns)) or names.nameservers,
        search=(),
        records=names.records,
        peers=names.peers,
        limits=machine.limits,
        container=with_tun(nat64.container_of(machine), interfaces),
        machine=machine.machine,
        nat=nat,
        own_routes=own_routes,
        own_rules=find_own_rules(machine, addressing, wiring.names),
        neighbours=daemons.neighbours if daemons else (),
        announced=daemons.announced if daemons else (),
        as_number=daemons.as_number if daemons else None,
        bgp_paths=(machine.bgp_router.paths or 1) if isinstance(machine, Router) else 1,
        advertisements=advertisements,
        delegations=requested,
        covered=daemons.covered if daemons else (),
        withheld=daemons.withheld if daemons else (),
        virtual_routers=virtual,
        vrfs=vrfs,
        vnis=vnis,
        labelled=labels,
    )


def _refuse_twice(name: str, services: Sequence[ServiceSettings]) -> None:
    if sum(item.service == "radvd" for item in services) > 1:
        raise TopologyError(
            f"{name}: advertise() writes the settings of radvd, and that service is declared too; "
            "leave one of the two out"
        )


def _extra_hosts(machine: Machine) -> list[HostsEntry]:
    return [
        HostsEntry(ip_address(address), (name,)) for name, address in machine.container.extra_hosts
    ]


def _without_far_gateways(node: NodePlan, doubts: Doubts) -> NodePlan:
    """Leave out the routes that a kernel refuses: by a gateway outside the node's own networks."""
    near: dict[str, list[Network]] = {}
    for item in node.interfaces:
        near.setdefault(item.name, []).extend(address.network for address in item.addresses)
    for route in node.routes:
        if route.via is None:
            near.setdefault(route.interface, []).append(route.destination)
    kept = []
    for route in node.routes:
        if route.via is None or any(route.via in network for network in near[route.interface]):
            kept.append(route)
        else:
            doubts.say(
                f"{node.name} has no route to {route.destination}: the gateway {route.via} lies "
                f"outside the networks that it has at {route.interface}"
            )
    return dataclasses.replace(node, routes=tuple(kept))


def _switch(switch: Switch, wiring: Wiring, looped: Collection[Link]) -> SwitchPlan:
    ports = {link: wiring.names[link.end(switch)] for link in switch.links if link.is_port(switch)}
    mirror = switch.mirrored.plan(ports) if switch.mirrored else None
    carried = [_port(switch, link, port) for link, port in ports.items()]
    return SwitchPlan(
        switch.name,
        wiring.devices[switch],
        switch.settings,
        mirror,
        tuple(switch.vlans),
        tuple(carried) if switch.vlans else (),
        *port_settings_and_guards(ports, switch.port_settings, switch.settings, looped),
        bonds=switch_bonds(switch, wiring.names),
        qinq=switch.qinq,
    )


def _port(switch: Switch, link: Link, port: str) -> PortPlan:
    """Return what a port carries: of a customer's at a provider's switch all, in its service."""
    service = link.carried.service
    if switch.qinq and service is not None:
        return PortPlan(port, service, qinq=True, service=True)
    return PortPlan(port, link.vlan, link.trunk, switch.qinq)


def _wire(link: Link, wiring: Wiring, tunnel: TunnelPlan | None) -> WirePlan:
    a, b = (WireEnd(end.node.name, wiring.names[end]) for end in link.ends)
    up, (toward_a, toward_b) = not link.is_down, link.declared_impairments
    mtus = link.mtus if len(set(link.mtus)) > 1 else None
    mtu_bytes = tunnel.mtu_bytes if tunnel else link.mtu_bytes
    return WirePlan(
        a,
        b,
        mtu_bytes,
        link.offload,
        up,
        toward_a or None,
        toward_b or None,
        mtus,
        tunnel=tunnel.ends[0].kind if tunnel else None,
        bond=link.bond_settings.mode if link.bond_settings else None,
        member=link.bond is not None,
        queue_a=link.declared_queues[0],
        queue_b=link.declared_queues[1],
    )


def _sysctls(
    machine: Machine,
    interfaces: Sequence[InterfacePlan],
    ipv6: bool,
    lab: str,
    labels: Sequence[str],
) -> tuple[tuple[str, str], ...]:
    """Return a node's settings, in the order in which they are to be written.

    What was declared wins over what the lab would say: of an interface, and of "all" or
    "default" wherever nothing is said of the interface itself.

    """
    own = machine.own_sysctls
    names = [item.name for item in interfaces]
    ipv6 = ipv6 or any(
        own.get(_key(6, name, "disable_ipv6")) == "0" for name in ("all", "default", *names)
    )
    found = dict(_quiet(names, isinstance(machine, Router), ipv6))
    found |= {**vrf_settings(machine, ipv6), **label_settings(labels)}
    for item in interfaces:
        if item.of_others:
            told = interface_settings(lab, machine.name, item, isinstance(machine, Router))
            found |= {_key(6, item.name, setting): value for setting, value in told}
    for key, value in own.items():
        family, name, setting = _of_interface(key)
        for interface in names:
            # Linux asks for "default" only where an interface is made, and these exist already.
            # Of "all" it makes something else with each setting (ip-sysctl), and nothing of ours.
            key = sysctl_key("net", family, "conf", interface, setting)
            everywhere = sysctl_key("net", family, "conf", "all", setting)
            if (name == "all" and key in found) or (name == "default" and everywhere not in own):
                found[key] = value
    found |= own
    for item in interfaces:
        for address in item.addresses:
            key = _key(6, item.name, "disable_ipv6")
            if address.version == 6 and "1" in (
                found.get(key),
                found[_key(6, "all", "disable_ipv6")],
            ):
                raise TopologyError(
                    f"{machine.name}: its sysctls turn IPv6 off where {item.name} has the address "
                    f"{address}; leave that setting out, or the address"
                )
    return tuple(found.items())


def _of_interface(key: str) -> tuple[str, str, str]:
    """Return family, interface and setting of a sysctl of interfaces, else nothing.

    >>> _of_interface("net.ipv6.conf.eth0.accept_ra")
    ('ipv6', 'eth0', 'accept_ra')

    """
    match sysctl_parts(key):
        case "net", "ipv4" | "ipv6" as family, "conf", name, setting:
            return family, name, setting
    return "", "", ""


def _quiet(interfaces: Sequence[str], is_router: bool, ipv6: bool) -> Iterator[tuple[str, str]]:
    """Yield the lab's own settings of a node, in the order in which they are to be written.

    A new network namespace takes its IPv4 settings from the machine it is on
    (Documentation/networking/ip-sysctl, devconf_inherit_init_net), so that
    what matters is said even where it is Linux's own default.

    """
    yield "net.ipv4.ip_forward", "1" if is_router else "0"
    # Strict reverse path filtering (RFC 3704) would drop what comes by one of
    # several ways; the larger of "all" and the interface's counts.
    for name in ("all", "default", *interfaces):
        yield _key(4, name, "rp_filter"), "0"
    # One answer a second to one asker would put stars into a second traceroute.
    yield "net.ipv4.icmp_ratelimit", "0"
    if ipv6:
        yield "net.ipv6.icmp.ratelimit", "0"
        yield "net.ipv6.conf.all.forwarding", "1" if is_router else "0"
        # An address set by hand survives its link going down, as in IPv4.
        yield "net.ipv6.conf.all.keep_addr_on_down", "1"
        for name in ("all", "default", *interfaces):
            # A silent wire: nobody asks for routers or listens to them (RFC
            # 4861), and nobody probes for the addresses the plan has checked
            # (RFC 4862 section 5.4).
            yield _key(6, name, "accept_ra"), "0"
            yield _key(6, name, "router_solicitations"), "0"
            yield _key(6, name, "accept_dad"), "0"
            yield _key(6, name, "dad_transmits"), "0"
    # Last, so that IPv6 wakes up with the settings above.
    for name in ("all", "default"):
        yield _key(6, name, "disable_ipv6"), "0" if ipv6 else "1"


def _key(family: int, interface: str, setting: str) -> str:
    """Return the name of an interface's setting.

    >>> _key(4, "eth0", "rp_filter"), _key(4, "eth0.5", "rp_filter")
    ('net.ipv4.conf.eth0.rp_filter', 'net/ipv4/conf/eth0.5/rp_filter')

    """
    return sysctl_key("net", f"ipv{family}", "conf", interface, setting)


def _check_ports(nodes: Iterable[Node]) -> None:
    for node in nodes:
        if isinstance(node, Switch) and len(node.links) > BRIDGE_PORTS:
            raise TopologyError(
                f"{node.name} has {len(node.links):,} links, and a switch, a Linux bridge, takes "
                f"{BRIDGE_PORTS:,}; link some of them to a second switch, and the two switches to "
                f"each other"
            )


def _check_mtus(
    segments: Sequence[Segment], addressing: Addressing, tunnels: Mapping[Link, TunnelPlan]
) -> None:
    for segment in segments:
        if not addressing.speaks(segment, 6):
            continue
        for link in segment.links:
            tunnel = tunnels.get(link)
            if (tunnel.mtu_bytes if tunnel else min(link.mtus)) < IPV6_MTU_BYTES:
                raise TopologyError(
                    f"{link!r} carries IPv6, which needs an mtu of {IPV6_MTU_BYTES} bytes or more "
                    f"(RFC 8200); raise it, or leave IPv6 out"
                )


__all__ = ["collect", "make_plan"]
