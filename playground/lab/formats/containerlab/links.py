"""Links of a topology file: two ends, with what the file says of each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from playground.errors import TopologyError
from playground.lab.declarations.shapes import FilePlace
from playground.lab.files.yaml_document import Way
from playground.lab.formats.containerlab.topology_file import ContainerlabFile
from playground.model.arguments import shown
from playground.model.notation import is_ifname

# What leads out of a lab, as kinds of nodes and types of links, and what does it here.
OUTSIDE = {
    "host": "lab.machine() links a host with this machine",
    "mgmt-net": "a lab has no network of its own for management",
    "macvlan": "playground.plug(physical=) brings an interface of this machine in",
    "macvtap": "playground.plug(physical=) brings an interface of this machine in",
    "container": "playground.plug() brings a container of somebody else's in",
    "ext-container": "playground.plug() brings a container of somebody else's in",
    "vxlan": "a lab over several machines is one of the engine swarm",
    "vxlan-stitch": "a lab over several machines is one of the engine swarm",
}
# Said of a link: https://containerlab.dev/manual/links/
_FIELDS = ("type", "endpoints", "endpoint", "mtu", "ipv4", "ipv6")


class ClabEnd(NamedTuple):
    """One end of a link: a node and an interface, and what the link says of it."""

    node: str
    interface: str
    mac: str | None
    addresses: tuple[str, ...]


class ClabLink(NamedTuple):
    """A link between two nodes; a dummy interface has one end."""

    ends: tuple[ClabEnd, ...]
    mtu: int | None
    place: FilePlace


class LinkReader:
    """The list of links of a file, read; what leads out of a lab is noted."""

    def __init__(self, file: ContainerlabFile) -> None:
        self.file = file
        self.notes = file.notes

    def links(self) -> Iterator[ClabLink]:
        """Yield the links between nodes, and dummy interfaces."""
        data = self.file.document.data["topology"].get("links")
        if data is None:
            return
        if not isinstance(data, list):
            raise self._refuse(("topology", "links"), f"{shown(data)} is no list of links")
        for number, said in enumerate(data):
            way: Way = ("topology", "links", number)
            if not isinstance(said, dict):
                raise self._refuse(
                    way, f'{shown(said)} is no link; write endpoints: ["a:eth1", "b:eth1"]'
                )
            kind = said.get("type", "veth")
            if not isinstance(kind, str):
                raise self._refuse((*way, "type"), f"{shown(kind)} is no type of link")
            place = self.file.document.at(*way)
            if kind in OUTSIDE:
                self.notes.add(place, f"a link of type {kind} is not made: {OUTSIDE[kind]}")
                continue
            if kind not in ("veth", "dummy"):
                near = difflib.get_close_matches(str(kind), ["veth", "dummy", *OUTSIDE], n=1)
                hint = f": did you mean {near[0]}?" if near else ""
                raise self._refuse((*way, "type"), f"{shown(kind)} is no type of link{hint}")
            for key in said:
                if key not in _FIELDS:
                    where = self.file.document.at(*way, key)
                    self.notes.add(where, f"{key}: of a link is not heeded")
            yield from self._link(way, said, place)

    def _link(self, way: Way, said: Mapping[str, Any], place: FilePlace) -> Iterator[ClabLink]:
        items = self._items(way, said)
        ends = []
        for number, (where, item) in enumerate(items):
            end = self._end(where, item, self._addresses(way, said, number))
            if isinstance(end, str):
                self.notes.add(place, f"a link to {end} is not made: {OUTSIDE[end]}")
                return
            ends.append(end)
        mtu = said.get("mtu")
        if mtu is not None and (not isinstance(mtu, int) or isinstance(mtu, bool)):
            raise self._refuse((*way, "mtu"), f"mtu: {shown(mtu)} is no number of bytes")
        yield ClabLink(tuple(ends), mtu, place)

    def _items(self, way: Way, said: Mapping[str, Any]) -> list[tuple[Way, Any]]:
        """Return the ends of a link as the file has them, each with its place."""
        if said.get("type") == "dummy":
            one = said.get("endpoint")
            if not isinstance(one, dict):
                raise self._refuse(
                    (*way, "endpoint"),
                    f"{shown(one)} is no end; write endpoint: {{node: a, interface: dummy0}}",
                )
            return [((*way, "endpoint"), one)]
        data = said.get("endpoints")
        if not isinstance(data, list) or len(data) != 2:
            raise self._refuse(
                (*way, "endpoints"),
                f'{shown(data)} are no two ends; write endpoints: ["a:eth1", "b:eth1"]',
            )
        ends: list[tuple[Way, Any]] = [((*way, "endpoints", n), end) for n, end in enumerate(data)]
        return ends

    def _addresses(self, way: Way, said: Mapping[str, Any], number: int) -> list[str]:
        found = []
        for key in ("ipv4", "ipv6"):
            both = said.get(key)
            if both is None:
                continue
            if not isinstance(both, list):
                raise self._refuse((*way, key), f"{shown(both)} are no two addresses")
            if number < len(both) and both[number]:
                found.append(str(both[number]))
        return found

    def _end(self, way: Way, item: Any, addresses: list[str]) -> ClabEnd | str:
        mac = None
        if isinstance(item, dict):
            node, interface = item.get("node"), item.get("interface")
            mac = None if item.get("mac") is None else str(item["mac"])
            addresses = [*addresses, *(str(item[key]) for key in ("ipv4", "ipv6") if item.get(key))]
            for key in item:
                if key not in ("node", "interface", "mac", "ipv4", "ipv6"):
                    where = self.file.document.at(*way, key)
                    self.notes.add(where, f"{key}: of an end of a link is not heeded")
        else:
            node, colon, interface = str(item).partition(":")
            if not colon:
                raise self._refuse(way, f"{shown(item)} is no end of a link; write NODE:INTERFACE")
        if isinstance(node, (dict, list)):
            raise self._refuse(way, f"{shown(node)} is no name of a node")
        if node in OUTSIDE and node not in self.file.nodes:
            return str(node)
        if str(node) not in self.file.nodes:
            near = difflib.get_close_matches(str(node), self.file.nodes, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(self.file.nodes)}"
            raise self._refuse(way, f"there is no node {shown(node)}: {hint}")
        kind = self.file.nodes[str(node)].said["kind"]
        if kind in OUTSIDE:
            return str(kind)
        return ClabEnd(str(node), self._interface(way, interface), mac, tuple(addresses))

    def _interface(self, way: Way, interface: Any) -> str:
        text = str(interface or "")
        if is_ifname(text):
            return text
        # ethernet-1/1 is a vendor's name of an interface, which Linux does not take.
        made = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[-15:].lstrip("-._")
        if not made:
            raise self._refuse(way, f"{shown(interface)} is no name of an interface")
        self.notes.add(self.file.document.at(*way), f"the interface {text} is called {made}")
        return made

    def _refuse(self, way: Way, why: str) -> TopologyError:
        return self.file.document.refuse(way, why)
