"""Commands that set a node up, understood: addresses and routes become declarations.

What `ip`, `ifconfig`, `route`, `tc` and the files of ifupdown say plainly is data then: a picture
shows it, names lead there, diagnosis knows it.  All other lines stay a script, which the node runs.

"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from playground.lab.declarations.shapes import Call
from playground.lab.formats.foreign.traffic_control import understand_qdisc
from playground.model.records import dataclass


@dataclass(frozen=True)
class ScriptLine:
    """A line of a script, and where it stands."""

    text: str
    place: Any = None


@dataclass(frozen=True)
class ScriptRoute:
    """A route that a script adds: ``via`` is an address, ``interface`` may be None."""

    destination: str
    via: str
    interface: str | None
    line: ScriptLine


@dataclass
class Understood:
    """What a script says: addresses by interface, routes, and the lines that are left.

    ``impairments`` are those of what leaves an interface, by its name.

    """

    addresses: dict[str, list[str]] = field(default_factory=dict)
    routes: list[ScriptRoute] = field(default_factory=list)
    impairments: dict[str, Call] = field(default_factory=dict)
    # Interfaces whose addresses a command has set anew, so that one of before is gone.
    set_anew: set[str] = field(default_factory=set)
    left: list[ScriptLine] = field(default_factory=list)
    services: list[ScriptLine] = field(default_factory=list)


# What a shell takes apart: a line with any of these is the shell's to read.
_SHELL = re.compile(r"[;|&<>$`\\(){}*?!]")
_COMPOUND = re.compile(
    r"^\s*(if|for|while|until|case|function|do|then|else|exit|return|set)\b|\b\w+\s*\(\)"
)
_SERVICE = re.compile(
    r"^(?:systemctl\s+(?:--now\s+)?(?:re)?(?:start|load|enable)\s+(?P<a>[\w.@-]+)"
    r"|service\s+(?P<b>[\w.-]+)\s+(?:re)?(?:start|load)"
    r"|/etc/init\.d/(?P<c>[\w.-]+)\s+(?:re)?(?:start|load))\s*$"
)
# Of a lab these are true already.
_NEEDLESS = re.compile(
    r"^(?:ip\s+link\s+set\s+(?:dev\s+)?[\w-]+\s+up|ifconfig\s+[\w.-]+\s+up|hostname\s+[\w.-]+"
    r"|ifup\s+(?:-a|[\w.-]+)|/etc/init\.d/networking\s+\w+)\s*$"
)
_NETWORKING = ("networking", "network")


def understand_script(lines: Iterable[ScriptLine], interfaces: Collection[str]) -> Understood:
    """Return what the lines of a script say of these interfaces.

    A script with conditions or loops is left to the shell wholly.

    >>> understand_script([ScriptLine("ip addr add 10.0.0.1/24 dev eth0")], ["eth0"]).addresses
    {'eth0': ['10.0.0.1/24']}

    """
    lines = list(lines)
    found = Understood()
    if any(_COMPOUND.search(line.text) for line in lines):
        found.left = lines
        return found
    for line in lines:
        text = line.text.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        if match := _SERVICE.match(text):
            name = match["a"] or match["b"] or match["c"]
            if name not in _NETWORKING:
                found.services.append(ScriptLine(name.removesuffix(".service"), line.place))
            continue
        if _NEEDLESS.match(text):
            continue
        if not _understand(text, line, interfaces, found):
            found.left.append(line)
    return found


def _understand(
    text: str, line: ScriptLine, interfaces: Collection[str], found: Understood
) -> bool:
    if _SHELL.search(text):
        return False
    try:
        words = shlex.split(text)
    except ValueError:
        return False
    program = words[0].rpartition("/")[2]
    if program == "ip":
        said = _ip(words[1:], line)
    elif program == "ifconfig":
        said = _ifconfig(words[1:])
    elif program == "route":
        said = _route(words[1:], line)
    elif program == "tc":
        return _impair(words, line, interfaces, found)
    else:
        return False
    if isinstance(said, ScriptRoute):
        found.routes.append(said)
        return True
    if said is not None and said[0] in interfaces:
        of_it = found.addresses.setdefault(said[0], [])
        if program == "ifconfig" and ":" not in said[1] and "add" not in words:
            # It has one address of IPv4, which the last one is: ifconfig(8).
            of_it[:] = [one for one in of_it if ":" in one]
            found.set_anew.add(said[0])
        of_it.append(said[1])
        return True
    return False


def _impair(
    words: Sequence[str], line: ScriptLine, interfaces: Collection[str], found: Understood
) -> bool:
    said = understand_qdisc(words[1:])
    if said is None or said[0] not in interfaces:
        return False
    # A second one is refused by the kernel, unless it replaces the first.
    if said[0] in found.impairments and words[2] != "replace":
        return False
    found.impairments[said[0]] = Call("impair", said[1], line.place)
    return True


Said = ScriptRoute | tuple[str, str] | None


def _ip(words: Sequence[str], line: ScriptLine) -> Said:
    words = [word for word in words if word not in ("-4", "-6")]
    if len(words) < 3:
        return None
    kind, verb, *rest = words
    if "address".startswith(kind) and len(kind) > 0 and "add".startswith(verb):
        # Nobody else has it: whether it is looked for is all the same.
        rest = [word for word in rest if word != "nodad"]
        said = _options(rest, {"dev", "broadcast", "brd", "scope"})
        if said is None or "" not in said or "dev" not in said:
            return None
        return _address(said["dev"], said[""])
    if kind in ("r", "ro", "route") and verb in ("add", "a", "replace"):
        said = _options(rest, {"via", "dev"})
        if said is None or not {"", "via"} <= said.keys():
            return None
        return _checked_route(said[""], said["via"], said.get("dev"), line)
    return None


def _ifconfig(words: Sequence[str]) -> Said:
    if len(words) < 2:
        return None
    interface, *rest = words
    rest = [word for word in rest if word not in ("up", "inet")]
    if rest[:1] == ["inet6"]:
        rest = rest[2:] if rest[1:2] == ["add"] else rest[1:]
    elif rest[:1] == ["add"]:
        rest = rest[1:]
    said = _options(rest, {"netmask", "broadcast", "mtu"})
    if said is None or "" not in said or "mtu" in said:
        return None
    address = said[""]
    if "/" not in address and "netmask" in said:
        address += f"/{said['netmask']}"
    if "/" not in address:
        return _address(interface, _with_class(address))
    return _address(interface, address)


def _with_class(address: str) -> str:
    """Return an address with the mask of its class, as ifconfig(8) takes it."""
    try:
        first = int(address.split(".")[0])
    except ValueError:
        return address
    return f"{address}/{8 if first < 128 else 16 if first < 192 else 24}"


def _route(words: Sequence[str], line: ScriptLine) -> Said:
    words = [word for word in words if word not in ("-A", "inet6", "inet", "-4", "-6")]
    if words[:1] != ["add"]:
        return None
    words = [word for word in words[1:] if word not in ("-net", "-host")]
    said = _options(words, {"gw", "netmask", "dev", "metric"})
    # Which of two ways to one network is the better is left to the script.
    if said is None or "metric" in said or not {"", "gw"} <= said.keys():
        return None
    destination = said[""]
    if "netmask" in said:
        destination += f"/{said['netmask']}"
    return _checked_route(destination, said["gw"], said.get("dev"), line)


def _options(words: Sequence[str], known: Collection[str]) -> dict[str, str] | None:
    """Return words after the options they belong to, and one of none by ""; else None."""
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in known and rest:
            key, value = word, rest.pop(0)
        elif "" not in found:
            key, value = "", word
        elif "gw" in known and "dev" not in found:
            key, value = "dev", word  # `route add default gw 10.0.0.1 eth0`
        else:
            return None
        if key in found:
            return None
        found[key] = value
    return found


def _address(interface: str, text: str) -> Said:
    try:
        address = ip_interface(text)
    except ValueError:
        return None  # the script says so itself, in its log
    # Each interface has one already, which a lab does not declare.
    return None if address.ip.is_link_local else (interface, str(address))


def _checked_route(
    destination: str, via: str, interface: str | None, line: ScriptLine
) -> ScriptRoute | None:
    try:
        gateway = ip_address(via)
        if destination in ("default", "0.0.0.0", "0.0.0.0/0", "0.0.0.0/0.0.0.0", "::/0"):
            destination = "0.0.0.0/0" if gateway.version == 4 else "::/0"
        network = ip_network(destination)
    except ValueError:
        return None
    return ScriptRoute(str(network), str(gateway), interface, line)


# -- /etc/network/interfaces ---------------------------------------------------


def understand_interfaces(text: str, place: Any, interfaces: Collection[str]) -> Understood:
    """Return what a file of interfaces(5) says of these interfaces."""
    found = Understood()
    said: dict[str, str] = {}

    def end() -> None:
        name = said.get("iface", "")
        if name in interfaces and "address" in said:
            address = said["address"]
            if "/" not in address and "netmask" in said:
                address += f"/{said['netmask']}"
            if isinstance(read := _address(name, address), tuple):
                found.addresses.setdefault(name, []).append(read[1])
        if name in interfaces and "gateway" in said:
            line = ScriptLine(f"ip route add default via {said['gateway']} dev {name}", place)
            route = _checked_route("default", said["gateway"], name, line)
            found.routes += [route] if route else []
        said.clear()

    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["iface"] and len(words) > 1:
            end()
            said["iface"] = words[1]
        elif words[:1] in (["auto"], ["allow-hotplug"]):
            end()
        elif len(words) > 1 and not words[0].startswith("#"):
            said[words[0]] = words[1]
    end()
    return found


# -- FRR ------------------------------------------------------------------------


def addresses_of_frr(text: str, interfaces: Collection[str]) -> Mapping[str, list[str]]:
    """Return the addresses that a text in FRR's words gives interfaces.

    >>> addresses_of_frr("interface eth0\\n ip address 10.0.0.1/24\\n", ["eth0"])
    {'eth0': ['10.0.0.1/24']}

    """
    found: dict[str, list[str]] = {}
    here = ""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["interface"] and len(words) > 1:
            here = words[1]
        elif line[:1].strip():
            here = ""
        elif words[1:2] == ["address"] and words[0] in ("ip", "ipv6") and len(words) > 2:
            read = _address(here, words[2])
            if here in interfaces and isinstance(read, tuple):
                found.setdefault(here, []).append(read[1])
    return found
