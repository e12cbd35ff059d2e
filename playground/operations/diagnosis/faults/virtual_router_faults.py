"""Faults of addresses that routers share, which none of them has.  Pure."""

from __future__ import annotations

from playground.operations.diagnosis.evidence.facts import Facts, Way, aimed_at
from playground.operations.diagnosis.faults.advised_calls import variable
from playground.operations.diagnosis.faults.link_faults import interface_fault
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.planning.plan_parts import VirtualRouterPlan


def no_master(walk: Walk, node: str, interface: str, hop: str, way: Way) -> Fault | None:
    """Return why none of the routers that share an address has it; None where none shares it.

    ``node`` asks for the address ``hop`` on its link at ``interface``.

    """
    # RFC 5798 section 6.4.1: a router that is not up takes no part.
    sharing = _sharing(walk.facts, node, interface, hop)
    if not sharing:
        return None
    reasons: list[tuple[str, str, str]] = []
    for name, one in sharing:
        if name in walk.facts.without_keepalived:
            walk.step(name, "service", "keepalived does not run", False)
            start = f'Start it: `{variable(name)}.services["keepalived"].start()`.'
            reasons.append((name, f"keepalived does not run on {name}", start))
            continue
        for needed in (one.interface, *(other for other, less in one.track if less is None)):
            state = walk.facts.states[name].interface(needed)
            if state is not None and (fault := interface_fault(walk, name, state)) is not None:
                words = f"{name} gives it up while its {needed} carries nothing"
                reasons.append((name, words, fault.advice))
                break
    names = " and ".join(name for name, _ in sharing)
    whose = f"that {names} share, and none of them has it"
    if len(sharing) == 1:
        whose = f"that {names} is to have by VRRP, and has not"
    sends = f"sends what is for {aimed_at(walk.facts)} to" if way.via else "looks for"
    why = f": {', and '.join(words for _, words, _ in reasons)}" if reasons else ""
    first = sharing[0][0]
    log = f'See what keepalived says: `{variable(first)}.services["keepalived"].log()`.'
    return Fault(
        reasons[0][0] if reasons else first,
        "no master",
        f"{node} {sends} {hop}, an address {whose}{why}.",
        reasons[0][2] if reasons else log,
    )


def _sharing(
    facts: Facts, node: str, interface: str, address: str
) -> list[tuple[str, VirtualRouterPlan]]:
    """Return the routers on a link that share an address."""
    segment = facts.wires.crossed((node, interface))
    return [
        (other.name, one)
        for other in facts.plan.nodes
        for one in other.virtual_routers
        if str(one.address.ip) == address and (other.name, one.interface) in segment
    ]
