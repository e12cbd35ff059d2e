"""Faults between leaves of one VNI, of which one does not hear of the other.  Pure."""

from __future__ import annotations

from collections.abc import Iterable

from playground.operations.diagnosis.evidence.adjacencies import Trouble
from playground.operations.diagnosis.evidence.facts import Facts
from playground.operations.diagnosis.faults.adjacency_faults import advice_for
from playground.operations.diagnosis.faults.advised_calls import variable
from playground.operations.diagnosis.faults.walk import Fault, Walk

# A node and its interface.
Place = tuple[str, str]


def leaf_port(facts: Facts, place: Place) -> tuple[Place, int] | None:
    """Return the port of a leaf on whose link a place is, and the port's VNI."""
    for name, interface in facts.wires.crossed(place):
        for item in facts.plan.node(name).interfaces:
            if item.name == interface and item.vni is not None:
                return (name, interface), item.vni
    return None


def between_leaves(walk: Walk, place: Place, others: Iterable[Place]) -> Fault | None:
    """Return why leaves do not carry frames between a place and another of the same VNI.

    None where none of the others is behind another leaf of it.

    """
    here = leaf_port(walk.facts, place)
    if here is None:
        return None
    for other in others:
        there = leaf_port(walk.facts, other)
        if there is not None and there[1] == here[1] and there[0][0] != here[0][0]:
            return _unheard_leaf(walk, (place[0], here[0][0]), (other[0], there[0][0]), here[1])
    return None


def _unheard_leaf(walk: Walk, one: tuple[str, str], other: tuple[str, str], vni: int) -> Fault:
    (node, here), (owner, there) = one, other
    findings = walk.facts.findings
    said = (
        f"{node} and {owner} are in one network, the VNI {vni} of the leaves {here} and {there}, "
        f"and what {node} sends does not come out at {there}"
    )
    if findings is not None and (trouble := _nearest(findings.troubles, (here, there))) is not None:
        state = trouble.state or "no neighbour"
        walk.step(trouble.router, "adjacency", f"{trouble.neighbour}: {state}", False)
        return Fault(here, "no adjacency", f"{said}: {trouble}.", advice_for(trouble))
    for a, b in findings.cut if findings is not None else ():
        walk.step(a, "link", f"to {b}: carries nothing", False)
        advice = f"Look at {variable(a)}.interfaces and lab.state()."
        words = f"{said}: the link between {a} and {b} carries nothing."
        return Fault(here, "link down", words, advice)
    walk.step(here, "overlay", f"frames of VNI {vni} do not reach {there}", False)
    return Fault(
        here,
        "overlay",
        f"{said}.",
        f'Look at `{variable(here)}.vtysh("show bgp l2vpn evpn summary")` and '
        f"`{variable(here)}.vni_addresses()`.",
    )


def _nearest(troubles: Iterable[Trouble], leaves: tuple[str, str]) -> Trouble | None:
    """Return a trouble of one of two leaves, else of another: EVPN is handed on by BGP."""
    fitting = [one for one in troubles if one.protocol not in ("OSPFv3", "RIPng")]
    own = [one for one in fitting if {one.router, one.neighbour} & {*leaves}]
    return next(iter(own or fitting), None)
