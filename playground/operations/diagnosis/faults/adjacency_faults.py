"""Faults where a routing protocol should have told a node of a way.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from playground.model.addresses import Network
from playground.operations.diagnosis.evidence.adjacencies import NAMES, Findings, Trouble
from playground.operations.diagnosis.evidence.explanation import Step
from playground.operations.diagnosis.evidence.facts import Facts
from playground.operations.diagnosis.faults.advised_calls import variable
from playground.operations.diagnosis.faults.walk import Fault
from playground.planning.plan import NodePlan

# The command by which a router's own terminal shows its neighbours, by the protocol.
_LOOK = {
    "OSPF": "show ip ospf neighbor",
    "OSPFv3": "show ipv6 ospf6 neighbor",
    "IS-IS": "show isis neighbor",
    "RIP": "show ip rip status",
    "RIPng": "show ipv6 ripng status",
    "BGP": "show bgp summary",
}


def unheard(facts: Facts, node: str, destination: str, sentence: str) -> tuple[Step, Fault] | None:
    """Return why no neighbour has told a router of a way, with the step that shows it.

    ``sentence`` says that it has none.  None where the router speaks no protocol.

    """
    findings = facts.findings
    plan = facts.plan.node(node)
    version = 6 if ":" in destination else 4
    peers = [peer for peer in plan.neighbours if peer.version == version]
    if findings is None or not (peers or plan.announced):
        return None
    if (trouble := _nearest(findings, node, version)) is not None:
        state = trouble.state or "no neighbour"
        return (
            Step(trouble.router, "adjacency", f"{trouble.neighbour}: {state}", False),
            Fault(node, "no adjacency", f"{sentence} {trouble}.", advice_for(trouble)),
        )
    for router, network, hop in findings.unreachable:
        if router == node and ip_address(destination) in ip_network(network):
            return (
                Step(node, "next hop", f"{network} by {hop}: no way there", False),
                Fault(
                    node,
                    "no next hop",
                    f"{sentence} bgpd of {node} knows of {network} by the next hop {hop}, to which "
                    f"{node} has no way.",
                    _next_hop_advice(facts, node, hop),
                ),
            )
    told = _told(facts, destination)
    if not told:
        return Step(node, "announcement", f"of {destination}: none", False), _untold(
            facts, node, destination, sentence
        )
    for teller, hearer, line in findings.policies:
        if _has_way(facts, teller, destination) and not _has_way(facts, hearer, destination):
            return (
                Step(hearer, "policy", line, False),
                Fault(
                    node,
                    "not announced",
                    f"{sentence} A policy between {teller} and {hearer} hides it: {line}.",
                    f'Look at {variable(teller)}.vtysh("show running-config").',
                ),
            )
    for a, b in findings.cut:
        return (
            Step(a, "link", f"to {b}: carries nothing", False),
            Fault(
                node,
                "link down",
                f"{sentence} {told[0].name} would tell of one, and the link between {a} and {b} "
                f"carries nothing.",
                f"Look at {variable(a)}.interfaces and lab.state().",
            ),
        )
    protocol = NAMES[peers[0].protocol] if peers else "its protocol"
    return (
        Step(node, "adjacency", "all neighbours are there", False),
        Fault(
            node,
            "not announced",
            f"{sentence} All its neighbours speak {protocol} with it, and none tells of one, "
            f"though {told[0].name} should.",
            f'Look at {variable(told[0].name)}.vtysh("show running-config"); '
            f"lab.wait_converged() waits where routes have just changed.",
        ),
    )


def advice_for(trouble: Trouble) -> str:
    """Return what to do about two routers that do not speak with each other."""
    if trouble.stopped:
        service = next(key for key, name in NAMES.items() if name == trouble.protocol)
        return f'Start it: {variable(trouble.stopped)}.services["{service}"].start().'
    return f'Look at {variable(trouble.router)}.vtysh("{_LOOK[trouble.protocol]}").'


def _next_hop_advice(facts: Facts, node: str, hop: str) -> str:
    """Return which router of the own system should say that it is the next hop itself."""
    own = facts.plan.node(node).as_number
    for other in facts.plan.nodes:
        near = any(
            ip_address(hop.split(", ")[0]) in a.network
            for i in other.interfaces
            for a in i.addresses
        )
        if near and other.as_number == own and other.name != node:
            return (
                f"Let {other.name} tell it with itself as the next hop: "
                f"{variable(other.name)}.bgp_peer({variable(node)}, next_hop_self=True)."
            )
    return f'Look at {variable(node)}.vtysh("show bgp nexthop").'


def _nearest(findings: Findings, node: str, version: int) -> Trouble | None:
    """Return a trouble of the node itself, else of another."""
    fitting = [
        one
        for one in findings.troubles
        if one.protocol == "BGP" or (one.protocol in ("OSPFv3", "RIPng")) == (version == 6)
    ]
    own = [one for one in fitting if node in (one.router, one.neighbour)]
    return next(iter(own or fitting), None)


def _told(facts: Facts, destination: str) -> list[NodePlan]:
    """Return the routers that should tell others of a network with an address in it."""
    address = ip_address(destination)
    return [
        node
        for node in facts.plan.nodes
        if any(address in item.network for item in node.announced if item.network.prefixlen)
    ]


def _untold(facts: Facts, node: str, destination: str, sentence: str) -> Fault:
    where = next(_networks(facts, destination), None)
    if where is None:
        return Fault(
            node,
            "not announced",
            f"{sentence} No router tells of a network with that address in it.",
            f"Is the address right? Look at {variable(node)}.routes().",
        )
    owner, number, network = where
    called = variable(owner.name)
    return Fault(
        node,
        "not announced",
        f"{sentence} It lies in {network}, which no router tells others of.",
        f"Let {owner.name} tell: {called}.bgp({called}.links[{number}], announce=True)."
        if owner.as_number is not None and number is not None
        else f"Look at what {owner.name} was told to keep to itself: its redistribute=.",
    )


def _networks(facts: Facts, destination: str) -> Iterator[tuple[NodePlan, int | None, Network]]:
    """Yield the routers on a network with an address in it, and by which of their links."""
    address = ip_address(destination)
    for node in sorted(facts.plan.nodes, key=lambda node: node.as_number is None):
        cards = [item for item in node.interfaces if item.vlan is None and not item.is_loopback]
        for interface in node.interfaces:
            for own in interface.addresses:
                if node.kind == "router" and address in own.network:
                    number = cards.index(interface) if interface in cards else None
                    yield node, number, own.network


def _has_way(facts: Facts, node: str, destination: str) -> bool:
    """Tell whether a node has a route there that is no default route."""
    state = facts.states.get(node)
    return state is not None and any(
        route.destination.prefixlen and ip_address(destination) in route.destination
        for route in state.routes
        if route.kind == "unicast"
    )
