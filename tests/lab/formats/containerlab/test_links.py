"""Links of a topology file: short, long, dummy, and those that lead out."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.lab.formats.containerlab.links import ClabLink, LinkReader
from playground.lab.formats.containerlab.topology_file import ContainerlabFile
from playground.lab.formats.foreign.notes import Notes


def read(tmp_path: Path, links: str) -> tuple[list[ClabLink], list[str]]:
    path = tmp_path / "x.clab.yml"
    path.write_text(f"topology:\n  nodes: {{a: , b: , br: {{kind: bridge}}}}\n  links: [{links}]\n")
    notes = Notes(path)
    return [*LinkReader(ContainerlabFile(path, notes)).links()], notes.lines


def test_short_and_long_links_are_the_same(tmp_path: Path) -> None:
    [short], _ = read(tmp_path, '{endpoints: ["a:eth1", "b:eth2"], ipv4: ["10.0.0.1/24", ""]}')
    [long], _ = read(
        tmp_path,
        "{type: veth, endpoints: [{node: a, interface: eth1, ipv4: 10.0.0.1/24}, "
        "{node: b, interface: eth2}]}",
    )
    assert short.ends == long.ends
    assert short.ends[0].addresses == ("10.0.0.1/24",) and short.ends[1].addresses == ()


def test_a_dummy_interface_has_one_end(tmp_path: Path) -> None:
    [link], notes = read(
        tmp_path, "{type: dummy, endpoint: {node: a, interface: dummy0}, mtu: 9000}"
    )
    assert [end.interface for end in link.ends] == ["dummy0"] and link.mtu == 9000
    assert notes == []


@pytest.mark.parametrize(
    ("link", "note"),
    [
        ("{type: host, endpoint: {node: a, interface: eth1}, host-interface: v}", "lab.machine()"),
        ("{type: macvlan, endpoint: {node: a, interface: e}, host-interface: v}", "plug(physical="),
        ("{type: mgmt-net, endpoint: {node: a, interface: e}, host-interface: v}", "management"),
        ("{type: vxlan, endpoint: {node: a, interface: e}, remote: 1.1.1.1}", "engine swarm"),
        ('{endpoints: ["a:eth1", "macvlan:enp0s3"]}', "a link to macvlan is not made"),
    ],
)
def test_what_leads_out_of_a_lab_is_noted_with_its_line(
    tmp_path: Path, link: str, note: str
) -> None:
    links, [said] = read(tmp_path, link)
    assert links == [] and note in said and ":3:" in said


def test_what_is_not_heeded_of_a_link_is_noted(tmp_path: Path) -> None:
    _, notes = read(
        tmp_path,
        "{labels: {a: b}, endpoints: [{node: a, interface: eth1, vars: {x: 1}}, "
        "{node: br, interface: p}]}",
    )
    assert [note.partition(": ")[2] for note in notes] == [
        "labels: of a link is not heeded",
        "vars: of an end of a link is not heeded",
    ]


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("{type: dummy}", "None is no end; write endpoint: {node: a, interface: dummy0}"),
        ("{type: vethh, endpoints: []}", "'vethh' is no type of link: did you mean veth?"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, link: str, told: str) -> None:
    with pytest.raises(TopologyError, match=r"x\.clab\.yml:3:") as error:
        read(tmp_path, link)
    assert told in str(error.value)
