"""Stages of a node: whom it waits for, and commands as it enters or leaves one.

https://containerlab.dev/manual/nodes/#stages.  A host here has two moments: its program is
there, and it is well; the first three stages come before exec, the others after it.

"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from playground.errors import TopologyError
from playground.lab.formats.containerlab.topology_file import NodeFile
from playground.lab.formats.foreign.startup_script import ScriptLine
from playground.model.arguments import shown

_BEFORE = ("create", "create-links", "configure")
_AFTER = ("healthy",)
STAGES = (*_BEFORE, *_AFTER, "exit")


def waits_for(node: NodeFile) -> dict[str, str]:
    """Return whom a node waits for: "ended" where their end is meant, else "well"."""
    found = dict.fromkeys(node.texts("wait-for"), "well")
    for name, stage in _stages(node).items():
        waits = stage.get("wait-for") or []
        if not isinstance(waits, list):
            raise _refuse(node, name, f"wait-for: {shown(waits)} is no list")
        for one in waits:
            if not isinstance(one, dict) or "node" not in one:
                raise _refuse(
                    node, name, f"wait-for: {shown(one)} names no node; write {{node: b}}"
                )
            until = one.get("stage", "create")
            if until not in STAGES:
                raise _refuse(node, name, f"{shown(until)} is none of {', '.join(STAGES)}")
            found[str(one["node"])] = "ended" if until == "exit" else "well"
    for other in found:
        if other not in node.file.nodes:
            raise TopologyError(
                f"{node.place('wait-for' if 'wait-for' in node.said else 'stages')}: {node.name} "
                f"waits for {shown(other)}, which is no node of this file"
            )
    return found


def stage_commands(node: NodeFile) -> tuple[list[ScriptLine], list[ScriptLine]]:
    """Return the commands of stages that come before those of exec, and those after."""
    before: list[ScriptLine] = []
    after: list[ScriptLine] = []
    place = node.place("stages")
    for name, stage in sorted(_stages(node).items(), key=lambda one: STAGES.index(one[0])):
        for text, target, phase in _commands(node, name, stage):
            if target == "host":
                node.note("stages", f"{shown(text)} is not run on this machine")
            elif name == "exit" or (name == "healthy" and phase == "on-enter"):
                node.note("stages", f"{shown(text)} is not run: nothing is done as {name} begins")
            else:
                early = name in _BEFORE and not (name == "configure" and phase == "on-exit")
                (before if early else after).append(ScriptLine(text, place))
    return before, after


def _stages(node: NodeFile) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for name, stage in node.pairs("stages").items():
        if name not in STAGES:
            raise _refuse(node, name, f"there is no such stage; there is {', '.join(STAGES)}")
        if stage is not None and not isinstance(stage, dict):
            raise _refuse(node, name, f"{shown(stage)} is no mapping")
        found[name] = stage or {}
        for key in found[name]:
            if key not in ("wait-for", "exec"):
                node.note("stages", f"{name}: {key} is no part of a stage, and is not heeded")
    return found


def _commands(
    node: NodeFile, name: str, stage: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Yield command, target and phase of each, in both ways to write them."""
    said = stage.get("exec") or []
    if isinstance(said, dict):
        for phase, several in said.items():
            if phase not in ("on-enter", "on-exit") or not isinstance(several, list):
                raise _refuse(
                    node, name, f"exec: {shown(phase)} is no list on-enter or on-exit of commands"
                )
            for text in several:
                yield str(text), "container", str(phase)
        return
    if not isinstance(said, list):
        raise _refuse(node, name, f"exec: {shown(said)} is no list of commands")
    for one in said:
        if not isinstance(one, dict) or "command" not in one:
            raise _refuse(
                node, name, f"exec: {shown(one)} is no command; write {{command: ip link}}"
            )
        target, phase = one.get("target", "container"), one.get("phase", "on-enter")
        if target not in ("container", "host") or phase not in ("on-enter", "on-exit"):
            raise _refuse(
                node, name, "exec: target is container or host, and phase is on-enter or on-exit"
            )
        yield str(one["command"]), target, phase


def _refuse(node: NodeFile, stage: str, why: str) -> TopologyError:
    return TopologyError(f"{node.place('stages')}: {node.name}: stages: {stage}: {why}")
