"""One node of a topology on its way to a host, a router or a switch."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from typing import Any

from playground.lab.declarations.shapes import Call, NodeSaid
from playground.lab.formats.containerlab.fields import ELSEWHERE, FIELDS, WHY
from playground.lab.formats.containerlab.frr_node import KINDS as FRR_KINDS
from playground.lab.formats.containerlab.frr_node import (
    FrrSaid,
    is_frr,
    is_frr_image,
    understand_frr,
)
from playground.lab.formats.containerlab.stages import stage_commands, waits_for
from playground.lab.formats.containerlab.topology_file import NodeFile
from playground.lab.formats.foreign.startup_script import (
    ScriptLine,
    addresses_of_frr,
    understand_script,
)
from playground.lab.formats.foreign.understood import (
    Declaring,
    declared_addresses,
    declared_routes,
    script_arguments,
)
from playground.operations.programs.script_failures import SCRIPT

BRIDGES = ("bridge", "ovs-bridge")
_PLAIN = ("linux", *FRR_KINDS)

# Boxes of tools, which our own hosts have too; the first serve a web page beside.
_WITH_WEB_SERVER = re.compile(r"(^|/)network-multitool(:[\w.-]+)?(@.*)?$")
_TOOLBOX = re.compile(r"(^|/)(network-multitool|netshoot)(:[\w.-]+)?(@.*)?$")
# Commands that only keep a container.
_WAITING = re.compile(r"(/bin/|/usr/bin/)?(sh|bash|ash|zsh|sleep\s+\S+|tail\s+-f\s+/dev/null)")


class ClabNode:
    """A node: what it is here, and what it is told."""

    def __init__(
        self, node: NodeFile, names: Mapping[str, str], interfaces: list[str], how: Declaring
    ) -> None:
        self.node = node
        self.names = names
        self.name = names[node.name]
        self.how = how
        self.kind = str(node.said["kind"])
        self.is_bridge = self.kind in BRIDGES
        self.arguments: dict[str, Any] = {}
        self.frr: FrrSaid | None = None
        commands = [] if self.is_bridge else self._commands()
        if is_frr(node):
            self.frr = understand_frr(node, commands)
            commands = [*self.frr.left]
        known = interfaces if how >= Declaring.ADDRESSES else ()
        self.said = understand_script(commands, known)
        addresses = dict(self.said.addresses)
        lines = (self.frr and self.frr.lines) or ""
        for interface, several in addresses_of_frr(lines, interfaces).items():
            addresses.setdefault(interface, []).extend(several)
        self.addresses = declared_addresses(addresses, how)

    def _commands(self) -> list[ScriptLine]:
        before, after = stage_commands(self.node)
        place = self.node.place("exec")
        return [*before, *(ScriptLine(one, place) for one in self.node.texts("exec")), *after]

    @property
    def runs_something(self) -> bool:
        """Whether others can wait for it: it has a program, or commands, of its own."""
        return "image" in self.arguments or "command" in self.arguments

    def declared(self, plain: bool) -> NodeSaid:
        """Return the node that it is; ``plain`` hosts have no images of the file."""
        place = self.node.place()
        if self.is_bridge:
            if self.kind == "ovs-bridge":
                self.node.note("kind", "is a Linux bridge here, and knows no OpenFlow")
            for key in self.node.said:
                if key not in ("kind", "network-mode", "group", "labels", "position", "exec"):
                    self.node.note(key, "is not heeded: a switch has none")
            if self.node.texts("exec"):
                self.node.note("exec", "is not run: a switch runs no commands")
            return NodeSaid("switch", self.name, {}, (), place)
        if self.kind not in _PLAIN:
            self.node.note(
                "kind",
                f"{self.kind} is a vendor's system, which is not run: a plain Linux router without "
                "configuration stands in its place",
            )
            arguments = {"routing": None} | self._aliases()
            return NodeSaid("router", self.name, arguments, (), place)
        self._take_image(plain)
        self._take_fields()
        self.arguments |= self._aliases()
        routes, left = declared_routes(self.said.routes, self.addresses, self.how)
        calls = [
            Call("route", {"destination": one.destination, "via": one.via}, one.line.place)
            for one in routes
        ]
        self._take_script([*left, *self.said.left])
        self._take_command()
        kind = "host" if self.frr is None else "router"
        sysctls = self.arguments.setdefault("sysctls", {})
        # BGP without addresses and many a lab of IPv6 rely on it: all containers there have it.
        sysctls.setdefault("net.ipv6.conf.all.disable_ipv6", "0")
        if self.frr is None:
            # A Linux container forwards: what it may be told of IPv4 is Docker's own default.
            sysctls.setdefault("net.ipv4.ip_forward", "1")
        else:
            self._take_frr(self.frr)
        return NodeSaid(kind, self.name, self.arguments, tuple(calls), place)

    def _aliases(self) -> dict[str, Any]:
        names = [*self.node.texts("aliases")]
        names += [self.node.name] if self.node.name.lower() != self.name else []
        return {"aliases": [*dict.fromkeys(names)]} if names else {}

    # -- image and fields -----------------------------------------------------------

    def _take_image(self, plain: bool) -> None:
        image = self.node.text("image")
        if not image or plain:
            return
        if self.frr is not None:
            if self.kind == "linux" and not is_frr_image(self.node):
                self.node.note(
                    "image",
                    f"{image} is not run: it has a configuration of FRR, and FRR of ours stands in "
                    "its place with the same words",
                )
        elif not _TOOLBOX.search(image):
            self.arguments["image"] = image
        elif _WITH_WEB_SERVER.search(image):
            self.node.file.note_of_several(
                self.node.place("image"),
                self.node.name,
                "image",
                "is a box of tools, which a host here has too; its web server is not run: "
                'services=["http"] is one',
            )

    def _take_fields(self) -> None:
        for key in self.node.said:
            if key in FIELDS:
                FIELDS[key](self.node, self.arguments)
            elif key not in ELSEWHERE:
                why = WHY.get(key, "is not done in a lab")
                self.node.file.note_of_several(self.node.place(key), self.node.name, key, why)
        if (mode := self.node.text("network-mode")) not in (None, "none", "bridge"):
            self.node.note("network-mode", f"{mode} is not done: a node has a network of its own")
        if self.kind == "linux" and self.frr is None and "startup-config" in self.node.said:
            self.node.note("startup-config", "is not heeded: a host has files= and programs=")
        if extras := [key for key in self.node.pairs("extras") if key != "frr"]:
            self.node.note("extras", f"{', '.join(extras)} is not done in a lab")
        # An image of ours stands there, where only a server that is declared serves.
        if "image" not in self.arguments and self._publishes(22):
            self.arguments["services"] = ["ssh"]

    def _publishes(self, port: int) -> bool:
        ends = (text.partition("/")[0].rpartition(":")[2] for text in self.node.texts("ports"))
        return str(port) in ends

    def _take_frr(self, frr: FrrSaid) -> None:
        if frr.lines is None and frr.services:
            self.arguments["services"] = [*self.arguments.get("services", ()), *frr.services]
            self.arguments["routing"] = None
        else:
            self.arguments["frr"] = frr.lines or "ip forwarding\n"
        volumes = self.arguments.get("volumes", {})
        kept = {}
        for path, words in volumes.items():
            if others := [one for one in words if not one.startswith("/etc/frr")]:
                kept[path] = others
        self.arguments.pop("volumes", None)
        if kept:
            self.arguments["volumes"] = kept

    # -- what it runs -------------------------------------------------------------

    def _take_script(self, lines: list[ScriptLine]) -> None:
        commands = []
        for line in lines:
            try:
                # No shell reads them, as with `docker exec`.
                commands.append(shlex.join(shlex.split(line.text)))
            except ValueError:
                self.node.note("exec", f"{line.text!r:.80} has a quote too few, and is not run")
        for service in self.said.services:
            if self.frr is None or service.text not in ("frr", "zebra"):
                commands.append(f"service {service.text} start")
        if not commands:
            return
        self.arguments.setdefault("files", {})[SCRIPT] = "\n".join(commands) + "\n"
        if "image" in self.arguments:
            self.arguments["programs"] = {"exec": f"sh {SCRIPT}; exec sleep infinity"}
        else:
            self.arguments |= script_arguments()

    def _take_command(self) -> None:
        for key, argument in (("cmd", "command"), ("entrypoint", "entrypoint")):
            text = self.node.text(key)
            if text is None:
                continue
            if "image" in self.arguments:
                self.arguments[argument] = text
            elif not _WAITING.fullmatch(text.strip()):
                self.node.note(key, f"{text!r:.80} is not run: it is a command of the image")

    def wait(self, running: Collection[str]) -> dict[str, str]:
        """Return whom its program waits for, of those that run something."""
        waits = waits_for(self.node)
        if not self.runs_something:
            return {}
        return {self.names[one]: how for one, how in waits.items() if one in running}
