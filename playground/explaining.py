"""What became of a packet, and why: a decision over facts that were gathered.

Pure.  `decide` walks from node to node by `Facts`: where the packet, its answer and the
questions for neighbours were seen, what rules decided, what each kernel says of its
routes, neighbours and sockets.  It writes down a step for each thing that it looked at,
and names the node and the cause where the packet, or its answer, stopped.

"""

# ip-route(8), RFC 1812 (what routers do), RFC 3704 (reverse path), RFC 2923 (black holes).

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from itertools import pairwise

from playground.explanations import Explanation, Step
from playground.packet_facts import (
    Facts,
    Large,
    RuleHit,
    Way,
    after_rules,
    first_look,
    look_back,
    look_on,
    packet_of,
    role_of,
)
from playground.plan import WireEnd, WirePlan
from playground.services import SERVICES
from playground.sightings import Neighbourly, Packet, Sighting, Trail
from playground.states import InterfaceState, SocketState
from playground.tables import Table

# -- the walk ----------------------------------------------------------------


# Of an ARP request, in bytes.
_ARP_BYTES = 28


@dataclass(frozen=True)
class _Fault:
    node: str
    cause: str
    sentence: str
    advice: str = ""


def decide(facts: Facts) -> Explanation:
    """Return what became of the packet, by the facts alone.

    >>> decide(facts).cause
    'no route back'

    """
    walk = _Walk(facts)
    fault = walk.name() or walk.there() or walk.back()
    # Two machines with one address are a fault even where luck had it right.
    fault = walk.doubled(fault) or fault or walk.whole()
    if fault is not None:
        walk.step(fault.node, "cause", fault.cause, False)
    question = str(facts.question)
    if fault is None:
        ways = " - ".join(walk.path)
        sentence = f"All is well: {ways}."
        if walk.path_back and walk.path_back[::-1] != walk.path:
            sentence = f"All is well: {ways}, and back {' - '.join(walk.path_back)}."
        fault = _Fault("", "", sentence)
    return Explanation(
        question,
        fault.node,
        fault.cause,
        fault.sentence,
        fault.advice,
        tuple(walk.path),
        tuple(walk.path_back),
        Table(walk.steps),
    )


class _Walk:
    """One walk: what it has passed, and the steps written down."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.steps: list[Step] = []
        self.path: list[str] = []
        self.path_back: list[str] = []
        self.used: dict[tuple[str, str, str], None] = {}  # node, interface, address
        self.last: Sighting | None = None
        self.hop = ""  # the address that the last node sent it to

    def step(self, node: str, asked: str, found: str, ok: bool = True) -> None:
        row = Step(node, asked, found, ok)
        if row not in self.steps[-6:]:
            self.steps.append(row)

    # ... the name

    def name(self) -> _Fault | None:
        facts, names = self.facts, self.facts.names
        source, target = facts.question.source, facts.question.target
        self.path.append(source)
        if facts.address is not None:
            if names.by:
                self.step(source, "name", f"{target} is {facts.address} ({names.by})")
            return None
        self.step(source, "name", f"{target} is not known", False)
        if names.behind is not None:
            return self._behind(names.expected or target)
        if names.addresses:
            version = "6" if ":" not in names.addresses[0] else "4"
            return _Fault(
                source,
                "name unknown",
                f"{source} knows {target} as {', '.join(names.addresses)} only, which is no "
                f"IPv{version}.",
            )
        if facts.asking is not None and not facts.asking.ok:
            asking = facts.asking
            self.steps += asking.steps
            return _Fault(
                asking.node,
                asking.cause,
                f"{source} cannot ask its name server {names.nameservers[0]} what {target} is. "
                f"{asking.sentence}",
                asking.advice,
            )
        if names.planned is not None:
            return _Fault(
                source,
                "name unknown",
                f"{source} does not know the name {target} any more: the lab had written it into "
                f"its /etc/hosts.",
                f"Write it there again: {source}.hosts[{target!r}] = {names.planned!r}.",
            )
        asks = f", nor does its name server {names.nameservers[0]}" if names.nameservers else ""
        advice = f"Look at dict({_variable(source)}.hosts)"
        advice += f" and {_variable(source)}.nameservers" if names.nameservers else ""
        return _Fault(
            source,
            "name unknown",
            f"{source} does not know the name {target}{asks}: it stands in no line of its "
            f"/etc/hosts.",
            f"{advice}; is it spelt right?",
        )

    def _behind(self, target: str) -> _Fault:
        router = self.facts.names.behind or ""
        port = self.facts.question.port
        shown = f"port={port}, " if port else ""
        return _Fault(
            router,
            "NAT",
            f"{target} lies behind {router}, which translates addresses: outside of it {target} "
            f"has no address and no name, and nothing can begin a connection to it.",
            f"Open a port: {_variable(router)}.forward(uplink, {shown}to=({_variable(target)}, "
            f"{port or 80})), then ask for {router}.",
        )

    # ... the way there

    def there(self) -> _Fault | None:
        node, came, fault = self._follow("probe", self.facts.question.source, self.path)
        self.last = came
        if fault is not None:
            return fault
        return self._at_target(node, came)

    def back(self) -> _Fault | None:
        facts = self.facts
        source = facts.question.source
        seen = facts.trail.answer
        target = self.path[-1]
        if not any(one.place == target and one.way == "out" for one in seen):
            return self._unanswered(target)
        self.path_back.append(target)
        node, _, fault = self._follow("answer", target, self.path_back)
        if fault is not None:
            return fault
        if facts.outcome.answered:
            took = facts.outcome.seconds
            time = "" if took is None else f" after {took * 1000:.2g} ms"
            self.step(source, "answer", f"came{time}")
            return None
        if node != source:
            return _Fault(
                node,
                "unknown",
                f"The answer came as far as {node}, which took it for its own.",
                f"Look at {_variable(node)}.connections() and its NAT.",
            )
        return _Fault(
            source,
            "unknown",
            f"The answer came back to {source}, and the program that had asked did not get it.",
            f"Look at {_variable(source)}.firewall.rules().",
        )

    def _follow(
        self, role: str, node: str, path: list[str]
    ) -> tuple[str, Sighting | None, _Fault | None]:
        """Go from node to node; return where it stayed, how it came there, and the fault."""
        came: Sighting | None = None
        for _ in range(256):
            left = self._leaving(role, node, came)
            self._rules(role, node, after_route=False)
            if left is None:
                return node, came, self._stays(role, node, came)
            self._passes(role, node, came, left)
            arrived = self._arriving(role, left)
            if arrived is None:
                return node, came, self._lost(left, None)
            node, came = arrived.place, arrived
            path.append(node)
        return node, came, self._loop(path)

    def _leaving(self, role: str, node: str, came: Sighting | None) -> Sighting | None:
        seen = self._seen(role, node, "out")
        if came is not None:
            if came.interface == "lo":
                return None
            seen = [one for one in seen if _ttl(one) == _ttl(came) - 1]
        elif seen:
            most = max(map(_ttl, seen))
            seen = [one for one in seen if _ttl(one) == most]
        return self._outermost(seen)

    def _arriving(self, role: str, left: Sighting) -> Sighting | None:
        seen = [
            one
            for one in (self.facts.trail.probe if role == "probe" else self.facts.trail.answer)
            if one.way == "in" and one.place in self.facts.states and _ttl(one) == _ttl(left)
            if one.place != left.place or left.interface == "lo"
        ]
        first = [one for one in seen if one.place == seen[0].place]
        return self._outermost(first)

    def _outermost(self, seen: Sequence[Sighting]) -> Sighting | None:
        """Of sightings at one node, choose that at an interface with addresses (VLANs)."""
        for one in seen:
            state = self.facts.states[one.place].interface(one.interface)
            if state is not None and state.addresses:
                return one
        return seen[0] if seen else None

    def _seen(self, role: str, node: str, way: str) -> list[Sighting]:
        trail = self.facts.trail
        seen = trail.probe if role == "probe" else trail.answer
        return [one for one in seen if one.place == node and one.way == way]

    def _passes(self, role: str, node: str, came: Sighting | None, left: Sighting) -> None:
        """Write down what a node did with a packet that it sent on."""
        packet = packet_of(left)
        way = self._way(role, node, came)
        back = " back" if role == "answer" else ""
        if left.interface == "lo":
            self.step(node, f"route{back}", f"{packet.destination} is its own")
            return
        if way is not None and way.errno is None and way.interface == left.interface:
            self.step(node, f"route{back}", f"{packet.destination}: {way}")
            hop = way.via or packet.destination
        else:
            hop = self._address_of(left.mac_destination) or packet.destination
            self.step(node, f"route{back}", f"{packet.destination}: dev {left.interface}")
        self._rules(role, node, after_route=True)
        if came is not None:
            before = packet_of(came)
            for what, old, new in (
                ("source", before.flow[:2], packet.flow[:2]),
                ("destination", before.flow[2:], packet.flow[2:]),
            ):
                if old != new:
                    self.step(node, "nat", f"{what} {_at(*old)} becomes {_at(*new)}")
        self.used[node, left.interface, hop] = None
        self.hop = hop
        self.step(node, "neighbour", f"{hop} is {left.mac_destination} at {left.interface}")

    def _rules(self, role: str, node: str, *, after_route: bool) -> None:
        """Write down which rules let it pass, before the node looked for a way or after."""
        for hit in self._hits(role, node):
            if hit.verdict == "accept" and ("postrouting" in hit.place) == after_route:
                self.step(node, "rule", f"{hit.place}: {hit.rule}")

    def _hits(self, role: str, node: str) -> Iterator[RuleHit]:
        for hit in self.facts.hits:
            if hit.node == node and role_of(self.facts, hit) == role:
                yield hit

    def _way(self, role: str, node: str, came: Sighting | None) -> Way | None:
        facts = self.facts
        if came is not None:
            return facts.ways.get(look_on(facts, role, came))
        if role == "probe" and facts.address is not None:
            return facts.ways.get(first_look(facts))
        if self.last is not None:
            return facts.ways.get(look_back(self.last))
        return None

    # ... where it stays

    def _stays(self, role: str, node: str, came: Sighting | None) -> _Fault | None:
        """Return why a packet did not leave a node; None if it was to stay there."""
        for hit in self._hits(role, node):
            if hit.verdict == "drop":
                return self._filtered(role, node, hit)
        if came is not None and (came.interface == "lo" or self._was_taken(role, node)):
            return None
        way = self._way(role, node, came)
        packet = packet_of(came) if came is not None else None
        if came is None or packet is None:
            return self._not_sent(role, node, way)
        if way is not None and way.errno is None and way.kind == "local":
            if (error := self._forbidden(role, node)) is not None:
                return error
            return None
        look = look_on(self.facts, role, came)
        destination = look.destination
        if self._reverse_path(node, way):
            home = self.facts.ways.get(look_back(came))
            if home is not None and home.errno is None:
                self.step(node, "reverse path", f"{packet.source}: {home}", False)
                return _Fault(
                    node,
                    "reverse path filter",
                    f"{node} drops what comes from {packet.source} by {came.interface}, because "
                    f"its own way to {packet.source} leaves by {home.interface} (rp_filter).",
                    f"Give {node} a route to {packet.source} by {came.interface}, or turn the "
                    f'filter off: {_variable(node)}.sysctls["net.ipv4.conf.all.rp_filter"] = 0 '
                    f"(and that of the interface).",
                )
            return self._no_route(node, packet.source, role, back=role == "probe")
        if ip_address(packet.source).is_link_local:
            # RFC 4291 section 2.5.6: routers do not pass such on.
            return self._unaddressed((self.path if role == "probe" else self.path_back)[0], packet)
        if not self._forwards(node, came.interface, packet.version):
            return self._not_forwarding(node, came, packet)
        if packet.ttl <= 1:
            return self._loop(self.path if role == "probe" else self.path_back)
        # A route that prohibits says the same as a firewall that rejects.
        prohibits = self._own_kind(node, destination, "prohibit")
        if not prohibits and (error := self._forbidden(role, node)) is not None:
            return error
        if way is None:
            return self._unknown(node, "came in and did not leave again")
        return self._no_way_on(role, node, destination, way)

    def _was_taken(self, role: str, node: str) -> bool:
        """Tell whether what happened next shows that a packet stayed where it should."""
        if role == "probe":
            return bool(self._seen("answer", node, "out"))
        return node == self.facts.question.source and self.facts.outcome.answered

    def _not_sent(self, role: str, node: str, way: Way | None) -> _Fault:
        facts = self.facts
        if role == "probe":
            destination = facts.address or ""
            if facts.outcome.errno in (errno.EPERM, errno.EACCES) and (
                way is None or way.errno is None
            ):
                return _Fault(
                    node,
                    "firewall",
                    f"{node} does not let its own packet out: a rule of its firewall drops it.",
                    f"Look at {_variable(node)}.firewall.rules() and `nft list ruleset` there.",
                )
        else:
            destination = packet_of(self.last).source if self.last is not None else ""
        if way is None:
            return self._unknown(node, "did not send anything")
        return self._no_way_on(role, node, destination, way)

    def _no_way_on(self, role: str, node: str, destination: str, way: Way) -> _Fault:
        back = " back" if role == "answer" else ""
        forbids = {
            errno.EINVAL: "blackhole",
            errno.EACCES: "prohibit",
            errno.EHOSTUNREACH: "unreachable",
        }
        kind = forbids.get(way.errno or 0) or (
            way.kind if way.kind in ("blackhole", "prohibit", "unreachable") else None
        )
        if kind is not None and self._own_kind(node, destination, kind):
            self.step(node, f"route{back}", f"{destination}: {kind}", False)
            return _Fault(
                node,
                "forbidden route",
                f"{node} has a {kind} route for {destination}: it throws such packets away.",
                f"Look at {_variable(node)}.routes(), and take it away: `ip route del {kind} ...`.",
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

    def _own_kind(self, node: str, destination: str, kind: str) -> bool:
        return any(
            route.kind == kind and ip_address(destination) in route.destination
            for route in self.facts.states[node].routes
        )

    def _interface(self, node: str, interface: InterfaceState) -> _Fault | None:
        """Return what is wrong with an interface that something should leave by."""
        if not interface.up:
            self.step(node, "link", f"{interface.name} is down", False)
            wires = self.facts.wires.crossed((node, interface.name))
            unplugged = next((w for w in wires.values() if w and not w[0][0].up), None)
            if unplugged is not None:
                return self._unplugged(unplugged[0])
            return _Fault(
                node,
                "interface down",
                f"{node}'s interface {interface.name} is set down, and its way leads through it.",
                f'Set it up: {_variable(node)}.run("ip link set {interface.name} up"), and look '
                f"whether its routes are still there.",
            )
        if not interface.carrier and interface.name != "lo":
            self.step(node, "link", f"{interface.name} has no carrier", False)
            for crossed in self.facts.wires.crossed((node, interface.name)).values():
                if crossed:
                    return self._unplugged(crossed[0])
            return _Fault(
                node,
                "link down",
                f"{node}'s interface {interface.name} has no carrier: nothing is plugged in at "
                f"the other end.",
                "Plug the link in: link.up().",
            )
        return None

    def _unplugged(self, step: tuple[WirePlan, WireEnd, WireEnd]) -> _Fault:
        wire, here, there = step
        switches = self.facts.plan.switch_names
        if here.node in switches or there.node in switches or not wire.up:
            node = there if here.node in switches else here
            return _Fault(
                node.node,
                "link down",
                f"The link between {here.node} and {there.node} is down: the cable is pulled out.",
                "Plug it in again: link.up().",
            )
        return _Fault(
            there.node,
            "interface down",
            f"{there.node}'s interface {there.interface}, at the other end of {here.node}'s "
            f"{here.interface}, is set down.",
            f'Set it up: {_variable(there.node)}.run("ip link set {there.interface} up").',
        )

    def _no_route(self, node: str, destination: str, role: str, back: bool = False) -> _Fault:
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
            return _Fault(
                node,
                "no address",
                f"{node} has no IPv{version} address on any of its interfaces, and so no way to "
                f"{destination}.",
                f"Look at `ip address` on {node}; declare IPv6 with Lab(ipv6=True).",
            )
        way = ""
        if planned is not None:
            via = f"via {planned[0]} " if planned[0] else ""
            way = f" The lab had given it one: {via}dev {planned[1]}."
        example = f'via="{planned[0]}"' if planned and planned[0] else 'via="..."'
        if back:
            return _Fault(
                node,
                "no route back",
                f"The packet came to {node}, and its answer goes nowhere: {node} has no route "
                f"back to {destination}.{way}",
                f'Give it one: {_variable(node)}.route("{destination}", {example}).',
            )
        return _Fault(
            node,
            "no route",
            f"{node} has no route to {destination}.{way}",
            f"Look at {_variable(node)}.routes(), and give it one: {_variable(node)}.route("
            f'"{destination}", {example}), or a default route.',
        )

    def _unaddressed(self, node: str, packet: Packet) -> _Fault:
        """Return the fault of a node that has an address for its own link only."""
        for interface in self.facts.states[node].interfaces:
            for one in interface.addresses:
                if one.refused:
                    return self._double(node, one.ip, self._owners(one.ip))
        return _Fault(
            node,
            "no address",
            f"{node} sends from {packet.source}, which means something on its own link only: it "
            f"has no other IPv{packet.version} address.",
            f"Give it one: look at `ip address` on {node}.",
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

    def _mask(self, node: str, interface: str | None, destination: str) -> _Fault | None:
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
                    return _Fault(
                        node,
                        "wrong mask",
                        f"{node} has the address {own} on {one.name}, and its neighbours are on "
                        f"{usual}: with its mask /{own.network.prefixlen} {node} takes "
                        + (
                            f"{destination} to be on its own link, where nobody has it."
                            if interface is not None
                            else f"{gateway} to be elsewhere."
                        ),
                        f"Give it the mask of the others: {own.ip}/{usual.prefixlen}.",
                    )
                return _Fault(
                    node,
                    "wrong address",
                    f"{node} has the address {own} on {one.name}, and its neighbours there are "
                    f"on {usual}: it is in another network than they.",
                    f"Give it a free address of {usual}.",
                )
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

    # ... forwarding

    def _forwards(self, node: str, interface: str, version: int) -> bool:
        state = self.facts.states[node].interface(interface)
        all_ = self.facts.states[node].sysctls
        if version == 6:
            return all_.get("net.ipv6.conf.all.forwarding") != "0"
        return state is None or state.settings.get("ipv4.forwarding") != "0"

    def _not_forwarding(self, node: str, came: Sighting, packet: Packet) -> _Fault:
        plan = self.facts.plan.node(node)
        setting = "net.ipv4.ip_forward" if packet.version == 4 else "net.ipv6.conf.all.forwarding"
        self.step(node, "forwarding", f"{setting} is off", False)
        if plan.kind == "router":
            return _Fault(
                node,
                "forwarding off",
                f"{node} got the packet for {packet.destination} and does not pass it on: "
                f"forwarding is off ({setting} = 0).",
                f'Turn it on: {_variable(node)}.sysctls["{setting}"] = 1.',
            )
        before = self._before(node)
        if self.hop and not any(name == node for name, _ in self._owners(self.hop)):
            return _Fault(
                before,
                "stale neighbour",
                f"{before} takes {self.hop} to be at {came.mac_destination}, which is {node}'s: "
                f"what it remembers of its neighbour is wrong.",
                f'Let it forget: {_variable(before)}.run("ip neigh flush all").',
            )
        return _Fault(
            before,
            "wrong gateway",
            f"{before} sends what is for {packet.destination} to {node}, which is a host and "
            f"forwards nothing.",
            f"Let the route of {before} lead to a router: look at {_variable(before)}.routes().",
        )

    def _before(self, node: str) -> str:
        path = self.path_back or self.path
        return path[-2] if len(path) > 1 and path[-1] == node else path[-1]

    def _reverse_path(self, node: str, way: Way | None) -> bool:
        moved = self.facts.counted.get(node, {}).get("IPReversePathFilter", 0)
        return bool(moved) or (way is not None and way.errno == errno.EXDEV)

    def _loop(self, path: Sequence[str]) -> _Fault:
        ring = list(dict.fromkeys(path[-4:]))
        node = ring[-1]
        self.step(node, "time to live", "is over", False)
        return _Fault(
            node,
            "routing loop",
            f"The packet goes round between {' and '.join(ring)} until its time to live is over: "
            f"each takes another for the way.",
            f"Look at the routes of {' and '.join(ring)}; `traceroute` shows the ring.",
        )

    # ... rules

    def _filtered(self, role: str, node: str, hit: RuleHit) -> _Fault:
        facts = self.facts
        self.step(node, "rule", f"{hit.place}: {hit.rule}", False)
        answer = "The answer" if role == "answer" else "The packet"
        if 'comment "outside"' in hit.rule:
            return _Fault(
                node,
                "NAT",
                f"{answer} for {hit.packet.destination} stops at {node}, which translates "
                f"addresses and lets nothing in that begins outside.",
                f"Open a port: {_variable(node)}.forward(uplink, port={facts.question.port or 80},"
                f" to=(host, {facts.question.port or 80})), then ask for {node}.",
            )
        verb = "rejects" if "reject" in hit.rule else "drops"
        what = (
            f"its policy is drop ({hit.place})"
            if hit.rule.startswith("policy")
            else (f"the rule `{hit.rule}` of its chain {hit.place} {verb} it")
        )
        return _Fault(
            node,
            "firewall",
            f"{answer} stops at the firewall of {node}: {what}.",
            f"Look at {_variable(node)}.firewall.rules() or `nft list ruleset` on {node}, and let "
            f"it pass: {_variable(node)}.firewall.accept({self._accepting()}).",
        )

    def _accepting(self) -> str:
        question = self.facts.question
        if question.port is None:
            return f'protocol="{question.protocol}"'
        return f'protocol="{question.protocol}", port={question.port}'

    def _forbidden(self, role: str, node: str) -> _Fault | None:
        """Return the fault of a node that says so itself, where its rules say nothing."""
        for one in self.facts.trail.errors:
            packet = packet_of(one)
            if packet.is_forbidding and one.place == node and one.way == "out":
                return _Fault(
                    node,
                    "firewall",
                    f"The firewall of {node} rejects it, and says so: administratively prohibited.",
                    f"Look at {_variable(node)}.firewall.rules() and the rules of iptables there.",
                )
        return None

    # ... neighbours and wires

    def _neighbour(self, node: str, interface: str, hop: str, way: Way) -> _Fault:
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
        if near and (fault := self._broken(segment[near[0]], _ARP_BYTES)) is not None:
            return fault
        if self._had_no_route(node):
            return _Fault(
                node,
                "no route",
                f"{node} had no route to {self._aim()} when the packet came, and has one now: its "
                f"routes have just changed.",
                "Ask again; where routers speak a protocol, lab.wait_converged() waits for them.",
            )
        if known is not None and known.mac and known.state not in ("failed", "incomplete"):
            return self._unknown(node, f"has a neighbour {hop} and did not send it anything")
        self.step(node, "neighbour", f"nobody at {interface} says that {hop} is his", False)
        if not near:
            if on_link and (fault := self._mask(node, interface, hop)) is not None:
                return fault
            if not on_link:
                elsewhere = f": it is {owners[0][0]}'s, on another network" if owners else ""
                return _Fault(
                    node,
                    "wrong gateway",
                    f"{node} sends what is for {self._aim()} to the gateway {hop}, and nobody on "
                    f"its link at {interface} has that address{elsewhere}.",
                    f"Let the route lead to a router next to it: look at "
                    f"{_variable(node)}.routes() and at who is on the link.",
                )
            if facts.names.behind is not None:
                return self._behind(facts.names.expected or hop)
            elsewhere = f" ({owners[0][0]} has it, on another network)" if owners else ""
            return _Fault(
                node,
                "neighbour silent",
                f"{node} takes {hop} to be on its link at {interface}, and nobody there has that "
                f"address{elsewhere}.",
                "Is the address right, and the machine that should have it there?",
            )
        asked = [
            one
            for one in facts.trail.asked
            if isinstance(one.what, Neighbourly) and one.what.asks and one.what.address == hop
        ]
        sent = next((one for one in asked if (one.place, one.way) == (node, "out")), None)
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
        return _Fault(
            owner,
            "neighbour silent",
            f"{owner} has {hop}, and {node} asks for it and hears no answer.",
            f"Look at arp_ignore and at the arp tables of nft on {owner}.",
        )

    def _had_no_route(self, node: str) -> bool:
        """Tell whether a node said that it had no route when the packet came."""
        return any(
            packet_of(one).is_unreachable
            for one in self.facts.trail.errors
            if (one.place, one.way) == (node, "out")
        )

    def _aim(self) -> str:
        return self.facts.address or self.facts.question.target

    def _owners(self, address: str) -> list[tuple[str, str]]:
        return [
            (name, interface.name)
            for name, state in self.facts.states.items()
            for interface in state.interfaces
            if any(one.ip == address for one in interface.addresses)
        ]

    def _by_mac(self, mac: str) -> list[tuple[str, str]]:
        """Return all interfaces with a MAC address: those of VLANs share that of their link."""
        return [
            (name, interface.name)
            for name, state in self.facts.states.items()
            for interface in state.interfaces
            if interface.mac == mac and interface.name != "lo"
        ]

    def _address_of(self, mac: str) -> str | None:
        for node, name in self._by_mac(mac):
            state = self.facts.states[node].interface(name)
            if state is not None and state.addresses:
                return state.addresses[0].ip
        return None

    def _lost(self, left: Sighting, goal: tuple[str, str] | None) -> _Fault:
        """Return what happened to a frame that left an interface and did not arrive."""
        facts = self.facts
        start = (left.place, left.interface)
        state = facts.states[left.place].interface(left.interface)
        if state is not None and state.below and not facts.wires.knows(start):
            start = (left.place, state.below)
        segment = facts.wires.crossed(start)
        if goal is None:
            owners = self._by_mac(left.mac_destination)
            goal = next((place for place in owners if place in segment), None)
            if goal is None:
                return self._stale(left, owners[0] if owners else None)
        size = packet_of(left).size_bytes if isinstance(left.what, Packet) else _ARP_BYTES
        wires = segment.get(goal, ())
        return self._broken(wires, size) or self._on_wire(left, goal, wires)

    def _broken(
        self, wires: Sequence[tuple[WirePlan, WireEnd, WireEnd]], size: int
    ) -> _Fault | None:
        """Return what is wrong with the links from one interface to another, in that direction.

        ``size`` is that of the packet, in bytes.

        """
        facts = self.facts
        for step in wires:
            if not step[0].up:
                return self._unplugged(step)
        if (fault := self._impaired(wires)) is not None:
            return fault
        for wire, here, there in wires:
            ends = []
            for end in (here, there):
                if end.node in facts.states:
                    interface = facts.states[end.node].interface(end.interface)
                    if interface is None:
                        continue
                    ends.append((end.node, interface.mtu_bytes))
                    if (fault := self._interface(end.node, interface)) is not None:
                        return fault
                elif (port := facts.ports.get((end.node, end.interface))) is not None:
                    fault = self._port(wire, here, there, end, port)
                    if fault is not None:
                        return fault
            small = next(((name, mtu) for name, mtu in ends if mtu < size), None)
            if small is not None:
                self.step(small[0], "mtu", f"{small[1]} bytes, of which {size} came", False)
                return _Fault(
                    small[0],
                    "mtu",
                    f"{small[0]} takes no frame of more than {small[1]} bytes on its link, and "
                    f"this one has {size}: both ends of a link must have the same MTU.",
                    "Give both ends the same MTU.",
                )
        return None

    def _impaired(self, wires: Sequence[tuple[WirePlan, WireEnd, WireEnd]]) -> _Fault | None:
        """Return the fault of a link that was told to lose frames, in this direction.

        What a link loses is lost before it leaves, and nobody sees it.

        """
        for wire, here, there in wires:
            toward = wire.toward_b if there is wire.b else wire.toward_a
            if toward is not None and toward.loss_percent:
                self.step(here.node, "link", f"loses {toward.loss_percent:g} %", False)
                return _Fault(
                    here.node,
                    "loss",
                    f"The link between {here.node} and {there.node} was told to lose "
                    f"{toward.loss_percent:g} % of the frames toward {there.node}.",
                    "Take that away: link.restore(), or try again.",
                )
        return None

    def _port(
        self,
        wire: WirePlan,
        here: WireEnd,
        there: WireEnd,
        end: WireEnd,
        port: tuple[str, bool],
    ) -> _Fault | None:
        state, carrier = port
        node = there.node if end is here else here.node
        if not carrier:
            self.step(end.node, "port", f"{end.interface} has no carrier", False)
            return _Fault(
                node,
                "link down",
                f"{node} is not plugged in at {end.node}: the link between {node} and {end.node} "
                f"is down.",
                "Plug it in again: link.up().",
            )
        if state != "forwarding":
            self.step(end.node, "port", f"{end.interface} is {state}", False)
            return _Fault(
                end.node,
                "switch",
                f"The switch {end.node} does not pass frames on at its port to {node}: it is "
                f"{state}.",
                f"Look at {end.node}.ports(); with STP, wait: lab.wait_converged().",
            )
        return None

    def _on_wire(
        self,
        left: Sighting,
        goal: tuple[str, str],
        wires: Sequence[tuple[WirePlan, WireEnd, WireEnd]],
    ) -> _Fault:
        """Return which switch kept a frame, as far as it was seen."""
        wanted = left.what
        seen = {
            (one.interface, one.way)
            for one in self.facts.sightings
            if one.place == "" and _same_frame(one.what, wanted)
        }
        for (_, _, entered), (_, leaves, _) in pairwise(wires):
            went_in = any(interface == entered.interface for interface, way in seen if way != "out")
            went_out = (leaves.interface, "out") in seen
            if went_in and not went_out:
                self.step(
                    entered.node, "switch", f"does not pass it on at {leaves.interface}", False
                )
                return _Fault(
                    entered.node,
                    "switch",
                    f"The frame came into the switch {entered.node} and did not leave it towards "
                    f"{goal[0]}.",
                    f"Look at {entered.node}.table(), at its ports, and at their VLANs.",
                )
        return _Fault(
            left.place,
            "unknown",
            f"The frame left {left.place} by {left.interface} and did not come to {goal[0]}.",
            f"Capture on both ends: the link between {left.place} and {goal[0]}.",
        )

    def _stale(self, left: Sighting, goal: tuple[str, str] | None) -> _Fault:
        whose = f"that is {goal[0]}'s, elsewhere" if goal else "nobody has that"
        self.step(left.place, "neighbour", f"{left.mac_destination}: {whose}", False)
        return _Fault(
            left.place,
            "stale neighbour",
            f"{left.place} sends to the MAC address {left.mac_destination} at {left.interface}, "
            f"and {whose}: what it remembers of its neighbour is wrong.",
            f'Let it forget: {_variable(left.place)}.run("ip neigh flush all").',
        )

    # ... the target

    def _at_target(self, node: str, came: Sighting | None) -> _Fault | None:
        facts, question = self.facts, self.facts.question
        expected = facts.names.expected
        translated = came is not None and packet_of(came).destination != facts.address
        packet = packet_of(came) if came is not None else None
        hit = after_rules(facts, "probe", node)
        if hit is not None and packet is not None and hit.packet.source == packet.source:
            translated = translated or hit.packet.destination != facts.address
        if expected is not None and node != expected and not translated:
            return _Fault(
                facts.question.source,
                "wrong name",
                f"The packet came to {node}, which is not {expected}: on {question.source} "
                f"{question.target} means {facts.address}, which is {node}'s.",
                f"Look at dict({_variable(question.source)}.hosts) and at the name server's "
                f"records.",
            )
        if question.port is None:
            return self._pinged(node)
        answers = [one for one in facts.trail.answer if (one.place, one.way) == (node, "out")]
        refusing = [one for one in facts.trail.errors if (one.place, one.way) == (node, "out")]
        refused = any(packet_of(one).is_refusal for one in (*answers, *refusing))
        port = packet.destination_port if packet is not None else question.port
        if hit is not None and translated:
            port = hit.packet.destination_port
        if refused or not (answers or facts.outcome.answered):
            fault = self._socket(node, packet, port or question.port, refused)
            if fault is not None:
                return fault
        else:
            self._listens(node, port or question.port)
        return None

    def _pinged(self, node: str) -> _Fault | None:
        ignores = self.facts.states[node].sysctls.get("net.ipv4.icmp_echo_ignore_all") == "1"
        answered = self.facts.outcome.answered or self._seen("answer", node, "out")
        if ignores and not answered and ":" not in (self.facts.address or ""):
            self.step(node, "echo", "icmp_echo_ignore_all is on", False)
            return _Fault(
                node,
                "ping ignored",
                f"{node} got the echo request and does not answer any "
                f"(net.ipv4.icmp_echo_ignore_all = 1).",
                f'{_variable(node)}.sysctls["net.ipv4.icmp_echo_ignore_all"] = 0 lets it answer.',
            )
        return None

    def _listens(self, node: str, port: int) -> bool:
        address = self.facts.address or ""
        if self.last is not None:
            address = packet_of(self.last).destination
        for socket in self.facts.states[node].sockets:
            same = (socket.protocol, socket.port) == (self.facts.question.protocol, port)
            if same and _takes(socket, address):
                program = f" ({socket.program})" if socket.program else ""
                self.step(node, "socket", f"listens on {_at(socket.address, port)}{program}")
                return True
        return False

    def _socket(self, node: str, packet: Packet | None, port: int, refused: bool) -> _Fault | None:
        """Return what is wrong with the server; None if it is the way back."""
        facts = self.facts
        protocol = facts.question.protocol
        here = [
            one
            for one in facts.states[node].sockets
            if (one.protocol, one.port) == (protocol, port)
        ]
        service = self._service_at(node, port)
        start = (
            f'{_variable(node)}.services["{service}"].start()'
            if service
            else f"start a server on {node} that listens on port {port}"
        )
        if not here:
            self.step(node, "socket", f"nothing listens on {protocol} port {port}", False)
            nat = facts.plan.node(node).nat
            if nat is not None and service is None:
                return _Fault(
                    node,
                    "NAT",
                    f"The packet came to {node} itself, where nothing listens on {protocol} port "
                    f"{port}, and {node} has no forward of that port to a host inside.",
                    f"Open it: {_variable(node)}.forward(uplink, port={port}, to=(host, {port})).",
                )
            named = f" ({service})" if service else ""
            return _Fault(
                node,
                "server stopped",
                f"The packet came to {node}, and nothing listens there on {protocol} port "
                f"{port}{named}.",
                f"Start it: {start}." if service else f"{start.capitalize()}.",
            )
        wanted = packet.destination if packet is not None else facts.address or ""
        fits = [one for one in here if _takes(one, wanted)]
        if not fits:
            shown = ", ".join(_at(one.address, one.port) for one in here)
            self.step(node, "socket", f"listens on {shown} only", False)
            return _Fault(
                node,
                "loopback only",
                f"The server on {node} listens on {shown} only, and the packet was for "
                f"{_at(wanted, port)}."
                + (" Only programs on the same machine reach it." if _loopback(here) else ""),
                "Let it listen on 0.0.0.0 (all of its addresses), or on the one that is asked.",
            )
        if refused:
            shown = _at(fits[0].address, port)
            self.step(node, "socket", f"listens on {shown}, and refuses", False)
            return _Fault(
                node,
                "server stopped",
                f"{node} refused the packet, though something listens on {shown}.",
                f"Look whether it takes IPv{6 if ':' in wanted else 4}, and restart it.",
            )
        self._listens(node, port)
        if facts.counted.get(node, {}).get("ListenOverflows"):
            return _Fault(
                node,
                "server busy",
                f"The queue of the server on {node} is full: it does not take its connections.",
                "Look at what it does; restart it.",
            )
        return None

    def _service_at(self, node: str, port: int) -> str | None:
        for settings in self.facts.plan.node(node).services:
            if any(one.number == port for one in SERVICES[settings.service].ports):
                return settings.service
        return None

    def _unanswered(self, target: str) -> _Fault | None:
        """Return why a node that got a packet sent no answer."""
        facts = self.facts
        if facts.outcome.answered:
            return None  # within one machine, or faster than anybody could see
        if self.last is None:
            return self._unknown(target, "did not answer itself")
        for hit in self._hits("answer", target):
            if hit.verdict == "drop":
                return self._filtered("answer", target, hit)
        way = facts.ways.get(look_back(self.last))
        if way is not None:
            if way.errno is not None:
                return self._no_way_on("answer", target, packet_of(self.last).source, way)
            hop = way.via or packet_of(self.last).source
            interface = facts.states[target].interface(way.interface)
            if interface is not None:
                fault = self._interface(target, interface)
                if fault is not None:
                    return fault
            known = [
                one
                for one in facts.states[target].neighbours
                if (one.interface, one.address) == (way.interface, hop)
            ]
            silent = any(one.mac is None for one in known)
            if silent or (not known and facts.expects_answer):
                self.path_back.append(target)
                return self._no_way_on("answer", target, packet_of(self.last).source, way)
        if facts.expects_answer and facts.question.protocol == "udp":
            return _Fault(
                target,
                "no answer",
                f"The packet came to {target}, and the program that listens there has not "
                f"answered.",
                f"Look at the log of the server on {target}.",
            )
        if not facts.expects_answer:
            self.step(target, "answer", "none came; with udp none has to")
            return None
        return self._unknown(target, "got the packet and sent no answer")

    # ... what is wrong though it works

    def doubled(self, fault: _Fault | None) -> _Fault | None:
        """Return the fault of an address on the way that two machines have."""
        if fault is not None and fault.cause in ("name unknown", "NAT", "firewall"):
            return None
        facts = self.facts
        wanted = dict(self.used)
        for one in (*facts.trail.probe[:1], *facts.trail.answer[:1]):
            if one.place in facts.states and one.way == "out":
                wanted[one.place, one.interface, packet_of(one).source] = None
        for node, interface, address in wanted:
            segment = facts.wires.crossed((node, interface))
            owners = [place for place in self._owners(address) if place in segment]
            if len({name for name, _ in owners}) > 1:
                return self._double(node, address, owners)
        return None

    def _double(self, node: str, address: str, owners: Sequence[tuple[str, str]]) -> _Fault:
        planned = [
            (name, port)
            for name, port in owners
            if any(
                str(one.ip) == address
                for item in self.facts.plan.node(name).interfaces
                for one in item.addresses
            )
        ]
        wrong = next((place for place in owners if place not in planned), owners[-1])
        names = " and ".join(dict.fromkeys(name for name, _ in (*planned, *owners)))
        self.step(wrong[0], "address", f"{address} is also that of others ({names})", False)
        return _Fault(
            wrong[0],
            "duplicate address",
            f"{address} is the address of more than one machine on the same network, {names}: "
            f"packets for it go to whoever answered last.",
            f"Give {wrong[0]} another address.",
        )

    def whole(self) -> _Fault | None:
        """Return the fault of a way on which large packets are lost without a word."""
        for large in self.facts.large:
            fault = self._large(large)
            if fault is not None:
                return fault
        return None

    def _large(self, large: Large) -> _Fault | None:
        trail = Trail(large.sightings, large.marks)
        path = self.path if large.role == "probe" else self.path_back
        goal = path[-1]
        arrived = any(one.place == goal and one.way == "in" for one in trail.probe)
        errors = [one for one in trail.errors if packet_of(one).is_too_big]
        back = " back" if large.role == "answer" else ""
        if large.errno == errno.EMSGSIZE:
            self.step(large.sender, f"mtu{back}", "it knows that the way takes less")
            return None
        if arrived:
            self.step(large.sender, f"mtu{back}", f"{large.size_bytes} bytes arrive")
            return None
        dropped = next(
            (hit for hit in large.hits if hit.verdict == "drop" and hit.packet.is_too_big),
            None,
        )
        if any(one.place == large.sender and one.way == "in" for one in errors) and dropped is None:
            told = packet_of(errors[0]).next_mtu_bytes
            self.step(large.sender, f"mtu{back}", f"it is told that the way takes {told} bytes")
            return None
        passed = [one for one in trail.probe if one.place in self.facts.states]
        if not errors and dropped is None and passed and passed[-1].way == "out":
            fault = self._lost(passed[-1], None)
            if fault.cause == "mtu":
                return fault
        narrow = errors[0].place if errors else None
        narrow = narrow or (
            dropped.node if dropped else passed[-1].place if passed else large.sender
        )
        node = dropped.node if dropped else narrow
        self.step(node, f"mtu{back}", f"{large.size_bytes} bytes are lost", False)
        why = (
            f"{dropped.node} drops what would tell so (`{dropped.rule}` in {dropped.place})"
            if dropped
            else 'nobody tells the sender (ICMP "fragmentation needed" does not come back)'
        )
        return _Fault(
            node,
            "mtu",
            f"Small packets pass, and those of {large.size_bytes} bytes from {large.sender} are "
            f"lost at {narrow}, whose next link takes less; {why}: an MTU black hole.",
            'Let ICMP errors pass (firewall.accept(protocol="icmp")), or give all links the same '
            "MTU.",
        )

    def _unknown(self, node: str, what: str) -> _Fault:
        self.step(node, "packet", what, False)
        return _Fault(
            node,
            "unknown",
            f"{node} {what}, for a reason that none of its tables shows.",
            f"Capture on {node}, and look at `nft list ruleset` and `iptables -S` there.",
        )


def _takes(socket: SocketState, wanted: str) -> bool:
    """Tell whether a socket takes what comes for an address (ipv6(7), IPV6_V6ONLY)."""
    if socket.address == "::":
        return ":" in wanted or not socket.only_ipv6
    if socket.address == "0.0.0.0":
        return ":" not in wanted
    return ip_address(socket.address) == ip_address(wanted)


def _loopback(sockets: Iterable[SocketState]) -> bool:
    return all(ip_address(one.address).is_loopback for one in sockets)


def _same_frame(one: Packet | Neighbourly, other: Packet | Neighbourly) -> bool:
    if isinstance(one, Neighbourly) or isinstance(other, Neighbourly):
        return one == other
    return (one.flow, one.sequence, one.ttl) == (other.flow, other.sequence, other.ttl)


def _ttl(one: Sighting) -> int:
    return packet_of(one).ttl


def _at(address: str | int | None, port: str | int | None) -> str:
    shown = f"[{address}]" if ":" in str(address) else str(address)
    return shown if port is None else f"{shown}:{port}"


def _variable(node: str) -> str:
    """Return how a node would be called in Python."""
    return node if node.isidentifier() else f"lab[{node!r}]"
