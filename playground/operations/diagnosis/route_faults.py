"""Faults of the way that a node chose: routes, masks, gateways, neighbours.  Pure."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Sequence
from ipaddress import ip_address, ip_interface

from playground.operations.diagnosis.adjacency_faults import unheard
from playground.operations.diagnosis.facts import Way, packet_of
from playground.operations.diagnosis.hop import Fault, variable
from playground.operations.diagnosis.link_faults import ARP_BYTES, LinkFaults
from playground.operations.diagnosis.packet_trace import Neighbourly, Packet, Sighting


class RouteFaults(LinkFaults):
    """Finds why a node did not send a packet on."""

    def _no_way_on(self, role: str, node: str, destination: str, way: Way) -> Fault:
        back = " back" if role == "answer" else ""
        forbids = {
            errno.EINVAL: "blackhole",
            errno.EACCES: "prohibit",
            errno.EHOSTUNREACH: "unreachable",
        }
        kind = forbids.get(way.errno or 0) or (
            way.kind if way.kind in ("blackhole", "prohibit", "unreachable") else None
        )
        if kind is not None and (own := self._own_kind(node, destination, kind)):
            article = "an" if kind == "unreachable" else "a"
            six = " -6" if ":" in destination else ""
            self.step(node, f"route{back}", f"{destination}: {kind}", False)
            return Fault(
                node,
                "forbidden route",
                f"{node} has {article} {kind} route for {destination}: it throws such packets "
                f"away.",
                f"Look at `{variable(node)}.routes()`, and take it away: "
                f'`{variable(node)}.run("ip{six} route del {kind} {own[0]}")`.',
            )
        if way.errno is not None:
            return self._no_route(node, destination, role)
        self.step(node, f"route{back}", f"{destination}: {way}")
        hop = way.via or destination
        interface = self.facts.states[node].interface(way.interface)
        if interface is not None and (fault := self._interface(node, interface)) is not None:
            return fault
        self.used[node, way.interface or "", hop] = None
        return self._neighbour(node, way.interface or "", hop, way)

    def _own_kind(self, node: str, destination: str, kind: str) -> list[str]:
        """Return the destinations of the routes of a kind that take a packet, narrowest first."""
        found = [
            route.destination
            for route in self.facts.states[node].routes
            if route.kind == kind and ip_address(destination) in route.destination
        ]
        return [str(one) for one in sorted(found, key=lambda one: -one.prefixlen)]

    def _no_route(self, node: str, destination: str, role: str, back: bool = False) -> Fault:
        facts = self.facts
        back = back or role == "answer"
        word = " back" if back else ""
        self.step(node, f"route{word}", f"no way to {destination}", False)
        state = facts.states[node]
        version = 6 if ":" in destination else 4
        planned = self._planned_route(node, destination)
        links = [one for one in state.interfaces if one.name != "lo"]
        for interface in links:
            if planned is not None and interface.name != planned[1]:
                continue
            if not interface.up and (fault := self._interface(node, interface)) is not None:
                return fault
        if (fault := self._mask(node, None, destination)) is not None:
            return fault
        owned = [
            one
            for interface in links
            for one in interface.addresses
            if ip_address(one.ip).version == version and not ip_address(one.ip).is_link_local
        ]
        refused = [one.ip for one in owned if one.refused]
        if refused and len(refused) == len(owned):
            return self._double(node, refused[0], self._owners(refused[0]))
        if not owned:
            return Fault(
                node,
                "no address",
                f"{node} has no IPv{version} address on any of its interfaces, and so no way to "
                f"{destination}.",
                self._addressing(node, version),
            )
        said = f"{node} has no route {'back ' if back else ''}to {destination}."
        if planned is None and (found := unheard(facts, node, destination, said)) is not None:
            step, fault = found
            self.step(*dataclasses.astuple(step))
            return fault
        way = ""
        if planned is not None:
            via = f"via {planned[0]} " if planned[0] else ""
            way = f" The lab had given it one: {via}dev {planned[1]}."
        give = self._giving_a_route(node, destination, planned)
        if back:
            return Fault(
                node,
                "no route back",
                f"The packet came to {node}, and its answer goes nowhere: {node} has no route "
                f"back to {destination}.{way}",
                f"Give it one: {give}.",
            )
        return Fault(
            node,
            "no route",
            f"{node} has no route to {destination}.{way}",
            f"Look at `{variable(node)}.routes()`, and give it one, to there or a default route: "
            f"{give}.",
        )

    def _addressing(self, node: str, version: int) -> str:
        """Return how a node without an address comes to one."""
        plan = self.facts.plan
        look = f'Look at `{variable(node)}.run("ip address")`'
        for interface in plan.node(node).interfaces:
            planned = [one for one in interface.addresses if one.version == version]
            if version == 4 and interface.dhcp:
                servers = [
                    one.name
                    for one in plan.nodes
                    if any(settings.service == "dhcp" for settings in one.services)
                ]
                starts = " and ".join(
                    f'`{variable(name)}.services["dhcp"].start()`' for name in servers[:1]
                )
                return (
                    f"{look}: its lease has run out or was taken back. Let its DHCP server answer: "
                    f"{starts}; the host goes on asking."
                )
            if planned:
                return (
                    f"{look}, and give it the planned one: "
                    f'`{variable(node)}.run("ip address add {planned[0]} dev {interface.name}")`.'
                )
        if version == 6:
            return f"{look}; declare IPv6 with `Lab(..., ipv6=True)`, or give the link a subnet."
        return f"{look}; link it, or give its link an IPv{version} subnet."

    def _giving_a_route(
        self, node: str, destination: str, planned: tuple[str | None, str] | None
    ) -> str:
        """Return the call that gives a route: the planned one, else by a router next to it."""
        gateway = planned[0] if planned else None
        if planned and gateway is None:
            six = "-6 " if ":" in destination else ""
            return f'`{variable(node)}.run("ip {six}route add {destination} dev {planned[1]}")`'
        if gateway is None:
            version = ip_address(destination).version
            gateway = next(
                (
                    str(address.ip)
                    for interface in self.facts.plan.node(node).interfaces
                    for name, port in self.facts.wires.crossed((node, interface.name))
                    if name != node and self.facts.plan.node(name).kind == "router"
                    for there in self.facts.plan.node(name).interfaces
                    if there.name == port
                    for address in there.addresses
                    if address.version == version
                ),
                None,
            )
        if gateway is None:
            return "there is no router next to it, so link one to it"
        return f'`{variable(node)}.route("{destination}", via="{gateway}")`'

    def _unaddressed(self, node: str, packet: Packet) -> Fault:
        """Return the fault of a node that has an address for its own link only."""
        for interface in self.facts.states[node].interfaces:
            for one in interface.addresses:
                if one.refused:
                    return self._double(node, one.ip, self._owners(one.ip))
        return Fault(
            node,
            "no address",
            f"{node} sends from {packet.source}, which means something on its own link only: it "
            f"has no other IPv{packet.version} address.",
            self._addressing(node, packet.version),
        )

    def _planned_route(self, node: str, destination: str) -> tuple[str | None, str] | None:
        """Return gateway and interface that the plan has for a destination."""
        address = ip_address(destination)
        found = [
            route for route in self.facts.plan.node(node).routes if address in route.destination
        ]
        if not found:
            return None
        best = max(found, key=lambda route: route.destination.prefixlen)
        return (str(best.via) if best.via else None), best.interface

    def _mask(self, node: str, interface: str | None, destination: str) -> Fault | None:
        """Return the fault of an address whose network is not that of its neighbours.

        With ``interface`` the node took the destination to be on its link, and it is not;
        without, the other way round: it, or the gateway to it, is on the link.

        """
        target = ip_address(destination)
        planned = self._planned_route(node, destination)
        for one in self.facts.states[node].interfaces:
            if interface is not None and one.name != interface:
                continue
            peers = self._peers(node, one.name)
            networks = [
                found
                for text in peers
                if (found := ip_interface(text).network).version == target.version
            ]
            usual = max(set(networks), key=networks.count, default=None)
            if usual is None or usual.prefixlen == usual.max_prefixlen:
                continue
            for state in one.addresses:
                own = ip_interface(state.address)
                if own.version != usual.version or own.network == usual or state.peer:
                    continue
                if own.is_link_local:
                    continue
                gateway = ip_address(planned[0]) if planned and planned[0] else target
                if interface is None:
                    wrong = any(
                        where in usual and where not in own.network for where in (target, gateway)
                    )
                else:
                    wrong = target in own.network and target not in usual
                if not wrong:
                    continue
                if own.ip in usual:
                    return Fault(
                        node,
                        "wrong mask",
                        f"{node} has the address {own} on {one.name}, and its neighbours are on "
                        f"{usual}: with its mask /{own.network.prefixlen} {node} takes "
                        + (
                            f"{destination} to be on its own link, where nobody has it."
                            if interface is not None
                            else f"{gateway} to be elsewhere."
                        ),
                        "Give it the mask of the others: "
                        + self._readdress(node, one.name, own, f"{own.ip}/{usual.prefixlen}"),
                    )
                return Fault(
                    node,
                    "wrong address",
                    f"{node} has the address {own} on {one.name}, and its neighbours there are "
                    f"on {usual}: it is in another network than they.",
                    f"Give it a free address of {usual}"
                    + (
                        ": " + self._readdress(node, one.name, own, free)
                        if (free := self._planned_in(node, one.name, usual))
                        else "."
                    ),
                )
        return None

    def _readdress(self, node: str, interface: str, old: object, new: str) -> str:
        """Return the call that gives an interface another address, and its way back to the link."""
        commands = f"ip address del {old} dev {interface}; ip address add {new} dev {interface}"
        return f'`{variable(node)}.run("{commands}")`; look whether its routes are still there.'

    def _planned_in(self, node: str, interface: str, network: object) -> str | None:
        for one in self.facts.plan.node(node).interfaces:
            for address in one.addresses:
                if one.name == interface and address.network == network:
                    return str(address)
        return None

    def _peers(self, node: str, interface: str) -> list[str]:
        """Return the addresses that others have on the same link, with their masks."""
        found = []
        for other, name in self.facts.wires.crossed((node, interface)):
            state = self.facts.states.get(other)
            there = state.interface(name) if state is not None and other != node else None
            if there is not None:
                found += [
                    one.address
                    for one in there.addresses
                    if not one.peer and not ip_address(one.ip).is_link_local
                ]
        return found

    def _forwards(self, node: str, interface: str, version: int) -> bool:
        state = self.facts.states[node].interface(interface)
        all_ = self.facts.states[node].sysctls
        if version == 6:
            return all_.get("net.ipv6.conf.all.forwarding") != "0"
        return state is None or state.settings.get("ipv4.forwarding") != "0"

    def _not_forwarding(self, node: str, came: Sighting, packet: Packet) -> Fault:
        plan = self.facts.plan.node(node)
        setting = "net.ipv4.ip_forward" if packet.version == 4 else "net.ipv6.conf.all.forwarding"
        self.step(node, "forwarding", f"{setting} is off", False)
        if plan.kind == "router":
            return Fault(
                node,
                "forwarding off",
                f"{node} got the packet for {packet.destination} and does not pass it on: "
                f"forwarding is off ({setting} = 0).",
                f'Turn it on: `{variable(node)}.sysctls["{setting}"] = 1`.',
            )
        before = self._before(node)
        if self.hop and not any(name == node for name, _ in self._owners(self.hop)):
            return Fault(
                before,
                "stale neighbour",
                f"{before} takes {self.hop} to be at {came.mac_destination}, which is {node}'s: "
                f"what it remembers of its neighbour is wrong.",
                f'Let it forget: `{variable(before)}.run("ip neigh flush all")`.',
            )
        return Fault(
            before,
            "wrong gateway",
            f"{before} sends what is for {packet.destination} to {node}, which is a host and "
            f"forwards nothing.",
            f"Let the route of {before} lead to a router: look at `{variable(before)}.routes()`.",
        )

    def _before(self, node: str) -> str:
        path = self.path_back or self.path
        return path[-2] if len(path) > 1 and path[-1] == node else path[-1]

    def _loop(self, path: Sequence[str]) -> Fault:
        ring = list(dict.fromkeys(path[-4:]))
        node = ring[-1]
        self.step(node, "time to live", "is over", False)
        return Fault(
            node,
            "routing loop",
            f"The packet goes round between {' and '.join(ring)} until its time to live is over: "
            f"each takes another for the way.",
            "Look at the routes: "
            + " and ".join(f"`{variable(name)}.routes()`" for name in ring)
            + "; a traceroute shows the ring.",
        )

    def _neighbour(self, node: str, interface: str, hop: str, way: Way) -> Fault:
        """Return why a node cannot reach an address that should be on its link."""
        facts = self.facts
        on_link = way.via is None
        segment = facts.wires.crossed((node, interface))
        owners = self._owners(hop)
        near = [place for place in owners if place in segment and place[0] != node]
        known = next(
            (
                one
                for one in facts.states[node].neighbours
                if (one.interface, one.address) == (interface, hop)
            ),
            None,
        )
        if near and (fault := self._broken(segment[near[0]], ARP_BYTES)) is not None:
            return fault
        if self._had_no_route(node):
            return Fault(
                node,
                "no route",
                f"{node} had no route to {self._aim()} when the packet came, and has one now: its "
                f"routes have just changed.",
                "Ask again; where routers speak a protocol, `lab.wait_converged()` waits for them.",
            )
        if known is not None and known.mac and known.state not in ("failed", "incomplete"):
            return self._unknown(node, f"has a neighbour {hop} and did not send it anything")
        asked = [
            one
            for one in facts.trail.asked
            if isinstance(one.what, Neighbourly) and one.what.asks and one.what.address == hop
        ]
        sent = next((one for one in asked if (one.place, one.way) == (node, "out")), None)
        if near and known is None and sent is None:
            return self._unknown(node, f"did not send it, nor ask who has {hop}")
        self.step(node, "neighbour", f"nobody at {interface} says that {hop} is his", False)
        if not near:
            if on_link and (fault := self._mask(node, interface, hop)) is not None:
                return fault
            if not on_link:
                elsewhere = f": it is {owners[0][0]}'s, on another network" if owners else ""
                return Fault(
                    node,
                    "wrong gateway",
                    f"{node} sends what is for {self._aim()} to the gateway {hop}, and nobody on "
                    f"its link at {interface} has that address{elsewhere}.",
                    f"Let the route lead to a router next to it: look at "
                    f"`{variable(node)}.routes()` and at who is on the link.",
                )
            if facts.names.behind is not None:
                return self._behind(facts.names.expected or hop)
            elsewhere = f" ({owners[0][0]} has it, on another network)" if owners else ""
            return Fault(
                node,
                "neighbour silent",
                f"{node} takes {hop} to be on its link at {interface}, and nobody there has that "
                f"address{elsewhere}.",
                "Is the address right, and the machine that should have it there?",
            )
        owner, port = near[0]
        if (state := facts.states[owner].interface(port)) is not None and (
            fault := self._interface(owner, state)
        ) is not None:
            return fault
        refused = [
            one
            for one in (state.addresses if state is not None else ())
            if one.ip == hop and one.refused
        ]
        if refused:
            return self._double(owner, hop, self._owners(hop))
        if sent is not None and not any(one.place == owner for one in asked):
            return self._lost(sent, near[0])
        replies = [
            one
            for one in facts.trail.asked
            if isinstance(one.what, Neighbourly)
            and not one.what.asks
            and one.what.address == hop
            and one.place == owner
        ]
        if replies:
            return self._lost(replies[0], (node, interface))
        back = facts.wires.crossed(near[0]).get((node, interface), ())
        if (fault := self._impaired(back)) is not None:
            return fault
        return Fault(
            owner,
            "neighbour silent",
            f"{owner} has {hop}, and {node} asks for it and hears no answer.",
            f'Look at `{variable(owner)}.sysctls["net.ipv4.conf.all.arp_ignore"]` and at the arp '
            f'tables of nft: `{variable(owner)}.run("nft list ruleset")`.',
        )

    def _had_no_route(self, node: str) -> bool:
        """Tell whether a node said that it had no route when the packet came."""
        return any(
            packet_of(one).is_unreachable
            for one in self.facts.trail.errors
            if (one.place, one.way) == (node, "out")
        )
