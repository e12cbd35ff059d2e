"""A stand-in for Mininet: runs a file that uses it, and prints what network it makes, as JSON.

    python mininet_stand_in.py FILE [TOPO]

This is a program of its own, in a process of its own, for a topology of Mininet is code; it imports
the standard library alone.  Whatever a file imports from ``mininet`` is here: `Topo` and `Mininet`
keep what they are told, a node's `cmd` keeps the command, and all else does nothing.  The file is
run until it asks somebody something (`CLI`), or takes the network down.

The answer is {"nodes": [...], "links": [...], "commands": [...], "notes": [...]}, or {"error":
text, "line": number}.  https://mininet.org/api/ names what is stood in for.

"""

# Names are those of Mininet, which the files that are run here use.
# ruff: noqa: N802, N803, N815

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import re
import resource
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

MOST_PARTS = 20_000
# What a file may take, which is set before it is read.
MEMORY_BYTES = 2**30
MOST_BYTES = 32 * 2**20
PROCESSOR_S = 20
_FILE = ""


class NetworkMade(BaseException):
    """The file has made its network; no `except Exception` of its own holds this up."""


class TooMuch(BaseException):
    """The file makes more than a machine could carry."""


def line_here() -> int:
    """Return the line of the file that is being run."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == _FILE:
            return frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return 0


class Anything:
    """An object of a class that Mininet has and this has not: takes all, does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Anything()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getitem__(self, key: Any) -> Any:
        return Anything()

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __float__(self) -> float:
        return 0.0

    def __int__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return ""


# -- nodes and links -----------------------------------------------------------

COMMANDS: list[dict[str, Any]] = []
NOTES: list[dict[str, Any]] = []


def note(text: str) -> None:
    """Keep that something of the file has no effect, once."""
    if all(one["text"] != text for one in NOTES):
        NOTES.append({"text": text, "line": line_here()})


class MnNode(Anything):
    """A host, or a node of a class of the file's own."""

    kind = "host"

    def __init__(self, name: str = "", inNamespace: bool = True, **params: Any) -> None:
        self.name = str(name)
        self.params = params
        self.intfs: dict[int, Any] = {}
        self.line = line_here()

    def config(self, **params: Any) -> Any:
        return {}

    def cmd(self, *words: Any, **kwargs: Any) -> str:
        text = " ".join(str(word) for word in (words[0] if _is_list(words) else words))
        if len(COMMANDS) >= MOST_PARTS:
            raise TooMuch
        if self.kind == "host":
            COMMANDS.append({"node": self.name, "text": text, "line": line_here()})
        else:
            note(f"a command of the switch {self.name} is not run: {text[:80]}")
        return ""

    def popen(self, *words: Any, **kwargs: Any) -> Any:
        self.cmd(*words)
        return Anything()

    cmdPrint = sendCmd = pexec = cmd

    def setIP(self, ip: Any, prefixLen: Any = None, intf: Any = None) -> None:
        address = str(ip) if "/" in str(ip) else f"{ip}/{prefixLen or 8}"
        # It takes the place of the address that is there, as ifconfig(8) has it.
        self.cmd("ifconfig", intf or self.defaultIntf(), address, "up")

    def setDefaultRoute(self, intf: Any = None) -> None:
        self.cmd("ip", "route", "add", "default", *str(intf).split())

    def setHostRoute(self, ip: Any, intf: Any) -> None:
        self.cmd("ip", "route", "add", ip, "dev", intf)

    def setARP(self, ip: Any, mac: Any) -> None:
        self.cmd("ip", "neighbour", "replace", ip, "lladdr", mac, "dev", self.defaultIntf())

    def setMAC(self, mac: Any, intf: Any = None) -> None:
        self.params["mac"] = str(mac)

    def defaultIntf(self) -> Any:
        first = self.intfs[min(self.intfs)] if self.intfs else None
        return first or MnIntf(self, f"{self.name}-eth0")

    def intf(self, intf: Any = None) -> Any:
        if isinstance(intf, MnIntf) or intf is None:
            return intf or self.defaultIntf()
        return next((one for one in self.intfs.values() if one.name == str(intf)), None)

    def intfList(self) -> list[Any]:
        return [self.intfs[port] for port in sorted(self.intfs)]

    def intfNames(self) -> list[str]:
        return [intf.name for intf in self.intfList()]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def unknown(*args: Any, **kwargs: Any) -> Any:
            note(f"{name}() of {self.kind} {self.name} is not done")
            return Anything()

        return unknown if name in _OF_NODES else Anything()

    def IP(self, intf: Any = None) -> str:
        return str(self.params.get("ip") or "").partition("/")[0]

    def MAC(self, intf: Any = None) -> str:
        return str(self.params.get("mac") or "")

    def terminate(self) -> None:
        pass

    def __str__(self) -> str:
        return self.name


# What a node of Mininet does and none here; what it has else are values.
_OF_NODES = (
    *("addIntf", "attach", "cleanup", "connectionsTo", "deleteIntfs", "delIntf", "detach"),
    *("linkTo", "mountPrivateDirs", "moveIntf", "newPort", "setParam", "setCPUFrac", "setCPUs"),
)


class MnIntf(Anything):
    """An interface of a node."""

    def __init__(self, node: Any = None, name: Any = "", **params: Any) -> None:
        self.node = node
        self.name = str(name)

    def config(self, **params: Any) -> Any:
        """Impair what leaves it, as `TCIntf` does: other options are those of a link."""
        said = {key: value for key, value in params.items() if value}
        words = ["netem"]
        if "delay" in said:
            words += ["delay", said["delay"], *([said["jitter"]] if "jitter" in said else [])]
        words += ["loss", f"{said['loss']}%"] if "loss" in said else []
        words += ["rate", f"{said['bw']}mbit"] if "bw" in said else []
        words += ["limit", said["max_queue_size"]] if "max_queue_size" in said else []
        if len(words) > 1:
            self.node.cmd("tc", "qdisc", "replace", "dev", self.name, "root", *words)
        return {}

    def setIP(self, ip: Any, prefixLen: Any = None) -> None:
        self.node.setIP(ip, prefixLen, self.name)

    def setMAC(self, mac: Any) -> None:
        self.node.setMAC(mac, self.name)

    def ifconfig(self, *words: Any) -> str:
        return str(self.node.cmd("ifconfig", self.name, *words))

    def IP(self) -> str:
        return str(self.node.IP())

    def MAC(self) -> str:
        return str(self.node.MAC())

    def __str__(self) -> str:
        return self.name


class MnLink(Anything):
    """A link: its two interfaces."""

    def __init__(self, intf1: Any = None, intf2: Any = None, **params: Any) -> None:
        self.intf1, self.intf2 = intf1, intf2


def _is_list(words: tuple[Any, ...]) -> bool:
    return len(words) == 1 and isinstance(words[0], (list, tuple))


class MnHost(MnNode):
    """A host."""


class MnSwitch(MnNode):
    """A switch, whoever's it would be."""

    kind = "switch"


class MnNat(MnHost):
    """A host that translates for those behind its interface ``localIntf``."""


class MnController(MnNode):
    """A controller of OpenFlow."""

    kind = "controller"


class Graph:
    """Nodes and links as they are told, by `Topo` or by `Mininet`."""

    def __init__(self) -> None:
        self.names: dict[str, MnNode] = {}
        self.kinds: dict[str, Any] = {}
        self.joined: list[dict[str, Any]] = []
        self.ports: dict[str, Iterator[int]] = {}

    def add(self, name: Any, kind: Any, params: dict[str, Any]) -> MnNode:
        if len(self.names) + len(self.joined) >= MOST_PARTS:
            raise TooMuch
        text = str(name)
        node: MnNode = kind(text, **params)
        node.name, node.params, node.line = text, params, line_here()
        self.names[text] = node
        return node

    def join(self, a: Any, b: Any, params: dict[str, Any]) -> dict[str, Any]:
        if len(self.names) + len(self.joined) >= MOST_PARTS:
            raise TooMuch
        ends = []
        for end, word in ((str(a), "port1"), (str(b), "port2")):
            first = 0 if getattr(self.names.get(end), "kind", "host") == "host" else 1
            counted = self.ports.setdefault(end, itertools.count(first))
            said = params.get(word)
            ends.append(int(said) if said is not None else next(counted))
        params = with_options(params.pop("cls", None), params)
        said = {"ends": [str(a), str(b)], "ports": ends, "line": line_here(), "params": params}
        self.joined.append(said)
        for side, end in enumerate((str(a), str(b))):
            if (node := self.names.get(end)) is not None:
                name = params.get(f"intfName{side + 1}") or f"{end}-eth{ends[side]}"
                node.intfs[ends[side]] = MnIntf(node, name)
        return said


def with_options(kind: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters after those that a class was given beforehand (`partial`, `custom`)."""
    while isinstance(kind, functools.partial):
        params = {**kind.keywords, **params}
        kind = kind.func
    return params


def class_of(params: dict[str, Any], usual: type[MnNode]) -> Any:
    """Return the class that a node was told to be of, if it is one of nodes.

    What the class was given beforehand is put to the parameters.

    """
    kind = params.pop("cls", None)
    params |= with_options(kind, params)
    while isinstance(kind, functools.partial):
        kind = kind.func
    return kind if isinstance(kind, type) and issubclass(kind, MnNode) else usual


class Topo:
    """A topology: `build`, or the constructor, adds hosts, switches and links."""

    def __init__(self, *args: Any, **params: Any) -> None:
        self.graph_here()
        hosts, switches = params.pop("hopts", None), params.pop("sopts", None)
        self._options = {"host": hosts or {}, "switch": switches or {}}
        self._link_options = params.pop("lopts", None) or {}
        self.build(*args, **params)

    def graph_here(self) -> Graph:
        if not hasattr(self, "_graph"):
            self._graph = Graph()
            self._options = {"host": {}, "switch": {}}
            self._link_options = {}
        return self._graph

    def build(self, *args: Any, **params: Any) -> None:
        pass

    def addNode(self, name: Any, **params: Any) -> str:
        return self.addHost(name, **params)

    def addHost(self, name: Any, **params: Any) -> str:
        kind = class_of(params, MnHost)
        self.graph_here().add(name, kind, {**self._options["host"], **params})
        return str(name)

    def addSwitch(self, name: Any, **params: Any) -> str:
        kind = class_of(params, MnSwitch)
        self.graph_here().add(name, kind, {**self._options["switch"], **params})
        return str(name)

    def addLink(self, a: Any, b: Any, *ports: Any, **params: Any) -> Any:
        for word, port in zip(("port1", "port2"), ports, strict=False):
            params.setdefault(word, port)
        return self.graph_here().join(a, b, {**self._link_options, **params})

    def hosts(self, sort: bool = True) -> list[str]:
        return [name for name, node in self.graph_here().names.items() if node.kind == "host"]

    def switches(self, sort: bool = True) -> list[str]:
        return [name for name, node in self.graph_here().names.items() if node.kind == "switch"]

    def nodes(self, sort: bool = True) -> list[str]:
        return [*self.graph_here().names]

    def links(self, *args: Any, **kwargs: Any) -> list[Any]:
        return [tuple(link["ends"]) for link in self.graph_here().joined]

    def isSwitch(self, name: Any) -> bool:
        return str(name) in self.switches()

    def port(self, a: Any, b: Any) -> tuple[int, int] | None:
        for link in self.graph_here().joined:
            if link["ends"] in ([str(a), str(b)], [str(b), str(a)]):
                first, second = link["ports"]
                return (first, second) if link["ends"][0] == str(a) else (second, first)
        return None

    def linkInfo(self, a: Any, b: Any) -> dict[str, Any]:
        for link in self.graph_here().joined:
            if sorted(link["ends"]) == sorted([str(a), str(b)]):
                return dict(link["params"])
        return {}

    def nodeInfo(self, name: Any) -> dict[str, Any]:
        return self.graph_here().names[str(name)].params

    # As they were called at first.
    add_host, add_switch, add_link, add_node = addHost, addSwitch, addLink, addNode


class SingleSwitchTopo(Topo):
    """k hosts at one switch."""

    def build(self, k: int = 2, **_: Any) -> None:
        switch = self.addSwitch("s1")
        for n in range(1, k + 1):
            self.addLink(self.addHost(f"h{n}"), switch)


class LinearTopo(Topo):
    """k switches in a row, n hosts at each."""

    def build(self, k: int = 2, n: int = 1, **_: Any) -> None:
        last = None
        for i in range(1, k + 1):
            switch = self.addSwitch(f"s{i}")
            for j in range(1, n + 1):
                self.addLink(self.addHost(f"h{i}" if n == 1 else f"h{j}s{i}"), switch)
            if last is not None:
                self.addLink(switch, last)
            last = switch


class MinimalTopo(SingleSwitchTopo):
    """Two hosts at one switch."""

    def build(self, *_: Any, **__: Any) -> None:
        super().build(k=2)


class TreeTopo(Topo):
    """A tree of switches, with hosts for leaves."""

    def build(self, depth: int = 1, fanout: int = 2, **_: Any) -> None:
        self._hosts, self._switches = itertools.count(1), itertools.count(1)
        self._tree(depth, fanout)

    def _tree(self, depth: int, fanout: int) -> str:
        if depth <= 0:
            return self.addHost(f"h{next(self._hosts)}")
        switch = self.addSwitch(f"s{next(self._switches)}")
        for _ in range(fanout):
            self.addLink(switch, self._tree(depth - 1, fanout))
        return switch


NETS: list[Mininet] = []


class Mininet(Anything):
    """A network: keeps what it is told."""

    def __init__(self, topo: Any = None, **params: Any) -> None:
        self.topo = topo
        self.graph = topo.graph_here() if isinstance(topo, Topo) else Graph()
        self.base = str(params.get("ipBase") or "10.0.0.0/8")
        self.with_macs = bool(params.get("autoSetMacs"))
        self.link_options = with_options(params.get("link"), {})
        self.host_options = with_options(params.get("host"), {})
        if params.get("autoStaticArp"):
            note("autoStaticArp is not heeded: hosts ask each other, as on any network")
        self.setup()
        if isinstance(topo, Topo):
            for node in self.hosts:
                node.params = {**self.host_options, **node.params}
            for link in self.graph.joined:
                link["params"] = {**self.link_options, **link["params"]}
            number_hosts(self.graph, self.base, self.with_macs)
            configure(self.graph)
        NETS.append(self)

    def setup(self) -> None:
        pass

    @staticmethod
    def init() -> None:
        pass

    def addHost(self, name: Any, cls: Any = None, **params: Any) -> MnNode:
        params = {**self.host_options, **params, "cls": cls}
        kind = class_of(params, MnHost)
        node = self.graph.add(name, kind, params)
        number_hosts(self.graph, self.base, self.with_macs)
        configure(self.graph, node)
        return node

    def addSwitch(self, name: Any, cls: Any = None, **params: Any) -> MnNode:
        params["cls"] = cls
        kind = class_of(params, MnSwitch)
        return self.graph.add(name, kind, params)

    def addDocker(self, name: Any, cls: Any = None, **params: Any) -> MnNode:
        return self.addHost(name, cls, **params)

    def addController(self, name: Any = "c0", *args: Any, **params: Any) -> MnNode:
        note(f"the controller {name} is not run: switches here learn by themselves")
        return MnController(str(name))

    def addNAT(self, name: Any = "nat0", *args: Any, **params: Any) -> MnNode:
        note(f"{name} is not made: a lab has no way out unless lab.uplink() says")
        return MnNode(str(name))

    def addLink(self, a: Any, b: Any, port1: Any = None, port2: Any = None, **params: Any) -> Any:
        ports = {"port1": port1, "port2": port2}
        said = {word: port for word, port in ports.items() if port is not None}
        link = self.graph.join(a, b, {**self.link_options, **params, **said})
        ends = zip(link["ends"], link["ports"], strict=True)
        return MnLink(*(self.graph.names[end].intfs[port] for end, port in ends))

    def configLinkStatus(self, a: Any, b: Any, status: Any) -> None:
        for link in self.graph.joined:
            if sorted(link["ends"]) == sorted([str(a), str(b)]):
                link["params"]["down"] = str(status) == "down"

    def delLink(self, link: Any) -> None:
        note("a link that is taken out again stays: leave it out")

    def keys(self) -> list[str]:
        return [*self.graph.names]

    def values(self) -> list[MnNode]:
        return [*self.graph.names.values()]

    def items(self) -> list[tuple[str, MnNode]]:
        return [*self.graph.names.items()]

    @property
    def nameToNode(self) -> dict[str, MnNode]:
        return self.graph.names

    def __len__(self) -> int:
        return len(self.graph.names)

    def get(self, *names: Any) -> Any:
        found = [self[name] for name in names]
        return found[0] if len(found) == 1 else found

    getNodeByName = get

    def __getitem__(self, name: Any) -> Any:
        return self.graph.names.get(str(name)) or Anything()

    def __contains__(self, name: Any) -> bool:
        return str(name) in self.graph.names

    def __iter__(self) -> Iterator[Any]:
        return iter([*self.graph.names])

    @property
    def hosts(self) -> list[MnNode]:
        return [node for node in self.graph.names.values() if node.kind == "host"]

    @property
    def switches(self) -> list[MnNode]:
        return [node for node in self.graph.names.values() if node.kind == "switch"]

    @property
    def controllers(self) -> list[Any]:
        return []

    @property
    def links(self) -> list[Any]:
        return []

    def build(self) -> None:
        pass

    def start(self) -> None:
        pass

    def stop(self) -> None:
        raise NetworkMade

    def pingAll(self, *args: Any, **kwargs: Any) -> float:
        return 0.0

    pingAllFull = pingPair = pingFull = pingAll

    def ping(self, *args: Any, **kwargs: Any) -> float:
        return 0.0

    def iperf(self, *args: Any, **kwargs: Any) -> list[str]:
        return ["0 Mbits/sec", "0 Mbits/sec"]


def finish(*args: Any, **kwargs: Any) -> None:
    """Stand in for what asks somebody something: the network is made."""
    raise NetworkMade


def number_hosts(graph: Graph, base: str, with_macs: bool = False) -> None:
    """Give each host without an address the next one of the base, as Mininet does.

    ``with_macs`` gives it the MAC address of that number too.

    """
    network, _, length = base.partition("/")
    octets = [int(one) for one in network.split(".")] if re.fullmatch(r"[\d.]+", network) else []
    start = 0
    for octet in octets:
        start = start << 8 | octet & 255
    number = 0
    for node in graph.names.values():
        if node.kind != "host":
            continue
        number += 1
        if with_macs and not node.params.get("mac"):
            node.params["mac"] = ":".join(re.findall("..", f"{number:012x}"))
        if "ip" not in node.params and len(octets) == 4:
            value = start + number
            parts = [str(value >> shift & 255) for shift in (24, 16, 8, 0)]
            node.params["ip"] = f"{'.'.join(parts)}/{length or 8}"


def configure(graph: Graph, only: MnNode | None = None) -> None:
    """Let nodes of a class of the file's own set themselves up."""
    for node in graph.names.values() if only is None else [only]:
        own = type(node).config is not MnNode.config
        if own and node.kind == "host":
            node.config(**node.params)


# -- modules --------------------------------------------------------------------

_KNOWN: dict[str, Any] = {
    **dict.fromkeys(("Host", "CPULimitedHost", "Docker", "HostWithPrivateDirs"), MnHost),
    **dict.fromkeys(("Switch", "OVSSwitch", "OVSKernelSwitch", "OVSBridge"), MnSwitch),
    **dict.fromkeys(("UserSwitch", "IVSSwitch", "LinuxBridge", "OVSBatch"), MnSwitch),
    **dict.fromkeys(("Controller", "RemoteController", "OVSController"), MnController),
    **dict.fromkeys(("NOX", "Ryu", "DefaultController"), MnController),
    "Node": MnNode,
    "NAT": MnNat,
    **dict.fromkeys(("Intf", "TCIntf"), MnIntf),
    **dict.fromkeys(("Link", "TCLink", "TCULink", "OVSLink", "OVSIntf"), MnLink),
    "Topo": Topo,
    "SingleSwitchTopo": SingleSwitchTopo,
    "LinearTopo": LinearTopo,
    "MinimalTopo": MinimalTopo,
    "TreeTopo": TreeTopo,
    "Mininet": Mininet,
    "MininetWithControlNet": Mininet,
    "CLI": finish,
    "cleanup": lambda *args, **kwargs: None,
    "irange": lambda start, end: range(start, end + 1),
    "TreeNet": lambda depth=1, fanout=2, **kwargs: Mininet(TreeTopo(depth, fanout), **kwargs),
    "customClass": lambda classes, text: Anything,
    "custom": functools.partial,
    "quietRun": lambda *args, **kwargs: "",
    "dumpNodeConnections": lambda *args, **kwargs: None,
}


class MininetModule(types.ModuleType):
    """A module of Mininet: what it is asked for is there."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []
        self.__all__ = [*_KNOWN]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = _KNOWN.get(name)
        if found is None:
            return type(name, (Anything,), {}) if name[:1].isupper() else Anything()
        return found


class MininetFinder:
    """Finds every module below ``mininet``, and below what is built upon it."""

    packages = ("mininet", "mn_wifi", "containernet", "ipmininet")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] not in self.packages:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> types.ModuleType:
        return MininetModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


# -- running a file ---------------------------------------------------------------


def run(path: str, wanted: str | None) -> dict[str, Any]:
    """Run a file and return the network that it makes."""
    global _FILE
    _FILE = path
    sys.meta_path.insert(0, MininetFinder())
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    sys.argv = [path]
    with open(path, encoding="utf-8") as file:
        code = compile(file.read(), path, "exec")
    module = types.ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    with contextlib.suppress(NetworkMade, SystemExit):
        try:
            exec(code, vars(module))
        except Exception as error:
            # What goes on with a network that was made may ask it for more than there is.
            if not any(net.graph.names for net in NETS):
                raise
            text = f"what follows is not run: {type(error).__name__}: {error}"[:200]
            NOTES.append({"text": text, "line": line_of_error()})
    graph = choose(vars(module), wanted)
    return described(graph)


def choose(names: dict[str, Any], wanted: str | None) -> Graph:
    """Return the network that was started, or that of the topology that the file names."""
    topos = names.get("topos")
    makers: dict[str, Callable[[], Any]] = dict(topos) if isinstance(topos, dict) else {}
    own = [one for one in names.values() if isinstance(one, type) and issubclass(one, Topo)]
    makers |= {one.__name__: one for one in own if one not in _KNOWN.values()}
    wanted = wanted if wanted in makers else None  # the name of the lab, and no topology's
    if NETS and wanted is None:
        return NETS[-1].graph
    if not makers:
        raise LookupError("it makes no network: no Mininet is started, and no Topo is declared")
    net = Mininet(makers[wanted if wanted is not None else next(iter(makers))]())
    return net.graph


def described(graph: Graph) -> dict[str, Any]:
    """Return a network as data."""
    return {
        "nodes": [
            {
                "name": name,
                "kind": node.kind,
                "class": type(node).__name__,
                "params": plain(node.params),
                "line": node.line,
            }
            for name, node in graph.names.items()
        ],
        "links": [{**link, "params": plain(link["params"])} for link in graph.joined],
        "commands": COMMANDS,
        "notes": NOTES,
    }


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON can hold it; what it cannot is its text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict) and depth < 4:
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and depth < 4:
        return [plain(item, depth + 1) for item in value]
    return getattr(value, "__name__", None) or type(value).__name__


def main(path: str, wanted: str | None = None) -> None:
    """Print what the file makes, or why it makes nothing."""
    # By the process itself: a fork of a program with threads is no place for it.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What the file prints is nobody's answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        found = run(path, wanted)
    except SyntaxError as error:
        found = {"error": str(error.msg), "line": error.lineno or 0}
    except TooMuch:
        found = {"error": f"it makes more than {MOST_PARTS:,} parts", "line": line_of_error()}
    except BaseException as error:
        found = {"error": f"{type(error).__name__}: {error}"[:500], "line": line_of_error()}
    with os.fdopen(answer, "w") as out:
        json.dump(found, out)
    os._exit(0)  # whatever threads the file has begun


def line_of_error() -> int:
    """Return the innermost line of the file where it failed."""
    trace = sys.exc_info()[2]
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


if __name__ == "__main__":
    main(*sys.argv[1:3])
