"""Layers of a picture: kinds of groups that can be shaded, each switched on by itself.

Pure.  A layer that a lab has nothing of is left out.

"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from playground.operations.network import Node
from playground.operations.pictures.diagram import Diagram, Region, drawn, make_diagram
from playground.operations.pictures.layout import Layout
from playground.operations.pictures.routing_regions import areas, systems
from playground.operations.pictures.svg import draw_regions, draw_svg
from playground.planning.broadcast_domains import ports_at
from playground.planning.plan import Plan

# What each layer is called where it is switched on.
TITLES: Mapping[str, str] = {
    "realms": "behind NAT",
    "vlans": "VLANs",
    "areas": "areas of OSPF and IS-IS",
    "systems": "autonomous systems",
    "machines": "machines of the swarm",
}

Layers = Mapping[str, Sequence[Region]]


def layers_of(plan: Plan, nodes: Sequence[Node]) -> dict[str, tuple[Region, ...]]:
    """Return the groups of each layer that a lab has.

    >>> layers_of(lab.plan(), lab.nodes).keys()
    dict_keys(['realms', 'vlans'])

    """
    by_machine = make_diagram(plan, nodes, by_machine=True).regions
    found = {
        "realms": make_diagram(plan, nodes).regions,
        "vlans": tuple(vlans(plan)),
        "areas": tuple(areas(plan, nodes)),
        "systems": tuple(systems(plan, nodes)),
        "machines": by_machine if plan.placement is not None else (),
    }
    return {name: regions for name, regions in found.items() if regions}


def vlans(plan: Plan) -> Iterator[Region]:
    """Yield each VLAN (802.1Q): the links that carry it, and whoever is at their ends."""
    ports = ports_at(plan)
    nodes: dict[int, dict[str, None]] = {}
    cables: dict[int, list[int]] = {}
    for number, wire in enumerate(drawn(plan)):
        carried: dict[int, None] = {}
        for end in (wire.a, wire.b):
            if (port := ports.get(end)) is not None:
                carried |= dict.fromkeys(port.trunk)
                carried |= {} if port.vlan is None else {port.vlan: None}
        for vlan in carried:
            nodes.setdefault(vlan, {}).update({wire.a.node: None, wire.b.node: None})
            cables.setdefault(vlan, []).append(number)
    for vlan, names in sorted(nodes.items()):
        yield Region(
            tuple(names), tuple(cables[vlan]), f"VLAN {vlan}", f"the links that carry VLAN {vlan}"
        )


def draw_layered(diagram: Diagram, layout: Layout, layers: Layers, theme: str = "auto") -> str:
    """Return a living picture as SVG that has all layers in it, one ``<g data-layer=...>`` each.

    None of them is shown before whoever shows the picture takes its ``display="none"`` away.

    """
    svg = draw_svg(replace(diagram, regions=()), layout, theme, live=True)
    shades = []
    for name, regions in layers.items():
        parts = draw_regions(replace(diagram, regions=tuple(regions)), layout)
        shades.append(f'<g data-layer="{html.escape(name)}" display="none">{"".join(parts)}</g>')
    head, style, rest = svg.partition("</style>")
    return f"{head}{style}\n{''.join(shades)}{rest}"
