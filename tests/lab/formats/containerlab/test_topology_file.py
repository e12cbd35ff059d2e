"""Topologies of containerlab as data: variables, and what is handed down."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.lab.formats.containerlab.topology_file import ContainerlabFile
from playground.lab.formats.foreign.notes import Notes

FILE = """\
name: x
topology:
  defaults:
    env: {A: all, B: all}
    kind: linux
  kinds:
    linux: {image: plain, env: {B: kind}, binds: [a:/a]}
  groups:
    web: {image: web, env: {C: group}}
  nodes:
    n1: {group: web, env: {D: node}, binds: ["b:/b"]}
    n2:
    n3: {kind: srl, mgmt_ipv4: 172.20.20.2}
    n4: {image: "alpine:${TAG:-3}", exec: ["echo $OWN ${OWN} $1 $$WORD $WORD"], cmd: "${WORD}"}
"""


def read(tmp_path: Path, text: str, environment: dict[str, str]) -> ContainerlabFile:
    path = tmp_path / "x.clab.yml"
    path.write_text(text)
    return ContainerlabFile(path, Notes(path), environment)


def test_a_node_is_given_what_its_kind_and_group_say(tmp_path: Path) -> None:
    nodes = read(tmp_path, FILE, {"WORD": "sleep"}).nodes
    assert nodes["n1"].said["image"] == "web"
    assert nodes["n1"].pairs("env") == {"A": "all", "B": "kind", "C": "group", "D": "node"}
    assert nodes["n1"].texts("binds") == ["a:/a", "b:/b"]
    assert nodes["n2"].said["image"] == "plain"
    assert nodes["n3"].said["kind"] == "nokia_srlinux"
    assert nodes["n3"].text("mgmt-ipv4") == "172.20.20.2"
    assert str(nodes["n2"].place("image")).endswith("x.clab.yml:7:13")


def test_variables_are_put_in(tmp_path: Path) -> None:
    node = read(tmp_path, FILE, {"WORD": "sleep", "TAG": ""}).nodes["n4"]
    assert node.text("image") == "alpine:3"
    assert node.text("cmd") == "sleep"
    assert node.texts("exec") == ["echo $OWN ${OWN} $1 $WORD sleep"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\n", ":1: this is no topology of containerlab"),
        ("topology: {nodes: {}}\n", ":1:1: this topology has no nodes"),
        ("topology: {nodes: [a]}\n", ":1:12: ['a'] is in the place of a mapping"),
        ("topology: {nodes: {a: {group: [g]}}}\n", ":1:24: group: ['g'] is no name of a group"),
        ("topology: {nodes: {a: {image: '${NO}'}}}\n", ":1:24: ${NO}: no environment variable"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(TopologyError) as error:
        read(tmp_path, text, {})
    assert str(error.value).startswith(f"{tmp_path / 'x.clab.yml'}{told}")


@pytest.mark.parametrize(("key", "value"), [("image", "[1]"), ("binds", "{a: 1}"), ("env", "7")])
def test_a_value_of_another_shape_is_refused(tmp_path: Path, key: str, value: str) -> None:
    file = read(tmp_path, f"topology: {{nodes: {{a: {{{key}: {value}}}}}}}\n", {})
    node = file.nodes["a"]
    ask = {"image": node.text, "binds": node.texts, "env": node.pairs}[key]
    with pytest.raises(TopologyError, match=rf"x\.clab\.yml:1:24: {key}: "):
        ask(key)
