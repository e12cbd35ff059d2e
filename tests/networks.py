"""Random networks, and a simulation that forwards packets by a plan's tables.

The simulation knows nothing of how a plan is made: it does what a kernel does
with the addresses, routes and wires that stand in it.

"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_network

from hypothesis import strategies as st

from playground.model.addresses import Address
from playground.operations.network import Host, Link, Machine, Node, Router, Switch
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import RoutePlan, WirePlan

# -- forwarding -------------------------------------------------------------


class Lost(AssertionError):
    """A packet did not arrive; says where it was lost, and on which way."""


@dataclass
class Simulation:
    """A plan's network, as far as sending packets through it goes.

    ``uplinks`` names the interfaces through which a router masquerades, which
    a plan holds only as nft's text.

    """

    plan: Plan
    uplinks: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._segments = _segments(self.plan)
        self._tables = {node.name: _table(node) for node in self.plan.nodes}
        self._own = {
            node.name: {a.ip for i in node.interfaces for a in i.addresses}
            for node in self.plan.nodes
        }

    def lookup(self, node: str, to: Address) -> tuple[Address | None, str] | None:
        """Return the gateway and interface of the longest matching prefix."""
        for network, via, interface in self._tables[node]:
            if network.version == to.version and to in network:
                return via, interface
        return None

    def send(self, start: str, to: Address, answer: bool = False) -> list[str]:
        """Return the nodes that a packet passes, the first and the last included.

        Raises `Lost` where a real one would be.  An ``answer`` may come in
        where a new connection may not.

        """
        here, way = start, [start]
        while to not in self._own[here]:
            if here != start and self.plan.node(here).kind != "router":
                raise Lost(f"{here} is no router: {way} to {to}")
            hop = self.lookup(here, to)
            if hop is None:
                raise Lost(f"{here} has no route: {way} to {to}")
            via, interface = hop
            there = self._neighbour(here, interface, via or to)
            if there is None:
                raise Lost(f"{here}: nobody answers for {via or to} on {interface}: {way} to {to}")
            node, entered = there
            if entered in self.uplinks.get(node, ()) and to not in self._own[node] and not answer:
                raise Lost(f"{node} drops what begins at its {entered}: {way} to {to}")
            if node in way:
                raise Lost(f"{node} twice: {way} to {to}")
            here = node
            way.append(here)
        return way

    def connect(self, start: str, to: Address) -> list[str]:
        """Return the way of a packet, after its answer has come back too."""
        way = self.send(start, to)
        source = self._source(start, to)
        # A packet that leaves through an uplink carries the router's address from there.
        begin, end = 0, len(way) - 1
        passed = [
            position
            for position in range(1, len(way) - 1)
            if to.version == 4 and self._leaves_by_uplink(way[position], to)
        ]
        for position in reversed([begin, *passed]):
            back = self._source(way[position], to) if position else source
            self.send(way[end], back, answer=True)
            end = position
        return way

    def _leaves_by_uplink(self, node: str, to: Address) -> bool:
        hop = self.lookup(node, to)
        return hop is not None and hop[1] in self.uplinks.get(node, ())

    def _source(self, node: str, to: Address) -> Address:
        if to in self._own[node]:
            return to
        hop = self.lookup(node, to)
        assert hop is not None
        for interface in self.plan.node(node).interfaces:
            if interface.name == hop[1]:
                for address in interface.addresses:
                    if address.version == to.version:
                        return address.ip
        raise Lost(f"{node} has no address of its own towards {to}")

    def _neighbour(self, node: str, interface: str, to: Address) -> tuple[str, str] | None:
        for other, name in self._segments[node, interface]:
            if other != node and to in self._own[other]:
                return other, name
        return None


def _segments(plan: Plan) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Return for every interface all that are on the same wire or switches."""
    switches = {switch.name for switch in plan.switches}
    joined: dict[str, str] = {name: name for name in switches}

    def root(name: str) -> str:
        while joined[name] != name:
            name = joined[name]
        return name

    for wire in plan.wires:
        if wire.a.node in switches and wire.b.node in switches:
            joined[root(wire.a.node)] = root(wire.b.node)
    groups: dict[object, list[tuple[str, str]]] = {}
    for wire in plan.wires:
        hubs = [end.node for end in (wire.a, wire.b) if end.node in switches]
        key: object = root(hubs[0]) if hubs else wire
        for end in (wire.a, wire.b):
            if end.node not in switches:
                groups.setdefault(key, []).append((end.node, end.interface))
    return {end: group for group in groups.values() for end in group}


def _table(node: NodePlan) -> list[tuple[object, Address | None, str]]:
    entries = [RoutePlan(r.destination, r.via, r.interface) for r in node.routes]
    for interface in node.interfaces:
        for address in interface.addresses:
            if address.network.prefixlen < address.max_prefixlen:
                entries.append(RoutePlan(address.network, None, interface.name))
    entries.sort(key=lambda entry: -entry.destination.prefixlen)
    return [(entry.destination, entry.via, entry.interface) for entry in entries]


def simulate(plan: Plan, nodes: Iterable[Node]) -> Simulation:
    """Return the simulation of a plan made from these nodes."""
    uplinks: dict[str, set[str]] = {}
    for node in nodes:
        if not isinstance(node, Router):
            continue
        for link in node.uplinks:
            place = node.links.index(link)
            interface = plan.node(node.name).interfaces[place]
            uplinks.setdefault(node.name, set()).add(interface.name)
    return Simulation(plan, uplinks)


# -- random networks --------------------------------------------------------


@dataclass
class Net:
    """Declarations as they grow, with counters for names and addresses.

    With ``own`` every other machine has an address on its loopback interface.

    """

    nodes: list[Node] = field(default_factory=list)
    count: int = 0
    own: bool = False

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def router(self) -> Router:
        router = Router(self.name("r"), loopback=self._loopback())
        self.nodes.append(router)
        return router

    def host(self) -> Host:
        host = Host(self.name("h"), loopback=self._loopback())
        self.nodes.append(host)
        return host

    def _loopback(self) -> str | None:
        return f"10.99.0.{self.count}" if self.own and self.count % 2 else None

    def switch(self, subnet: str | None = None) -> Switch:
        switch = Switch(self.name("s"), subnet=subnet)
        self.nodes.append(switch)
        return switch


def loopback(node: Machine) -> str:
    """Return a point-to-point address that is a node's own, the same on all its links."""
    number = int(node.name[1:])
    return f"172.16.{number >> 8}.{number & 255}/32"


@st.composite
def realms(draw: st.DrawFn, net: Net, routers: list[Router], size: int = 4) -> None:
    """Grow one realm: routers in any shape, hosts on switches, links and both."""
    for _ in range(draw(st.integers(0, size))):
        old = draw(st.sampled_from(routers))
        routers.append(net.router())
        _join(draw, net, old, routers[-1])
    for _ in range(draw(st.integers(0, 2)) if len(routers) > 1 else 0):
        a, b = draw(st.permutations(routers))[:2]
        _join(draw, net, a, b)
    for _ in range(draw(st.integers(0, size))):
        _place(draw, net, routers)


def _join(draw: st.DrawFn, net: Net, a: Router, b: Router) -> None:
    kind = draw(st.sampled_from(["auto", "point-to-point", "switch", "switches"]))
    if kind == "auto":
        Link(a, b)
    elif kind == "point-to-point":
        Link(a, b, addresses=(loopback(a), loopback(b)))
    elif kind == "switch":
        switch = net.switch()
        Link(switch, b)
        Link(a, switch)
    else:
        first, second = net.switch(), net.switch()
        Link(first, second)
        Link(first, a)
        Link(b, second)


def _place(draw: st.DrawFn, net: Net, routers: list[Router]) -> None:
    host = net.host()
    for router in draw(st.permutations(routers))[: draw(st.integers(1, 2))]:
        switches = [
            link.peer(router).node
            for link in router.links
            if isinstance(link.peer(router).node, Switch)
        ]
        kind = draw(st.sampled_from(["auto", "point-to-point", "switch"]))
        if kind == "switch" and switches:
            Link(draw(st.sampled_from(switches)), host)
        elif kind == "point-to-point":
            Link(router, host, addresses=(loopback(router), loopback(host)))
        else:
            Link(router, host)


@st.composite
def plain_networks(draw: st.DrawFn) -> list[Node]:
    """Return a network without NAT, all of it connected."""
    net = Net(own=draw(st.booleans()))
    draw(realms(net, [net.router()], 5))
    return net.nodes


@st.composite
def nat_networks(draw: st.DrawFn) -> list[Node]:
    """Return a network with homes behind modems, and homes within homes."""
    net = Net()
    outside = [net.router()]
    draw(realms(net, outside, 3))
    for number in range(draw(st.integers(1, 3))):
        modem = _home(draw, net, outside, number, "192.168.1.0/24")
        inside = [modem]
        if draw(st.booleans()):
            draw(realms(net, inside, 2))
        if draw(st.booleans()):
            _home(draw, net, inside, None, None)
    return net.nodes


def _home(
    draw: st.DrawFn, net: Net, outside: list[Router], number: int | None, subnet: str | None
) -> Router:
    provider = draw(st.sampled_from(outside))
    modem = net.router()
    # A second home of one subnet next to the first works, since NAT divides them.
    if number is not None and draw(st.booleans()):
        uplink = Link(provider, modem, addresses=(loopback(provider), f"10.25.1.{65 + number}/16"))
    else:
        uplink = Link(modem, provider)
    home = net.switch(subnet)
    for _ in range(draw(st.integers(0, 2))):
        Link(home, net.host())
    Link(home, modem)
    modem.masquerade(uplink)
    for other in draw(st.sampled_from([[], [modem], [net.router], [modem, net.router]])):
        # A second way out, by the same modem or by another beside it.
        spare = other if isinstance(other, Router) else other()
        if spare is not modem:
            Link(home, spare)
        spare.masquerade(Link(spare, draw(st.sampled_from(outside))))
    return modem


# -- routing protocols ------------------------------------------------------


@st.composite
def many_cables(draw: st.DrawFn) -> list[Router]:
    """Return routers that speak one protocol, connected, often by several networks at once."""
    routing = draw(st.sampled_from(["ospf", "isis", "rip", "bgp"]))
    systems = [None, 64512, 64513] if routing == "bgp" else [None]
    routers = [
        Router(f"r{number}", routing=routing, as_number=draw(st.sampled_from(systems)))
        for number in range(draw(st.integers(1, 5)))
    ]
    pairs = [(draw(st.integers(0, n - 1)), n) for n in range(1, len(routers))]
    for _ in range(draw(st.integers(0, 4)) if pairs else 0):
        pairs.append(draw(st.sampled_from(pairs)))
    for number, (one, other) in enumerate(pairs):
        kind = draw(st.sampled_from(["cable", "lan", "vlans"]))
        if kind == "cable":
            Link(routers[one], routers[other])
            continue
        switch = Switch(f"s{number}", vlans=(10, 20) if kind == "vlans" else None)
        third = draw(st.sampled_from(routers))
        for router in dict.fromkeys((routers[one], routers[other], third)):
            Link(switch, router, **({"trunk": True} if kind == "vlans" else {}))
    return routers


def _uses_all(node: NodePlan, protocol: str) -> bool:
    """Tell whether a router uses all equal ways that a protocol finds."""
    return protocol in ("ospf", "ospf6", "isis") or node.bgp_paths > 1


def best_tables(
    plan: Plan, carrying: Iterable[WirePlan]
) -> dict[str, dict[str, list[tuple[str | None, str | None]]]]:
    """Return what routing protocols would find, by another algorithm (Bellman's and Ford's)."""
    wired = {(end.node, end.interface) for wire in carrying for end in (wire.a, wire.b)}

    def plugged(node: str, interface: str) -> bool:
        # eth0.10 is a VLAN of eth0's wire.
        return (node, interface.partition(".")[0]) in wired

    routers = [node for node in plan.nodes if node.announced]
    best: dict[str, dict[str, tuple[int, list[tuple[str | None, str | None]]]]] = {}
    for node in routers:
        best[node.name] = {
            str(item.network): (item.cost, [(None, item.interface)])
            for item in node.announced
            if item.interface is None or plugged(node.name, item.interface)
        }
    for _ in routers:
        for node in routers:
            table = best[node.name]
            for peer in node.neighbours:
                if not plugged(node.name, peer.interface):
                    continue
                if not plugged(peer.node, peer.peer_interface):
                    continue
                for network, (rest, hops) in list(best[peer.node].items()):
                    if ip_network(network).version != peer.address.version:
                        continue
                    cost, hop = rest + peer.cost, (str(peer.address), peer.interface)
                    known, ways = table.get(network, (cost + 1, []))
                    if known > cost and hops:
                        table[network] = cost, [hop]
                    elif known == cost and _uses_all(node, peer.protocol) and hop not in ways:
                        ways += [hop] if ways != [(None, ways[0][1])] else []
    return {
        name: {network: hops for network, (_, hops) in table.items()}
        for name, table in best.items()
    }
