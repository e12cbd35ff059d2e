"""What all exports look at: cables, commands, FRR's files."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import playground
from playground import Bond, Host, Lab, Link, Router, Switch, Tunnel, Volume
from playground.lab.exports import export_shapes
from playground.lab.exports.export_shapes import (
    cables,
    commands,
    frr_files,
    lost,
    lost_of_wires,
    own_interfaces,
    script_commands,
)
from playground.lab.exports.to_containerlab import containerlab
from playground.lab.exports.to_kathara import kathara
from playground.model.services.frr import RoutingDaemon
from playground.model.services.table import SERVICES
from playground.planning.plan_parts import WirePlan
from tests.support_files import write_files


def test_a_heredoc_is_one_command() -> None:
    home, modem, isp = Switch("home"), Router("modem"), Router("isp")
    Link(home, modem)
    modem.masquerade(Link(modem, isp))
    found = commands(Lab(home, quiet=True).plan().node("modem"))
    assert [line.count("\n") > 3 and line.endswith("\nEND") for line in found[-1:]] == [True]
    assert "ip link set dev lo up" not in found


def test_frr_has_its_lines_and_its_daemons() -> None:
    r1, r2 = Router("r1", routing="ospf"), Router("r2", routing="ospf")
    Link(r1, r2)
    files = frr_files(Lab(r1, quiet=True).plan().node("r1"))
    assert "router ospf" in files["frr.conf"] and files["daemons"] == "ospfd=yes\n"
    assert frr_files(Lab(Host("h"), quiet=True).plan().node("h")) == {}


def test_each_daemon_of_frr_has_its_name_there() -> None:
    from playground.lab.exports.export_shapes import FRR_DAEMONS

    names = {name for name, row in SERVICES.items() if issubclass(row.settings, RoutingDaemon)}
    assert names - set(FRR_DAEMONS) - {"frr"} == set()


def test_what_nobody_is_told_is_said() -> None:
    a, b = Router("a", services=["ssh"]), Router("b")
    Link(a, b).impair(delay_ms=5)
    Tunnel(a, b, kind="gre")
    plan = Lab(a, quiet=True).plan()
    assert lost(plan.node("a")) == [
        "a: the services ssh are not set up",
        "a: the tunnel gre1 is not made",
    ]
    assert lost_of_wires(plan) == ["a - b: the impairment of the link is not told"]
    assert len([*cables(plan)]) == 1
    assert [item.name for item in own_interfaces(plan.node("a"))] == ["eth0"]


def test_of_a_bond_a_machine_is_told_and_a_switch_is_not() -> None:
    switch, host = Switch("s"), Host("h")
    Bond(Link(switch, host), Link(switch, host))
    switch.set_port(Link(switch, Host("other")), max_macs=1)
    plan = Lab(switch).plan()
    node = plan.node("h")
    assert [item.name for item in own_interfaces(node)] == ["eth0", "eth1"]
    assert "ip link set dev eth1 master bond0" in commands(node)
    assert lost_of_wires(plan) == [
        "s: the bond h-bond0 is not made",
        "s: what its ports may learn and flood is not told (other-eth0)",
    ]


def test_of_a_container_that_is_said_which_the_other_tool_does_not_take() -> None:
    ways: dict[str, Any] = {"env": {"A": "1"}, "entrypoint": "/run", "publish": [80]}
    said = Host("h", image="alpine:3", volumes={Volume("d"): "/d"}, memory_mb=64, **ways)
    built = Host("b", build="FROM debian:13\nRUN true\n")
    plan = Lab(said, built, quiet=True).plan()
    assert lost(plan.node("h"), ("source", "env")) == [
        "h: entrypoint=, volumes=, publish=, memory_mb= are not told"
    ]
    assert lost(plan.node("h"), plan.node("h").container.said()) == ["h: memory_mb= is not told"]
    # An image that is built here has no name there.
    assert lost(plan.node("b"), ("source",)) == ["b: build= is not told"]


def test_of_links_and_switches_is_said_what_is_not_told() -> None:
    a, b, s = Host("a"), Host("b"), Switch("s", stp=True)
    link, port = Link(a, b, mtu=1400), Link(s, a)
    link.down()
    link.queue("fq_codel", toward=b)
    s.set_port(port, isolated=True)
    s.mirror(port, to=Link(s, Host("c")))
    plan = Lab(a, quiet=True).plan()
    untold = lost_of_wires(plan, ("mtu_bytes",))
    assert untold == [
        "a - b: the link is down, which is not told",
        "a - b: the queues of the link are not told",
        "s: what was set at its ports is not told (a-eth1)",
        "s: a plain bridge there is not told of stp=",
        "s: the mirror of its ports is not made",
    ]
    assert {*lost_of_wires(plan)} - {*untold} == {"a - b: the MTU of the link is not told"}


def test_each_field_of_a_wire_is_told_or_lost() -> None:
    assert {*export_shapes._WIRE_LOSSES} == {one.name for one in dataclasses.fields(WirePlan)}


def test_a_heredoc_ends_at_its_own_word_alone() -> None:
    from playground.planning.here_documents import here_document

    text = here_document("cat > /etc/motd", "END\nreboot\x0cEND2\n")
    node = Lab(Host("h"), quiet=True).plan().node("h")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_shapes, "node_as_shell", lambda node: f"{text}\nip route")
        assert commands(node) == [text, "ip route"]


def test_the_script_of_another_tools_host_is_told_as_commands(tmp_path: Path) -> None:
    # The router of Mininet's own examples: a host that is told to forward.
    folder = {
        "lab.conf": 'LAB_NAME="kept"\nr1[0]=A\nr1[1]=B\n',
        "r1.startup": "ip address add 10.0.1.1/24 dev eth0\nsysctl net.ipv4.ip_forward=1\n"
        "iptables -A FORWARD -p tcp --dport 99 -j DROP\n",
    }
    plan = playground.load(write_files(tmp_path, folder), quiet=True, engine="namespaces").plan()
    lines, told = script_commands(plan.node("r1"))
    assert lines[-1] == "iptables -A FORWARD -p tcp --dport 99 -j DROP"
    assert told == {"command", "healthcheck", "files"}
    made = kathara(plan)
    assert not [note for note in made.notes if note.startswith("r1")]
    assert made.files["r1.startup"].endswith("\n".join(lines) + "\n")
    clab = containerlab(plan)
    assert clab.text is not None and not [one for one in clab.notes if one.startswith("r1")]
    assert "dport 99" in clab.text
    assert "cmd" not in clab.text and "healthcheck" not in clab.text


def test_files_beside_a_script_are_told_of(tmp_path: Path) -> None:
    folder = {
        "lab.conf": 'LAB_NAME="kept"\nh1[0]=A\n',
        "h1.startup": "echo ready > /tmp/ready\n",
        "h1/root/notes.txt": "nothing\n",
    }
    plan = playground.load(write_files(tmp_path, folder), quiet=True, engine="namespaces").plan()
    assert "h1: files= is not told" in kathara(plan).notes
