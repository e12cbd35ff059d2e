"""What differs between two plans, as rows for people: `Plan.diff`.

Pure, and only for reading: what is done about it `planning.difference` says.

"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from playground.display.tables import Table, Tabular
from playground.model.arguments import shown
from playground.model.records import dataclass
from playground.planning.plan_parts import InterfacePlan, SwitchPlan, WirePlan


@dataclass(frozen=True)
class PlanDifference:
    """One thing that comes ("+") or goes ("-"), of a node, a switch or a link (``node`` is "")."""

    change: str
    node: str
    kind: str
    entry: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.change, self.node, self.kind, self.entry)))


@dataclass(frozen=True, repr=False)
class PlanDiff(Tabular):
    """What has to be done to come from one plan to another; false where that is nothing."""

    differences: Table[PlanDifference]

    def table(self) -> Table[PlanDifference]:
        """Return a row for each thing that comes or goes."""
        return self.differences

    def __bool__(self) -> bool:
        return bool(self.differences)

    def __repr__(self) -> str:
        return repr(self.differences) if self.differences else "no difference"

    def __str__(self) -> str:
        return "\n".join(map(str, self.differences)) if self.differences else "no difference"


# A line of what a plan has: whose it is, its kind, and the thing in words.
Line = tuple[str, str, str]


def plan_diff(before: Any, after: Any) -> PlanDiff:
    """Return what differs between two plans; ``before`` is None where there is nothing yet.

    Lines of /etc/hosts, MAC addresses and sysctls of interfaces, which follow from the rest, are
    left out.

    """
    old = dict.fromkeys(_lines(before)) if before is not None else {}
    new = dict.fromkeys(_lines(after))
    lost, found = (
        [line for line in one if line not in other] for one, other in ((old, new), (new, old))
    )
    gone = [PlanDifference("-", *line) for line in _in_short(lost)]
    come = [PlanDifference("+", *line) for line in _in_short(found)]
    order = {name: number for number, name in enumerate(_names(before, after))}
    rows = sorted([*gone, *come], key=lambda row: order.get(row.node, len(order)))
    return PlanDiff(Table(rows))


def _in_short(lines: Sequence[Line]) -> list[Line]:
    """Return lines without what goes without saying of a node that comes, or goes, as a whole."""
    whole = {node for node, kind, _ in lines if kind == "node"}
    return [line for line in lines if line[0] not in whole or line[1] not in _UNSAID]


_UNSAID = ("interface", "route", "sysctl", "name server")


def _names(*plans: Any) -> Iterator[str]:
    seen = [part.name for plan in plans if plan for part in (*plan.nodes, *plan.switches)]
    yield from dict.fromkeys(seen)


def _lines(plan: Any) -> Iterator[Line]:
    """Yield what a plan has; a `Plan`, which knows of this and is not known here."""
    for node in plan.nodes:
        for kind, entry in _node(node):
            yield node.name, kind, entry
    for switch in plan.switches:
        for kind, entry in _switch(switch):
            yield switch.name, kind, entry
    for stopped in plan.stopped:
        yield stopped.name, "power", "off"
    for wire in plan.wires:
        for kind, entry in _wire(wire):
            yield "", kind, entry


def _node(node: Any) -> Iterator[tuple[str, str]]:
    yield "node", node.kind
    for name, value in node.container.said().items():
        yield name, shown(value)
    for name, value in vars(node.limits).items():
        if value is not None:
            yield "limit", f"{name}={value}"
    for settings in node.services:
        yield "service", shown(settings)
    for interface in node.interfaces:
        yield from _interface(interface)
    for route in node.routes:
        via = f" via {route.via}" if route.via is not None else ""
        yield "route", f"{_destination(route.destination)}{via} dev {route.interface}"
    for own in node.own_routes:
        hops = " ".join(
            " ".join(filter(None, (f"via {hop.via}" if hop.via else "", f"dev {hop.interface}")))
            for hop in own.hops
        )
        words = (own.kind if own.kind != "unicast" else "", _destination(own.destination), hops)
        metric = f"metric {own.metric}" if own.metric else ""
        yield "route", " ".join(filter(None, (*words, metric, f"table {own.table}")))
    for rule in node.own_rules:
        yield "policy rule", shown(rule)
    names = {interface.name for interface in node.interfaces}
    for name, value in node.sysctls:
        if not names & {*name.split(".")}:
            yield "sysctl", f"{name}={value}"
    for address in node.nameservers:
        yield "name server", str(address)
    for line in node.ruleset.splitlines():
        if any(word in line for word in _VERDICTS):
            yield "rule", line.strip()


# What a line of nft(8) does that is more than a frame around others.
_VERDICTS = (" accept", " drop", " reject", " log ", "masquerade", "snat", "dnat", "policy ")


def _interface(item: InterfacePlan) -> Iterator[tuple[str, str]]:
    upon = f" upon {item.parent}, VLAN {item.vlan}" if item.vlan is not None else ""
    yield "interface", f"{item.name} at {item.segment}, MTU {item.mtu_bytes}{upon}"
    for address in item.addresses:
        yield "address", f"{address} dev {item.name}"
    if item.dhcp:
        yield "address", f"by DHCP dev {item.name}"


def _destination(network: Any) -> str:
    return str(network) if network.prefixlen else "default"


def _switch(switch: SwitchPlan) -> Iterator[tuple[str, str]]:
    yield "switch", str(switch.settings.given() or "")
    for port in switch.ports:
        yield "port", shown(port)
    for settings in switch.port_settings:
        yield "port", shown(settings)
    for guard in switch.guards:
        yield "port", shown(guard)
    if switch.mirror:
        yield "mirror", shown(switch.mirror)


def _wire(wire: WirePlan) -> Iterator[tuple[str, str]]:
    name = f"{wire.a.node} {wire.a.interface} - {wire.b.node} {wire.b.interface}"
    a, b = wire.both_mtus
    yield "link", name + (f" (MTU {a})" if a == b != 1500 else "") + (wire.kind or "")
    if not wire.up:
        yield "link down", name
    for toward, impairment, queue in (
        (wire.a.node, wire.toward_a, wire.queue_a),
        (wire.b.node, wire.toward_b, wire.queue_b),
    ):
        if impairment:
            said = " ".join(f"{key}={value}" for key, value in impairment.settings().items())
            yield "impairment", f"{name} toward {toward}: {said}"
        if queue:
            yield "queue", f"{name} toward {toward}: {shown(queue)}"
