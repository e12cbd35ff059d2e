"""Handles of what runs, given to the nodes and links of a lab, and taken from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from playground.lab import apply, program_starts
from playground.lab.provision import NodeProvision
from playground.lab.state import LabObject, LabState
from playground.model.services.table import row_of
from playground.operations.connection.handles import LiveNode, LiveSwitch, LiveWire
from playground.operations.network import Link, Node, Switch
from playground.planning.addresses.segments import linked, links_of
from playground.planning.interface_names import match
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_steps import PlanStep


def attach_nodes(lab: LabObject, plan: Plan, pids: Mapping[str, int]) -> None:
    """Give each node, switch and link of a plan the handle by which its operations reach it."""
    state = lab._state
    own = program_starts.known(state.agent(), plan, pids)
    plain_have_image = state.engine.image_for(frozenset()) is not None
    for node in lab.nodes:
        # A node that was declared since, and is not started, is in no plan.
        if isinstance(node, Switch) or node.name not in pids:
            continue
        planned = plan.node(node.name)
        node._live = LiveNode(
            pid=pids[node.name],
            agent=state.agent(),
            lab=lab,
            services={item.service: row_of(item) for item in planned.services},
            programs=own.get(node.name, {}),
            plan=state.as_leased(plan.node(node.name)),
            strange=planned.container.source is not None,
            stopped=node.name in plan.stopped_names,
            own_programs=plain_have_image or bool(planned.daemons) or _has_own_image(planned),
        )

    state.plumbing = plumbing = apply.Plumbing(plan, pids)
    for link, wire in match(state.links, plan).items():
        assert isinstance(link, Link)
        link._live = LiveWire(state.agent(), lab, wire, plumbing)
    switches = {switch.name: switch for switch in plan.switches}
    for node in lab.nodes:
        if isinstance(node, Switch) and node.name in switches:
            live = LiveSwitch(state.agent(), lab, switches[node.name])
            node._live = live


def _has_own_image(node: NodePlan) -> bool:
    """Whether a node has an image in any case: the user's, or packages upon ours."""
    return node.container.source is not None or bool(node.packages)


def detach_nodes(lab: LabObject) -> None:
    """Take all handles away."""
    lab._state.leased.clear()
    # Declarations made since may be wrong, and must not keep the lab from its end.
    nodes = cast(tuple[Node, ...], linked(lab._state.given))
    for link in cast(tuple[Link, ...], links_of(nodes)):
        link._live = None
    for node in nodes:
        node._live = None


def settle(state: LabState, step: PlanStep) -> None:
    """Let handles know what has become of the few things that a step has changed."""
    state.plan = step.after
    change = step.change
    for wire in change.wires_change:
        ends = (state.find(wire.new.a.node), state.find(wire.new.b.node))
        # A switch may have hundreds of links.
        for link in min((end.links for end in ends), key=len):
            if link._live is not None and link._live.wire is wire.old:
                link._live.wire = wire.new
    for switch in change.switches_change:
        node = state.find(switch.new.name)
        assert isinstance(node, Switch)
        if node._live is not None:
            node._live.plan = switch.new
    for inside in change.inside:
        if inside.rules is None:
            continue
        state.node(inside.node).running().plan = state.as_leased(step.after.node(inside.node))


def restore(
    lab: LabObject,
    plan: Plan | None,
    provisions: dict[str, NodeProvision],
    pids: dict[str, int],
) -> None:
    """Let a lab have this plan again, and nothing where it is None."""
    lab._state.plan, lab._state.provisions, lab._state.pids = plan, provisions, pids
    detach_nodes(lab)
    if plan is not None:
        attach_nodes(lab, plan, pids)
