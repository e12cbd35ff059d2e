"""The kernel's view of each node's network, as frozen data, and what changed since.

`lab.state()` reads addresses, links, routes, policy rules, neighbours, listening
sockets, connections, firewall rules and sysctls of all nodes in one request.
`State.diff` compares two of them, without what changes by itself: counters and ages.

"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from playground.display.tables import Table, Tabular
from playground.errors import BadArgument
from playground.model.records import dataclass
from playground.operations.connection.client import Client
from playground.operations.nodes.connections import Connection, read_connection
from playground.operations.nodes.routes import read_route
from playground.planning.route_rows import PolicyRule, Route


@dataclass(frozen=True)
class AddressState:
    """An address of an interface, as ``192.168.1.11/24``.

    ``peer`` is the other end's of a point-to-point address; ``refused`` says that
    another machine had an IPv6 address first (RFC 4862 section 5.4).

    """

    address: str
    peer: str | None = None
    refused: bool = False

    @property
    def ip(self) -> str:
        """The address without its prefix length."""
        return self.address.partition("/")[0]


@dataclass(frozen=True)
class InterfaceState:
    """An interface: ``carrier`` says whether the other end is up, ``below`` a VLAN's own link."""

    name: str
    up: bool
    carrier: bool
    mtu_bytes: int
    mac: str
    addresses: tuple[AddressState, ...] = ()
    kind: str | None = None
    below: str | None = None
    settings: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class NeighbourState:
    """A node's neighbour on a link; ``mac`` is None where nobody answered."""

    interface: str
    address: str
    mac: str | None
    state: str


@dataclass(frozen=True)
class SocketState:
    """A socket that waits: ``protocol`` "tcp" (listening) or "udp", and whose it is."""

    protocol: str
    address: str
    port: int
    program: str | None = None
    only_ipv6: bool = False


# The tables by which `lab.explain` follows a packet, for a moment: see `agent.tracing`.
_TRACES = "playground_trace_"


@dataclass(frozen=True)
class KernelRule:
    """One rule of nftables as the kernel has it; without ``handle``, what a chain or set is.

    ``text`` is the rule as nft writes it, without counts, ``hook`` that of its chain, ""
    where another chain leads to it.  ``statements`` says what the rule is made of, by the
    names of libnftables-json(5): "match", "counter", "drop", "snat".

    """

    family: str
    table: str
    chain: str
    text: str
    handle: int | None = None
    comment: str = ""
    hook: str = ""
    statements: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where it stands: family, table and chain."""
        return f"{self.family} {self.table} {self.chain}"

    @property
    def hides(self) -> bool:
        """Tell whether it puts another source address into packets (RFC 3022)."""
        return "snat" in self.statements or "masquerade" in self.statements


@dataclass(frozen=True)
class NodeState:
    """All of one node; ``firewall`` holds all rules of nftables, ours and others'."""

    node: str
    interfaces: tuple[InterfaceState, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[PolicyRule, ...] = ()
    neighbours: tuple[NeighbourState, ...] = ()
    sockets: tuple[SocketState, ...] = ()
    connections: tuple[Connection, ...] = ()
    sysctls: Mapping[str, str | None] = field(default_factory=dict)
    firewall: tuple[KernelRule, ...] = ()

    @property
    def translates(self) -> bool:
        """Tell whether any of its rules translates the source of packets, whoever made it."""
        return any(rule.hides for rule in self.firewall)

    def interface(self, name: str | None) -> InterfaceState | None:
        """Return the interface of this name."""
        return next((one for one in self.interfaces if one.name == name), None)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield all of it as pairs of a kind and a line, without what changes by itself."""
        for interface in self.interfaces:
            state = "up" if interface.up else "down"
            carrier = "" if interface.carrier or not interface.up else ", no carrier"
            text = f"{interface.name} {state}{carrier}, mtu {interface.mtu_bytes}, {interface.mac}"
            yield "link", text
        for interface in self.interfaces:
            for address in interface.addresses:
                peer = f" peer {address.peer}" if address.peer else ""
                refused = " (refused: another machine has it)" if address.refused else ""
                yield "address", f"{address.address}{peer} dev {interface.name}{refused}"
        for route in self.routes:
            if route.destination.version == 4 or not _automatic(route):
                words = route.as_shell().split(" ")
                text = " ".join(words[words.index("add") + 1 :])
                yield "route", f"{text} proto {route.protocol}"
        for rule in self.rules:
            yield "rule", " ".join(rule.as_shell().split(" rule add ")[1:])
        for neighbour in self.neighbours:
            if neighbour.mac is not None:
                at = f"{neighbour.address} dev {neighbour.interface}"
                yield "neighbour", f"{at} is {neighbour.mac}"
        for socket in self.sockets:
            program = f" ({socket.program})" if socket.program else ""
            yield "socket", f"{socket.protocol} {_at(socket.address, socket.port)}{program}"
        for row in self.connections:
            yield "connection", _connection_line(row)
        for one in self.firewall:
            yield "firewall", f"{one.place}: {one.text}"
        for name, value in self.sysctls.items():
            if value is not None:
                yield "sysctl", f"{name} = {value}"


@dataclass(frozen=True)
class StateRow:
    """One line of a state: of which node, of what kind, and what it says."""

    node: str
    kind: str
    entry: str


@dataclass(frozen=True)
class Change:
    """One line that came (``+``) or went (``-``) between two states."""

    change: str
    node: str
    kind: str
    entry: str


@dataclass(frozen=True)
class State(Tabular):
    """The kernel's state of each node at one moment.

    ``state["h1"]`` is a `NodeState`; it shows as a table, a line a row, whose rows are
    ``state.rows``.

    """

    nodes: Mapping[str, NodeState]

    def __getitem__(self, name: str) -> NodeState:
        """Return one node's part, by its full name, in any case."""
        if name not in self.nodes:
            return {one.lower(): node for one, node in self.nodes.items()}[name.lower()]
        return self.nodes[name]

    def table(self) -> Table[StateRow]:
        """Return all of it, a line a row."""
        return Table(
            StateRow(name, kind, entry)
            for name, node in self.nodes.items()
            for kind, entry in node.lines()
        )

    def __repr__(self) -> str:
        return repr(self.table())

    def diff(self, before: State) -> Table[Change]:
        """Return what came and went since an earlier state, node by node.

        ``before`` may have other nodes.  What is volatile (counters, ages, the states of
        TCP) is in neither, so that two states of a silent lab do not differ.  Raises
        `BadArgument` for what is no state.

        >>> lab.state().diff(before)
        change  node  kind   entry
        -       h1    route  default via 192.168.1.1 dev eth1 proto static

        """
        if not isinstance(before, State):
            raise BadArgument(
                f"{before!r} is no state to compare with: keep one by before = lab.state()"
            )
        found = []
        for name in dict.fromkeys((*before.nodes, *self.nodes)):
            old, new = (
                list(state.nodes[name].lines()) if name in state.nodes else []
                for state in (before, self)
            )
            gone, came = _without(old, new), _without(new, old)
            found += [Change("-", name, *line) for line in gone]
            found += [Change("+", name, *line) for line in came]
        return Table(found)


def read_states(agent: Client, pids: Mapping[str, int], *, with_connections: bool = True) -> State:
    """Read the state of these nodes, by name, in one request; connections take the longest."""
    rows = agent.call("states", pids=list(pids.values()), with_connections=with_connections)
    return State({name: read_state(name, row) for name, row in zip(pids, rows, strict=True)})


def read_state(node: str, row: Mapping[str, Any]) -> NodeState:
    """Make a node's state of what the agent says."""
    return NodeState(
        node=node,
        interfaces=tuple(_read_interface(one) for one in row["interfaces"]),
        routes=tuple(read_route(one) for one in row["routes"]),
        rules=tuple(PolicyRule(**one) for one in row["rules"]),
        neighbours=tuple(NeighbourState(**one) for one in row["neighbours"]),
        sockets=tuple(SocketState(**one) for one in row["sockets"]),
        connections=tuple(read_connection(one) for one in row["connections"]),
        sysctls=row["sysctls"],
        firewall=tuple(
            KernelRule(**one | {"statements": tuple(one["statements"])})
            for one in row["firewall"]
            if not one["table"].startswith(_TRACES)
        ),
    )


def _read_interface(row: Mapping[str, Any]) -> InterfaceState:
    return InterfaceState(
        name=row["name"],
        up=row["up"],
        carrier=row["carrier"],
        mtu_bytes=row["mtu_bytes"],
        mac=row["mac"],
        addresses=tuple(
            AddressState(one["address"], one["peer"], one["refused"]) for one in row["addresses"]
        ),
        kind=row["kind"],
        below=row["below"],
        settings=row["settings"],
    )


def _automatic(route: Route) -> bool:
    """Tell whether the kernel makes such an IPv6 route for each interface by itself."""
    return str(route.destination) in ("fe80::/64", "ff00::/8")


def _connection_line(row: Connection) -> str:
    there = f"{_at(row.source, row.source_port)} to {_at(row.destination, row.destination_port)}"
    back = f"{_at(row.answers_from, row.answers_from_port)} to "
    back += _at(row.answers_to, row.answers_to_port)
    return f"{row.protocol} {there}, answered from {back}"


def _at(address: str, port: int | None) -> str:
    shown = f"[{address}]" if ":" in address else address
    return shown if port is None else f"{shown}:{port}"


def _without(
    lines: Sequence[tuple[str, str]], others: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    left = Counter(others)
    found = []
    for line in lines:
        if left[line]:
            left[line] -= 1
        else:
            found.append(line)
    return found
