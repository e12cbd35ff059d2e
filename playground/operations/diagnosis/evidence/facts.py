"""Facts of one packet and of the lab around it, as frozen data: `Facts`.

Pure: shapes, what can be read off them, and which further questions kernels are to be
asked (`looks`, `narrow_ways`).

"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cached_property
from ipaddress import ip_address
from typing import NamedTuple

from playground.model.records import dataclass
from playground.operations.diagnosis.evidence.adjacencies import Findings
from playground.operations.diagnosis.evidence.explanation import Explanation
from playground.operations.diagnosis.evidence.network_state import KernelRule, NodeState
from playground.operations.diagnosis.evidence.packet_trace import Marks, Packet, Sighting, Trail
from playground.operations.diagnosis.evidence.port_guards import GuardedPort
from playground.operations.diagnosis.evidence.program_looks import ProgramLook
from playground.operations.diagnosis.evidence.queue_looks import QueueLook
from playground.operations.diagnosis.names.delegations import NameTree
from playground.operations.programs.balanced_servers import BalancedServer
from playground.planning.broadcast_domains import Member, joins
from playground.planning.nft_text import OUTSIDE, TABLE
from playground.planning.plan import Plan
from playground.planning.plan_parts import WireEnd, WirePlan


@dataclass(frozen=True)
class Question:
    """The question: from where, to whom, and as which packet."""

    source: str
    target: str
    protocol: str
    port: int | None = None

    def __str__(self) -> str:
        port = "" if self.port is None else f" port {self.port}"
        return f"{self.source} to {self.target}, {self.protocol}{port}"


@dataclass(frozen=True)
class Names:
    """A target's name as the source resolved it: ``addresses`` in the order of getaddrinfo(3).

    ``by`` says who told: "/etc/hosts", "DNS" or "" for an address.  ``expected`` is the
    node of the lab that was meant, if one was, and ``behind`` the router whose NAT hides
    it from the source.  ``vlans`` are those of the source and of that node, where they have
    none in common, ``vrfs`` a router with the VRFs that keep them apart: the source's and the
    other's, None for the main table.

    """

    addresses: tuple[str, ...]
    by: str = ""
    expected: str | None = None
    behind: str | None = None
    nameservers: tuple[str, ...] = ()
    planned: str | None = None
    vlans: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    vrfs: tuple[str, str | None, str | None] | None = None


@dataclass(frozen=True)
class Outcome:
    """The outcome that a program on the source saw."""

    answered: bool
    errno: int | None = None
    seconds: float | None = None
    source: str | None = None
    source_port: int | None = None


@dataclass(frozen=True)
class RuleHit:
    """The decision of one rule, or of a chain's policy, about a packet.

    ``verdict`` is "accept", "drop" or "" for a rule after which others follow.  ``known``
    is the rule as the kernel has it, None for a policy and for a rule that has gone since.

    """

    node: str
    place: str
    rule: str
    verdict: str
    packet: Packet
    mark: int = 0
    hook: str = ""
    known: KernelRule | None = None
    is_policy: bool = False

    @property
    def is_nat(self) -> bool:
        """Tell whether it is the rule by which a router's NAT keeps out what begins outside."""
        rule = self.known
        return rule is not None and (rule.family, rule.table, rule.comment) == (
            "inet",
            TABLE,
            OUTSIDE,
        )


class Look(NamedTuple):
    """A question to a node's kernel: which way goes such a packet?

    ``interface`` is the one that it came in by, None for one of the node's own.

    """

    node: str
    destination: str
    source: str | None = None
    interface: str | None = None
    protocol: int | None = None
    source_port: int | None = None
    port: int | None = None
    mark: int = 0


@dataclass(frozen=True)
class Way:
    """A kernel's answer to a `Look`: the next hop, or the error number of there being none.

    ``vrf`` is the one in whose table the route stands; None for the main table.

    """

    errno: int | None = None
    kind: str = "unicast"
    via: str | None = None
    interface: str | None = None
    source: str | None = None
    prefix: str | None = None
    protocol: str = ""
    mtu_bytes: int | None = None
    vrf: str | None = None

    def __str__(self) -> str:
        if self.errno is not None:
            return "no way there"
        if self.kind == "local":
            return "is its own"
        name = "default" if self.prefix in ("0.0.0.0/0", "::/0") else self.prefix or "a route"
        via = f" via {self.via}" if self.via else ""
        kind = f"{self.kind} " if self.kind != "unicast" else ""
        who = f" ({self.protocol})" if self.protocol not in ("", "kernel", "boot") else ""
        where = f" in the VRF {self.vrf}" if self.vrf else ""
        return f"{kind}{name}{via} dev {self.interface}{who}{where}"


@dataclass(frozen=True)
class Large:
    """The fate of a packet as large as TCP would send it, from one end to the other.

    ``told`` says that the sender heard of the way's smaller MTU, or knew it before.

    """

    role: str
    sender: str
    size_bytes: int
    sightings: tuple[Sighting, ...]
    hits: tuple[RuleHit, ...]
    marks: Marks
    errno: int | None = None


NOTHING_SENT = Marks(0)


@dataclass(frozen=True)
class Facts:
    """All that is known of one packet, and of the lab around it.

    ``address`` is the one that the packet was sent to, None if there is none.
    ``ports`` holds for each port of a switch whether it has a carrier, and its state,
    ``guarded`` what those that are guarded have refused;
    ``findings`` what routing daemons say, None where they were not asked, and ``tree`` what
    name servers say likewise; ``programs`` are those of a node where nothing listens,
    ``balanced`` the servers of the load balancer that answered,
    ``without_keepalived`` the routers that should run it and do not, where it was asked.

    """

    plan: Plan
    question: Question
    names: Names
    address: str | None = None
    outcome: Outcome = Outcome(False)
    marks: Marks = NOTHING_SENT
    sightings: tuple[Sighting, ...] = ()
    hits: tuple[RuleHit, ...] = ()
    counted: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    states: Mapping[str, NodeState] = field(default_factory=dict)
    ways: Mapping[Look, Way] = field(default_factory=dict)
    ports: Mapping[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)
    guarded: Mapping[tuple[str, str], GuardedPort] = field(default_factory=dict)
    expects_answer: bool = True
    large: tuple[Large, ...] = ()
    asking: Explanation | None = None
    tree: NameTree | None = None
    below: Explanation | None = None  # of the network below a tunnel
    queues: Mapping[tuple[str, str], tuple[QueueLook, ...]] = field(default_factory=dict)
    findings: Findings | None = None
    programs: tuple[ProgramLook, ...] = ()
    balanced: tuple[BalancedServer, ...] = ()
    without_keepalived: frozenset[str] = frozenset()

    @cached_property
    def trail(self) -> Trail:
        """The sightings, sorted out."""
        return Trail(self.sightings, self.marks)

    @cached_property
    def wires(self) -> Wires:
        """Who is linked with whom."""
        return Wires(self.plan)


class Wires:
    """The links of a plan, as a graph of interfaces of nodes and of switches."""

    def __init__(self, plan: Plan) -> None:
        self._switches = plan.switch_names
        self._at: dict[Member, list[tuple[Member, tuple[WirePlan, WireEnd, WireEnd]]]] = {}
        for wire, (a, b) in joins(plan):
            self._at.setdefault(a, []).append((b, (wire, wire.a, wire.b)))
            self._at.setdefault(b, []).append((a, (wire, wire.b, wire.a)))
        self.switch_of = {
            end.interface: end.node
            for wire in plan.wires
            for end in (wire.a, wire.b)
            if end.node in self._switches
        }

    def knows(self, interface: tuple[str, str]) -> bool:
        """Tell whether this interface is an end of a wire, or of a VLAN on one."""
        return interface in self._at

    def crossed(
        self, start: tuple[str, str]
    ) -> dict[tuple[str, str], tuple[tuple[WirePlan, WireEnd, WireEnd], ...]]:
        """Return all interfaces that are one network with one, and the wires to each.

        A wire stands with its end here and its end there.

        """
        found: dict[Member, tuple[tuple[WirePlan, WireEnd, WireEnd], ...]] = {start: ()}
        queue = [start]
        for member in queue:
            for after, step in self._at.get(member, ()):
                if after not in found:
                    found[after] = (*found[member], step)
                    # Nothing passes through a host or router.
                    if after[0] in self._switches:
                        queue.append(after)
        return {member: wires for member, wires in found.items() if member[0] not in self._switches}


# -- which ways to ask for -------------------------------------------------------


def looks(facts: Facts) -> list[Look]:
    """Return what kernels are to be asked: at each node that the packet or its answer reached.

    The way on, from where it came in, and the way back.

    """
    wanted: dict[Look, None] = {}
    if facts.address is not None:
        wanted[first_look(facts)] = None
    for role, seen in (("probe", facts.trail.probe), ("answer", facts.trail.answer)):
        for one in seen:
            if one.way == "in" and one.place in facts.states:
                wanted[look_on(facts, role, one)] = None
                wanted[look_back(one)] = None
    return list(wanted)


def first_look(facts: Facts) -> Look:
    assert facts.address is not None
    question, outcome = facts.question, facts.outcome
    protocol = facts.marks.protocol
    port = question.port if outcome.source_port else None
    ports = (outcome.source_port, port) if port is not None else (None, None)
    source = outcome.source if outcome.source not in ("0.0.0.0", "::") else None
    return Look(question.source, facts.address, source, None, protocol, *ports)


def look_on(facts: Facts, role: str, came: Sighting) -> Look:
    packet = came.what
    assert isinstance(packet, Packet)
    after = after_rules(facts, role, came.place)
    # A packet that a rule has translated goes by its new address.
    to = after.packet if after else packet
    destination = to.destination if to.source == packet.source else packet.destination
    port = to.destination_port if destination != packet.destination else packet.destination_port
    return Look(
        came.place,
        destination,
        packet.source,
        came.interface,
        packet.protocol,
        packet.source_port,
        port if packet.source_port is not None else None,
        after.mark if after else 0,
    )


def look_back(came: Sighting) -> Look:
    packet = came.what
    assert isinstance(packet, Packet)
    return Look(came.place, packet.source, None)


def after_rules(facts: Facts, role: str, node: str) -> RuleHit | None:
    hits = [hit for hit in facts.hits if hit.node == node and role_of(facts, hit) == role]
    return next((hit for hit in reversed(hits) if hit.hook != "postrouting"), None)


def role_of(facts: Facts, hit: RuleHit) -> str | None:
    return facts.trail.role(hit.packet)


# -- sizes -------------------------------------------------------------------


def narrow_ways(facts: Facts) -> list[tuple[str, int, int]]:
    """Return where large packets would not pass: role, size in bytes, and the smallest MTU.

    Empty where every link of the way takes what the ends would send (TCP's option MSS
    counts), and where nothing arrived.

    """
    found = []
    for role, seen in (("probe", facts.trail.probe), ("answer", facts.trail.answer)):
        out = [one for one in seen if one.way == "out" and one.place in facts.states]
        if not out or not facts.outcome.answered or not facts.trail.answer:
            continue
        passed = [*out, *(one for one in seen if one.way == "in" and one.place in facts.states)]
        mtus = [mtu for one in passed if (mtu := _mtu(facts, one)) is not None]
        if not mtus:
            continue
        size = mtus[0]
        if facts.question.protocol == "tcp":
            # The other side says in its SYN how large a segment may be.
            other = facts.trail.answer if role == "probe" else facts.trail.probe
            told = [packet_of(one).mss_bytes for one in other if one.way == "in"]
            heads = 40 if ":" not in (facts.address or "") else 60
            limits = [mss + heads for mss in told if mss]
            size = min([size, *limits[-1:]])
        if min(mtus) < size:
            found.append((role, size, min(mtus)))
    return found


def _mtu(facts: Facts, one: Sighting) -> int | None:
    state = facts.states[one.place].interface(one.interface)
    return state.mtu_bytes if state is not None else None


def packet_of(one: Sighting) -> Packet:
    """Return the packet of a sighting that is of one."""
    assert isinstance(one.what, Packet)
    return one.what


# -- what stands where ---------------------------------------------------------


def sightings_at(facts: Facts, role: str, node: str, way: str) -> list[Sighting]:
    """Return where a node saw the probe or its answer go out, or come in."""
    trail = facts.trail
    seen = trail.probe if role == "probe" else trail.answer
    return [one for one in seen if one.place == node and one.way == way]


def hits_at(facts: Facts, role: str, node: str) -> Iterator[RuleHit]:
    """Yield what the rules of a node decided about the probe or its answer."""
    for hit in facts.hits:
        if hit.node == node and role_of(facts, hit) == role:
            yield hit


def owners_of(facts: Facts, address: str) -> list[tuple[str, str]]:
    """Return the nodes and interfaces that have an IP address."""
    return [
        (name, interface.name)
        for name, state in facts.states.items()
        for interface in state.interfaces
        if any(one.ip == address for one in interface.addresses)
    ]


def interfaces_with(facts: Facts, mac: str) -> list[tuple[str, str]]:
    """Return all interfaces with a MAC address: those of VLANs share that of their link."""
    return [
        (name, interface.name)
        for name, state in facts.states.items()
        for interface in state.interfaces
        if interface.mac == mac and interface.name != "lo"
    ]


def address_at(facts: Facts, mac: str) -> str | None:
    """Return an IP address of an interface with this MAC address."""
    for node, name in interfaces_with(facts, mac):
        state = facts.states[node].interface(name)
        if state is not None and state.addresses:
            return state.addresses[0].ip
    return None


def aimed_at(facts: Facts) -> str:
    """Return the address that the packet was for, or the name if it has none."""
    return facts.address or facts.question.target


def planned_route(facts: Facts, node: str, destination: str) -> tuple[str | None, str] | None:
    """Return gateway and interface that the plan has for a destination."""
    address = ip_address(destination)
    found = [route for route in facts.plan.node(node).routes if address in route.destination]
    if not found:
        return None
    best = max(found, key=lambda route: route.destination.prefixlen)
    return (str(best.via) if best.via else None), best.interface
