"""Differences: the steps that turn one plan into another, as data.

`compare` looks at two plans and says which nodes, bridges and wires come,
and what changes inside the nodes that stay.  The first start of a lab is
the change from no plan; undoing a step is the change back.  Nothing here
touches a machine.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import TypeVar

from playground.errors import TopologyError
from playground.model.addresses import InterfaceAddress
from playground.model.policy_routing import sysctl_parts
from playground.model.records import dataclass
from playground.model.services.frr import RoutingDaemon
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import (
    InterfacePlan,
    OwnRoutePlan,
    OwnRulePlan,
    RoutePlan,
    RulesetPlan,
    SwitchPlan,
    VniPlan,
    VrfPlan,
    WirePlan,
)

T = TypeVar("T")


@dataclass(frozen=True)
class NodeChange:
    """The changes to the network of one node, new or not.

    ``addresses_remove`` are pairs of interface and address, ``interfaces_remove``
    interfaces with a VLAN, ``vrfs_leave`` those that are in no VRF, or VNI, any longer.
    ``rules`` is None where those of nft stay as they are; ``rules_before`` are those that are
    loaded, of a node that runs.

    """

    node: str
    interfaces: tuple[InterfacePlan, ...]
    addresses_remove: tuple[tuple[str, InterfaceAddress], ...]
    routes_add: tuple[RoutePlan, ...]
    routes_remove: tuple[RoutePlan, ...]
    sysctls: tuple[tuple[str, str], ...]
    rules: RulesetPlan | None
    own_routes_add: tuple[OwnRoutePlan, ...] = ()
    own_routes_remove: tuple[OwnRoutePlan, ...] = ()
    own_rules_add: tuple[OwnRulePlan, ...] = ()
    own_rules_remove: tuple[OwnRulePlan, ...] = ()
    interfaces_remove: tuple[InterfacePlan, ...] = ()
    vrfs_add: tuple[VrfPlan, ...] = ()
    vrfs_remove: tuple[VrfPlan, ...] = ()
    vrfs_leave: tuple[str, ...] = ()
    vnis_add: tuple[VniPlan, ...] = ()
    vnis_remove: tuple[VniPlan, ...] = ()
    rules_before: RulesetPlan | None = None

    def __bool__(self) -> bool:
        """Tell whether anything changes."""
        return self.rules is not None or self.in_network

    @property
    def in_network(self) -> bool:
        """Whether anything but its rules changes."""
        return bool(
            self.interfaces
            or self.addresses_remove
            or self.routes_add
            or self.routes_remove
            or self.sysctls
            or self.own_routes_add
            or self.own_routes_remove
            or self.own_rules_add
            or self.own_rules_remove
            or self.interfaces_remove
            or self.vrfs_add
            or self.vrfs_remove
            or self.vnis_add
            or self.vnis_remove
        )


@dataclass(frozen=True)
class WireChange:
    """A wire that stays, or comes, and is to be another than it is then.

    With ``replace_queues`` those that somebody has set by hand go, and ours are set anew.

    """

    old: WirePlan
    new: WirePlan
    replace_queues: bool = False


@dataclass(frozen=True)
class SwitchChange:
    """A switch that stays, or comes, and is to be another than it is then."""

    old: SwitchPlan
    new: SwitchPlan

    def __bool__(self) -> bool:
        """Tell whether there is anything to do: ports that come are plugged in with their wire."""
        same = (self.old.settings, self.old.mirror) == (self.new.settings, self.new.mirror)
        old, new = self.old, self.new
        moved = old.moved(new) or old.set_anew(new) or old.usual_again(new)
        return not same or bool(moved) or old.guards != new.guards


@dataclass(frozen=True)
class Changes:
    """All that one plan has and another has not; empty tuples where that is nothing.

    ``wires_change`` holds new wires too that begin down or impaired, and
    ``switches_change`` new switches that mirror ports, or put ports into other VLANs.
    Inside a node without power nothing changes; in one that has it back all is new.
    ``nodes_stop`` are those that lose it.

    """

    nodes: tuple[NodePlan, ...]
    bridges: tuple[str, ...]
    wires: tuple[WirePlan, ...]
    inside: tuple[NodeChange, ...]
    wires_remove: tuple[WirePlan, ...] = ()
    wires_change: tuple[WireChange, ...] = ()
    switches_change: tuple[SwitchChange, ...] = ()
    nodes_stop: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(
            self.nodes
            or self.bridges
            or self.wires
            or self.inside
            or self.wires_remove
            or self.wires_change
            or self.switches_change
            or self.nodes_stop
        )


def compare(old: Plan | None, new: Plan) -> Changes:
    """Return what turns the network of `old` into that of `new`.

    `old` is None for a lab that is not started.  ``nodes``, ``bridges`` and
    ``wires`` are those to be made, ``wires_remove`` those whose link was taken out.
    Routes by an end that is set down are in neither network.  ``inside`` is what
    changes in the nodes of `new`, and leads back too: ``compare(new, old).inside``
    undoes it.

    >>> bool(compare(plan, plan))
    False

    """
    old_nodes = {node.name: node for node in old.nodes} if old else {}
    old_bridges = {switch.device for switch in old.switches} if old else set()
    old_wires = {wire.pair: wire for wire in old.wires} if old else {}
    pairs = {wire.pair for wire in new.wires}
    closed = closed_ends(old) if old else frozenset()
    closing = closed_ends(new)
    dark = old.stopped_names if old else frozenset[str]()
    inside = (
        _inside(_open(was, closed) if was else None, _open(node, closing))
        for node in new.nodes
        if node.name not in new.stopped_names
        for was in [None if node.name in dark else old_nodes.get(node.name)]
    )
    lit = dark - new.stopped_names
    changing = (
        WireChange(_lit(old_wires.get(wire.pair), lit) or _plain(wire), wire) for wire in new.wires
    )
    old_switches = {switch.name: switch for switch in old.switches} if old else {}
    switching = (
        SwitchChange(old_switches.get(item.name) or _just_made(item), item) for item in new.switches
    )
    return Changes(
        nodes=tuple(node for node in new.nodes if node.name not in old_nodes),
        bridges=tuple(switch.device for switch in new.switches if switch.device not in old_bridges),
        wires=tuple(wire for wire in new.wires if wire.pair not in old_wires),
        inside=tuple(change for change in inside if change),
        wires_remove=tuple(wire for pair, wire in old_wires.items() if pair not in pairs),
        wires_change=tuple(change for change in changing if change.old != change.new),
        switches_change=tuple(change for change in switching if change),
        nodes_stop=tuple(
            node.name
            for node in new.nodes
            if node.name in old_nodes and node.name in new.stopped_names - dark
        ),
    )


def refuse_other_containers(old: Plan | None, new: Plan) -> None:
    """Raise `TopologyError` where a node that runs is to have another container.

    An image, a command or a volume is chosen when a container is made, and never after.

    """
    running = {node.name: node.container for node in old.nodes} if old else {}
    for node in new.nodes:
        was = running.get(node.name, node.container)
        if was != node.container:
            now, before = node.container.said(), was.said()
            names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
            raise TopologyError(
                f"{node.name} runs already, and its {', '.join(names)} cannot change while it "
                "does: stop the lab and start it again, or remove the node and declare another"
            )


def refuse_late_frr(old: Plan | None, new: Plan) -> None:
    """Raise `TopologyError` where a node that runs without FRR is to run it.

    Its root was chosen when it was made.

    """
    running = {node.name: node for node in old.nodes} if old else {}
    for node in new.nodes:
        was = running.get(node.name, node)
        before, now = (
            any(isinstance(item, RoutingDaemon) for item in one.services) for one in (was, node)
        )
        if now and not before:
            raise TopologyError(
                f"{node.name} runs already, without FRR's daemons, which what it is told now "
                f"needs: stop the lab, say it before the start, and start it again"
            )


def closed_ends(plan: Plan) -> frozenset[tuple[str, str]]:
    """Return node and interface of all ends that are set down, switches' left out."""
    return frozenset(
        (end.node, end.interface)
        for wire in plan.wires
        if not wire.up
        for end in wire.cut(plan.switch_names)
        if end.node not in plan.switch_names
    )


def reopened(plan: Plan, wire: WirePlan) -> list[NodeChange]:
    """Return what the kernel has forgotten of the nodes at a wire that was down."""
    changes = []
    for end in wire.cut(plan.switch_names):
        if end.node in plan.switch_names or end.node in plan.stopped_names:
            continue
        node = plan.node(end.node)
        routes = tuple(route for route in node.routes if route.interface == end.interface)
        interfaces = tuple(item for item in node.interfaces if item.name == end.interface)
        own = tuple(
            route
            for route in node.own_routes
            if any(hop.interface == end.interface for hop in route.hops)
        )
        # An interface that is told its addresses is made quiet, and its settings are lost.
        sysctls = tuple(
            item
            for item in node.sysctls
            # Seldom is one of an interface: the others are not taken apart.
            if end.interface in item[0] and sysctl_parts(item[0])[3:4] == [end.interface]
        )
        changes.append(
            NodeChange(node.name, interfaces, (), routes, (), sysctls, None, own_routes_add=own)
        )
    return changes


def rules_change(old: NodePlan, new: NodePlan) -> NodeChange:
    """Return the change of a node in which only its rules are others."""
    return NodeChange(new.name, (), (), (), (), (), new.rules, rules_before=old.rules)


def _just_made(switch: SwitchPlan) -> SwitchPlan:
    """Return a switch as it is when it was made."""
    return dataclasses.replace(switch, mirror=None, port_settings=(), guards=())


def _lit(wire: WirePlan | None, lit: Collection[str]) -> WirePlan | None:
    """Return a wire as it is when nodes have power again: their interfaces are set up."""
    if wire is not None and {wire.a.node, wire.b.node} & {*lit}:
        return dataclasses.replace(wire, up=True)
    return wire


def _plain(wire: WirePlan) -> WirePlan:
    """Return a wire as it is when it was made."""
    return dataclasses.replace(
        wire, up=True, toward_a=None, toward_b=None, queue_a=None, queue_b=None
    )


def _open(node: NodePlan, closed: Collection[tuple[str, str]]) -> NodePlan:
    """Return a node without its routes by ends that are set down."""
    if not any(name == node.name for name, _ in closed):
        return node
    routes = tuple(item for item in node.routes if (node.name, item.interface) not in closed)
    own = []
    for route in node.own_routes:
        hops = tuple(hop for hop in route.hops if (node.name, hop.interface) not in closed)
        if hops or not route.hops:
            own.append(dataclasses.replace(route, hops=hops))
    return dataclasses.replace(node, routes=routes, own_routes=tuple(own))


def _inside(old: NodePlan | None, new: NodePlan) -> NodeChange:
    if old is None:
        return NodeChange(
            new.name,
            new.interfaces,
            (),
            new.routes,
            (),
            new.sysctls,
            new.rules or None,
            own_routes_add=new.own_routes,
            own_rules_add=new.own_rules,
            vrfs_add=new.vrfs,
            vnis_add=new.vnis,
        )
    there = {interface.name: interface for interface in new.interfaces}
    less = {
        interface.name
        for interface in old.interfaces
        if interface.name in there and {*interface.addresses} - {*there[interface.name].addresses}
    }
    standing = there.keys() | {vrf.name for vrf in new.vrfs}
    return NodeChange(
        node=new.name,
        interfaces=tuple(item for item in new.interfaces if item not in old.interfaces),
        addresses_remove=tuple(
            (interface.name, address)
            for interface in old.interfaces
            # An interface that goes with its wire takes its addresses along.
            if interface.name in there
            for address in interface.addresses
            if address not in there[interface.name].addresses
        ),
        # With an address the kernel takes the routes away that lead by its network.
        routes_add=_more([one for one in old.routes if one.interface not in less], new.routes),
        routes_remove=tuple(
            route for route in _more(new.routes, old.routes) if route.interface in standing
        ),
        sysctls=_settings(old, new),
        rules=None if new.rules == old.rules else new.rules,
        own_routes_add=_more(
            [one for one in old.own_routes if not less & {hop.interface for hop in one.hops}],
            new.own_routes,
        ),
        own_routes_remove=_more(new.own_routes, old.own_routes),
        own_rules_add=_more(old.own_rules, new.own_rules),
        own_rules_remove=_more(new.own_rules, old.own_rules),
        interfaces_remove=tuple(
            item for item in old.interfaces if item.vlan is not None and item.name not in there
        ),
        vrfs_add=_other_vrfs(old.vrfs, new.vrfs),
        vrfs_remove=_other_vrfs(new.vrfs, old.vrfs),
        vrfs_leave=tuple(
            item.name
            for item in old.interfaces
            if (item.vrf or item.vni)
            and item.name in there
            and (there[item.name].vrf or there[item.name].vni) is None
        ),
        vnis_add=_more(old.vnis, new.vnis),
        vnis_remove=tuple(
            vni for vni in old.vnis if vni.number not in {one.number for one in new.vnis}
        ),
        rules_before=old.rules,
    )


def _settings(old: NodePlan, new: NodePlan) -> tuple[tuple[str, str], ...]:
    """Return the sysctls that are new, and those of interfaces that are told anything.

    Such an interface is made quiet once more, after which its settings have to be said again.

    """
    told = {item.name for item in new.interfaces if item not in old.interfaces}
    return tuple(
        item
        for item in new.sysctls
        if item not in old.sysctls or told.intersection(sysctl_parts(item[0])[3:4])
    )


def _other_vrfs(old: Sequence[VrfPlan], new: Sequence[VrfPlan]) -> tuple[VrfPlan, ...]:
    """Return what is in `new` and not in `old`, whatever their daemons speak."""
    known = {(vrf.name, vrf.table) for vrf in old}
    return tuple(vrf for vrf in new if (vrf.name, vrf.table) not in known)


def _more(old: Sequence[T], new: Sequence[T]) -> tuple[T, ...]:
    """Return what is in `new` and not in `old`."""
    known = set(old)
    return tuple(item for item in new if item not in known)
