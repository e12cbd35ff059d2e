"""What of a running lab stays where its declarations are replaced by others.  Pure.

A node or a link stays that is declared as it was, by name.  What cannot be changed while a node
runs, its image or its daemons, has the node made anew; a link whose addresses or names
are others gets new ones.

"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from playground.lab.lab_as_json import link_words
from playground.operations.network import Link, Node, Switch
from playground.planning.addresses.segments import links_of
from playground.planning.interface_names import match
from playground.planning.lost_machines import without_nodes
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import WirePlan

# What changes while a link is there.
_LIVE = ("id", "down", "toward", "queues")


class Staying(NamedTuple):
    """What stays of a plan: ``rest`` is without nodes that go, or are made anew.

    ``base`` is what the new plan keeps names and addresses of, ``cut`` the wires that led from
    what stays to what goes.

    """

    rest: Plan
    base: Plan
    cut: tuple[WirePlan, ...]
    gone: tuple[str, ...]
    anew: Mapping[str, str]


def find_staying(plan: Plan, before: Sequence[Node], after: Sequence[Node], fresh: Plan) -> Staying:
    """Return what stays of a running plan of ``before``, where ``after`` is declared instead.

    ``fresh`` is the plan of ``after`` by itself.

    """
    wanted = {node.name: node for node in fresh.nodes}
    switches = {switch.name for switch in fresh.switches}
    anew = {
        node.name: reason
        for node in plan.nodes
        if node.name in wanted and (reason := made_anew(node, wanted[node.name]))
    }
    gone = [name for name in _names(plan) if name not in wanted and name not in switches]
    gone += [name for name in plan.switch_names if name in wanted]
    gone += [node.name for node in plan.nodes if node.name in switches]
    leaving = {*gone, *anew}
    rest, cut = without_nodes(plan, leaving)
    base, _ = without_nodes(plan, gone)
    for wire in _changed(base, before, after):
        base = base.without_wire(wire)
    # One that is made anew gets the names and addresses that it had.
    nodes = tuple(
        dataclasses.replace(wanted[node.name], interfaces=node.interfaces)
        if node.name in anew
        else node
        for node in base.nodes
    )
    base = dataclasses.replace(base, nodes=nodes)
    return Staying(rest, base, cut, tuple(dict.fromkeys(gone)), anew)


def _names(plan: Plan) -> list[str]:
    return [*(node.name for node in plan.nodes), *(switch.name for switch in plan.switches)]


def made_anew(old: NodePlan, new: NodePlan) -> str:
    """Return why a node cannot become another while it runs, "" where it can.

    >>> made_anew(plan.node("h1"), other.node("h1"))
    'its services'

    """
    if old.kind != new.kind:
        return f"it was a {old.kind}"
    if old.container != new.container:
        now, was = new.container.said(), old.container.said()
        return "its " + ", ".join(n for n in {**was, **now} if was.get(n) != now.get(n))
    if old.limits != new.limits:
        return "its limits"
    if (old.daemons, old.packages) != (new.daemons, new.packages) or _own(old) != _own(new):
        return "its services"
    return "its machine" if old.machine != new.machine else ""


def _own(node: NodePlan) -> list[Any]:
    return [settings for settings in node.services if settings.is_own]


def _changed(plan: Plan, before: Sequence[Node], after: Sequence[Node]) -> list[WirePlan]:
    """Return the wires whose links, or the switches at them, are declared otherwise."""
    moved = {node.name for node in after if isinstance(node, Switch)} & _other_switches(
        before, after
    )
    old, new = _said(before), _said(after)
    found = []
    wires = match(_links(after), plan)
    for key, (link, words) in new.items():
        wire = wires.get(link)
        was = old.get(key)
        if wire is not None and ({*link.names} & moved or was is None or was[1] != words):
            found.append(wire)
    return found


def _links(nodes: Iterable[Node]) -> list[Link]:
    return list(links_of(nodes))  # type: ignore[arg-type]  # all nodes here are joined ones


Key = tuple[str, str, str | None, int]


def _said(nodes: Sequence[Node]) -> dict[Key, tuple[Link, Mapping[str, Any]]]:
    """Return links by their ends, and the how-manieth of these each is, with what was said."""
    links = _links(nodes)
    seen: Counter[tuple[str, str, str | None]] = Counter()
    found: dict[Key, tuple[Link, Mapping[str, Any]]] = {}
    for link, words in zip(links, link_words(links), strict=True):
        kind = link.tunnel.kind if link.tunnel else None
        ends = (*link.names, kind)
        said = {name: value for name, value in words.items() if name not in _LIVE}
        found[(*ends, seen[ends])] = link, said
        seen[ends] += 1
    return found


def _other_switches(before: Sequence[Node], after: Sequence[Node]) -> set[str]:
    def said(nodes: Sequence[Node]) -> dict[str, Any]:
        return {
            node.name: (node.subnets, node.vlans, node.qinq)
            for node in nodes
            if isinstance(node, Switch)
        }

    old, new = said(before), said(after)
    return {name for name in old.keys() & new.keys() if old[name] != new[name]}
