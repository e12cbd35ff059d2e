"""Handles of what runs, given to the nodes and links of a lab, and taken from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from playground.lab import apply, programs
from playground.lab.provision import NodeProvision
from playground.lab.state import LabObject
from playground.operations.connection.handles import LiveNode, LiveSwitch, LiveWire
from playground.operations.network import Link, Node, Switch
from playground.planning.interface_names import match
from playground.planning.plan import NodePlan, Plan
from playground.planning.segments import linked, links_of


def attach_nodes(lab: LabObject, plan: Plan, pids: Mapping[str, int]) -> None:
    """Give each node, switch and link of a plan the handle by which its operations reach it."""
    state = lab._state
    own = programs.known(state.agent(), plan, pids)
    plain_have_image = state.engine.image_for(frozenset()) is not None
    for node in lab.nodes:
        # A node that was declared since, and is not started, is in no plan.
        if isinstance(node, Switch) or node.name not in pids:
            continue
        offered = plan.node(node.name).services
        node._live = LiveNode(
            pid=pids[node.name],
            agent=state.agent(),
            lab=lab,
            services={item.service: item.row for item in offered},
            programs=own.get(node.name, {}),
            plan=state.as_leased(plan.node(node.name)),
            own_programs=plain_have_image or bool(offered) or _has_own_image(plan.node(node.name)),
        )

    plumbing = apply.Plumbing(lambda: state.plan or plan, pids)
    for link, wire in match(state.links, plan).items():
        assert isinstance(link, Link)
        link._live = LiveWire(state.agent(), lab, wire, plumbing)
    switches = {switch.name: switch for switch in plan.switches}
    for node in lab.nodes:
        if isinstance(node, Switch) and node.name in switches:
            live = LiveSwitch(state.agent(), lab, switches[node.name], apply.switch_request)
            node._live = live


def _has_own_image(node: NodePlan) -> bool:
    """Whether a node has an image in any case: the user's, or packages upon ours."""
    return node.container.source is not None or bool(node.packages)


def detach_nodes(lab: LabObject) -> None:
    """Take all handles away."""
    lab._state.leased.clear()
    # What was declared since may be wrong, and must not keep the lab from its end.
    nodes = cast(tuple[Node, ...], linked(lab._state.given))
    for link in cast(tuple[Link, ...], links_of(nodes)):
        link._live = None
    for node in nodes:
        node._live = None


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
