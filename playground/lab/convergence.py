"""Convergence: have routing daemons found all there is to find, and how long does it take?

`unfinished` is a pure function: it walks the routers' tables as packets would, and
compares with what a map of the links that carry frames says.  `wait_converged` asks
the kernels again and again until it finds nothing to complain of, or daemons say that
what is missing is hidden by somebody's policy.

"""

from __future__ import annotations

import dataclasses
import heapq
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any, NamedTuple

from playground.errors import NotReady, TopologyError
from playground.model.addresses import Network
from playground.model.routing.policy import covers
from playground.operations.connection.client import Client
from playground.operations.diagnosis.evidence.adjacencies import Said, find_troubles, policy_between
from playground.operations.diagnosis.evidence.daemon_states import ask_daemons
from playground.planning.broadcast_domains import find_domains
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import LOOPBACK, MAIN_TABLE, AnnouncementPlan, WirePlan
from playground.planning.routing.vrfs_apart import name_in_vrf, vrfs_apart

# A packet's next hop: the gateway's address as text, and the interface.
Hop = tuple[str | None, str | None]
# For each router the next hops to each destination, both as text.
Tables = Mapping[str, Mapping[str, Sequence[Hop]]]

# After so long without a change a table is taken that leads everywhere, though not
# by the ways that the map says are cheapest: of several OSPF areas, or after somebody
# has set costs by hand.  RIP may hear of a cheaper way only by the next update.
SETTLED_S = 2.0
SETTLED_RIP_S = 8.0
_PAUSE_S = 0.025
# How often daemons are asked why nothing changes any more.
_ASK_AGAIN_S = 3.0

# Protocols that know a map of the network, and use all equal ways.
_LINK_STATE = ("ospf", "ospf6", "isis")
_RIP = ("rip", "ripng")


class Complaint(NamedTuple):
    """A router that does not send to a prefix as it should.

    ``serious``: what it sends there is lost; else it only takes a longer way.

    """

    router: str
    network: str
    words: str
    serious: bool = True


def speakers(plan: Plan) -> list[NodePlan]:
    """Return the routers of a plan that a daemon tells of routes."""
    return [node for node in plan.nodes if node.announced or node.neighbours]


def unfinished(plan: Plan, carrying: Iterable[WirePlan], tables: Tables) -> list[Complaint]:
    """Return what routing has still to find, nothing when it is done.

    ``carrying`` are the wires that are up at both ends.  Each router must reach
    each prefix that any router of its protocol announces and that the wires lead
    to, by the cheapest way, and must have forgotten the others.

    """
    found: list[Complaint] = []
    plan, carrying = vrfs_apart(plan, carrying)
    for domain in _domains(plan, carrying):
        for network, announced in domain.prefixes.items():
            found += domain.complaints(network, announced, tables)
    return found


def wait_converged(agent: Client, plan: Plan, pids: Mapping[str, int], timeout_s: float) -> float:
    """Wait until nothing is unfinished; return how many seconds that took.

    What is missing where somebody has applied a policy, such as a prefix list, to each session
    by which it could come, is not waited for once nothing has changed for 2 s (8 s with RIP).
    Raises `NotReady` after ``timeout_s`` seconds, with what is missing first, and who does not
    speak with whom and why; at once where no time would help (`split_systems`).

    """
    began = time.monotonic()
    routers = speakers(plan)
    if not routers:
        return 0.0
    by_rip = any(peer.protocol in _RIP for node in routers for peer in node.neighbours)
    patience_s = SETTLED_RIP_S if by_rip else SETTLED_S
    before: Any = None
    settled = asked = began
    while True:
        seen = _look(agent, plan, pids, routers)
        now = time.monotonic()
        if seen != before:
            before, settled = seen, now
            complaints = unfinished(plan, *_read(plan, routers, *seen))
        if not complaints:
            return now - began
        if now - settled > patience_s and not any(item.serious for item in complaints):
            return settled - began
        late = now - began > timeout_s
        if late or (now - settled > patience_s and now - asked > _ASK_AGAIN_S):
            carrying, tables = _read(plan, routers, *seen)
            wanted = [item for item in complaints if item.serious]
            if wanted and (splits := split_systems(plan, carrying)):
                networks = {network for split in splits for network in split.networks}
                if all(item.network in networks for item in wanted):
                    raise NotReady(splits[0].sentence())
            reasons = _Reasons(plan, carrying, tables, wanted, ask_daemons(agent, routers, pids))
            asked = time.monotonic()
            if not late and reasons.all_hidden():
                return settled - began
            if late:
                raise NotReady(_sentence(complaints, timeout_s, list(reasons.sentences())))
        time.sleep(_PAUSE_S)


def refuse_split(plan: Plan) -> None:
    """Raise `TopologyError` where routers will never hear of all networks: an AS in two places."""
    for split in split_systems(plan, [wire for wire in plan.wires if wire.up]):
        raise TopologyError(split.sentence())


class Split(NamedTuple):
    """A system in two places, of which one has no way to networks beyond the other."""

    as_number: int
    router: str
    other: str
    networks: tuple[str, ...]

    def sentence(self) -> str:
        """Say why no time will help."""
        return (
            f"AS {self.as_number} is in two places: {self.router} and {self.other} are joined by "
            f"no link inside of it, so {self.router} never has a way to {self.networks[0]}: BGP "
            f"refuses a path that its own AS number is in (RFC 4271 section 9.1.2).  Link them, "
            f"give one of them another as_number, or start without waiting: "
            f"start(converge=False)"
        )


def split_systems(plan: Plan, carrying: Iterable[WirePlan]) -> list[Split]:
    """Return the systems that are in two places, where that keeps networks from a router."""
    if all(node.as_number is None and not node.vrfs for node in plan.nodes):
        return []
    plan, carrying = vrfs_apart(plan, carrying)
    return [split for domain in _domains(plan, carrying) for split in domain.splits()]


class _Reasons:
    """Why networks are missing, by what daemons say."""

    def __init__(
        self,
        plan: Plan,
        carrying: Sequence[WirePlan],
        tables: Tables,
        missing: Sequence[Complaint],
        said: Mapping[str, Said],
    ) -> None:
        self._plan = plan
        self._said = said
        self._missing = missing
        alive = _Alive(plan, carrying)
        dead = [
            (end.node, end.interface)
            for wire in plan.wires
            for end in (wire.a, wire.b)
            if not alive.carries(end.node, end.interface)
        ]
        self.troubles = find_troubles(plan, said, dead)
        # For each network the pairs of which one has it, and the other has not heard of it.
        self._edges: dict[str, list[tuple[str, str]]] = {}
        networks = {item.network for item in missing}
        for domain in _domains(*vrfs_apart(plan, carrying)):
            for network, announced in domain.prefixes.items():
                if str(network) in networks:
                    self._edges[str(network)] = domain.cut(network, announced, tables)

    def _policy(self, teller: str, hearer: str) -> str | None:
        if any({teller, hearer} == {one.router, one.neighbour} for one in self.troubles):
            return None
        return policy_between(self._plan, self._said, teller, hearer, declared=False)

    def all_hidden(self) -> bool:
        """Tell whether policies stand wherever what is missing could come in."""
        return bool(self._missing) and all(
            "no way" in item.words
            and (edges := self._edges.get(item.network))
            and all(self._policy(*edge) for edge in edges)
            for item in self._missing
        )

    def sentences(self) -> Iterator[str]:
        """Yield what may be the cause, the likeliest first."""
        yield from (str(trouble) for trouble in self.troubles)
        for item in self._missing:
            hop = self._said.get(item.router, Said()).unreachable.get(item.network)
            if hop:
                yield (
                    f"bgpd of {item.router} knows of {item.network} by the next hop {hop}, to "
                    f"which {item.router} has no way"
                )
        for network, edges in self._edges.items():
            for teller, hearer in edges:
                if (line := self._policy(teller, hearer)) is not None:
                    yield (
                        f"a policy stands between {teller} and {hearer}, which does not hear of "
                        f"{network} ({line})"
                    )


def _sentence(complaints: Sequence[Complaint], timeout_s: float, reasons: Sequence[str]) -> str:
    serious = [item for item in complaints if item.serious] or complaints
    lines = [f"{item.router} {item.words}" for item in serious[:3]]
    more = f", and {len(serious) - 3} more like it" if len(serious) > 3 else ""
    said = f"routing has not converged within {timeout_s:g} s: {'; '.join(lines)}{more}."
    if reasons:
        return "  ".join((said, *(f"{reason}." for reason in dict.fromkeys(reasons[:3]))))
    router = serious[0].router
    return f"{said}  Look at {router}.vtysh(...) and {router}.services[...].log()"


# -- what the kernels say ----------------------------------------------------


def _look(
    agent: Client, plan: Plan, pids: Mapping[str, int], routers: Sequence[NodePlan]
) -> tuple[Any, Any]:
    devices = {switch.name for switch in plan.switches}
    ends = [
        {"pid": None if end.node in devices else pids[end.node], "interface": end.interface}
        for wire in plan.wires
        for end in (wire.a, wire.b)
    ]
    carriers = [row["up"] and row["carrier"] for row in agent.call("interfaces", ends=ends)]
    return carriers, agent.call("routes", pids=[pids[node.name] for node in routers])


def _read(
    plan: Plan, routers: Sequence[NodePlan], carriers: Sequence[bool], rows: Sequence[Any]
) -> tuple[list[WirePlan], dict[str, dict[str, list[Hop]]]]:
    carrying = [
        wire
        for number, wire in enumerate(plan.wires)
        if carriers[2 * number] and carriers[2 * number + 1]
    ]
    tables: dict[str, dict[str, list[Hop]]] = {}
    for node, its in zip(routers, rows, strict=True):
        names = {MAIN_TABLE: node.name}
        names |= {vrf.table: name_in_vrf(node.name, vrf.name) for vrf in node.vrfs}
        for name in names.values():
            tables[name] = {}
        for row in its:
            if row["table"] in names and row["kind"] == _UNICAST:
                table = tables[names[row["table"]]]
                table.setdefault(row["destination"], []).append((row["via"], row["interface"]))
    return carrying, tables


# linux/rtnetlink.h
_UNICAST = 1


# -- what the map says -------------------------------------------------------


class _RoutingDomain:
    """Routers that tell each other of routes, by the wires that carry frames."""

    def __init__(self, routers: Sequence[NodePlan], alive: _Alive) -> None:
        self.routers = routers
        spoken = {peer.protocol for node in routers for peer in node.neighbours}
        self._by_map = bool(spoken.intersection(_LINK_STATE))
        # Daemons that may never forget a network (seen in FRR 10.3): ospf6d where a link fails as
        # routers come up, isisd where it speaks at both levels.
        self._forgetful = "isis" in spoken or "ospf6" in spoken
        self._paths = {node.name: node.bgp_paths for node in routers if node.bgp_paths > 1}
        # Each protocol has a measure of its own, and a way through several has none.
        self._mixed = len(spoken) > 1
        # Where a gateway's address leads, from each router and interface.
        self.next: dict[tuple[str, str | None, str | None], tuple[str, int]] = {}
        self.towards: dict[str, list[tuple[str, int]]] = {}
        self.prefixes: dict[Network, dict[str, AnnouncementPlan]] = {}
        self._on: dict[Network, set[str]] = {}
        self._covered = {node.name: set(map(str, node.covered)) for node in routers if node.covered}
        own: dict[tuple[str, str | None], list[str]] = {}
        for node in routers:
            for item in node.announced:
                if item.network.prefixlen == item.network.max_prefixlen:
                    address = str(item.network.network_address)
                    own.setdefault((node.name, item.interface), []).append(address)
        for node in routers:
            for interface in node.interfaces:
                if alive.carries(node.name, interface.name):
                    for one in interface.addresses:
                        self._on.setdefault(one.network, set()).add(node.name)
            for peer in node.neighbours:
                if alive.joined(node.name, peer.interface, peer.node, peer.peer_interface):
                    for address in (
                        str(peer.address),
                        *own.get((peer.node, peer.peer_interface), ()),
                    ):
                        self.next[node.name, peer.interface, address] = peer.node, peer.cost
                    self.towards.setdefault(peer.node, []).append((node.name, peer.cost))
            for item in node.announced:
                known = self.prefixes.setdefault(item.network, {})
                if item.interface in (None, LOOPBACK) or alive.carries(node.name, item.interface):
                    known[node.name] = item

    def complaints(
        self, network: Network, announced: Mapping[str, AnnouncementPlan], tables: Tables
    ) -> Iterable[Complaint]:
        text = str(network)
        cheapest = self._cheapest(announced)
        # Networks announced from static routes may be reached by ways that the map does not show,
        # as are the addresses of point-to-point links, which OSPF takes for unnumbered.
        inside = all(item.interface is not None for item in announced.values())
        exact = inside and network.prefixlen < network.max_prefixlen
        exact = exact and not self._mixed
        exact = exact and not any(network in node.withheld for node in self.routers)
        # Who is on a network needs nobody to lead there, though others announce it.
        on = self._on.get(network, set())
        walked: dict[str, int | None] = {name: cheapest.get(name) for name in on}
        for node in self.routers:
            name = node.name
            if name not in cheapest:
                if any(via for via, _ in tables[name].get(text, ())):
                    # Nothing is lost by it but what would be lost without.
                    words = f"still has a route to {text}, which is cut off"
                    yield Complaint(name, text, words, not self._forgetful)
                elif self._by_map and not exact:
                    # The kernel forgets at once, ospfd only within a second: a link that
                    # came back before would never get these routes again (seen in FRR 10.3).
                    yield Complaint(name, text, f"may not have given up {text} yet", False)
            elif name not in announced and name not in on and network not in node.withheld:
                cost = self._walk(name, text, announced, tables, walked)
                if cost is None:
                    yield Complaint(name, text, f"has no way to {text} yet")
                elif exact and (
                    cost != cheapest[name] or self._misses(name, text, cheapest, tables)
                ):
                    yield Complaint(name, text, f"has not the best way to {text} yet", False)

    def cut(
        self, network: Network, announced: Mapping[str, AnnouncementPlan], tables: Tables
    ) -> list[tuple[str, str]]:
        """Return the neighbours of which the first has a way to a network, the second none."""
        walked: dict[str, int | None] = dict.fromkeys(self._on.get(network, ()), 0)
        has = {
            node.name
            for node in self.routers
            if self._walk(node.name, str(network), announced, tables, walked) is not None
        }
        return [
            (teller, hearer)
            for teller, hearers in self.towards.items()
            for hearer, _ in hearers
            if teller in has and hearer not in has
        ]

    def splits(self) -> Iterator[Split]:
        """Yield the systems in two places, where that keeps networks from a router."""
        systems = {node.name: node.as_number for node in self.routers if node.as_number is not None}
        everybody = {node.name for node in self.routers}
        parts: dict[str, set[str]] = {}
        for name, number in systems.items():
            if name not in parts:
                # Inside of a system some speak another protocol than BGP alone.
                same = {one for one in everybody if systems.get(one, number) == number}
                part = _reached(name, self.towards, same)
                parts.update(dict.fromkeys(part, part))
        for name, number in systems.items():
            apart = [
                other
                for other, its in systems.items()
                if its == number and other not in parts[name]
            ]
            if not apart:
                continue
            reach = _reached(name, self.towards, everybody.difference(apart))
            linked = _reached(name, self.towards, everybody)
            lost = [
                str(network)
                for network, announced in self.prefixes.items()
                if name not in self._on.get(network, ())
                and not reach & announced.keys()
                and linked & announced.keys()
            ]
            if lost:
                yield Split(number, name, apart[0], tuple(lost))

    def _misses(self, name: str, network: str, cheapest: Mapping[str, int], tables: Tables) -> bool:
        """Tell whether a router has not yet found all the equal ways that it would use.

        OSPF and IS-IS use all, BGP as many as it was told to, of those to other systems.

        """
        most = self._paths.get(name, 1)
        if not self._by_map and most == 1:
            return False
        best = {
            (interface, other)
            for (router, interface, _), (other, cost) in self.next.items()
            if router == name and cheapest.get(other, cheapest[name]) + cost == cheapest[name]
        }
        found = {
            (interface, self.next.get((name, interface, via), ("",))[0])
            for via, interface in self._hops(tables, name, network)
        }
        if self._by_map:
            return best != found
        return not found <= best or len(found) < min(most, len(best))

    def _cheapest(self, announced: Mapping[str, AnnouncementPlan]) -> dict[str, int]:
        """Dijkstra's search, from where the prefix is to whoever wants to go there."""
        best: dict[str, int] = {}
        queue = [(item.cost, name) for name, item in announced.items()]
        heapq.heapify(queue)
        while queue:
            cost, name = heapq.heappop(queue)
            if name in best:
                continue
            best[name] = cost
            for other, more in self.towards.get(name, ()):
                if other not in best:
                    heapq.heappush(queue, (cost + more, other))
        return best

    def _hops(self, tables: Tables, router: str, network: str) -> list[Hop]:
        """Return a router's next hops; on a point-to-point link the other end is its own gateway.

        Where it hears of a network only in a greater one, that leads to it.

        """
        found = tables[router].get(network, ())
        if not found and network in self._covered.get(router, ()):
            found = _longest(tables[router], network)
        address, _, length = network.partition("/")
        if length not in ("32", "128"):
            return list(found)
        return [(via or address, interface) for via, interface in found]

    def _walk(
        self,
        name: str,
        network: str,
        announced: Mapping[str, AnnouncementPlan],
        tables: Tables,
        walked: dict[str, int | None],
    ) -> int | None:
        """Return the cost of the way that packets take; None if they are lost on it.

        Of equal paths all must arrive, and at the same cost.

        """
        if name in announced:
            return announced[name].cost
        if name in walked:
            return walked[name]
        walked[name] = None  # whoever comes by here again has walked in a ring
        costs: set[int | None] = set()
        for via, interface in self._hops(tables, name, network):
            hop = self.next.get((name, interface, via))
            rest = None if hop is None else self._walk(hop[0], network, announced, tables, walked)
            costs.add(None if hop is None or rest is None else hop[1] + rest)
        if costs and None not in costs:
            walked[name] = max(cost for cost in costs if cost is not None)
        return walked[name]


def _longest(table: Mapping[str, Sequence[Hop]], network: str) -> Sequence[Hop]:
    """Return the next hops of the longest prefix of a table that has a network in it."""
    wanted, best = ip_network(network), -1
    found: Sequence[Hop] = ()
    for text, hops in table.items():
        prefix = ip_network(text)
        if covers(prefix, wanted) and prefix.prefixlen > best:
            best, found = prefix.prefixlen, hops
    return found


def _reached(
    start: str, ways: Mapping[str, Sequence[tuple[str, int]]], allowed: Collection[str]
) -> set[str]:
    """Return all that can be reached from the start by way of those that are allowed."""
    found = {start: None}
    queue = [start]
    for one in queue:
        for other, _ in ways.get(one, ()):
            if other not in found and other in allowed:
                found[other] = None
                queue.append(other)
    return set(found)


def _domains(plan: Plan, carrying: Iterable[WirePlan]) -> Iterable[_RoutingDomain]:
    """Yield the routers that were declared to tell each other of routes."""
    alive = _Alive(plan, carrying)
    for family in (4, 6):
        left = {
            node.name: one
            for node in speakers(plan)
            if (one := _of_family(node, family)).announced or one.neighbours
        }
        while left:
            queue = [next(iter(left))]
            for name in queue:
                # Two routers may hear each other on several networks.
                for peer in dict.fromkeys(peer.node for peer in left[name].neighbours):
                    if peer in left and peer not in queue:
                        queue.append(peer)
            yield _RoutingDomain([left.pop(name) for name in queue], alive)


def _of_family(node: NodePlan, family: int) -> NodePlan:
    """Return a router as those of one version of IP see it."""
    return dataclasses.replace(
        node,
        neighbours=tuple(peer for peer in node.neighbours if peer.version == family),
        announced=tuple(item for item in node.announced if item.network.version == family),
    )


class _Alive:
    """Which interfaces hear each other, by the wires that carry frames."""

    def __init__(self, plan: Plan, carrying: Iterable[WirePlan]) -> None:
        self._domain = {
            member: number
            for number, domain in enumerate(find_domains(plan, carrying))
            for member in domain
        }

    def carries(self, node: str, interface: str) -> bool:
        """Tell whether an interface's own wire carries frames."""
        return (node, interface) in self._domain

    def joined(self, node: str, interface: str, other: str, other_interface: str) -> bool:
        """Tell whether two interfaces are one network now."""
        ends = (node, interface), (other, other_interface)
        if not all(self.carries(*end) for end in ends):
            return False
        return self._domain[ends[0]] == self._domain[ends[1]]
