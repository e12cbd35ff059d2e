"""A network as text that others draw: Mermaid, D2, Graphviz, draw.io."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from playground.lab.exports.export_shapes import Export, cables
from playground.planning.plan import Plan


class Sketched(NamedTuple):
    """A node of a drawing: an id that every language takes, its kind, and the lines in it."""

    id: str
    kind: str
    lines: tuple[str, ...]


class SketchedLine(NamedTuple):
    """A line of a drawing, and what stands on it."""

    a: str
    b: str
    text: str


def sketch(plan: Plan) -> tuple[list[Sketched], list[SketchedLine]]:
    """Return the nodes and lines of a drawing, with addresses where interfaces have them."""
    ids = {name: f"n{number}" for number, name in enumerate(_names(plan))}
    nodes = [Sketched(ids[switch.name], "switch", (switch.name,)) for switch in plan.switches]
    addresses: dict[tuple[str, str], str] = {}
    for node in plan.nodes:
        loopback = [str(a) for i in node.interfaces if i.is_loopback for a in i.addresses]
        nodes.append(Sketched(ids[node.name], node.kind, (node.name, *loopback)))
        for item in node.interfaces:
            # Those of VLANs are on the line of their trunk.
            at = (node.name, item.parent or item.name)
            said = " ".join([addresses.get(at, ""), *map(str, item.addresses)]).strip()
            addresses[at] = said
    lines = []
    for cable in cables(plan):
        ends = ((cable.a, cable.a_interface), (cable.b, cable.b_interface))
        texts = [f"{name} {addresses.get((node, name), '')}".strip() for node, name in ends]
        text = " - ".join(text for text in texts if text)
        lines.append(SketchedLine(ids[cable.a], ids[cable.b], text))
    return nodes, lines


def _names(plan: Plan) -> Iterator[str]:
    yield from (switch.name for switch in plan.switches)
    yield from (node.name for node in plan.nodes)


_MERMAID = {"switch": ("([", "])"), "router": ("{{", "}}"), "host": ("[", "]")}


def mermaid(plan: Plan) -> Export:
    """Return a flowchart of Mermaid: https://mermaid.js.org/syntax/flowchart.html."""
    nodes, lines = sketch(plan)
    text = ["graph LR"]
    for node in nodes:
        left, right = _MERMAID[node.kind]
        label = "<br/>".join(html.escape(line) for line in node.lines)
        text.append(f'  {node.id}{left}"{label}"{right}')
    for line in lines:
        label = f'|"{html.escape(line.text)}"|' if line.text else ""
        text.append(f"  {line.a} ---{label} {line.b}")
    return Export("\n".join(text) + "\n")


_D2 = {"switch": "oval", "router": "hexagon", "host": "rectangle"}


def d2(plan: Plan) -> Export:
    """Return a diagram of D2: https://d2lang.com."""
    nodes, lines = sketch(plan)
    text = [
        f"{node.id}: {_quoted(chr(10).join(node.lines))} {{shape: {_D2[node.kind]}}}"
        for node in nodes
    ]
    text += [f"{line.a} -- {line.b}: {_quoted(line.text)}" for line in lines]
    return Export("\n".join(text) + "\n")


_DOT = {"switch": "ellipse", "router": "hexagon", "host": "box"}


def graphviz(plan: Plan) -> Export:
    """Return a graph in DOT: https://graphviz.org/doc/info/lang.html."""
    nodes, lines = sketch(plan)
    text = ["graph lab {"]
    text += [
        f"  {node.id} [shape={_DOT[node.kind]}, label={_quoted(chr(10).join(node.lines))}];"
        for node in nodes
    ]
    text += [f"  {line.a} -- {line.b} [label={_quoted(line.text)}];" for line in lines]
    return Export("\n".join([*text, "}"]) + "\n")


def _quoted(text: str) -> str:
    """Return a text in double quotes, as JSON, D2 and DOT have it."""
    return json.dumps(text, ensure_ascii=False)


_DRAWIO: Mapping[str, str] = {
    "switch": "ellipse;whiteSpace=wrap;html=1;",
    "router": "shape=hexagon;whiteSpace=wrap;html=1;",
    "host": "rounded=1;whiteSpace=wrap;html=1;",
}


def drawio(plan: Plan) -> Export:
    """Return a drawing of draw.io, nodes in a grid: Arrange > Layout there puts them in order."""
    nodes, lines = sketch(plan)
    columns = max(1, round(len(nodes) ** 0.5))
    cells = ['<mxCell id="0"/>', '<mxCell id="1" parent="0"/>']
    for number, node in enumerate(nodes):
        x, y = 40 + 200 * (number % columns), 40 + 120 * (number // columns)
        label = html.escape("<br>".join(html.escape(line) for line in node.lines))
        cells.append(
            f'<mxCell id="{node.id}" value="{label}" style="{_DRAWIO[node.kind]}" vertex="1" '
            f'parent="1"><mxGeometry x="{x}" y="{y}" width="140" height="60" as="geometry"/>'
            "</mxCell>"
        )
    for number, line in enumerate(lines):
        label = html.escape(html.escape(line.text))
        cells.append(
            f'<mxCell id="e{number}" value="{label}" style="endArrow=none;html=1;" edge="1" '
            f'parent="1" source="{line.a}" target="{line.b}"><mxGeometry relative="1" '
            'as="geometry"/></mxCell>'
        )
    inside = "\n      ".join(cells)
    return Export(
        '<mxfile>\n  <diagram name="lab">\n    <mxGraphModel><root>\n      '
        f"{inside}\n    </root></mxGraphModel>\n  </diagram>\n</mxfile>\n"
    )
