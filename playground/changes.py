"""What must happen to turn one plan into another, as data.

`compare` looks at two plans and says which nodes, bridges and wires come and
go, and what changes inside the nodes that stay.  The first start of a lab is
the change from no plan; undoing a step is the change back.  Nothing here
touches a machine.

"""

from __future__ import annotations

from dataclasses import dataclass

from playground.plan import InterfacePlan, NodePlan, Plan, RoutePlan, WirePlan


@dataclass(frozen=True)
class NodeChange:
    """What changes in the network of one node, new or not.

    ``ruleset`` is None where the node's rules stay as they are.

    """

    node: str
    interfaces: tuple[InterfacePlan, ...]
    routes_add: tuple[RoutePlan, ...]
    routes_remove: tuple[RoutePlan, ...]
    sysctls: tuple[tuple[str, str], ...]
    ruleset: str | None

    def __bool__(self) -> bool:
        """Tell whether anything changes."""
        return bool(
            self.interfaces
            or self.routes_add
            or self.routes_remove
            or self.sysctls
            or self.ruleset is not None
        )


@dataclass(frozen=True)
class Changes:
    """The difference between two plans; empty tuples where there is none."""

    nodes_add: tuple[NodePlan, ...]
    nodes_remove: tuple[NodePlan, ...]
    bridges_add: tuple[str, ...]
    bridges_remove: tuple[str, ...]
    wires_add: tuple[WirePlan, ...]
    wires_remove: tuple[WirePlan, ...]
    inside: tuple[NodeChange, ...]

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return any(
            (
                self.nodes_add,
                self.nodes_remove,
                self.bridges_add,
                self.bridges_remove,
                self.wires_add,
                self.wires_remove,
                self.inside,
            )
        )


def compare(old: Plan | None, new: Plan) -> Changes:
    """Return what turns the network of `old` into that of `new`.

    `old` is None for a lab that is not started.  A wire is known by its two
    ends and its properties, so a link whose MTU changes is taken out and put
    in anew.

    >>> compare(plan, plan)
    Changes(nodes_add=(), ...)
    >>> bool(compare(plan, plan))
    False

    """
    old_nodes = {node.name: node for node in old.nodes} if old else {}
    new_names = {node.name for node in new.nodes}
    old_bridges = [switch.device for switch in old.switches] if old else []
    new_bridges = [switch.device for switch in new.switches]
    old_wires = old.wires if old else ()
    kept_wires = set(old_wires) & set(new.wires)
    inside = (_inside(old_nodes.get(node.name), node) for node in new.nodes)
    return Changes(
        nodes_add=tuple(node for node in new.nodes if node.name not in old_nodes),
        nodes_remove=tuple(node for name, node in old_nodes.items() if name not in new_names),
        bridges_add=tuple(device for device in new_bridges if device not in old_bridges),
        bridges_remove=tuple(device for device in old_bridges if device not in new_bridges),
        wires_add=tuple(wire for wire in new.wires if wire not in kept_wires),
        wires_remove=tuple(wire for wire in old_wires if wire not in kept_wires),
        inside=tuple(change for change in inside if change),
    )


def _inside(old: NodePlan | None, new: NodePlan) -> NodeChange:
    if old is None:
        return NodeChange(
            node=new.name,
            interfaces=new.interfaces,
            routes_add=new.routes,
            routes_remove=(),
            sysctls=new.sysctls,
            ruleset=new.ruleset or None,
        )
    old_interfaces = set(old.interfaces)
    old_routes = set(old.routes)
    new_routes = set(new.routes)
    # A route of an interface that goes with its wire goes with it too.
    gone = {interface.name for interface in old.interfaces} - {
        interface.name for interface in new.interfaces
    }
    old_sysctls = set(old.sysctls)
    return NodeChange(
        node=new.name,
        interfaces=tuple(item for item in new.interfaces if item not in old_interfaces),
        routes_add=tuple(route for route in new.routes if route not in old_routes),
        routes_remove=tuple(
            route for route in old.routes if route not in new_routes and route.interface not in gone
        ),
        sysctls=tuple(item for item in new.sysctls if item not in old_sysctls),
        ruleset=new.ruleset if new.ruleset != old.ruleset else None,
    )
