"""A plan's nodes on the machines of a swarm: what ties them together, and how much.  Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from playground.engines.swarm.manager import HOST_MB
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
    pieces = [
        Piece(node.name, _demand(node), settled.get(node.name) or node.machine)
        for node in plan.nodes
    ]
    pieces += [Piece(one.name, machine=settled.get(one.name)) for one in plan.switches]
    return place(pieces, list(_ties(plan)), machines, spread)


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
