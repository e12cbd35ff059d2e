"""Routers that users told of their protocols in FRR's words: waited for as far as anybody can know.

Nobody has planned what they will find.  But where the daemons at both ends of a link say settings
that agree, they will become neighbours; and when all such are, routes come, or have come.

"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from typing import Any

from playground.model.services.frr import RoutingDaemon
from playground.operations.connection.client import Client
from playground.operations.diagnosis.evidence.adjacencies import NAMES, Said, find_troubles
from playground.operations.diagnosis.evidence.daemon_states import ask_daemons
from playground.planning.broadcast_domains import find_domains
from playground.planning.interface_names import link_local
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import InterfacePlan, NeighbourPlan

# Protocols with neighbours on a link, and the version of IP of the addresses by which they list
# each other; sessions of BGP are found by their own addresses.
_ON_LINKS = {"ospf": 4, "ospf6": 6, "isis": 4}
_PROTOCOLS = (*_ON_LINKS, "bgp", "rip", "ripng")

# Tables that have not changed for so long have what their neighbours have told, or will not.
_QUIET_S = 1.0
_PAUSE_S = 0.3
# How long after they are up neighbours may tell nothing yet: RFC 2328 appendix B has 5 s between
# two LSAs of a router; isisd tells of itself every 30 s, and bgpd gathers for a second (FRR 10.3).
_SILENT_S = {"OSPF": 6.0, "OSPFv3": 6.0, "IS-IS": 32.0, "BGP": 3.0}


def own_words(plan: Plan, names: Collection[str]) -> list[NodePlan]:
    """Return the nodes of these names that were told of a routing protocol in FRR's words."""
    return [node for node in plan.nodes if node.name in names and _is_told(node)]


def _is_told(node: NodePlan) -> bool:
    daemons = [item for item in node.services if isinstance(item, RoutingDaemon)]
    told = any(item.configuration and not item.from_lab for item in daemons)
    return told and any(item.service in _PROTOCOLS for item in daemons)


def possible_neighbours(plan: Plan) -> Plan:
    """Return a plan in which routers that speak a protocol on one network are neighbours by it.

    Whether they are is for their daemons to say.

    """
    nodes = {node.name: node for node in plan.nodes}
    found: dict[str, list[NeighbourPlan]] = {}
    for domain in find_domains(plan, [wire for wire in plan.wires if wire.up]):
        places = [
            (nodes[name], interface)
            for name, port in domain
            if name in nodes
            for interface in nodes[name].interfaces
            if interface.name == port
        ]
        for (node, own), (other, its) in combinations(places, 2):
            found.setdefault(node.name, []).extend(_neighbours(node, own, other, its))
            # Both ends name a session of BGP, each by its own interface.
            found.setdefault(node.name, []).extend(_by_interface(node, own, other, its))
            found.setdefault(other.name, []).extend(_by_interface(other, its, node, own))
    return dataclasses.replace(
        plan,
        nodes=tuple(
            dataclasses.replace(node, neighbours=tuple(found.get(node.name, ())))
            for node in plan.nodes
        ),
    )


def _neighbours(
    node: NodePlan, own: InterfacePlan, other: NodePlan, its: InterfacePlan
) -> Iterator[NeighbourPlan]:
    if node is other:
        return
    spoken = [{item.service for item in one.services} for one in (node, other)]
    for protocol, version in _ON_LINKS.items():
        if protocol not in spoken[0] & spoken[1]:
            continue
        addresses = [item.ip for item in its.addresses if item.version == version]
        if version == 6 and its.mac:
            addresses = [link_local(its.mac)]
        for address in addresses[:1]:
            yield NeighbourPlan(protocol, own.name, other.name, its.name, address, 0)


def _by_interface(
    node: NodePlan, own: InterfacePlan, other: NodePlan, its: InterfacePlan
) -> Iterator[NeighbourPlan]:
    """Yield a neighbour of BGP by its interface (RFC 8950), which is what bgpd calls it."""
    speak = all(any(item.service == "bgp" for item in one.services) for one in (node, other))
    if node is not other and speak and its.mac:
        address = link_local(its.mac)
        yield NeighbourPlan("bgp", own.name, other.name, its.name, address, 0, unnumbered=True)


def wait_settled(
    agent: Client, plan: Plan, pids: Mapping[str, int], names: Collection[str], timeout_s: float
) -> float:
    """Wait until nodes that were told in FRR's words have found what they will find.

    That is when all neighbours whose settings agree are up and have told each other something, or
    have had the time for it, and no table of routes has changed for a second; ``timeout_s`` is the
    longest.  Returns the seconds until then; 0 where none of
    ``names`` was told of a protocol.  Nothing is raised: they may have been told what never works.

    """
    told = own_words(plan, names)
    if not told:
        return 0.0
    guess = possible_neighbours(plan)
    # Neighbours are asked too, however they were told.
    asked = [node for node in plan.nodes if any(one.service in _PROTOCOLS for one in node.services)]
    waiting = _Settling(guess, {node.name for node in told})
    began = time.monotonic()
    changed, before = began, None
    while (now := time.monotonic()) - began < timeout_s:
        tables: Any = agent.call("routes", pids=[pids[node.name] for node in asked])
        if tables != before:
            changed, before = now, tables
        elif now - changed >= _QUIET_S:
            vias = {
                node.name: {row["via"] for row in rows if row["via"]}
                for node, rows in zip(asked, tables, strict=True)
            }
            if waiting.is_over(ask_daemons(agent, asked, pids), vias, now):
                return changed - began
        time.sleep(_PAUSE_S)
    return now - began


class _Settling:
    """What is waited for: neighbours that are to be up, and to have told each other something."""

    def __init__(self, plan: Plan, told: set[str]) -> None:
        self._plan = plan
        self._told = told
        # When neighbours were first seen to be up, by protocol, router and address.
        self._since: dict[tuple[str, str, str], float] = {}

    def is_over(
        self, said: Mapping[str, Said], vias: Mapping[str, Collection[str]], now_s: float
    ) -> bool:
        """Tell whether nothing more is waited for; ``vias`` are the gateways of each router."""
        troubles = find_troubles(self._plan, said)
        if any(one.pending and self._told & {one.router, one.neighbour} for one in troubles):
            return False
        apart = {(one.protocol, frozenset((one.router, one.neighbour))) for one in troubles}
        silent = False
        for protocol, router, neighbour, address in self._pairs(said):
            if (protocol, frozenset((router, neighbour))) in apart or address in vias[router]:
                continue
            since = self._since.setdefault((protocol, router, address), now_s)
            silent = silent or now_s - since < _SILENT_S[protocol]
        return not silent

    def _pairs(self, said: Mapping[str, Said]) -> Iterator[tuple[str, str, str, str]]:
        owners = self._plan.owners
        for node in self._plan.nodes:
            if node.name not in self._told:
                continue
            by_interface = {}
            for peer in node.neighbours:
                if peer.protocol == "bgp":
                    by_interface[peer.interface] = peer
                else:
                    yield NAMES[peer.protocol], node.name, peer.node, str(peer.address)
            for address in said.get(node.name, Said()).bgp or ():
                if (other := owners.get(address)) is not None:
                    yield NAMES["bgp"], node.name, other, address
                elif (one := by_interface.get(address)) is not None:
                    yield NAMES["bgp"], node.name, one.node, str(one.address)
