"""Topologies of containerlab as labs: nodes become hosts, routers and switches."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from playground.lab.declarations.shapes import Declarations, LinkSaid, NodeSaid
from playground.lab.formats.containerlab.links import OUTSIDE, ClabLink, LinkReader
from playground.lab.formats.containerlab.node import ClabNode
from playground.lab.formats.containerlab.topology_file import ContainerlabFile
from playground.lab.formats.foreign.host_names import host_name
from playground.lab.formats.foreign.notes import Notes
from playground.lab.formats.foreign.understood import Declaring, impair_toward

# Parts of a file, and of its topology, and why some are not heeded.
_PARTS = {
    "name": "",
    "topology": "",
    "mgmt": "is not heeded: nodes are entered with `playground shell`, and need no network for it",
    "prefix": "is not heeded: a lab is known by its name",
    "settings": "is not heeded: a lab has a certificate authority of its own",
    "debug": "is not heeded",
}
_OF_TOPOLOGY = ("nodes", "links", "kinds", "groups", "defaults")


class Containerlab:
    """A topology file on its way to declarations; ``plain`` hosts run no image that it names."""

    def __init__(self, path: Path, notes: Notes, how: Declaring, plain: bool = False) -> None:
        self.how = how
        self.plain = plain
        self.notes = notes
        self.file = ContainerlabFile(path, notes)
        self.names = {name: host_name(name) for name in self.file.nodes}
        self.links = [*LinkReader(self.file).links()]

    @property
    def name(self) -> str:
        """What the lab is called."""
        return host_name(str(self.file.document.data.get("name") or self.file.path.stem))

    def declarations(self) -> Declarations:
        """Return what the file declares; what a lab does not do is noted."""
        self._note_parts()
        made = {
            name: ClabNode(node, self.names, self._interfaces(name), self.how)
            for name, node in self.file.nodes.items()
            if node.said["kind"] not in OUTSIDE
        }
        for name, outside in self.file.nodes.items():
            if name not in made:
                kind = outside.said["kind"]
                outside.note("kind", f"{kind} is not made: {OUTSIDE[kind]}")
        nodes = {name: node.declared(self.plain) for name, node in made.items()}
        running = [name for name, node in made.items() if node.runs_something]
        for name, node in made.items():
            if after := node.wait(running):
                said = nodes[name]
                nodes[name] = replace(said, arguments={**said.arguments, "after": after})
        self.file.tell_of_several()
        links, lonely = [], []
        for number, link in enumerate(self.links):
            if any(end.node not in made for end in link.ends):
                continue
            if len(link.ends) == 1:
                lonely.append(self._lonely(link))
            links.append(self._declared(number, link, made))
        return Declarations((*nodes.values(), *lonely), tuple(links))

    def _interfaces(self, node: str) -> list[str]:
        return [end.interface for link in self.links for end in link.ends if end.node == node]

    def _lonely(self, link: ClabLink) -> NodeSaid:
        """Return what a dummy interface is plugged into: a switch that nobody else is at."""
        return NodeSaid("switch", self._dummy(link), {}, (), link.place)

    def _dummy(self, link: ClabLink) -> str:
        [end] = link.ends
        return host_name(f"{self.names[end.node]}-{end.interface}")

    def _declared(self, number: int, link: ClabLink, made: Mapping[str, ClabNode]) -> LinkSaid:
        said: dict[str, Any] = {}
        bridges = [made[end.node].is_bridge for end in link.ends]
        names, addresses, macs = [], [], []
        for end, is_bridge in zip(link.ends, bridges, strict=True):
            names.append(None if is_bridge else end.interface)
            macs.append(None if is_bridge else end.mac)
            own = [*end.addresses, *made[end.node].addresses.get(end.interface, ())]
            addresses.append([*dict.fromkeys(own)] or None)
        nodes = [self.names[end.node] for end in link.ends]
        if len(link.ends) == 1:
            nodes, names, macs = [*nodes, self._dummy(link)], [*names, None], [*macs, None]
            addresses, bridges = [*addresses, None], [*bridges, True]
        if not all(bridges):
            said["names"] = names
            if any(macs):
                said["macs"] = macs
            if any(bridges):
                said["address"] = addresses[0 if bridges[1] else 1]
            else:
                said["addresses"] = addresses
        if link.mtu is not None:
            said["mtu"] = link.mtu
        calls = [
            call
            for end, other in zip(link.ends, reversed(nodes), strict=False)
            for call in impair_toward(made[end.node].said.impairments.get(end.interface), other)
        ]
        return LinkSaid(f"link{number + 1}", (nodes[0], nodes[1]), said, tuple(calls), link.place)

    def _note_parts(self) -> None:
        data = self.file.document.data
        for key in data:
            if why := _PARTS.get(str(key), self._unknown(str(key), [*_PARTS])):
                self.notes.add(self.file.document.at(key), f"{key}: {why}")
        for key in data["topology"]:
            if key not in _OF_TOPOLOGY:
                place = self.file.document.at("topology", key)
                self.notes.add(place, f"{key}: {self._unknown(str(key), [*_OF_TOPOLOGY])}")

    @staticmethod
    def _unknown(key: str, known: list[str]) -> str:
        near = difflib.get_close_matches(key, known, n=1)
        return "is no part of a topology file" + (f": did you mean {near[0]}?" if near else "")
