"""A lab as a folder of Kathara: lab.conf, a startup file for each device, FRR's files."""

from __future__ import annotations

import re

from playground.lab.exports.export_shapes import (
    Export,
    cables,
    commands,
    frr_files,
    lost,
    lost_of_wires,
    own_interfaces,
    script_commands,
)
from playground.planning.plan import NodePlan, Plan


def kathara(plan: Plan) -> Export:
    """Return the files of a folder; switches that are linked are one collision domain."""
    names = _device_names(plan)
    domains = _domains(plan)
    lines = [f'LAB_NAME="{plan.lab}"']
    files: dict[str, str] = {}
    notes = lost_of_wires(plan)
    notes += [f"{one.name}: a collision domain has no VLANs" for one in plan.switches if one.vlans]
    for node in plan.nodes:
        name = names[node.name]
        numbers = _numbers(node)
        lines.append("")
        for interface, number in numbers.items():
            lines.append(f'{name}[{number}]="{domains[node.name, interface]}"')
        frr = frr_files(node)
        source = node.container.source
        own = source is not None and source.kind == "reference"
        image = source.value if own and source else f"kathara/{'frr' if frr else 'base'}"
        lines.append(f'{name}[image]="{image}"')
        startup = [_renamed(line, numbers) for line in commands(node)]
        for file, text in frr.items():
            files[f"{name}/etc/frr/{file}"] = _renamed(text, numbers)
        startup += ["systemctl start frr"] if frr else []
        script, told = script_commands(node)
        startup += [_renamed(line, numbers) for line in script]
        files[f"{name}.startup"] = "\n".join(startup) + "\n"
        notes += lost(node, {"source", *told})
        for interface, number in numbers.items():
            if interface != f"eth{number}":
                notes.append(f"{node.name}: the interface {interface} is called eth{number} there")
    return Export(None, {"lab.conf": "\n".join(lines) + "\n", **files}, tuple(notes))


def _device_names(plan: Plan) -> dict[str, str]:
    """Return names that Kathara takes: small letters, digits and underscores, 30 at most."""
    found: dict[str, str] = {}
    for node in plan.nodes:
        first = re.sub(r"[^a-z0-9_]+", "_", node.name.lower())[:26]
        name, number = first, 1
        while name in found.values():
            number += 1
            name = f"{first}_{number}"
        found[node.name] = name
    return found


def _numbers(node: NodePlan) -> dict[str, int]:
    """Return the number of each interface: its own, or one that is free."""
    names = [item.name for item in own_interfaces(node)]
    found = {name: int(name[3:]) for name in names if re.fullmatch(r"eth(0|[1-9][0-9]{0,2})", name)}
    free = (number for number in range(1000) if number not in found.values())
    return {name: found[name] if name in found else next(free) for name in names}


def _renamed(text: str, numbers: dict[str, int]) -> str:
    for name, number in numbers.items():
        if name != f"eth{number}":
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", f"eth{number}", text)
    return text


def _domains(plan: Plan) -> dict[tuple[str, str], str]:
    """Return the collision domain of each interface of a device."""
    top = {switch.name: switch.name for switch in plan.switches}

    def root(name: str) -> str:
        while top[name] != name:
            name = top[name]
        return name

    for cable in cables(plan):
        if not cable.a_interface and not cable.b_interface:
            top[root(cable.b)] = root(cable.a)
    names: dict[str, str] = {}
    taken: set[str] = set()
    for switch in plan.switches:
        first = re.sub(r"\W+", "_", switch.name)
        name, number = first, 1
        while name in taken:
            number += 1
            name = f"{first}_{number}"
        taken.add(name)
        names[switch.name] = name
    found: dict[tuple[str, str], str] = {}
    number = 0
    for cable in cables(plan):
        ends = ((cable.a, cable.a_interface), (cable.b, cable.b_interface))
        switches = [node for node, interface in ends if not interface]
        if switches:
            domain = names[root(switches[0])]
        else:
            number += 1
            domain = f"L{number}"
            while domain in taken:
                number += 1
                domain = f"L{number}"
        found |= {(node, interface): domain for node, interface in ends if interface}
    return found
