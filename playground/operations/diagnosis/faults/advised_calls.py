"""Python calls as a student would write them: nodes, links and changes, for advice.  Pure."""

from __future__ import annotations

from ipaddress import ip_address

from playground.operations.diagnosis.evidence.facts import Facts
from playground.planning.plan_parts import WirePlan


def forward_call(facts: Facts, router: str, port: int, host: str, to_port: int) -> str:
    """Return the call that forwards a port of a router's to a host behind it."""
    nat = facts.plan.node(router).nat
    interface = nat.uplinks[0].interface if nat is not None and nat.uplinks else ""
    wire = next((one for one in facts.plan.wires if one.end_at(router, interface)), None)
    uplink = link_call(facts, wire) if wire is not None else "link"
    return f"`{variable(router)}.forward({uplink}, port={port}, to=({host}, {to_port}))`"


def host_inside(facts: Facts, router: str) -> str:
    """Return a host behind a router, as one would call it in Python."""
    plan = facts.plan
    nat = plan.node(router).nat
    outside = {item.interface for item in nat.uplinks} if nat is not None else set()
    for interface in plan.node(router).interfaces:
        if interface.name not in outside:
            for name, _ in facts.wires.crossed((router, interface.name)):
                if name != router and plan.node(name).kind == "host":
                    return variable(name)
    return variable(router)


def link_call(facts: Facts, wire: WirePlan) -> str:
    """Return how a link is called in Python: by its two nodes, and where it is."""
    nodes = [wire.a.node, wire.b.node]
    alike = [one for one in facts.plan.wires if [one.a.node, one.b.node] == nodes]
    which = f", interface={wire.a.interface!r}" if len(alike) > 1 else ""
    return f"lab.link({nodes[0]!r}, {nodes[1]!r}{which})"


def route_call(
    facts: Facts, node: str, destination: str, planned: tuple[str | None, str] | None
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
                for interface in facts.plan.node(node).interfaces
                for name, port in facts.wires.crossed((node, interface.name))
                if name != node and facts.plan.node(name).kind == "router"
                for there in facts.plan.node(name).interfaces
                if there.name == port
                for address in there.addresses
                if address.version == version
            ),
            None,
        )
    if gateway is None:
        return "there is no router next to it, so link one to it"
    return f'`{variable(node)}.route("{destination}", via="{gateway}")`'


def readdress_call(node: str, interface: str, old: object, new: str) -> str:
    """Return the call that gives an interface another address, and its way back to the link."""
    commands = f"ip address del {old} dev {interface}; ip address add {new} dev {interface}"
    return f'`{variable(node)}.run("{commands}")`; look whether its routes are still there.'


def accept_call(facts: Facts) -> str:
    """Return the arguments with which a firewall accepts what was asked about."""
    question = facts.question
    if question.port is None:
        return f'protocol="{question.protocol}"'
    return f'protocol="{question.protocol}", port={question.port}'


def endpoint(address: str | int | None, port: str | int | None) -> str:
    """Return an address and a port as one writes them, such as ``[fc00::1]:80``."""
    shown = f"[{address}]" if ":" in str(address) else str(address)
    return shown if port is None else f"{shown}:{port}"


def variable(node: str) -> str:
    """Return how a node would be called in Python."""
    return node if node.isidentifier() else f"lab[{node!r}]"
