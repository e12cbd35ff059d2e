"""Topologies of containerlab as labs: nodes become hosts, routers and switches."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from playground.errors import TopologyError
from playground.lab.declarations.shapes import (
    Call,
    Declarations,
    FilePlace,
    LinkSaid,
    NodeSaid,
)
from playground.lab.declarations.user_paths import expanded
from playground.lab.files.yaml_document import Way
from playground.lab.formats.compose_services import host_name
from playground.lab.formats.containerlab_file import ContainerlabFile, NodeFile
from playground.lab.formats.folder_paths import is_within
from playground.lab.formats.frr_file import frr_lines
from playground.lab.formats.kathara_conf import lines_of
from playground.lab.formats.notes import Notes
from playground.lab.formats.startup_script import (
    ScriptLine,
    addresses_of_frr,
    understand_script,
)
from playground.lab.formats.understood import (
    SCRIPT,
    Declaring,
    declared_addresses,
    declared_routes,
    script_arguments,
)
from playground.model.arguments import shown
from playground.model.notation import is_ifname

_BRIDGES = ("bridge", "ovs-bridge")
_PLAIN = ("linux", "frr")
_OUTSIDE = {
    "host": "lab.machine() links a host with this machine",
    "mgmt-net": "a lab has no network of its own for management",
    "macvlan": "playground.plug(physical=) brings an interface of this machine in",
    "macvtap": "playground.plug(physical=) brings an interface of this machine in",
    "container": "playground.plug() brings a container of somebody else's in",
    "ext-container": "playground.plug() brings a container of somebody else's in",
    "vxlan": "a lab over several machines is one of the engine swarm",
    "vxlan-stitch": "a lab over several machines is one of the engine swarm",
}
# FRR itself, in images that have nothing else: ours does the same.
_FRR_IMAGE = re.compile(r"(^|/)(frrouting/frr|frr|frrouting)(:[\w.-]+)?(@.*)?$")


class ClabEnd(NamedTuple):
    """One end of a link: a node and an interface, and what the link says of it."""

    node: str
    interface: str
    mac: str | None
    addresses: tuple[str, ...]


class ClabLink(NamedTuple):
    """A link between two nodes."""

    ends: tuple[ClabEnd, ClabEnd]
    mtu: int | None
    place: FilePlace


class Containerlab:
    """A topology file on its way to declarations."""

    def __init__(self, path: Path, notes: Notes, how: Declaring) -> None:
        self.how = how
        self.notes = notes
        self.file = ContainerlabFile(path, notes)
        self.names = {name: host_name(name) for name in self.file.nodes}
        self.links = [*self._links()]

    @property
    def name(self) -> str:
        """What the lab is called."""
        return host_name(str(self.file.document.data.get("name") or self.file.path.stem))

    def declarations(self) -> Declarations:
        """Return what the file declares; what a lab does not do is noted."""
        self._note_rest()
        made = {
            name: ClabNode(self, node)
            for name, node in self.file.nodes.items()
            if node.said["kind"] not in _OUTSIDE
        }
        nodes = tuple(node.declared() for node in made.values())
        links = []
        for number, link in enumerate(self.links):
            if all(end.node in made for end in link.ends):
                links.append(self._declared(number, link, made))
        return Declarations(nodes, tuple(links))

    def _declared(self, number: int, link: ClabLink, made: Mapping[str, ClabNode]) -> LinkSaid:
        said: dict[str, Any] = {}
        bridges = [made[end.node].is_bridge for end in link.ends]
        names, addresses, macs = [], [], []
        for end, is_bridge in zip(link.ends, bridges, strict=True):
            names.append(None if is_bridge else end.interface)
            macs.append(None if is_bridge else end.mac)
            own = [*end.addresses, *made[end.node].addresses.get(end.interface, ())]
            addresses.append([*dict.fromkeys(own)] or None)
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
        a, b = (self.names[end.node] for end in link.ends)
        return LinkSaid(f"link{number + 1}", (a, b), said, place=link.place)

    # -- links ------------------------------------------------------------------

    def _links(self) -> Iterator[ClabLink]:
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
            place = self.file.document.at(*way)
            if kind in _OUTSIDE:
                self.notes.add(place, f"a link of type {kind} is not made: {_OUTSIDE[kind]}")
                continue
            if kind == "dummy":
                self.notes.add(
                    place,
                    "a dummy interface is not made: loopback= gives a host addresses of its own",
                )
                continue
            if kind != "veth":
                raise self._refuse((*way, "type"), f"{shown(kind)} is no type of link")
            for key in said:
                if key not in ("type", "endpoints", "mtu", "ipv4", "ipv6"):
                    where = self.file.document.at(*way, key)
                    self.notes.add(where, f"{key}: of a link is not heeded")
            yield from self._link(way, said, place)

    def _link(self, way: Way, said: Mapping[str, Any], place: FilePlace) -> Iterator[ClabLink]:
        data = said.get("endpoints")
        if not isinstance(data, list) or len(data) != 2:
            raise self._refuse(
                (*way, "endpoints"),
                f'{shown(data)} are no two ends; write endpoints: ["a:eth1", "b:eth1"]',
            )
        ends = []
        for number, item in enumerate(data):
            end = self._end((*way, "endpoints", number), item, self._addresses(way, said, number))
            if isinstance(end, str):
                self.notes.add(place, f"a link to {end} is not made: {_OUTSIDE[end]}")
                return
            ends.append(end)
        mtu = said.get("mtu")
        if mtu is not None and (not isinstance(mtu, int) or isinstance(mtu, bool)):
            raise self._refuse((*way, "mtu"), f"mtu: {shown(mtu)} is no number of bytes")
        yield ClabLink((ends[0], ends[1]), mtu, place)

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
        else:
            node, colon, interface = str(item).partition(":")
            if not colon:
                raise self._refuse(way, f"{shown(item)} is no end of a link; write NODE:INTERFACE")
        if node in _OUTSIDE and node not in self.file.nodes:
            return str(node)
        if str(node) not in self.file.nodes:
            near = difflib.get_close_matches(str(node), self.file.nodes, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(self.file.nodes)}"
            raise self._refuse(way, f"there is no node {shown(node)}: {hint}")
        kind = self.file.nodes[str(node)].said["kind"]
        if kind in _OUTSIDE:
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

    def _note_rest(self) -> None:
        data = self.file.document.data
        for key in ("mgmt", "settings"):
            if data.get(key) is not None:
                self.notes.add(
                    self.file.document.at(key),
                    f"{key}: is not heeded: nodes are entered with `playground shell`, and need no "
                    "network for it",
                )


class ClabNode:
    """One node on its way to a host, a router or a switch."""

    def __init__(self, lab: Containerlab, node: NodeFile) -> None:
        self.lab = lab
        self.node = node
        self.name = lab.names[node.name]
        self.kind = str(node.said["kind"])
        self.is_bridge = self.kind in _BRIDGES
        self.arguments: dict[str, Any] = {}
        self.interfaces = [
            end.interface for link in lab.links for end in link.ends if end.node == node.name
        ]
        self.frr = None if self.is_bridge else self._frr()
        known = self.interfaces if lab.how >= Declaring.ADDRESSES else ()
        place = node.place("exec")
        commands = [] if self.is_bridge else node.texts("exec")
        self.said = understand_script([ScriptLine(one, place) for one in commands], known)
        addresses = dict(self.said.addresses)
        for interface, several in addresses_of_frr(self.frr or "", self.interfaces).items():
            addresses.setdefault(interface, []).extend(several)
        self.addresses = declared_addresses(addresses, lab.how)

    def declared(self) -> NodeSaid:
        """Return the node that it is."""
        place = self.node.place()
        if self.is_bridge:
            if self.kind == "ovs-bridge":
                self.node.note("kind", "is a Linux bridge here, and knows no OpenFlow")
            return NodeSaid("switch", self.name, {}, (), place)
        kind = "router" if self.frr is not None else "host"
        if self.kind == "linux" and self.node.said.get("startup-config") is not None:
            self.node.note("startup-config", "is not heeded: a host has files= and programs=")
        if self.kind not in _PLAIN:
            self.node.note(
                "kind",
                f"{self.kind} is a vendor's system, which is not run: a plain Linux router without "
                "configuration stands in its place",
            )
            arguments = {"routing": None} | self._aliases()
            return NodeSaid("router", self.name, arguments, (), place)
        self._take_image()
        for key in self.node.said:
            if key in _FIELDS:
                _FIELDS[key](self)
            elif key not in _ELSEWHERE:
                self.node.note(key, _WHY.get(key, "is not done in a lab"))
        if (mode := self.node.text("network-mode")) not in (None, "none"):
            self.node.note("network-mode", f"{mode} is not done: a node has a network of its own")
        self.arguments |= self._aliases()
        routes, left = declared_routes(self.said.routes, self.addresses, self.lab.how)
        calls = [
            Call("route", {"destination": one.destination, "via": one.via}, one.line.place)
            for one in routes
        ]
        self._take_script([*left, *self.said.left])
        if self.frr is not None:
            self.arguments["frr"] = self.frr
        else:
            # A Linux container forwards: what it may be told of IPv4 is Docker's own default.
            self.arguments.setdefault("sysctls", {}).setdefault("net.ipv4.ip_forward", 1)
        return NodeSaid(kind, self.name, self.arguments, tuple(calls), place)

    def _aliases(self) -> dict[str, Any]:
        names = [*self.node.texts("aliases")]
        names += [self.node.name] if self.node.name.lower() != self.name else []
        return {"aliases": [*dict.fromkeys(names)]} if names else {}

    def _take_image(self) -> None:
        image = self.node.text("image")
        if self.frr is None and image:
            self.arguments["image"] = image

    def _frr(self) -> str | None:
        """Return FRR's own words, where the node is FRR and has them beside the file."""
        image = self.node.text("image") or ""
        if self.kind != "frr" and not (self.kind == "linux" and _FRR_IMAGE.search(image)):
            return None
        paths = [("startup-config", self.path(self.node.text("startup-config")))]
        for bind in self.node.texts("binds"):
            source, _, target = bind.partition(":")
            target = target.partition(":")[0].rstrip("/")
            if target == "/etc/frr/frr.conf":
                paths.append(("binds", self.path(source)))
            elif target == "/etc/frr":
                folder = self.path(source)
                paths.append(("binds", None if folder is None else folder / "frr.conf"))
        for key, path in paths:
            if path is None or not path.is_file():
                continue
            if not is_within(self.lab.file.folder, path):
                self.node.note(
                    key, f"{shown(str(path))} lies outside of the lab's folder, and is not read"
                )
            else:
                # A file may be empty.
                return frr_lines(line for _, line in lines_of(path)) or "ip forwarding\n"
        return "ip forwarding\n" if self.kind == "frr" else None

    def path(self, text: str | None) -> Path | None:
        """Return a path of the file."""
        if not text or "\n" in text or "\0" in text or "://" in text:
            return None
        for word, value in (
            ("__clabNodeName__", self.node.name),
            ("__clabDir__", f"clab-{self.lab.name}"),
            ("__clabNodeDir__", f"clab-{self.lab.name}/{self.node.name}"),
        ):
            text = text.replace(word, value)
        return self.lab.file.folder / expanded(text)

    def _take_script(self, lines: list[ScriptLine]) -> None:
        commands = []
        for line in lines:
            try:
                # No shell reads them, as with `docker exec`.
                commands.append(shlex.join(shlex.split(line.text)))
            except ValueError:
                self.node.note("exec", f"{shown(line.text)} has a quote too few, and is not run")
        for service in self.said.services:
            commands.append(f"service {service.text} start")
        if not commands:
            return
        self.arguments.setdefault("files", {})[SCRIPT] = "\n".join(commands) + "\n"
        if "image" in self.arguments:
            self.arguments["programs"] = {"exec": f"sh {SCRIPT}; exec sleep infinity"}
        elif "command" not in self.arguments:
            self.arguments |= script_arguments()

    # -- fields -------------------------------------------------------------------

    def take_binds(self) -> None:
        volumes: dict[Any, list[str]] = {}
        for bind in self.node.texts("binds"):
            source, colon, rest = bind.partition(":")
            target, _, mode = rest.partition(":")
            path = self.path(source)
            if not colon:
                continue  # a volume of the container's own
            if self.frr is not None and target.startswith("/etc/frr"):
                continue
            if path is None or not path.exists():
                self.node.note("binds", f"{source} is not there, and nothing is shown at {target}")
            elif not is_within(self.lab.file.folder, path):
                self.node.note(
                    "binds",
                    f"{source} lies outside of the lab's folder, and is not shown at {target}; "
                    "volumes= of the host shows it",
                )
            else:
                words = target if "ro" in mode.split(",") else f"{target}:rw"
                volumes.setdefault(path, []).append(words)
        if volumes:
            self.arguments["volumes"] = volumes

    def take_env(self) -> None:
        self.arguments["env"] = {
            name: "" if value is None else str(value)
            for name, value in self.node.pairs("env").items()
            if not isinstance(value, (dict, list)) and name != "__IMPORT_ENVS"
        }

    def take_memory(self) -> None:
        text = self.node.text("memory") or ""
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?)\s*([kmgKMG]?)(i?[bB])?", text)
        if match is None:
            self.node.note("memory", f"{shown(text)} is no size, such as 512mb")
            return
        unit = {"": 2**-20, "k": 2**-10, "m": 1, "g": 1024}[match[2].lower()]
        self.arguments["memory_mb"] = max(8, int(float(match[1]) * unit))

    def take_cpu(self) -> None:
        try:
            self.arguments["cpus"] = float(self.node.text("cpu") or "")
        except ValueError:
            self.node.note("cpu", "is no number of processors")

    def take_command(self) -> None:
        for key, argument in (("cmd", "command"), ("entrypoint", "entrypoint")):
            text = self.node.text(key)
            if text is not None and "image" in self.arguments:
                self.arguments[argument] = text

    def take_dns(self) -> None:
        servers = self.node.pairs("dns").get("servers")
        if isinstance(servers, list) and servers:
            self.arguments["dns"] = [str(one) for one in servers]

    def take_healthcheck(self) -> None:
        said = self.node.pairs("healthcheck")
        test = said.get("test")
        if isinstance(test, list) and len(test) > 1:
            words = [str(word) for word in test[1:]]
            self.arguments["healthcheck"] = words if test[0] == "CMD" else words[0]
        for key, argument in (("interval", "interval_s"), ("timeout", "timeout_s")):
            if isinstance(said.get(key), (int, float)):
                self.arguments[f"health_{argument}"] = said[key]

    def take_waiting(self) -> None:
        others = self.node.said.get("wait-for")
        waits: dict[str, str] = {}
        if isinstance(others, list):
            waits = {str(one): "well" for one in others}
        stages = self.node.said.get("stages")
        for stage in (stages or {}).values() if isinstance(stages, dict) else ():
            for one in (stage or {}).get("wait-for", ()) if isinstance(stage, dict) else ():
                if isinstance(one, dict) and "node" in one:
                    ended = one.get("stage") == "exit"
                    waits[str(one["node"])] = "ended" if ended else "well"
        found = {}
        for name, state in waits.items():
            other = self.lab.file.nodes.get(name)
            if other is None:
                raise TopologyError(
                    f"{self.node.place('wait-for')}: {self.node.name} waits for {shown(name)}, "
                    "which is no node of this file"
                )
            # Whoever runs no program of its own is there from the beginning.
            if other.text("image") and other.said["kind"] == "linux" and "image" in self.arguments:
                found[self.lab.names[name]] = state
        if found:
            self.arguments["after"] = found


def _texts(key: str, argument: str) -> Callable[[ClabNode], None]:
    def take(node: ClabNode) -> None:
        node.arguments[argument] = node.node.texts(key)

    return take


def _text(key: str, argument: str) -> Callable[[ClabNode], None]:
    def take(node: ClabNode) -> None:
        node.arguments[argument] = node.node.text(key)

    return take


def _pairs(key: str, argument: str) -> Callable[[ClabNode], None]:
    def take(node: ClabNode) -> None:
        node.arguments[argument] = {
            name: str(value) for name, value in node.node.pairs(key).items() if value is not None
        }

    return take


_FIELDS: Mapping[str, Callable[[ClabNode], None]] = {
    "binds": ClabNode.take_binds,
    "cap-add": _texts("cap-add", "cap_add"),
    "cmd": ClabNode.take_command,
    "cpu": ClabNode.take_cpu,
    "devices": _texts("devices", "devices"),
    "dns": ClabNode.take_dns,
    "entrypoint": ClabNode.take_command,
    "env": ClabNode.take_env,
    "healthcheck": ClabNode.take_healthcheck,
    "labels": _pairs("labels", "labels"),
    "memory": ClabNode.take_memory,
    "ports": _texts("ports", "publish"),
    "restart-policy": _text("restart-policy", "restart"),
    "stages": ClabNode.take_waiting,
    "sysctls": _pairs("sysctls", "sysctls"),
    "user": _text("user", "user"),
    "wait-for": ClabNode.take_waiting,
}

# Said where nodes and links are made, or without an effect in a lab.
_ELSEWHERE = (
    *("aliases", "exec", "extras", "group", "image", "kind", "position", "startup-config", "type"),
    *("auto-remove", "enforce-startup-config", "network-mode"),
)
_WHY = {
    **dict.fromkeys(
        ("mgmt-ipv4", "mgmt-ipv6"), "is not heeded: a lab has no network for management"
    ),
    "license": "is not needed: no vendor's system is run",
    "image-pull-policy": "is not heeded: an image is pulled where it is not there",
    "startup-delay": "is not heeded: name those that are to be well before in wait-for",
}
