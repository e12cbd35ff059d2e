"""Notes of a walk along a packet's way, and the fault that it ends with.

`Notes` hold the facts, the steps, and what has been passed; whatever finds faults
(`link_faults`, `route_faults`, `server_faults`) adds to them.  Pure.

"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from playground.operations.diagnosis.explanation import Step
from playground.operations.diagnosis.facts import Facts, RuleHit, packet_of, role_of
from playground.operations.diagnosis.packet_trace import Sighting
from playground.planning.plan_parts import WirePlan


@dataclass(frozen=True)
class Fault:
    """Where a packet stopped and why, in words for a student."""

    node: str
    cause: str
    sentence: str
    advice: str = ""


class Notes:
    """The notes of one walk: ``used`` are the addresses on the way, by who sent to them."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.steps: list[Step] = []
        self.path: list[str] = []
        self.path_back: list[str] = []
        self.used: dict[tuple[str, str, str], None] = {}  # node, interface, address
        self.last: Sighting | None = None
        self.left_lab = False
        self.hop = ""  # the address that the last node sent it to

    def step(self, node: str, asked: str, found: str, ok: bool = True) -> None:
        row = Step(node, asked, found, ok)
        if row not in self.steps[-6:]:
            self.steps.append(row)

    def _seen(self, role: str, node: str, way: str) -> list[Sighting]:
        trail = self.facts.trail
        seen = trail.probe if role == "probe" else trail.answer
        return [one for one in seen if one.place == node and one.way == way]

    def _hits(self, role: str, node: str) -> Iterator[RuleHit]:
        for hit in self.facts.hits:
            if hit.node == node and role_of(self.facts, hit) == role:
                yield hit

    def _owners(self, address: str) -> list[tuple[str, str]]:
        return [
            (name, interface.name)
            for name, state in self.facts.states.items()
            for interface in state.interfaces
            if any(one.ip == address for one in interface.addresses)
        ]

    def _by_mac(self, mac: str) -> list[tuple[str, str]]:
        """Return all interfaces with a MAC address: those of VLANs share that of their link."""
        return [
            (name, interface.name)
            for name, state in self.facts.states.items()
            for interface in state.interfaces
            if interface.mac == mac and interface.name != "lo"
        ]

    def _address_of(self, mac: str) -> str | None:
        for node, name in self._by_mac(mac):
            state = self.facts.states[node].interface(name)
            if state is not None and state.addresses:
                return state.addresses[0].ip
        return None

    def _aim(self) -> str:
        return self.facts.address or self.facts.question.target

    def _behind(self, target: str) -> Fault:
        router = self.facts.names.behind or ""
        port = self.facts.question.port or 80
        return Fault(
            router,
            "NAT",
            f"{target} lies behind {router}, which translates addresses: outside of it {target} "
            f"has no address and no name, and nothing can begin a connection to it.",
            f"Open a port: {self._forward(router, port, variable(target), port)}, then ask for "
            f"{router}.",
        )

    def _forward(self, router: str, port: int, host: str, to_port: int) -> str:
        """Return the call that forwards a port of a router's to a host behind it."""
        nat = self.facts.plan.node(router).nat
        interface = nat.uplinks[0].interface if nat is not None and nat.uplinks else ""
        wire = next((one for one in self.facts.plan.wires if one.end_at(router, interface)), None)
        uplink = self._link(wire) if wire is not None else "link"
        return f"`{variable(router)}.forward({uplink}, port={port}, to=({host}, {to_port}))`"

    def _inside(self, router: str) -> str:
        """Return a host behind a router, as one would call it in Python."""
        plan = self.facts.plan
        nat = plan.node(router).nat
        outside = {item.interface for item in nat.uplinks} if nat is not None else set()
        for interface in plan.node(router).interfaces:
            if interface.name not in outside:
                for name, _ in self.facts.wires.crossed((router, interface.name)):
                    if name != router and plan.node(name).kind == "host":
                        return variable(name)
        return variable(router)

    def _link(self, wire: WirePlan) -> str:
        """Return how a link is called in Python: by its two nodes, and where it is."""
        nodes = [wire.a.node, wire.b.node]
        alike = [one for one in self.facts.plan.wires if [one.a.node, one.b.node] == nodes]
        which = f", interface={wire.a.interface!r}" if len(alike) > 1 else ""
        return f"lab.link({nodes[0]!r}, {nodes[1]!r}{which})"

    def _double(self, node: str, address: str, owners: Sequence[tuple[str, str]]) -> Fault:
        planned = [
            (name, port)
            for name, port in owners
            if any(
                str(one.ip) == address
                for item in self.facts.plan.node(name).interfaces
                for one in item.addresses
            )
        ]
        wrong = next((place for place in owners if place not in planned), owners[-1])
        names = " and ".join(dict.fromkeys(name for name, _ in (*planned, *owners)))
        self.step(wrong[0], "address", f"{address} is also that of others ({names})", False)
        return Fault(
            wrong[0],
            "duplicate address",
            f"{address} is the address of more than one machine on the same network, {names}: "
            f"packets for it go to whoever answered last.",
            f'Give {wrong[0]} another address: `{variable(wrong[0])}.run("ip address del '
            f'{address}/{self._length(wrong, address)} dev {wrong[1]}")` takes this one away.',
        )

    def _length(self, place: tuple[str, str], address: str) -> str:
        """Return the prefix length of an address that an interface has."""
        state = self.facts.states[place[0]].interface(place[1])
        found = (one.address for one in (state.addresses if state else ()) if one.ip == address)
        return next(found, address).partition("/")[2] or ("128" if ":" in address else "32")

    def _unknown(self, node: str, what: str) -> Fault:
        self.step(node, "packet", what, False)
        return Fault(
            node,
            "unknown",
            f"{node} {what}, for a reason that none of its tables shows.",
            f"Capture there: `{variable(node)}.capture()`, and look at "
            f'`{variable(node)}.run("nft list ruleset")` and at the rules of iptables.',
        )


def ttl_of(one: Sighting) -> int:
    return packet_of(one).ttl


def endpoint(address: str | int | None, port: str | int | None) -> str:
    shown = f"[{address}]" if ":" in str(address) else str(address)
    return shown if port is None else f"{shown}:{port}"


def variable(node: str) -> str:
    """Return how a node would be called in Python."""
    return node if node.isidentifier() else f"lab[{node!r}]"
