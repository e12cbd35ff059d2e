"""Topologies of Mininet as labs: files are run with a stand-in for it, each in a process."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from playground.errors import TopologyError
from playground.lab.declarations.shapes import (
    Call,
    Declarations,
    FilePlace,
    LinkName,
    LinkSaid,
    NodeSaid,
)
from playground.lab.formats import mininet_stand_in
from playground.lab.formats.foreign.host_names import host_name
from playground.lab.formats.foreign.notes import Notes
from playground.lab.formats.foreign.startup_script import ScriptLine, Understood, understand_script
from playground.lab.formats.foreign.understood import (
    Declaring,
    declared_addresses,
    declared_routes,
    impair_toward,
    script_arguments,
)
from playground.model.arguments import shown
from playground.model.notation import is_ifname
from playground.operations.connection.threads import start_child
from playground.operations.programs.script_failures import SCRIPT

LIMIT_S = 20


def is_mininet(path: Path) -> bool:
    """Whether a Python file is for Mininet: it imports it, and nothing of ours."""
    try:
        with path.open("rb") as file:
            text = file.read(2**20).decode("utf-8", "replace")
    except OSError:
        return False
    ours = re.search(r"^\s*(from|import)\s+playground\b", text, re.M)
    return ours is None and bool(re.search(r"^\s*(from|import)\s+mininet\b", text, re.M))


def run_stand_in(path: Path, topology: str | None = None) -> Mapping[str, Any]:
    """Run a file with the stand-in, and return what network it makes, as `mininet_stand_in` has it.

    The file is code, and may do what its user may: it is run in a process of its own, which has
    20 s and 1 GiB.  Raises `TopologyError`, with the line, where it fails or makes no network.

    """
    words = [sys.executable, mininet_stand_in.__file__, str(path.absolute())]
    words += [] if topology is None else [topology]
    with tempfile.TemporaryFile() as out:
        process = start_child(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            cwd=path.absolute().parent,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )
        try:
            status = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            raise TopologyError(
                f"{path}:1: it still ran after {LIMIT_S} s: put what waits or asks behind "
                "CLI(net), or behind net.stop()"
            ) from None
        finally:
            # With what it has begun in the background.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        text = out.read(mininet_stand_in.MOST_BYTES)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    # The file may have written something else, for it can do what the stand-in can.
    if _has(found, _ERROR):
        raise TopologyError(f"{FilePlace(path, found['line'] or 1)}: {found['error']}")
    if not _has(found, dict.fromkeys(_PARTS, list)) or not all(
        _has(row, shape) for name, shape in _PARTS.items() for row in found[name]
    ):
        raise TopologyError(f"{path}:1: it ended with {status} before its network was made")
    if any(len(link[both]) != 2 for link in found["links"] for both in ("ends", "ports")):
        raise TopologyError(f"{path}:1: it makes a link that has not two ends")
    made: Mapping[str, Any] = found
    return made


# What the stand-in says: names and types of each part.
_ERROR: Mapping[str, type] = {"error": str, "line": int}
_PARTS: Mapping[str, Mapping[str, type]] = {
    "nodes": {"name": str, "kind": str, "params": dict, "line": int},
    "links": {"ends": list, "ports": list, "params": dict, "line": int},
    "commands": {"node": str, "text": str, "line": int},
    "notes": {"text": str, "line": int},
}
_INNER: Mapping[str, type] = {"ends": str, "ports": int}


def _has(data: Any, shape: Mapping[str, type]) -> bool:
    """Whether data is a mapping with values of these types."""
    return isinstance(data, dict) and all(
        isinstance(data.get(name), kind)
        and all(isinstance(item, _INNER[name]) for item in (data[name] if name in _INNER else ()))
        for name, kind in shape.items()
    )


def _finite(value: Any) -> float | None:
    """Return a number, or one that a text says, where it is one from 0 on that can be used."""
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


class MininetTopology:
    """What a file of Mininet makes, on its way to declarations."""

    def __init__(self, path: Path, made: Mapping[str, Any], notes: Notes, how: Declaring) -> None:
        self.path = path
        self.notes = notes
        self.how = how
        self.nodes = {str(node["name"]): node for node in made["nodes"]}
        self.links = list(made["links"])
        self.commands = list(made["commands"])
        for one in made["notes"]:
            notes.add(FilePlace(path, one["line"]), one["text"])
        self.names = {name: host_name(name) for name in self.nodes}
        self.addresses: dict[str, dict[str, list[str]]] = {}
        self.impairments: dict[str, Mapping[str, Call]] = {}

    @property
    def name(self) -> str:
        """What the lab is called."""
        return host_name(self.path.stem)

    def declarations(self) -> Declarations:
        """Return what the file declares; what a lab does not do is noted."""
        for link in self.links:
            for end in link["ends"]:
                if end not in self.nodes:
                    raise TopologyError(f"{self._place(link)}: there is no node {shown(end)}")
        looped = self._has_loop()
        nodes = []
        for name, node in self.nodes.items():
            if node["kind"] == "switch":
                nodes.append(self._switch(name, node, looped))
            else:
                nodes.append(self._host(name, node))
        links = tuple(self._link(number, link) for number, link in enumerate(self.links))
        return Declarations(tuple(nodes), links)

    def _place(self, part: Mapping[str, Any]) -> FilePlace:
        return FilePlace(self.path, part["line"])

    # -- nodes -----------------------------------------------------------------

    def _switch(self, name: str, node: Mapping[str, Any], looped: bool) -> NodeSaid:
        for key in node["params"]:
            if key not in ("dpid", "protocols", "failMode", "stp", "listenPort", "datapath"):
                self.notes.add(self._place(node), f"{name}: {key}= of a switch is not done")
        if node["params"].get("protocols"):
            self.notes.add(
                self._place(node), "no OpenFlow is spoken: switches here learn by themselves"
            )
        said = {"stp": True} if looped else {}
        return NodeSaid("switch", self.names[name], said, (), self._place(node))

    def _host(self, name: str, node: Mapping[str, Any]) -> NodeSaid:
        params = node["params"]
        interfaces = [*self._interfaces(name)]
        lines = [
            ScriptLine(one["text"], FilePlace(self.path, one["line"]))
            for one in self.commands
            if one["node"] == name
        ]
        if route := params.get("defaultRoute"):
            lines.insert(0, ScriptLine(f"ip route add default {route}", self._place(node)))
        known = interfaces if self.how >= Declaring.ADDRESSES else ()
        found = understand_script(lines, known)
        self._take_first_address(node, interfaces, found)
        self.addresses[name] = declared_addresses(found.addresses, self.how)
        self.impairments[name] = found.impairments
        routes, left = declared_routes(found.routes, self.addresses[name], self.how)
        arguments: dict[str, Any] = {}
        if self.names[name] != name:
            arguments["aliases"] = [name]
        if isinstance(params.get("cpu"), (int, float)) and (cpus := _finite(params["cpu"])):
            arguments["cpus"] = cpus
        self._note_params(name, node)
        commands = [line.text for line in (*left, *found.left)]
        commands += [f"service {line.text} start" for line in found.services]
        if commands:
            arguments["files"] = {SCRIPT: "\n".join(commands) + "\n"}
            arguments |= script_arguments()
        calls = [
            Call("route", {"destination": one.destination, "via": one.via}, one.line.place)
            for one in routes
        ]
        if node.get("class") == "MnNat":
            return self._nat(name, node, arguments, calls)
        return NodeSaid("host", self.names[name], arguments, tuple(calls), self._place(node))

    def _nat(
        self, name: str, node: Mapping[str, Any], arguments: dict[str, Any], calls: list[Call]
    ) -> NodeSaid:
        """Return a router that translates for the others as they leave by its ``inetIntf``."""
        outside = node["params"].get("inetIntf")
        for number, link in enumerate(self.links):
            for side, end in enumerate(link["ends"]):
                if end == name and self._interface(link, side) == outside:
                    said = {"link": LinkName(f"link{number + 1}")}
                    calls.append(Call("masquerade", said, self._place(node)))
        if not any(call.method == "masquerade" for call in calls):
            self.notes.add(
                self._place(node), f"{name} leads nowhere: lab.uplink() is a way out of a lab"
            )
        arguments["routing"] = None
        return NodeSaid("router", self.names[name], arguments, tuple(calls), self._place(node))

    def _take_first_address(
        self, node: Mapping[str, Any], interfaces: list[str], found: Understood
    ) -> None:
        """Give a host's first interface the address of its ``ip=``, as Mininet does."""
        address = node["params"].get("ip")
        if not address or not interfaces or interfaces[0] in found.set_anew:
            return
        try:
            text = str(address) if "/" in str(address) else f"{address}/8"
            read = str(ip_interface(text))
        except ValueError:
            raise TopologyError(
                f"{self._place(node)}: ip={shown(address)} of {node['name']} is no address"
            ) from None
        if self.how >= Declaring.ADDRESSES:
            found.addresses.setdefault(interfaces[0], []).insert(0, read)
        else:
            found.left.insert(0, ScriptLine(f"ip address add {read} dev {interfaces[0]}"))

    def _note_params(self, name: str, node: Mapping[str, Any]) -> None:
        for key, value in node["params"].items():
            known = (*_OF_HOSTS, *(_OF_NAT if node.get("class") == "MnNat" else ()))
            if key not in known and value is not None:
                self.notes.add(self._place(node), f"{name}: {key}= of a host is not done")

    def _interfaces(self, name: str) -> Iterator[str]:
        """Yield the interfaces of a host, that with the lowest port first."""
        ports = [
            (link["ports"][side], self._interface(link, side))
            for link in self.links
            for side in (0, 1)
            if link["ends"][side] == name
        ]
        for _, interface in sorted(ports):
            yield interface

    def _interface(self, link: Mapping[str, Any], side: int) -> str:
        said = link["params"].get(f"intfName{side + 1}")
        name = str(said or f"{link['ends'][side]}-eth{link['ports'][side]}")
        return name if is_ifname(name) else f"eth{link['ports'][side]}"

    # -- links -----------------------------------------------------------------

    def _link(self, number: int, link: Mapping[str, Any]) -> LinkSaid:
        params = link["params"]
        switched = [self.nodes[end]["kind"] == "switch" for end in link["ends"]]
        names, macs, addresses = [], [], []
        for side, end in enumerate(link["ends"]):
            interface = self._interface(link, side)
            names.append(None if switched[side] else interface)
            first = next(iter(self._interfaces(end)), None) == interface
            mac = params.get(f"addr{side + 1}") or (
                self.nodes[end]["params"].get("mac") if first else None
            )
            macs.append(None if switched[side] else mac)
            own = self._own_addresses(end, interface, params, side)
            addresses.append([*dict.fromkeys(own)] or None)
        said: dict[str, Any] = {}
        if not all(switched):
            said["names"] = names
            if any(macs):
                said["macs"] = macs
            if any(switched):
                said["address"] = addresses[0 if switched[1] else 1]
            else:
                said["addresses"] = addresses
        a, b = (self.names[end] for end in link["ends"])
        calls = self._impairment(link)
        for end, named, other in zip(link["ends"], names, (b, a), strict=True):
            calls += impair_toward(self.impairments.get(end, {}).get(named or ""), other)
        return LinkSaid(f"link{number + 1}", (a, b), said, calls, self._place(link))

    def _own_addresses(
        self, node: str, interface: str, params: Mapping[str, Any], side: int
    ) -> Iterator[str]:
        yield from self.addresses.get(node, {}).get(interface, ())
        own = params.get(f"params{side + 1}")
        if isinstance(own, dict) and own.get("ip") and self.how >= Declaring.ADDRESSES:
            yield str(own["ip"])

    def _impairment(self, link: Mapping[str, Any]) -> tuple[Call, ...]:
        said: dict[str, Any] = {}
        for key, value in link["params"].items():
            if value is None or value is False or value == 0:
                continue
            if key in _IMPAIRMENTS:
                word, unit = _IMPAIRMENTS[key]
                said[word] = self._number(link, key, value, unit)
            elif key not in _OF_LINKS:
                self.notes.add(self._place(link), f"{key}= of a link is not done")
        calls = [Call("impair", said, self._place(link))] if said else []
        if link["params"].get("down"):
            calls.append(Call("down", {}, self._place(link)))
        return tuple(calls)

    def _number(self, link: Mapping[str, Any], key: str, value: Any, unit: str) -> float:
        said, scale = value, 1.0
        if isinstance(value, str):
            match = re.fullmatch(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*(us|ms|s)?", value.strip())
            said = match[1] if match else None
            scale = {"us": 0.001, "s": 1000}.get((match[2] or "") if match else "", 1)
        number = None if isinstance(value, bool) else _finite(said)
        if number is None:
            raise TopologyError(f"{self._place(link)}: {key}={shown(value)} is no number {unit}")
        number *= scale if unit == "of time" else 1
        return int(number) if number.is_integer() else number

    def _has_loop(self) -> bool:
        """Whether switches are linked in a loop, and say that they speak a spanning tree then."""
        group = {name: name for name in self.nodes}

        def top(name: str) -> str:
            while group[name] != name:
                name = group[name]
            return name

        for link in self.links:
            a, b = link["ends"]
            kinds = {self.nodes[end]["kind"] for end in (a, b) if end in self.nodes}
            if kinds != {"switch"}:
                continue
            if top(a) == top(b):
                self.notes.add(
                    self._place(link),
                    "closes a loop of switches: all switches speak the spanning tree protocol here",
                )
                return True
            group[top(a)] = top(b)
        return False


# Options of TCLink, and what they are of `Link.impair`.
_IMPAIRMENTS = {
    "bw": ("rate_mbit", "of Mbit/s"),
    "delay": ("delay_ms", "of time"),
    "jitter": ("jitter_ms", "of time"),
    "loss": ("loss_percent", "of percent"),
    "max_queue_size": ("queue_packets", "of packets"),
}
_OF_HOSTS = ("ip", "mac", "cpu", "defaultRoute", "sched", "inNamespace")
_OF_NAT = ("subnet", "inetIntf", "localIntf", "flush")
_OF_LINKS = (
    "down",
    *("port1", "port2", "intfName1", "intfName2", "addr1", "addr2", "params1", "params2", "cls"),
    *("use_htb", "use_tbf", "use_hfsc", "fast", "intf"),
)
