"""One node of a topology on its way to a host, a router or a switch."""

from __future__ import annotations

from pathlib import Path

from playground.lab.declarations.shapes import NodeSaid
from playground.lab.formats.containerlab.node import ClabNode
from playground.lab.formats.containerlab.topology_file import ContainerlabFile
from playground.lab.formats.foreign.notes import Notes
from playground.lab.formats.foreign.understood import Declaring
from playground.operations.programs.script_failures import SCRIPT


def declared(tmp_path: Path, said: str, plain: bool = False) -> tuple[NodeSaid, list[str]]:
    path = tmp_path / "x.clab.yml"
    path.write_text(f"topology:\n  nodes:\n    a: {said}\n")
    notes = Notes(path)
    file = ContainerlabFile(path, notes)
    node = ClabNode(file.nodes["a"], {"a": "a"}, ["eth1"], Declaring.ROUTES).declared(plain)
    file.tell_of_several()
    return node, [line.partition(": a: ")[2] for line in notes.lines]


def test_a_box_of_tools_is_a_host_of_ours(tmp_path: Path) -> None:
    for image in ("nicolaka/netshoot", "ghcr.io/srl-labs/network-multitool:v1"):
        node, notes = declared(tmp_path, f"{{image: '{image}', cmd: sleep infinity}}")
        assert node.kind == "host" and "image" not in node.arguments
        assert bool(notes) == ("multitool" in image)


def test_images_are_left_out_of_plain_hosts_alone(tmp_path: Path) -> None:
    said = "{image: 'alpine:3', cmd: ./serve, exec: [ip route]}"
    node, notes = declared(tmp_path, said)
    assert node.arguments["image"] == "alpine:3" and node.arguments["command"] == "./serve"
    assert node.arguments["programs"]["exec"].startswith("sh ") and notes == []
    node, notes = declared(tmp_path, said, plain=True)
    assert "image" not in node.arguments and node.arguments["files"][SCRIPT] == "ip route\n"
    assert notes == ["cmd './serve' is not run: it is a command of the image"]


def test_frr_under_another_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "frr.conf").write_text("router ospf\n")
    node, [note] = declared(
        tmp_path,
        "{image: frr-ssh, ports: ['2211:22'], binds: ['frr.conf:/etc/frr/frr.conf'], "
        "exec: [ip addr add 10.0.0.1/24 dev eth1]}",
    )
    assert (node.kind, node.arguments["frr"]) == ("router", "router ospf\n")
    assert node.arguments["services"] == ["ssh"] and "volumes" not in node.arguments
    assert note.startswith("image frr-ssh is not run: it has a configuration of FRR")


def test_frr_without_lines_runs_the_daemons_that_it_is_told_of(tmp_path: Path) -> None:
    node, _ = declared(tmp_path, "{kind: frr, extras: {frr: {daemons: [ospfd]}}}")
    assert (node.arguments["services"], node.arguments["routing"]) == (["ospf"], None)


def test_ipv6_is_awake_as_in_every_container(tmp_path: Path) -> None:
    node, _ = declared(tmp_path, "{image: 'alpine:3', sysctls: {net.ipv4.ip_forward: 0}}")
    assert node.arguments["sysctls"] == {
        "net.ipv4.ip_forward": "0",
        "net.ipv6.conf.all.disable_ipv6": "0",
    }


def test_nothing_is_dropped_without_a_word(tmp_path: Path) -> None:
    _, notes = declared(
        tmp_path,
        "{image: 'alpine:3', certificate: {issue: true}, cpu-set: 0-1, startup-delay: 5, "
        "network-mode: 'container:b', extras: {srl-agents: [x]}, colour: red, type: x}",
    )
    keys = ("certificate", "cpu-set", "startup-delay", "network-mode", "extras", "colour")
    assert [key for key in keys if not any(note.startswith(key) for note in notes)] == []
    _, [note] = declared(tmp_path, "{kind: bridge, exec: [ip link]}")
    assert note == "exec is not run: a switch runs no commands"


def test_stages_and_exec_run_in_order(tmp_path: Path) -> None:
    node, _ = declared(
        tmp_path,
        "{exec: [second], stages: {create: {exec: [{command: first}]}, "
        "healthy: {exec: [{command: third, phase: on-exit}]}}}",
    )
    assert node.arguments["files"][SCRIPT] == "first\nsecond\nthird\n"
