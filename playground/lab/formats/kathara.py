"""Folders of Kathara as labs: devices become hosts, collision domains become hubs.

Which files there are: https://github.com/KatharaFramework/Kathara/wiki.  No file is run here: what
startup files say plainly is declared, and the rest runs on the host that it is for.

"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import Any

from playground.lab.declarations.shapes import (
    Call,
    Declarations,
    FilePlace,
    LinkName,
    LinkSaid,
    NodeSaid,
)
from playground.lab.formats.foreign.folder_paths import is_within
from playground.lab.formats.foreign.frr_file import frr_lines
from playground.lab.formats.foreign.host_names import host_name
from playground.lab.formats.foreign.notes import Notes
from playground.lab.formats.foreign.startup_script import (
    ScriptLine,
    Understood,
    addresses_of_frr,
    understand_interfaces,
    understand_script,
)
from playground.lab.formats.foreign.text_files import lines_of
from playground.lab.formats.foreign.understood import (
    Declaring,
    declared_addresses,
    declared_routes,
    impair_toward,
    script_arguments,
)
from playground.lab.formats.kathara_conf import (
    ConfValue,
    Device,
    LabConf,
    read_lab_conf,
    read_lab_dep,
)
from playground.model.arguments import shown
from playground.operations.programs.script_failures import SCRIPT

# What a device of Kathara begins with, whatever its startup file says.
SYSCTLS = {
    "net.ipv4.ip_forward": 1,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv6.conf.all.forwarding": 1,
}
# Images whose programs our own base, or FRR beside it, has too.
_OURS = re.compile(r"(docker\.io/)?kathara/(base|core|quagga|frr|netkit_base)(:\w+)?")
# More are a copy of a whole machine, which an image is for.
MOST_FILES = 2000
MOST_PARTS = 5 * MOST_FILES

_FRR_FILES = ("zebra", "staticd", "bfdd", "ospfd", "ospf6d", "ripd", "ripngd", "isisd", "bgpd")
_FRR_SERVICES = ("frr", "quagga", "zebra")

# Services by the names of their programs in Debian: packages that are installed for them.
_PACKAGES = {
    **dict.fromkeys(("bind", "bind9", "named"), ("bind9", "named")),
    **dict.fromkeys(("apache", "apache2"), ("apache2", "apache2")),
    **{
        name: (name, name)
        for name in (
            "dnsmasq",
            "isc-dhcp-server",
            "lighttpd",
            "nginx",
            "radvd",
            "squid",
            "vsftpd",
            "xinetd",
        )
    },
}


class KatharaFolder:
    """A folder of Kathara on its way to declarations; ``plain`` hosts run no image of its."""

    def __init__(self, folder: Path, notes: Notes, how: Declaring, plain: bool = False) -> None:
        self.folder = folder
        self.plain = plain
        self.notes = notes
        self.how = how
        self.conf: LabConf = read_lab_conf(folder / "lab.conf")
        dep = folder / "lab.dep"
        self.before = read_lab_dep(dep, self.conf) if self.has_file(dep) else {}
        self.names = {name: host_name(name) for name in self.conf.devices}
        self.domains = self._domains()
        self.scripts: set[str] = set()

    @property
    def name(self) -> str:
        """What the lab is called."""
        said = self.conf.about.get("NAME") or self.folder.absolute().name
        return host_name(said.replace(" ", "-"))

    def declarations(self) -> Declarations:
        """Return what the folder declares; what a lab does not do is noted."""
        self._note_files()
        nodes: list[NodeSaid] = []
        links: list[LinkSaid] = []
        for domain, name in self.domains.items():
            first = next(
                socket.place
                for device in self.conf.devices.values()
                for socket in device.sockets.values()
                if socket.domain == domain
            )
            nodes.append(NodeSaid("switch", name, {"hub": True}, place=first))
        for device in self.conf.devices.values():
            made = KatharaDevice(self, device)
            nodes.append(made.node())
            links += made.links()
        return Declarations(tuple(self._with_order(nodes)), tuple(links))

    def has_file(self, path: Path) -> bool:
        """Whether there is such a file in the lab's folder; one that lies elsewhere is noted."""
        return path.is_file() and self._is_own(path)

    def has_folder(self, path: Path) -> bool:
        """Whether there is such a folder in the lab's; one that lies elsewhere is noted."""
        return path.is_dir() and self._is_own(path)

    def _is_own(self, path: Path) -> bool:
        own = is_within(self.folder, path)
        if not own:
            self.notes.add(FilePlace(path), "leads out of the lab's folder, and is not taken")
        return own

    def _domains(self) -> dict[str, str]:
        """Return what each collision domain is called as a switch."""
        taken = {name.lower() for name in self.names.values()}
        found: dict[str, str] = {}
        for device in self.conf.devices.values():
            for socket in device.sockets.values():
                if socket.domain in found:
                    continue
                # A name that is a number is no name of a host.
                name = socket.domain.replace("_", "-").strip("-") or "net"
                name = f"net{name}" if name.isdecimal() else name
                while name.lower() in taken:
                    name += "-net"
                taken.add(name.lower())
                found[socket.domain] = name
        return found

    def _with_order(self, nodes: list[NodeSaid]) -> Iterator[NodeSaid]:
        """Let scripts wait for the ends of others', as lab.dep has it."""
        for node in nodes:
            others = [
                said
                for name, several in self.before.items()
                if self.names[name] == node.name and node.kind != "switch"
                for said in several
            ]
            after = [self.names[said.value] for said in others if said.value in self.scripts]
            if after and not {"command", "image"}.isdisjoint(node.arguments):
                node = replace(node, arguments={**node.arguments, "after": after})
            yield node

    def _note_files(self) -> None:
        for path in sorted(self.folder.glob("*.startup")) + sorted(self.folder.glob("*.shutdown")):
            if path.stem not in self.conf.devices and path.stem != "shared":
                self.notes.add(FilePlace(path), "is for no device of lab.conf, and is not run")
            elif path.suffix == ".shutdown":
                self.notes.add(FilePlace(path), "is not run: a host ends with its lab")
        for name in ("lab.ext", "netgui.nkp"):
            path = self.folder / name
            if path.is_file() and name == "lab.ext":
                self.notes.add(FilePlace(path), "is not done: see lab.uplink() for a way out")


class KatharaDevice:
    """One device on its way to a host, or to a router that FRR's files set up."""

    def __init__(self, lab: KatharaFolder, device: Device) -> None:
        self.lab = lab
        self.device = device
        self.folder = lab.folder / device.name
        self.name = lab.names[device.name]
        self.interfaces = {f"eth{number}": one for number, one in device.sockets.items()}
        self.arguments: dict[str, Any] = {}
        self.packages: list[str] = []
        self.frr = self._frr()
        self.said = self._said()
        addresses = dict(self.said.addresses)
        for interface, several in addresses_of_frr(self.frr or "", self.interfaces).items():
            addresses.setdefault(interface, []).extend(several)
        self.addresses = declared_addresses(addresses, lab.how)

    # -- what it is told -------------------------------------------------------

    def node(self) -> NodeSaid:
        """Return the node that the device is."""
        sysctls: dict[str, Any] = dict(SYSCTLS)
        self.arguments["sysctls"] = sysctls
        # The image first: whether it has a program of its own depends on it.
        for option, several in sorted(
            self.device.options.items(), key=lambda one: one[0] != "image"
        ):
            for said in several:
                if option in _OPTIONS:
                    _OPTIONS[option](self, said)
                elif option != "exec":
                    self._note(option, said, _WHY.get(option, "is not done in a lab"))
        if self.name != self.device.name:
            self.arguments["aliases"] = [self.device.name]
        self._take_files()
        routes, left = declared_routes(self.said.routes, self.addresses, self.lab.how)
        calls = [
            Call("route", {"destination": one.destination, "via": one.via}, one.line.place)
            for one in routes
        ]
        self._take_script(left)
        if self.packages:
            self.arguments["packages"] = sorted(set(self.packages))
        kind = "host"
        if self.frr is not None:
            kind = "router"
            self.arguments["frr"] = self.frr
        return NodeSaid(kind, self.name, self.arguments, tuple(calls), self.device.place)

    def links(self) -> Iterator[LinkSaid]:
        """Yield a link for each interface."""
        for interface, socket in sorted(self.interfaces.items(), key=lambda one: one[1].number):
            switch = self.lab.domains[socket.domain]
            said: dict[str, Any] = {"names": [None, interface]}
            said["address"] = self.addresses.get(interface) or None
            if socket.mac:
                said["macs"] = [None, socket.mac]
            link = LinkName(f"{switch}-{self.name}-{interface}")
            calls = impair_toward(self.said.impairments.get(interface), switch)
            yield LinkSaid(link.id, (switch, self.name), said, calls, socket.place)

    def _note(self, option: str, said: ConfValue, why: str) -> None:
        self.lab.notes.add(said.place, f"{self.device.name}[{option}] {why}")

    # -- scripts ----------------------------------------------------------------

    def _said(self) -> Understood:
        lines: list[ScriptLine] = []
        for path in (
            self.lab.folder / "shared.startup",
            self.lab.folder / f"{self.device.name}.startup",
        ):
            if self.lab.has_file(path):
                lines += [ScriptLine(text, place) for place, text in lines_of(path)]
        lines += [ScriptLine(one.value, one.place) for one in self.device.options.get("exec", ())]
        known = self.interfaces if self.lab.how >= Declaring.ADDRESSES else ()
        found = understand_script(lines, known)
        path = self.folder / "etc" / "network" / "interfaces"
        if self.lab.has_file(path):
            text = "\n".join(line for _, line in lines_of(path))
            more = understand_interfaces(text, FilePlace(path), self.interfaces)
            for interface, several in more.addresses.items():
                if known and interface not in found.addresses:
                    found.addresses[interface] = several
                elif not known:
                    found.left += [
                        ScriptLine(f"ip address add {one} dev {interface}") for one in several
                    ]
            found.routes += more.routes
        return found

    def _take_script(self, left: list[ScriptLine]) -> None:
        commands = [line.text for line in (*left, *self.said.left)]
        for line in self.said.services:
            if line.text in _FRR_SERVICES:
                if self.frr is None:
                    self.lab.notes.add(
                        line.place,
                        f"{line.text} is not started: {self.device.name} has no "
                        "file in etc/frr that says what it does",
                    )
            elif line.text in ("ssh", "sshd"):
                self.arguments["services"] = ["ssh"]
            elif line.text in _PACKAGES:
                package, service = _PACKAGES[line.text]
                self.packages.append(package)
                commands.append(f"service {service} start")
            else:
                self.lab.notes.add(
                    line.place,
                    f"the service {line.text} is not started: name what it needs in "
                    "packages= and programs= of the host",
                )
        if commands:
            self.lab.scripts.add(self.device.name)
            files = self.arguments.setdefault("files", {})
            files[SCRIPT] = "\n".join(commands) + "\n"
            # It is run to its end whatever fails in it, as Kathara does.
            if "image" in self.arguments:
                self.arguments["programs"] = {"startup": f"sh {SCRIPT}; exec sleep infinity"}
            else:
                self.arguments |= script_arguments("bash")

    # -- files --------------------------------------------------------------------

    def _frr(self) -> str | None:
        """Return FRR's lines of the device's folder; None where it has none."""
        for folder in (self.folder / "etc" / "frr", self.folder / "etc" / "quagga"):
            whole = [folder / "frr.conf", folder / "Quagga.conf"]
            paths = [path for path in whole if self.lab.has_file(path)] or [
                path for name in _FRR_FILES if self.lab.has_file(path := folder / f"{name}.conf")
            ]
            if paths:
                return frr_lines(line for path in paths for _, line in lines_of(path))
        return None

    def _take_files(self) -> None:
        shared = self.lab.folder / "shared"
        if self.lab.has_folder(shared):
            self.arguments.setdefault("volumes", {})[shared.absolute()] = "/shared:rw"
        if not self.lab.has_folder(self.folder):
            return
        files = self.arguments.setdefault("files", {})
        # No more is looked at than may be: there may be a whole disk's.
        paths = [*islice(self.folder.rglob("*"), MOST_PARTS + 1)]
        for path in sorted(paths):
            place = f"/{path.relative_to(self.folder)}"
            if path.is_symlink():
                self.lab.notes.add(FilePlace(path), "is a symbolic link, and is not copied")
            elif path.is_file() and place in _FILES:
                _FILES[place](self, path)
            elif path.is_file() and not self._is_of_frr(place):
                files[place] = path.absolute()
        if len(files) > MOST_FILES or len(paths) > MOST_PARTS:
            self.lab.notes.add(
                FilePlace(self.folder),
                f"has more than {MOST_FILES:,} files, or {MOST_PARTS:,} with its folders; none is "
                "copied: make an image of them",
            )
            files.clear()
        if not files:
            del self.arguments["files"]

    def _is_of_frr(self, place: str) -> bool:
        return self.frr is not None and place.startswith(("/etc/frr/", "/etc/quagga/"))

    def take_hosts(self, path: Path) -> None:
        found: dict[str, list[str]] = {}
        for place, line in lines_of(path):
            address, *names = line.partition("#")[0].split() or [""]
            if names and not _is_address(address):
                self.lab.notes.add(place, f"{shown(address)} is no address, and names nobody")
                continue
            for name in names:
                if not address.startswith("127.") and address not in ("::1", "fe00::0", "ff02::1"):
                    found.setdefault(name, []).append(address)
        if found:
            self.arguments["extra_hosts"] = found

    def take_resolver(self, path: Path) -> None:
        words = [line.split() for _, line in lines_of(path)]
        servers = [word[1] for word in words if word[:1] == ["nameserver"] and len(word) > 1]
        if servers:
            self.arguments["dns"] = servers

    def take_hostname(self, path: Path) -> None:
        [(_, name), *_] = lines_of(path)
        if name.strip():
            self.arguments["hostname"] = name.strip()


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


# Files that a lab writes itself, and what of them becomes an argument.
_FILES: Mapping[str, Callable[[KatharaDevice, Path], None]] = {
    "/etc/hosts": KatharaDevice.take_hosts,
    "/etc/resolv.conf": KatharaDevice.take_resolver,
    "/etc/hostname": KatharaDevice.take_hostname,
    "/etc/network/interfaces": lambda device, path: None,
}


# -- options ------------------------------------------------------------------------


def _image(device: KatharaDevice, said: ConfValue) -> None:
    if not (device.lab.plain or _OURS.fullmatch(said.value)):
        device.arguments["image"] = said.value


_UNITS = {"": 1, "b": 2**-20, "k": 2**-10, "m": 1, "g": 1024}


def _memory(device: KatharaDevice, said: ConfValue) -> None:
    match = re.fullmatch(r"([0-9]{1,9})\s*([bkmg]?)b?", said.value.lower())
    if match is None:
        device._note("mem", said, "is no size of memory, such as 128m, and is not heeded")
        return
    device.arguments["memory_mb"] = max(8, int(int(match[1]) * _UNITS[match[2]]))


def _cpus(device: KatharaDevice, said: ConfValue) -> None:
    try:
        device.arguments["cpus"] = float(said.value)
    except ValueError:
        device._note("cpus", said, "is no number of processors, and is not heeded")


def _port(device: KatharaDevice, said: ConfValue) -> None:
    # A port alone is the device's, and 3000 of this machine leads there.
    value = said.value if ":" in said.value else f"3000:{said.value}"
    device.arguments.setdefault("publish", []).append(value)


def _pair(argument: str) -> Callable[[KatharaDevice, ConfValue], None]:
    def take(device: KatharaDevice, said: ConfValue) -> None:
        name, equals, value = said.value.partition("=")
        if not equals:
            device._note(argument, said, "says no NAME=VALUE, and is not heeded")
            return
        device.arguments.setdefault(argument, {})[name.strip()] = value.strip()

    return take


def _ulimit(device: KatharaDevice, said: ConfValue) -> None:
    match = re.fullmatch(r"(\w+)=(-?[0-9]{1,18})(?::(-?[0-9]{1,18}))?", said.value)
    if match is None:
        device._note("ulimit", said, "is no limit, such as nofile=1024:2048, and is not heeded")
        return
    soft = int(match[2])
    hard = int(match[3]) if match[3] else soft
    device.arguments.setdefault("ulimits", {})[match[1]] = [soft, hard]


def _ipv6(device: KatharaDevice, said: ConfValue) -> None:
    off = said.value.lower() in ("false", "0", "no", "n")
    device.arguments["sysctls"]["net.ipv6.conf.all.disable_ipv6"] = int(off)


def _of_image(option: str, argument: str) -> Callable[[KatharaDevice, ConfValue], None]:
    def take(device: KatharaDevice, said: ConfValue) -> None:
        if "image" in device.arguments:
            before = device.arguments.get(argument)
            device.arguments[argument] = f"{before} {said.value}" if before else said.value
        else:
            device._note(option, said, "is not run: the device has no image of its own here")

    return take


def _volume(device: KatharaDevice, said: ConfValue) -> None:
    source, _, rest = said.value.partition("|")
    target, _, mode = rest.partition("|")
    path = device.lab.folder / source
    if not target.startswith("/"):
        device._note("volume", said, 'says no place, such as "data|/srv", and is not heeded')
    elif not path.exists() or not is_within(device.lab.folder, path):
        device._note(
            "volume",
            said,
            f"{shown(source)} is nothing of the lab's folder, and is not shown at {target}; "
            "volumes= of the host shows a folder of this machine",
        )
    else:
        volumes = device.arguments.setdefault("volumes", {})
        volumes[path.absolute()] = target if mode == "ro" else f"{target}:rw"


def _no_bridge(device: KatharaDevice, said: ConfValue) -> None:
    if said.value.lower() in ("true", "1", "yes", "y"):
        device._note("bridged", said, "is not done: a lab has no way out unless lab.uplink() says")


_OPTIONS: Mapping[str, Callable[[KatharaDevice, ConfValue], None]] = {
    "image": _image,
    "mem": _memory,
    "cpus": _cpus,
    "port": _port,
    "sysctl": _pair("sysctls"),
    "env": _pair("env"),
    "ulimit": _ulimit,
    "ipv6": _ipv6,
    "bridged": _no_bridge,
    "entrypoint": _of_image("entrypoint", "entrypoint"),
    "args": _of_image("args", "command"),
    "volume": _volume,
}

_WHY = {
    "num_terms": "is not heeded: `playground shell` opens a terminal",
    "shell": "is not heeded: `playground shell` opens a terminal",
    "privileged": "is not done: whoever has all rights has the machine; cap_add= names what is "
    "needed",
}
