"""A plan drawn as text: a tree of machines with their addresses and services.

Pure: a `Plan` goes in, lines of text come out.

"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from playground.planning.broadcast_domains import ports_at, vlan_subnets
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import SwitchPlan, WirePlan

# Said once, not on each line, where every machine has it.
_USUAL = "ssh"

# Narrower than this, no tree of names and addresses can be read.
_NARROWEST = 40


def draw(plan: Plan, width: int = 80) -> str:
    """Return a picture of the network, at most ``width`` characters wide.

    The tree grows from the middle of the network, the router from which the
    farthest machine is nearest.  A switch stands in brackets with its subnets,
    after the VLAN of each if it has any, a host or router with its addresses and
    services; interface names are left out where the lines would become too long.
    A link that closes a ring cannot hang in a tree: it is told behind the machine
    that was drawn first.  A link that is down, or impaired, is told where it hangs.

    >>> print(draw(lab.plan()))
    modem                eth0 192.168.1.1  eth1 203.0.113.1  NAT
    ├── [home]           192.168.1.0/24
    │   ├── h1           eth0 192.168.1.2
    │   ╰── h2           eth0 192.168.1.3
    ╰── www.example.com  eth0 203.0.113.2

    """
    width = max(width, _NARROWEST)
    network = _Network(plan)
    text = ""
    for interfaces in (True, False):
        lines = _aligned(list(network.rows(interfaces)))
        text = "\n".join(_cropped(line, width) for line in lines)
        if all(len(line) <= width for line in lines):
            break
    if network.everywhere:
        text += f"\n(and {network.everywhere} on every machine)"
    return text


class _Network:
    """The plan as a graph: who hangs on whom."""

    def __init__(self, plan: Plan) -> None:
        self.machines: dict[str, NodePlan] = {node.name: node for node in plan.nodes}
        self.switches: dict[str, SwitchPlan] = {switch.name: switch for switch in plan.switches}
        self.neighbours: dict[str, list[str]] = {
            name: [] for name in (*self.machines, *self.switches)
        }
        self._between: dict[frozenset[str], list[WirePlan]] = {}
        self._tunnels: dict[str, list[str]] = {}
        for wire in plan.wires:
            if wire.tunnel is not None:
                # No branch: the two hang together by cables already.
                down = "" if wire.up else " (down)"
                words = f"{wire.tunnel} tunnel to {wire.b.node}{down}"
                self._tunnels.setdefault(wire.a.node, []).append(words)
                continue
            if wire.bond is not None:
                here, there = (wire.a, wire.b) if wire.a.node in self.machines else (wire.b, wire.a)
                words = f"{wire.bond} bond to {there.node}"
                self._tunnels.setdefault(here.node, []).append(words)
                continue
            self._between.setdefault(frozenset((wire.a.node, wire.b.node)), []).append(wire)
            self.neighbours[wire.a.node].append(wire.b.node)
            self.neighbours[wire.b.node].append(wire.a.node)
        self._subnets = subnets_of_switches(plan)
        self._vlans = access_vlans(plan)
        usual = bool(plan.nodes) and all(_USUAL in _services(node) for node in plan.nodes)
        self.everywhere = _USUAL if usual else ""

    def rows(self, interfaces: bool) -> Iterator[tuple[str, str, str]]:
        """Yield three columns a line: tree, addresses, what is special there."""
        drawn: set[str] = set()
        for root in self._roots():
            children, extra = self._tree(root, drawn)
            # A list of what is still to draw, not recursion: a chain may be long.
            waiting = [(root, "", "", "")]
            while waiting:
                name, lead, below, above = waiting.pop()
                notes = [*self._notes(name), *self._wrong(above, name)]
                for other in extra[name]:
                    wrong = self._wrong(name, other) if other not in children[name] else []
                    notes += [" ".join([f"+ link to {other}", *wrong])]
                yield lead + self._label(name), self._addresses(name, interfaces), ", ".join(notes)
                last = len(children[name]) - 1
                for index, child in reversed(list(enumerate(children[name]))):
                    fork, trunk = ("╰── ", "    ") if index == last else ("├── ", "│   ")
                    waiting.append((child, below + fork, below + trunk, name))

    def _roots(self) -> Iterator[str]:
        """Yield the middle of each part of the network that hangs together."""
        seen: set[str] = set()
        for start in self.neighbours:
            if start in seen:
                continue
            part = _distances(self.neighbours, start)
            seen |= part.keys()
            inner = [name for name in part if self._is_router(name)]
            # min() takes the first of equals: the order of the plan.
            order = [name for name in self.neighbours if name in (inner or part)]
            yield min(order, key=lambda name: max(_distances(self.neighbours, name).values()))

    def _is_router(self, name: str) -> bool:
        return name in self.machines and self.machines[name].kind == "router"

    def _tree(
        self, root: str, drawn: set[str]
    ) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Return the children of each node, and its links that are no branch."""
        children: dict[str, list[str]] = {}
        extra: dict[str, list[str]] = {}
        parent: dict[str, str] = {}
        queue = [root]
        drawn.add(root)
        for name in queue:
            children[name] = []
            extra[name] = []
            upward = parent.get(name)
            for other in self.neighbours[name]:
                if other == upward:
                    upward = None  # the branch itself; a second link to it is extra
                elif other not in drawn:
                    drawn.add(other)
                    parent[other] = name
                    children[name].append(other)
                    queue.append(other)
                elif other not in children or other in children[name]:
                    extra[name].append(other)
        return children, extra

    def _wrong(self, one: str, other: str) -> list[str]:
        """Say what is wrong with the links between two nodes."""
        wires = self._between.get(frozenset((one, other)), [])
        down = [wire for wire in wires if not wire.up]
        said = []
        if down:
            count = f"{len(down)} of {len(wires)} links" if len(wires) > 1 else "link"
            said.append(f"({count} down)")
        if any(wire.up and (wire.toward_a or wire.toward_b) for wire in wires):
            said.append("(link impaired)")
        return said

    def _label(self, name: str) -> str:
        return f"[{name}]" if name in self.switches else name

    def _addresses(self, name: str, interfaces: bool) -> str:
        if name in self.switches:
            return "  ".join(self._subnets.get(name, ()))
        found: dict[str, None] = {}
        for interface in self.machines[name].interfaces:
            for address in interface.addresses:
                text = f"{address.ip}{f' ({interface.vrf})' if interface.vrf else ''}"
                found[f"{interface.name} {text}" if interfaces else text] = None
        return "  ".join(found)

    def _notes(self, name: str) -> list[str]:
        if name in self.switches:
            return []
        node = self.machines[name]
        nat = [*(["NAT"] if node.nat else []), *(f"VNI {vni.number}" for vni in node.vnis)]
        nat += ["MPLS"] if node.labelled else []
        nat += dict.fromkeys(f"VRRP {one.address.ip}" for one in node.virtual_routers)
        vlan = [f"VLAN {self._vlans[name]}"] if name in self._vlans else []
        services = [service for service in _services(node) if service != self.everywhere]
        return vlan + nat + services + self._tunnels.get(name, [])


def _services(node: NodePlan) -> list[str]:
    return [settings.label for settings in node.services]


def subnets_of_switches(plan: Plan) -> dict[str, list[str]]:
    """Return what is in use on each switch: subnets, after the VLAN of each if it has any.

    >>> subnets_of_switches(lab.plan())
    {..., 'home': ['192.168.1.0/24'], 'office': ['10: 192.168.10.0/24', '20: 192.168.20.0/24']}

    """
    return _subnets(plan.nodes) | vlan_subnets(plan)


def access_vlans(plan: Plan) -> dict[str, int]:
    """Return the VLAN of each node that hangs on an access port of a switch with VLANs."""
    ports = ports_at(plan)
    return {
        there.node: port.vlan
        for wire in plan.wires
        for here, there in ((wire.a, wire.b), (wire.b, wire.a))
        if (port := ports.get(here)) is not None and port.vlan is not None and not port.trunk
    }


def _subnets(nodes: Iterable[NodePlan]) -> dict[str, list[str]]:
    """Return the subnets that are in use on each segment."""
    subnets: dict[str, dict[str, None]] = {}
    for node in nodes:
        for interface in node.interfaces:
            for address in interface.addresses:
                subnets.setdefault(interface.segment, {})[str(address.network)] = None
    return {segment: list(found) for segment, found in subnets.items()}


def _distances(neighbours: Mapping[str, Sequence[str]], start: str) -> dict[str, int]:
    """Return how many links away each node that can be reached is."""
    distances = {start: 0}
    queue = [start]
    for name in queue:
        for other in neighbours[name]:
            if other not in distances:
                distances[other] = distances[name] + 1
                queue.append(other)
    return distances


def _aligned(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Put the three columns under each other."""
    if not rows:
        return []
    first = max(len(row[0]) for row in rows) + 2
    # A machine without notes may have more addresses than fit into its column.
    second = max((len(row[1]) for row in rows if row[2]), default=0) + 2
    return [
        f"{tree:<{first}}{addresses:<{second}}{notes}".rstrip() for tree, addresses, notes in rows
    ]


def _cropped(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
