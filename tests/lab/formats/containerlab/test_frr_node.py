"""FRR as a node of a topology."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.lab.formats.containerlab.frr_node import FrrSaid, is_frr, understand_frr
from playground.lab.formats.containerlab.topology_file import ContainerlabFile, NodeFile
from playground.lab.formats.foreign.notes import Notes
from playground.lab.formats.foreign.startup_script import ScriptLine


def node(tmp_path: Path, said: str) -> NodeFile:
    path = tmp_path / "x.clab.yml"
    path.write_text(f"name: x\ntopology:\n  nodes:\n    r1: {said}\n")
    return ContainerlabFile(path, Notes(path)).nodes["r1"]


def understood(tmp_path: Path, said: str, *commands: str) -> FrrSaid:
    return understand_frr(node(tmp_path, said), [ScriptLine(one) for one in commands])


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("{kind: frr}", True),
        ("{kind: frrouting}", True),
        ("{kind: linux, image: 'quay.io/frrouting/frr:9.1'}", True),
        ("{kind: linux, image: 'frr-ssh:latest', binds: ['r1.conf:/etc/frr/frr.conf']}", True),
        ("{kind: linux, image: 'alpine:3'}", False),
        ("{kind: arista_ceos, image: frr}", False),
    ],
)
def test_frr_is_known_by_kind_image_or_its_file(tmp_path: Path, said: str, known: bool) -> None:
    assert is_frr(node(tmp_path, said)) is known


def test_lines_are_those_of_the_file_and_of_vtysh(tmp_path: Path) -> None:
    (tmp_path / "r1.conf").write_text("hostname r1\nrouter ospf\n")
    found = understood(
        tmp_path,
        "{kind: linux, image: frr, binds: ['r1.conf:/etc/frr/frr.conf']}",
        "touch /etc/frr/vtysh.conf",
        "/usr/lib/frr/frrinit.sh start",
        "vtysh -c 'conf t' -c 'router bgp 65000' -c ' no bgp ebgp-requires-policy' -c end",
        "vtysh -c 'show ip route'",
        "ip link del eth0",
    )
    assert found.lines == "!\nrouter ospf\n\nrouter bgp 65000\n no bgp ebgp-requires-policy"
    assert [line.text for line in found.left] == ["vtysh -c 'show ip route'", "ip link del eth0"]


def test_a_configuration_may_stand_in_the_topology_itself(tmp_path: Path) -> None:
    said = '{kind: frr, startup-config: "router rip\\n network eth1\\n"}'
    assert understood(tmp_path, said).lines == "router rip\n network eth1\n"


def test_daemons_are_those_that_are_turned_on(tmp_path: Path) -> None:
    (tmp_path / "daemons").write_text("zebra=yes\nospfd=yes\nbgpd=no\n# ripd=yes\n")
    bound = "{kind: linux, image: frr, binds: ['daemons:/etc/frr/daemons']}"
    edited = "sed -i -e 's/bgpd=no/bgpd=yes/g' /etc/frr/daemons"
    assert understood(tmp_path, bound).services == ("ospf",)
    assert understood(tmp_path, bound, edited).services == ("ospf", "bgp")
    extras = "{kind: frr, extras: {frr: {daemons: [isisd, bfdd]}}}"
    assert understood(tmp_path, extras).services == ("isis", "bfd")
    assert understood(tmp_path, extras).lines is None
