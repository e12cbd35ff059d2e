"""Why routers that should tell each other of routes do not: a decision over what daemons say.

Pure.  `read_said` makes shapes of what FRR's daemons of one router have answered, and
`find_troubles` compares the ends of each pair of neighbours that a plan has: what they say of
each other's state, and the settings in which neighbours must agree.

"""

# RFC 2328: section 10.1 has a neighbour's states, 10.5 and 10.6 what must agree; RFC 5340 the
# same for IPv6.  RFC 4271: section 8.2.2 has a session's states, 6.2 what OPEN is refused for.

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from playground.model.records import dataclass
from playground.model.services.frr import RoutingDaemon
from playground.operations.connection.frr_answers import number_in, said_by_frr, text_in
from playground.operations.diagnosis.evidence import isis_adjacencies
from playground.operations.diagnosis.evidence.isis_adjacencies import IsisEnd, IsisInterface
from playground.operations.diagnosis.evidence.rip_sources import RipSource, read_sources
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import NeighbourPlan


@dataclass(frozen=True)
class OspfInterface:
    """A daemon's report of OSPF on one interface; ``states`` are those of neighbours by id.

    It is ``waiting`` before the first choice of a designated router (RFC 2328 section 9.1).

    """

    area: str
    hello_ms: int
    dead_s: int
    priority: int
    mtu_bytes: int
    network_type: str
    passive: bool
    prefix_length: int | None = None
    waiting: bool = False
    states: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BgpSession:
    """bgpd's report of one neighbour; ``reason`` is why the last session has ended."""

    state: str
    as_number: int
    own_as_number: int
    reason: str = ""
    shut_down: bool = False


@dataclass(frozen=True)
class Said:
    """The reports of one router's daemons; None for one that does not answer.

    RIP has no neighbours: its ``rip_sources`` are the routers that were heard.  ``lines`` are those
    of the configuration as it runs, ``unreachable`` the next hops of the
    prefixes that bgpd knows and cannot use.

    """

    ospf: Mapping[str, OspfInterface] | None = None
    ospf6: Mapping[str, OspfInterface] | None = None
    isis: Mapping[str, IsisInterface] | None = None
    bgp: Mapping[str, BgpSession] | None = None
    rip: bool = False
    ripng: bool = False
    rip_sources: tuple[RipSource, ...] = ()
    ripng_sources: tuple[RipSource, ...] = ()
    lines: tuple[str, ...] = ()
    unreachable: Mapping[str, str] = field(default_factory=dict)

    def router_id(self, protocol: str) -> str:
        """Return the id by which its neighbours list it."""
        begin = f" {protocol} router-id "
        return next((line.removeprefix(begin) for line in self.lines if line.startswith(begin)), "")

    def block(self, head: str) -> list[str]:
        """Return the lines below one, such as those of an interface."""
        found: list[str] = []
        inside = False
        for line in self.lines:
            if not line.startswith(" "):
                inside = line == head
            elif inside:
                found.append(line.strip())
        return found


@dataclass(frozen=True)
class Trouble:
    """Two routers that do not tell each other of routes, or not all: ``reason`` says why.

    ``protocol`` is its name as people write it, ``state`` what the daemon of ``router`` says of
    ``neighbour``, "" where nothing is known.  ``stopped`` is the one of the two whose
    daemon does not run.  ``pending``: their settings agree, so that time may be all it takes.

    """

    router: str
    neighbour: str
    protocol: str
    state: str
    reason: str
    stopped: str = ""
    pending: bool = False

    def __str__(self) -> str:
        state = f"{self.state} at {self.router}" if self.state else "no neighbour"
        return (
            f"{self.router} and {self.neighbour} do not speak {self.protocol} with each other "
            f"({state}): {self.reason}"
        )


NAMES = {
    "ospf": "OSPF",
    "ospf6": "OSPFv3",
    "isis": "IS-IS",
    "rip": "RIP",
    "ripng": "RIPng",
    "bgp": "BGP",
}

# The questions for each daemon, one command a time: the answers are JSON, in their order.
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "ospf": ("show ip ospf interface json", "show ip ospf neighbor json"),
    "ospf6": ("show ipv6 ospf6 interface json", "show ipv6 ospf6 neighbor json"),
    "bgp": (
        "show bgp neighbors json",
        "show bgp ipv4 unicast json",
        "show bgp ipv6 unicast json",
    ),
    "isis": isis_adjacencies.QUESTIONS,
    "rip": ("show ip rip status",),
    "ripng": ("show ipv6 ripng status",),
}


# -- what daemons say ---------------------------------------------------------


def read_said(answers: Mapping[str, str | None], configuration: str) -> Said:
    """Return what the daemons of one router say, from the text of their answers.

    ``answers`` has, by the names of `QUESTIONS`, None for a daemon that does not answer.

    """
    return Said(
        ospf=said_by_frr(answers.get("ospf"), _ospf),
        ospf6=said_by_frr(answers.get("ospf6"), _ospf6),
        isis=said_by_frr(answers.get("isis"), isis_adjacencies.read_interfaces),
        bgp=said_by_frr(answers.get("bgp"), _sessions),
        rip=answers.get("rip") is not None,
        ripng=answers.get("ripng") is not None,
        rip_sources=read_sources(answers.get("rip")),
        ripng_sources=read_sources(answers.get("ripng")),
        lines=tuple(line.rstrip() for line in configuration.splitlines()),
        unreachable=said_by_frr(answers.get("bgp"), _unreachable) or {},
    )


def _ospf(said: Sequence[Mapping[str, Any]]) -> dict[str, OspfInterface] | None:
    if not said:
        return None
    states: dict[str, dict[str, str]] = {}
    for document in said[1:]:
        for router_id, rows in document.get("neighbors", {}).items():
            for row in rows:
                interface = text_in(row, "ifaceName").partition(":")[0]
                states.setdefault(interface, {})[router_id] = text_in(row, "nbrState")
    return {
        name: OspfInterface(
            area=text_in(row, "area"),
            hello_ms=number_in(row, "timerMsecs"),
            dead_s=number_in(row, "timerDeadSecs"),
            priority=number_in(row, "priority", 1),
            mtu_bytes=number_in(row, "mtuBytes"),
            network_type=text_in(row, "networkType"),
            passive=row.get("timerPassiveIface", False),
            prefix_length=row.get("ipAddressPrefixlen"),
            waiting=row.get("state") == "Waiting",
            states={key: state.partition("/")[0] for key, state in states.get(name, {}).items()},
        )
        for name, row in said[0].get("interfaces", {}).items()
        if row.get("ospfEnabled")
    }


def _ospf6(said: Sequence[Mapping[str, Any]]) -> dict[str, OspfInterface] | None:
    if not said:
        return None
    states: dict[str, dict[str, str]] = {}
    for document in said[1:]:
        for row in document.get("neighbors", ()):
            interface = text_in(row, "interfaceName")
            states.setdefault(interface, {})[text_in(row, "neighborId")] = text_in(row, "state")
    return {
        name: OspfInterface(
            area=text_in(row, "areaId"),
            hello_ms=1000 * number_in(row, "timerIntervalsConfigHello"),
            dead_s=number_in(row, "timerIntervalsConfigDead"),
            priority=number_in(row, "priority", 1),
            mtu_bytes=number_in(row, "interfaceMtu"),
            network_type=text_in(row, "operatingAsType"),
            passive=row.get("timerPassiveIface", False),
            waiting=row.get("ospf6InterfaceState") == "Waiting",
            states=states.get(name, {}),
        )
        for name, row in said[0].items()
        if isinstance(row, dict) and row.get("attachedToArea")
    }


def _sessions(said: Sequence[Mapping[str, Any]]) -> dict[str, BgpSession]:
    return {
        address: BgpSession(
            state=text_in(row, "bgpState"),
            as_number=row.get("remoteAs", 0),
            own_as_number=row.get("localAs", 0),
            reason=text_in(row, "lastNotificationReason") or text_in(row, "lastResetDueTo"),
            shut_down=row.get("adminShutDown", False),
        )
        for address, row in (said[0].items() if said else ())
        if isinstance(row, dict) and "bgpState" in row
    }


def _unreachable(said: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found = {}
    for document in said[1:]:
        for network, paths in document.get("routes", {}).items():
            if paths and not any(path.get("valid") for path in paths):
                hops = [text_in(hop, "ip") for path in paths for hop in path.get("nexthops", ())]
                found[network] = ", ".join(dict.fromkeys(hops))
    return found


# -- who does not speak with whom ----------------------------------------------


def find_troubles(
    plan: Plan, said: Mapping[str, Said], dead: Iterable[tuple[str, str]] = ()
) -> list[Trouble]:
    """Return the neighbours of a plan that do not tell each other of routes, each pair once.

    ``dead`` are the ends (node and interface) of links that carry nothing, at which nobody
    is to be looked for.

    """
    down = set(dead)
    found: dict[tuple[str, frozenset[str]], Trouble] = {}
    for node in plan.nodes:
        for peer in (*_inner_neighbours(plan, node), *node.neighbours):
            if {(node.name, peer.interface), (peer.node, peer.peer_interface)} & down:
                continue
            key = peer.protocol, frozenset((node.name, peer.node))
            if key not in found and (trouble := _trouble(plan, node, peer, said)) is not None:
                found[key] = trouble
    for trouble in _inside_systems(plan, said):
        found.setdefault(("bgp", frozenset((trouble.router, trouble.neighbour))), trouble)
    return list(found.values())


def _inner_neighbours(plan: Plan, node: NodePlan) -> Iterator[NeighbourPlan]:
    """Yield the OSPF neighbours of a BGP router: those of its own system, whom OSPF finds."""
    by_others = {peer.interface for peer in node.neighbours if peer.protocol != "bgp"}
    for peer in node.neighbours:
        if peer.interface in by_others or node.as_number is None:
            continue
        if peer.protocol == "bgp" and plan.node(peer.node).as_number == node.as_number:
            inner = "ospf" if peer.version == 4 else "ospf6"
            yield dataclasses.replace(peer, protocol=inner)


def _trouble(
    plan: Plan, node: NodePlan, peer: NeighbourPlan, said: Mapping[str, Said]
) -> Trouble | None:
    here, there = said.get(node.name, Said()), said.get(peer.node, Said())
    protocol = peer.protocol
    for name, one in ((node.name, here), (peer.node, there)):
        if getattr(one, protocol) in (None, False):
            reason = f"{protocol}d does not run on {name}"
            return Trouble(node.name, peer.node, NAMES[protocol], "", reason, name)
    if protocol in ("rip", "ripng"):
        return _passwords(node, peer, here, there, f"ip {protocol} authentication", "")
    if protocol == "bgp":
        return _session(plan, node.name, peer.node, said)
    if protocol == "isis":
        return _isis_trouble(plan, node, peer, here, there)
    return _ospf_trouble(plan, node, peer, said)


def _isis_trouble(
    plan: Plan, node: NodePlan, peer: NeighbourPlan, here: Said, there: Said
) -> Trouble | None:
    ends = [
        IsisEnd(
            one,
            interface,
            (said.isis or {}).get(interface),
            said.block(f"interface {interface}"),
            next((said.block(line) for line in said.lines if line.startswith("router isis ")), []),
        )
        for one, interface, said in (
            (node, peer.interface, here),
            (plan.node(peer.node), peer.peer_interface, there),
        )
    ]
    found = isis_adjacencies.why_not(ends[0], ends[1], str(peer.address))
    if found is None:
        return None
    state, reason, pending = found
    return Trouble(node.name, peer.node, NAMES[peer.protocol], state, reason, pending=pending)


def _ospf_trouble(
    plan: Plan, node: NodePlan, peer: NeighbourPlan, said: Mapping[str, Said]
) -> Trouble | None:
    protocol = peer.protocol
    here, there = said[node.name], said[peer.node]
    a = getattr(here, protocol).get(peer.interface)
    b = getattr(there, protocol).get(peer.peer_interface)

    def trouble(state: str, reason: str, pending: bool = False) -> Trouble:
        return Trouble(node.name, peer.node, NAMES[protocol], state, reason, pending=pending)

    ends = f"on {peer.interface} of {node.name}, and {{}} on {peer.peer_interface} of {peer.node}"
    for name, interface, one in (
        (node.name, peer.interface, a),
        (peer.node, peer.peer_interface, b),
    ):
        if one is None:
            return trouble("", f"{interface} of {name} takes no part in {NAMES[protocol]}")
        if one.passive:
            return trouble("", f"{interface} of {name} is passive")
    id_here, id_there = here.router_id(protocol), there.router_id(protocol)
    state = a.states.get(id_there, "")
    if len(a.states) == 1 and not id_there:
        state = next(iter(a.states.values()))
    if a.network_type != b.network_type:
        reason = f"the network is {a.network_type} {ends.format(b.network_type)}"
        return trouble(state, f"their network types differ: {reason}")
    if state == "Full":
        return None
    if id_here and id_here == id_there:
        return trouble(state, f"both have the router id {id_here}")
    for words, mine, its in (
        ("they are in different areas", a.area, b.area),
        ("their hello intervals differ", f"{a.hello_ms} ms", f"{b.hello_ms} ms"),
        ("their dead intervals differ", f"{a.dead_s} s", f"{b.dead_s} s"),
        ("their masks differ", f"/{a.prefix_length}", f"/{b.prefix_length}"),
    ):
        if mine != its:
            return trouble(state, f"{words}: {mine} {ends.format(its)}")
    what = "ip ospf" if protocol == "ospf" else "ipv6 ospf6"
    if (found := _passwords(node, peer, here, there, what, state)) is not None:
        return found
    if state in ("ExStart", "Exchange") and a.mtu_bytes != b.mtu_bytes:
        reason = f"{a.mtu_bytes} bytes {ends.format(f'{b.mtu_bytes} bytes')}"
        return trouble(state, f"their MTUs differ: {reason}")
    if state == "2-Way" or state == "Twoway":
        if a.waiting:
            return trouble(state, "they have not chosen a designated router yet", True)
        all_zero = all(_priority(plan, said, *end) == 0 for end in _on_network(plan, node, peer))
        if not all_zero:
            return None  # neither is the designated router, RFC 2328 section 10.4
        return trouble(
            state, "all routers there have priority 0, so that none becomes the designated router"
        )
    if state == "Init":
        return trouble(state, f"{node.name} hears {peer.node}, and is not heard by it", True)
    if state:
        return trouble(state, "they have not exchanged their databases", True)
    return trouble(
        "",
        f"{node.name} hears nothing of {peer.node} on {peer.interface}; a firewall "
        f"may drop {NAMES[protocol]}, IP protocol 89",
        True,
    )


def _on_network(plan: Plan, node: NodePlan, peer: NeighbourPlan) -> Iterator[tuple[str, str, str]]:
    yield node.name, peer.interface, peer.protocol
    for other in node.neighbours:
        if (other.interface, other.protocol) == (peer.interface, peer.protocol):
            yield other.node, other.peer_interface, other.protocol


def _priority(
    plan: Plan, said: Mapping[str, Said], node: str, interface: str, protocol: str
) -> int:
    there = getattr(said.get(node, Said()), protocol) or {}
    return there[interface].priority if interface in there else 0


def _passwords(
    node: NodePlan, peer: NeighbourPlan, here: Said, there: Said, what: str, state: str
) -> Trouble | None:
    """Compare what two interfaces say of authentication."""

    def lines(said: Said, interface: str) -> set[str]:
        words = ("authentication", "message-digest-key")
        own = [line for line in said.block(f"interface {interface}") if line.startswith(what)]
        block = said.block("router ospf") if peer.protocol == "ospf" else ()
        area = [line for line in block if line.startswith("area ")]
        return {line for line in (*own, *area) if any(word in line for word in words)}

    if lines(here, peer.interface) == lines(there, peer.peer_interface):
        return None
    reason = (
        f"their passwords, or kinds of authentication, differ on {peer.interface} of {node.name} "
        f"and {peer.peer_interface} of {peer.node}"
    )
    return Trouble(node.name, peer.node, NAMES[peer.protocol], state, reason)


# -- BGP -----------------------------------------------------------------------


def _inside_systems(plan: Plan, said: Mapping[str, Said]) -> Iterator[Trouble]:
    """Yield the troubles of sessions between routers of one system that share no link."""
    owners = plan.owners
    for name, one in said.items():
        for address in one.bgp or ():
            other = owners.get(address)
            if other is not None and (found := _session(plan, name, other, said)) is not None:
                yield found


def _session(plan: Plan, name: str, other: str, said: Mapping[str, Said]) -> Trouble | None:
    here = {a: s for a, s in (said[name].bgp or {}).items() if _whose(plan, name, a) == other}
    there = {
        a: s
        for a, s in (said.get(other, Said()).bgp or {}).items()
        if _whose(plan, other, a) == name
    }

    def trouble(state: str, reason: str, pending: bool = False) -> Trouble:
        return Trouble(name, other, NAMES["bgp"], state, reason, pending=pending)

    for one, mine, whom in ((name, here, other), (other, there, name)):
        if not mine:
            return trouble("", f"{one} has no `neighbor` with an address of {whom}")
    broken = [(a, s) for a, s in here.items() if s.state != "Established"]
    if not broken:
        return None
    address, session = broken[0]
    # Each version of IP has a session of its own.
    same = [its for one, its in there.items() if (":" in one) == (":" in address)]
    back = (same or list(there.values()))[0]
    for one, its, known in ((name, session, back), (other, back, session)):
        if its.as_number != known.own_as_number:
            whom = other if one == name else name
            return trouble(
                session.state,
                f"{one} takes {whom} to be of AS {its.as_number}, and it is of AS "
                f"{known.own_as_number}",
            )
    if session.shut_down or back.shut_down:
        who = name if session.shut_down else other
        return trouble(session.state, f"{who} has shut the session down (`neighbor ... shutdown`)")
    passwords = [
        {line.split(maxsplit=3)[3] for line in one.lines if _is_password(line, addresses)}
        for one, addresses in ((said[name], here), (said[other], there))
    ]
    if passwords[0] != passwords[1]:
        return trouble(session.state, "their passwords (`neighbor ... password`) differ")
    if "NHT" in session.reason or "No path" in session.reason:
        if not {".", ":"} & {*address}:
            # A neighbour by its interface is found by its router advertisements (RFC 4861).
            unheard = f"{name} has not heard the router advertisements of {other} on {address} yet"
            return trouble(session.state, unheard, True)
        return trouble(session.state, f"{name} has no way to {address}, which {other} speaks from")
    said_so = f" (bgpd says: {session.reason})" if session.reason else ""
    return trouble(
        session.state,
        f"no connection to {address}, TCP port 179, comes about{said_so}; a firewall may drop it",
        True,
    )


def _whose(plan: Plan, name: str, neighbour: str) -> str | None:
    """Return the router that bgpd of another calls a neighbour: by an address, or its link."""
    by_link = (
        peer.node
        for peer in plan.node(name).neighbours
        if peer.unnumbered and peer.interface == neighbour
    )
    return plan.owners.get(neighbour) or next(by_link, None)


def _is_password(line: str, addresses: Iterable[str]) -> bool:
    words = line.split()
    return (
        words[:1] == ["neighbor"]
        and words[1:2] != []
        and words[1] in addresses
        and words[2:3] == ["password"]
    )


@dataclass(frozen=True)
class Findings:
    """The state of a lab's routing protocols: ``troubles``, and the sessions between others.

    ``policies`` holds a neighbour that tells, one that hears, and the line of a policy
    between them; ``cut`` the neighbours whose link carries nothing; ``unreachable`` a router, a
    network that its bgpd knows, and the next hops of that, to which the router has no way.

    """

    troubles: tuple[Trouble, ...] = ()
    policies: tuple[tuple[str, str, str], ...] = ()
    cut: tuple[tuple[str, str], ...] = ()
    unreachable: tuple[tuple[str, str, str], ...] = ()


def find(plan: Plan, said: Mapping[str, Said], dead: Iterable[tuple[str, str]] = ()) -> Findings:
    """Return all that can be found; see `find_troubles` for ``dead``."""
    down = set(dead)
    pairs = dict.fromkeys((peer.node, node.name) for node in plan.nodes for peer in node.neighbours)
    return Findings(
        tuple(find_troubles(plan, said, down)),
        tuple(
            (*pair, line)
            for pair in pairs
            if (line := policy_between(plan, said, *pair)) is not None
        ),
        tuple(
            dict.fromkeys(
                (node.name, peer.node)
                for node in plan.nodes
                for peer in node.neighbours
                if {(node.name, peer.interface), (peer.node, peer.peer_interface)} & down
            )
        ),
        tuple(
            (name, network, hop)
            for name, one in said.items()
            for network, hop in one.unreachable.items()
        ),
    )


# -- what policy hides -----------------------------------------------------------

_POLICIES = ("prefix-list", "route-map", "filter-list", "distribute-list", "unsuppress-map")
# Commands by which a whole router keeps routes to itself, or drops some that it hears.
_WHOLE = ("distribute-list", "aggregate-address", "ip protocol", "ipv6 protocol")
_AREAS = ("stub", "nssa", "filter-list", "range")


def policy_between(
    plan: Plan, said: Mapping[str, Said], teller: str, hearer: str, declared: bool = True
) -> str | None:
    """Return the line of a policy between two neighbours; None where there is none.

    Without ``declared`` those that the plan has are left out, of which it knows what they hide.

    ``teller`` is the one that would tell the other of a route.  A policy is what somebody has
    applied: to a session of BGP, in the direction of it, or to a whole router.

    """
    owners = plan.owners
    for name, other, way in ((teller, hearer, "out"), (hearer, teller, "in")):
        lines = said.get(name, Said()).lines
        if not declared:
            own = _own_lines(plan.node(name))
            lines = tuple(line for line in lines if line.strip() not in own)
        groups = {
            words[3]
            for line in lines
            if (words := line.split())[:1] == ["neighbor"]
            and words[2:3] == ["peer-group"]
            and len(words) == 4
            and owners.get(words[1]) == other
        }
        for line in lines:
            words = line.split()
            if words[:1] == ["neighbor"] and len(words) == 5 and words[2] in _POLICIES:
                if words[4] == way and (owners.get(words[1]) == other or words[1] in groups):
                    return f"{name}: {line.strip()}"
            elif line.strip().startswith(_WHOLE) or (
                words[:1] == ["area"] and any(word in words for word in _AREAS)
            ):
                return f"{name}: {line.strip()}"
    return None


def _own_lines(node: NodePlan) -> set[str]:
    """Return the lines that a lab has given to a router's daemons itself."""
    return {
        line.strip()
        for item in node.services
        if isinstance(item, RoutingDaemon) and item.from_lab
        for line in item.configuration.splitlines()
    }
