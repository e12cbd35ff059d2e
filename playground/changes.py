"""What must happen to turn one plan into another, as data.

`compare` looks at two plans and says which nodes, bridges and wires come,
and what changes inside the nodes that stay.  The first start of a lab is
the change from no plan; undoing a step is the change back.  Nothing here
touches a machine.

"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from playground.plan import InterfaceAddress, InterfacePlan, NodePlan, Plan, RoutePlan, WirePlan
from playground.rulesets import NO_RULES

T = TypeVar("T")


@dataclass(frozen=True)
class NodeChange:
    """What changes in the network of one node, new or not.

    ``addresses_remove`` are pairs of interface and address.  ``ruleset`` is
    None where the node's rules stay as they are.

    """

    node: str
    interfaces: tuple[InterfacePlan, ...]
    addresses_remove: tuple[tuple[str, InterfaceAddress], ...]
    routes_add: tuple[RoutePlan, ...]
    routes_remove: tuple[RoutePlan, ...]
    sysctls: tuple[tuple[str, str], ...]
    ruleset: str | None

    def __bool__(self) -> bool:
        """Tell whether anything changes."""
        return bool(
            self.interfaces
            or self.addresses_remove
            or self.routes_add
            or self.routes_remove
            or self.sysctls
            or self.ruleset is not None
        )


@dataclass(frozen=True)
class Changes:
    """What one plan has more than another; empty tuples where there is nothing."""

    nodes: tuple[NodePlan, ...]
    bridges: tuple[str, ...]
    wires: tuple[WirePlan, ...]
    inside: tuple[NodeChange, ...]

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self.nodes or self.bridges or self.wires or self.inside)


def compare(old: Plan | None, new: Plan) -> Changes:
    """Return what turns the network of `old` into that of `new`.

    `old` is None for a lab that is not started.  ``nodes``, ``bridges`` and
    ``wires`` are those to be made; nothing declared is ever taken out of a
    running lab.  ``inside`` is what changes in the nodes of `new`, and leads
    back too: ``compare(new, old).inside`` undoes it.

    >>> bool(compare(plan, plan))
    False

    """
    old_nodes = {node.name: node for node in old.nodes} if old else {}
    old_bridges = {switch.device for switch in old.switches} if old else set()
    old_wires = set(old.wires) if old else set()
    inside = (_inside(old_nodes.get(node.name), node) for node in new.nodes)
    return Changes(
        nodes=tuple(node for node in new.nodes if node.name not in old_nodes),
        bridges=tuple(switch.device for switch in new.switches if switch.device not in old_bridges),
        wires=tuple(wire for wire in new.wires if wire not in old_wires),
        inside=tuple(change for change in inside if change),
    )


def _inside(old: NodePlan | None, new: NodePlan) -> NodeChange:
    if old is None:
        return NodeChange(
            new.name, new.interfaces, (), new.routes, (), new.sysctls, new.ruleset or None
        )
    there = {interface.name: interface for interface in new.interfaces}
    return NodeChange(
        node=new.name,
        interfaces=tuple(item for item in new.interfaces if item not in old.interfaces),
        addresses_remove=tuple(
            (interface.name, address)
            for interface in old.interfaces
            # What goes with its wire takes its addresses along.
            if interface.name in there
            for address in interface.addresses
            if address not in there[interface.name].addresses
        ),
        routes_add=_more(old.routes, new.routes),
        routes_remove=tuple(
            route for route in _more(new.routes, old.routes) if route.interface in there
        ),
        sysctls=_more(old.sysctls, new.sysctls),
        ruleset=None if new.ruleset == old.ruleset else new.ruleset or NO_RULES,
    )


def _more(old: Sequence[T], new: Sequence[T]) -> tuple[T, ...]:
    """Return what is in `new` and not in `old`."""
    known = set(old)
    return tuple(item for item in new if item not in known)
