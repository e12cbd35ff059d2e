"""A plan as a shell script: the commands by which a student builds the same network by hand.

Nodes are network namespaces with names, ip-netns(8), switches are bridges in one
more of them, and links are veth pairs.  Routing daemons are started where FRR is installed;
what other programs do (services, DHCP) is no part of it, and is said in a comment; an address
that routers share has the one of the highest priority.  Pure functions from a plan to text.

"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from playground.display.safe_text import visible
from playground.model.addresses import InterfaceAddress, Network
from playground.model.containers.container import ContainerSettings
from playground.model.services.settings import ServiceSettings
from playground.planning import nft_text
from playground.planning.frr_script import frr_commands, routing_daemons
from playground.planning.here_documents import here_document
from playground.planning.host_files import NamedNode, hosts_text, resolver_text
from playground.planning.plan_parts import (
    MAIN_TABLE,
    HopPlan,
    InterfacePlan,
    OwnRoutePlan,
    OwnRulePlan,
    RecordPlan,
    RoutePlan,
    SwitchPlan,
    VirtualRouterPlan,
    VniPlan,
    VrfPlan,
    WireEnd,
    WirePlan,
    ZonePlan,
    bridge_of,
)
from playground.planning.route_rows import PolicyRule, gateway_words


class PlannedNode(NamedNode, Protocol):
    """A node of a plan, as far as commands are made of it."""

    @property
    def kind(self) -> str: ...

    @property
    def interfaces(self) -> Sequence[InterfacePlan]: ...

    @property
    def routes(self) -> Sequence[RoutePlan]: ...

    @property
    def own_routes(self) -> Sequence[OwnRoutePlan]: ...

    @property
    def own_rules(self) -> Sequence[OwnRulePlan]: ...

    @property
    def vrfs(self) -> Sequence[VrfPlan]: ...

    @property
    def vnis(self) -> Sequence[VniPlan]: ...

    @property
    def virtual_routers(self) -> Sequence[VirtualRouterPlan]: ...

    @property
    def sysctls(self) -> Sequence[tuple[str, str]]: ...

    @property
    def services(self) -> Sequence[ServiceSettings]: ...

    @property
    def container(self) -> ContainerSettings: ...

    @property
    def ruleset(self) -> str: ...

    @property
    def records(self) -> Sequence[RecordPlan]: ...


class WholePlan(Protocol):
    """A plan, as far as commands are made of it."""

    @property
    def lab(self) -> str: ...

    @property
    def nodes(self) -> Sequence[PlannedNode]: ...

    @property
    def switches(self) -> Sequence[SwitchPlan]: ...

    @property
    def wires(self) -> Sequence[WirePlan]: ...

    @property
    def switch_names(self) -> frozenset[str]: ...

    @property
    def zones(self) -> Sequence[ZonePlan]: ...

    def node(self, name: str) -> PlannedNode: ...


# Where the bridges live; a node of that name sends them elsewhere.
_SWITCHES = "switches"

# IEEE 802.1Q table 8-1: what a bridge keeps to itself, such as LLDP; a cable passes it.
_FORWARDED = "0xfff8"

# The work that a network card takes off its host: checksums, cutting and joining segments.
_OFFLOADS = "tx off sg off tso off gso off gro off"


def as_shell(plan: WholePlan) -> str:
    """Return the script that makes a plan's network; see `Plan.as_shell`."""
    places = _NamespaceNames(plan)
    parts = [_head(plan), *_spaces(plan, places), *_wires(plan, places)]
    for node in plan.nodes:
        parts += ["", *_node(node, places)]
    parts += _shared_addresses(plan, places)
    if unusual := [line for wire in plan.wires for line in _condition(wire, plan, places)]:
        parts += [
            "",
            "# Links that are down or impaired (netem is a module of the kernel)",
            *unusual,
        ]
    return "\n".join([*parts, *_daemons(plan, places), "", *_end(plan, places)]) + "\n"


def node_as_shell(node: PlannedNode) -> str:
    """Return the commands that set up one node's interfaces, typed on the node itself."""
    return "\n".join(_inside(node)) + "\n"


class _NamespaceNames:
    """The namespaces' names: those of nodes are short, and the bridges share one."""

    def __init__(self, plan: WholePlan) -> None:
        self._short = {node.name: node.short for node in plan.nodes}
        taken = set(self._short.values())
        self.switches = _SWITCHES
        while self.switches in taken:
            self.switches += "_"
        self.bridges = {switch.name: switch.device for switch in plan.switches}
        self._servers = [node for node in plan.nodes if node.records]
        self._zones = [
            f"{record.data} {record.name}\n"
            for zone in plan.zones
            for record in zone.records
            if record.type in ("A", "AAAA")
        ]

    def names(self, node: PlannedNode) -> str:
        """Return a node's /etc/hosts, with what its name server would say if one ran."""
        lines = [hosts_text(node)]
        for server in self._servers:
            own = {address.ip for item in server.interfaces for address in item.addresses}
            if own.intersection(node.nameservers):
                lines.append(f"# What {server.name} would say, the name server\n")
                lines += [
                    f"{record.data} {record.name}\n"
                    for record in server.records
                    if record.type in ("A", "AAAA")
                ]
        if self._zones and node.nameservers:
            lines.append("# What the name servers would say\n")
            lines += self._zones
        return "".join(dict.fromkeys(lines))

    def of(self, node: str) -> str:
        return self._short.get(node, self.switches)

    def all(self) -> list[str]:
        return [*self._short.values(), *([self.switches] if self.bridges else [])]


def _head(plan: WholePlan) -> str:
    return (
        f"#!/bin/sh\n"
        f"# The network {plan.lab} by hand, with nothing but network namespaces.  Run it as root:\n"
        f"#     sh network.sh && ip netns exec {plan.nodes[0].short} bash\n"
        f"set -e\n"
    )


# -- what there is -----------------------------------------------------------


def _spaces(plan: WholePlan, places: _NamespaceNames) -> Iterator[str]:
    yield "# Each host and router is a network namespace"
    for node in plan.nodes:
        yield f"ip netns add {node.short}"
    if not plan.switches:
        return
    yield ""
    yield "# Switches are bridges, all in one more namespace"
    yield f"ip netns add {places.switches}"
    for switch in plan.switches:
        yield from _switch(switch, places)


def _switch(switch: SwitchPlan, places: _NamespaceNames) -> Iterator[str]:
    here = f"ip -n {places.switches}"
    yield (
        f"{here} link add {switch.device} type bridge forward_delay 0 mcast_snooping 0 "
        f"group_fwd_mask {_FORWARDED}"
    )
    yield _silent(places.switches, switch.device)
    yield f"{here} link set dev {switch.device} up"


def _silent(place: str, device: str) -> str:
    """A switch has no addresses, and says nothing of its own."""
    # sysctl(8): with a slash in it, dots are part of a name.
    return _at(place, f"sysctl -qw net/ipv6/conf/{device}/disable_ipv6=1")


def _wires(plan: WholePlan, places: _NamespaceNames) -> Iterator[str]:
    macs = {(node.name, item.name): item.mac for node in plan.nodes for item in node.interfaces}

    def end(wire: WirePlan, end: WireEnd) -> str:
        mac = macs.get((end.node, end.interface))
        address = f" address {mac}" if mac else ""
        mtu = wire.both_mtus[0 if end is wire.a else 1]
        return f"{end.interface} netns {places.of(end.node)} mtu {mtu}{address}"

    yield ""
    yield "# Links are pairs of interfaces: what goes in at one comes out at the other"
    cables = [wire for wire in plan.wires if wire.is_cable]
    for wire in cables:
        yield f"ip link add {end(wire, wire.a)} type veth peer name {end(wire, wire.b)}"
    if plan.switches:
        yield ""
        yield "# Links to a switch are its ports"
    bonded = {(item.name, member) for item in plan.switches for member in item.bonded}
    for wire in cables:
        for port in (wire.a, wire.b):
            bridge = places.bridges.get(port.node)
            if bridge and (port.node, port.interface) not in bonded:
                yield _silent(places.switches, port.interface)
                yield (f"ip -n {places.switches} link set dev {port.interface} master {bridge} up")
    for switch in plan.switches:
        for line in switch.as_shell():
            yield _at(places.switches, line)
        yield from (_silent(places.switches, bond.name) for bond in switch.bonds)
    if plain := [wire for wire in cables if not wire.offload]:
        yield ""
        yield "# To see frames as they would be on a cable, with checksums and not above the MTU:"
        for wire in plain:
            for item in (wire.a, wire.b):
                command = f"ethtool -K {item.interface} {_OFFLOADS}"
                yield f"# {_at(places.of(item.node), command)}"


def _condition(wire: WirePlan, plan: WholePlan, places: _NamespaceNames) -> Iterator[str]:
    for line in wire.as_shell(plan.switch_names):
        node, _, command = line.partition(": ")
        yield _at(places.of(node), command)


def _shared_addresses(plan: WholePlan, places: _NamespaceNames) -> Iterator[str]:
    """Yield what gives each address that routers share to the master, as VRRP would."""
    # RFC 5798 section 6.4.2: the highest priority makes the master.
    masters: dict[tuple[str, int, int], tuple[PlannedNode, VirtualRouterPlan]] = {}
    for node in plan.nodes:
        segments = {item.name: item.segment for item in node.interfaces}
        for one in node.virtual_routers:
            key = segments[one.interface], one.group, one.address.version
            if key not in masters or one.priority > masters[key][1].priority:
                masters[key] = node, one
    if masters:
        yield ""
        yield "# Addresses that routers share (VRRP): the one of the highest priority has each, for"
        yield "# good: no program gives it to another"
    for node, one in masters.values():
        command = f"ip address add {one.address} dev {one.interface}{_untried(one.address)}"
        yield _at(places.of(node.name), command)


# -- inside a node -----------------------------------------------------------


def _node(node: PlannedNode, places: _NamespaceNames) -> Iterator[str]:
    # ip-netns(8) puts the files of /etc/netns in place of those of /etc.
    place = places.of(node.name)
    yield f"# -- {node.kind} {node.name} --"
    routing = routing_daemons(node.services)
    if others := [item.service for item in node.services if item not in routing]:
        yield f"# What programs do is no part of this: {', '.join(dict.fromkeys(others))}"
    if said := node.container.options():
        words = visible(", ".join(said))
        yield f"# Nor is its container, of which was said: {words}"
    if own := [item.name for item in node.interfaces if item.of_others]:
        yield f"# IPv6 addresses that routers lead to in a lab are given by hand: {', '.join(own)}"
    for line in _inside(node):
        yield _at(place, line)
    yield f"mkdir -p /etc/netns/{place}"
    for name, text in (("hosts", places.names(node)), ("resolv.conf", resolver_text(node))):
        yield here_document(f"cat > /etc/netns/{place}/{name}", text)


def _inside(node: PlannedNode) -> Iterator[str]:
    """Yield what is typed on the node itself, in the order in which it can be done."""
    yield "ip link set dev lo up"
    for vrf in node.vrfs:
        yield from vrf.as_shell()
    if node.vrfs:
        # Before its own addresses, for another may have the same in a VRF.
        for word in ("ip", "ip -6"):
            yield f"{word} rule add priority 32765 lookup local"
            yield f"{word} rule del priority 0"
    for vni in node.vnis:
        yield from vni.as_shell()
    for item in node.interfaces:
        yield from item.as_shell()
        if item.vrf is not None:
            yield f"ip link set dev {item.name} master {item.vrf}"
        if item.vni is not None:
            yield f"ip link set dev {item.name} master {bridge_of(item.vni)}"
    for name, value in node.sysctls:
        yield f"sysctl -qw {shlex.quote(f'{name}={value}')}"
    for item in node.interfaces:
        for address in item.addresses:
            yield f"ip address add {address} dev {item.name}{_untried(address)}"
        if not item.is_loopback:
            yield f"ip link set dev {item.name} up"
    for route in sorted(node.routes, key=lambda route: route.via is not None):
        yield route_as_shell(route, node.routes)
    for own in node.own_routes:
        yield own_route_as_shell(own)
    for rule in node.own_rules:
        yield rule_as_shell(rule)
    if node.ruleset:
        yield nft_text.as_shell(node.ruleset)


def _untried(address: InterfaceAddress) -> str:
    # Nobody else has it: no duplicate is looked for, RFC 4862 section 5.4.
    return " nodad" if address.version == 6 else ""


def route_as_shell(route: RoutePlan, others: Sequence[RoutePlan] = ()) -> str:
    """Return the ip(8) command that makes a static route.

    ``others`` are those of the same node: where a gateway is there on several links,
    the kernel is to be told to believe it.

    """
    words = [*_ip(route.destination), "route", "replace", _called(route.destination)]
    words += ["table", str(route.table)] if route.table != MAIN_TABLE else []
    words += _hop(route.destination, HopPlan(route.via, route.interface))
    on_link = {o.interface for o in others if o.via is None and _is_host(o.destination, route)}
    return " ".join(words + (["onlink"] if len(on_link) > 1 else []))


def _is_host(network: Network, route: RoutePlan) -> bool:
    whole = network.prefixlen == network.max_prefixlen
    return whole and network.network_address == route.via


def own_route_as_shell(route: OwnRoutePlan) -> str:
    """Return the ip(8) command that makes a route said by hand.

    >>> own_route_as_shell(plan.node("r1").own_routes[0])
    'ip route add 10.9.0.0/16 nexthop via 10.0.1.2 dev eth0 nexthop via 10.0.2.2 dev eth1'

    """
    words = [*_ip(route.destination), "route", "add"]
    words += [route.kind] if route.kind != "unicast" else []
    words += [_called(route.destination)]
    words += ["metric", str(route.metric)] if route.metric is not None else []
    words += ["table", str(route.table)] if route.table != MAIN_TABLE else []
    if len(route.hops) == 1:
        return " ".join(words + _hop(route.destination, route.hops[0]))
    hops = [word for hop in route.hops for word in ("nexthop", *_hop(route.destination, hop))]
    return " ".join(words + hops)


def rule_as_shell(rule: OwnRulePlan) -> str:
    """Return the ip(8) command that makes a rule of policy routing."""
    return PolicyRule(
        family=rule.family,
        priority=rule.priority,
        source=None if rule.source is None else str(rule.source),
        destination=None if rule.destination is None else str(rule.destination),
        interface=rule.interface,
        mark=rule.mark,
        table=rule.table,
    ).as_shell()


def _ip(network: Network) -> list[str]:
    return ["ip", "-6"] if network.version == 6 else ["ip"]


def _called(network: Network) -> str:
    return str(network) if network.prefixlen else "default"


def _hop(destination: Network, hop: HopPlan) -> list[str]:
    return [*gateway_words(destination.version, hop.via), "dev", hop.interface]


# -- all in all --------------------------------------------------------------


def _at(place: str, command: str) -> str:
    """Return a command as it is given to a namespace from outside.

    >>> _at("h1", "ip link set dev lo up"), _at("h1", "sysctl -w a=1")
    ('ip -n h1 link set dev lo up', 'ip netns exec h1 sysctl -w a=1')

    """
    if command.startswith("ip "):
        return f"ip -n {place} {command.removeprefix('ip ')}"
    return f"ip netns exec {place} {command}"


def _daemons(plan: WholePlan, places: _NamespaceNames) -> Iterator[str]:
    """Yield what starts FRR's daemons, last: neighbours are there then."""
    routers = [node for node in plan.nodes if routing_daemons(node.services)]
    if not routers:
        return
    yield ""
    yield "# -- routing daemons, where FRR is installed --"
    yield "if [ -x /usr/lib/frr/zebra ]; then"
    for node in routers:
        yield from frr_commands(places.of(node.name), node.services)
    yield "fi"


def _end(plan: WholePlan, places: _NamespaceNames) -> Iterable[str]:
    names = " ".join(places.all())
    routers = (node for node in plan.nodes if routing_daemons(node.services))
    ending = [
        f"# for name in {' '.join(places.of(node.name) for node in routers)}; do "
        "kill $(cat /var/run/frr/$name/*.pid); rm -rf /etc/frr/$name /var/run/frr/$name; done"
    ]
    if not any(routing_daemons(node.services) for node in plan.nodes):
        ending = []
    return (
        "# To take it all away again:",
        *ending,
        f"# for name in {names}; do ip netns delete $name; rm -rf /etc/netns/$name; done",
    )
