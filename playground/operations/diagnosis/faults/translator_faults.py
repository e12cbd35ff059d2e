"""Faults of a router's translator between IPv6 and IPv4, NAT64.  Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from playground.operations.diagnosis.evidence.facts import Facts
from playground.operations.diagnosis.faults.advised_calls import variable
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.planning.plan_parts import NAT64_INTERFACE


def translates(facts: Facts, node: str, interface: str) -> bool:
    """Tell whether an interface of a node leads to its translator."""
    return interface == NAT64_INTERFACE and "nat64" in facts.plan.node(node).daemons


def stopped_translator(walk: Walk, node: str, interface: str) -> Fault | None:
    """Return the fault of a translator that does not run, by the interface that leads to it."""
    if not translates(walk.facts, node, interface):
        return None
    state = walk.facts.states[node].interface(interface)
    # The kernel's Documentation/networking/tuntap.rst: a program is the other end of the device.
    if state is None or state.carrier:
        return None
    walk.step(node, "translator", f"{interface} has no carrier: nobody takes packets there", False)
    service = f'{variable(node)}.services["nat64"]'
    return Fault(
        node,
        "translator stopped",
        f"{node} is to translate between IPv6 and IPv4, and its service nat64 (tayga), which takes "
        f"packets from the interface {interface}, does not run.",
        f"Start it: `{service}.start()`; `{service}.log()` says how it ended.",
    )


def unanswered_below(facts: Facts, node: str) -> Fault:
    """Return the fault of a packet that a translator took, and that was not answered.

    Which way it went as IPv4 is another question, that the advice asks.

    """
    # RFC 6052 section 2.2: behind a prefix of 96 bits stands the IPv4 address.
    inside = IPv4Address(int(IPv6Address(facts.address or "::")) & 0xFFFFFFFF)
    port = "" if facts.question.port is None else f", port={facts.question.port}"
    return Fault(
        node,
        "no answer",
        f"The translator of {node} took the packet, to send it to {inside} as IPv4, and no answer "
        "came back.",
        f"Ask for the way from there: `lab.explain({node!r}, '{inside}'{port})`.",
    )
