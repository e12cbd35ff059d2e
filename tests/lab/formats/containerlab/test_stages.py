"""Stages of a node: whom it waits for, and commands as it enters or leaves one."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.lab.formats.containerlab.stages import stage_commands, waits_for
from playground.lab.formats.containerlab.topology_file import ContainerlabFile, NodeFile
from playground.lab.formats.foreign.notes import Notes


def node(tmp_path: Path, said: str) -> NodeFile:
    path = tmp_path / "x.clab.yml"
    path.write_text(f"topology:\n  nodes:\n    a: {said}\n    b:\n    c:\n")
    return ContainerlabFile(path, Notes(path)).nodes["a"]


def test_an_end_is_waited_for_where_it_is_meant(tmp_path: Path) -> None:
    said = (
        "{wait-for: [c], stages: {create: {wait-for: [{node: b, stage: exit}]}, "
        "configure: {wait-for: [{node: c, stage: healthy}]}}}"
    )
    assert waits_for(node(tmp_path, said)) == {"c": "well", "b": "ended"}


def test_commands_stand_before_or_after_exec(tmp_path: Path) -> None:
    one = node(
        tmp_path,
        "{stages: {healthy: {exec: [{command: late, phase: on-exit}]}, "
        "create-links: {exec: [{command: early}, {command: touch /x, target: host}]}, "
        "configure: {exec: {on-enter: [second], on-exit: [third]}}, "
        "exit: {exec: [{command: never}]}}}",
    )
    before, after = stage_commands(one)
    assert [line.text for line in before] == ["early", "second"]
    assert [line.text for line in after] == ["third", "late"]
    notes = one.file.notes.lines
    assert "'touch /x' is not run on this machine" in notes[0] and ":3:" in notes[0]
    assert "'never' is not run: nothing is done as exit begins" in notes[1]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{stages: {begin: }}", "begin: there is no such stage; there is create, create-links"),
        ("{stages: {create: 7}}", "create: 7 is no mapping"),
        ("{stages: {create: {wait-for: [b]}}}", "'b' names no node; write {node: b}"),
        ("{stages: {create: {wait-for: [{node: b, stage: done}]}}}", "'done' is none of create"),
        ("{stages: {create: {exec: [ls]}}}", "'ls' is no command; write {command: ip link}"),
        ("{stages: {create: {exec: {at-once: [ls]}}}}", "'at-once' is no list on-enter or on-exit"),
        ("{wait-for: [z]}", "a waits for 'z', which is no node of this file"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, said: str, told: str) -> None:
    with pytest.raises(TopologyError, match=r"x\.clab\.yml:3:") as error:
        one = node(tmp_path, said)
        waits_for(one)
        stage_commands(one)
    assert told in str(error.value)
