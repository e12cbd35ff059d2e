"""A plan's nodes on the machines of a swarm: what ties them together, and how much.  Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from playground.engines.swarm.manager import HOST_MB
from playground.errors import TopologyError
from playground.planning.placement.machines import Spread
from playground.planning.placement.placing import place
from playground.planning.placement.shapes import Demand, MachineRoom, Piece, Placement, Tie
from playground.planning.plan import NodePlan, Plan

# Of a link whose rate nobody has said: that of Ethernet where it is not slow.
_USUAL_RATE_MBIT = 1000.0
_LEAST_RATE_MBIT = 1.0


def place_plan(
    plan: Plan, machines: Sequence[MachineRoom], spread: Spread, settled: Mapping[str, str]
) -> Placement:
    """Return where the nodes and switches of a plan are to be.

    ``settled`` are the machines of those that run already.  Raises `TopologyError` for a
    machine that there is not, and for a lab that does not fit.

    """
    leads = _together(plan)
    by_lead: dict[str, list[NodePlan]] = {}
    for node in plan.nodes:
        by_lead.setdefault(leads[node.name], []).append(node)
    pieces = [_piece(lead, nodes, settled) for lead, nodes in by_lead.items()]
    pieces += [Piece(one.name, machine=settled.get(one.name)) for one in plan.switches]
    ties = [
        Tie(leads.get(tie.a, tie.a), leads.get(tie.b, tie.b), tie.weight) for tie in _ties(plan)
    ]
    found = place(pieces, [tie for tie in ties if tie.a != tie.b], machines, spread)
    names = [*(node.name for node in plan.nodes), *(switch.name for switch in plan.switches)]
    places = {name: found[leads.get(name, name)] for name in names}
    cut = [
        (wire.a.node, wire.b.node)
        for wire in plan.wires
        if places[wire.a.node] != places[wire.b.node]
    ]
    return Placement(tuple(places.items()), tuple(cut))


def _together(plan: Plan) -> dict[str, str]:
    """Return, for each node, the first of those that it shares volumes with, or itself.

    A volume is on one machine, and so are all that have it.

    """
    leads = {node.name: node.name for node in plan.nodes}
    first: dict[str, str] = {}
    for node in plan.nodes:
        for volume in node.container.volumes:
            if not volume.shared:
                continue
            old, new = leads[node.name], leads[first.setdefault(volume.source, node.name)]
            if old != new:
                leads = {name: new if lead == old else lead for name, lead in leads.items()}
    return leads


def _piece(lead: str, nodes: Sequence[NodePlan], settled: Mapping[str, str]) -> Piece:
    """Return nodes that stay together as one."""
    said = {
        node.name: machine
        for node in nodes
        if (machine := settled.get(node.name) or node.machine) is not None
    }
    if len(set(said.values())) > 1:
        (one, here), *others = said.items()
        other, there = next(item for item in others if item[1] != here)
        raise TopologyError(
            f"{one} is on the machine {here} and {other} on {there}, and both share a volume, "
            "which is on one machine: give them the same machine=, or leave it out"
        )
    demand = sum((_demand(node) for node in nodes), Demand())
    return Piece(lead, demand, next(iter(said.values()), None))


def _demand(node: NodePlan) -> Demand:
    limits = node.limits
    return Demand(1, limits.memory_mb or HOST_MB, limits.cpus or 0.0)


def _ties(plan: Plan) -> Iterator[Tie]:
    """Yield how much each link ties: by its rate, and more at a switch with many ports.

    What a switch floods goes by every link of it, from each of its ports.

    """
    ports = Counter(end.node for wire in plan.wires for end in (wire.a, wire.b))
    for wire in plan.wires:
        rates = [
            each.rate_mbit
            for each in (wire.toward_a, wire.toward_b)
            if each is not None and each.rate_mbit
        ]
        rate = max([*rates, _LEAST_RATE_MBIT]) if rates else _USUAL_RATE_MBIT
        largest = max(
            (ports[end.node] for end in (wire.a, wire.b) if end.node in plan.switch_names),
            default=1,
        )
        yield Tie(wire.a.node, wire.b.node, rate * (1 + math.log2(largest)))
