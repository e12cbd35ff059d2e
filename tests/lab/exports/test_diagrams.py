"""Networks as drawings in text."""

from xml.etree import ElementTree

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.lab.exports.diagrams import d2, drawio, graphviz, mermaid, sketch
from playground.planning.plan import Plan


@pytest.fixture
def plan() -> Plan:
    home, modem = Switch("home", subnet="192.168.1.0/24"), Router("modem", loopback="10.9.0.1/32")
    Link(home, modem), Link(home, Host("h1"))
    return Lab(home, quiet=True).plan()


def test_a_line_has_the_addresses_of_its_ends(plan: Plan) -> None:
    nodes, lines = sketch(plan)
    assert [(node.kind, node.lines) for node in nodes] == [
        ("switch", ("home",)),
        ("host", ("h1",)),
        ("router", ("modem", "10.9.0.1/32")),
    ] or [node.kind for node in nodes] == ["switch", "router", "host"]
    assert lines[0].text == "eth0 192.168.1.1/24"


def test_mermaid_is_a_flowchart(plan: Plan) -> None:
    text = mermaid(plan).text or ""
    assert text.startswith('graph LR\n  n0(["home"])\n')
    assert '{{"modem<br/>10.9.0.1/32"}}' in text
    assert ' ---|"eth0 192.168.1.1/24"| ' in text


def test_d2_and_graphviz_name_shapes(plan: Plan) -> None:
    assert '"home" {shape: oval}\n' in (d2(plan).text or "")
    assert '[shape=box, label="h1"];' in (graphviz(plan).text or "")


def test_drawio_is_xml_with_a_cell_for_each_part(plan: Plan) -> None:
    root = ElementTree.fromstring(drawio(plan).text or "")
    cells = list(root.iter("mxCell"))
    assert len([cell for cell in cells if cell.get("vertex")]) == 3
    assert len([cell for cell in cells if cell.get("edge")]) == 2
