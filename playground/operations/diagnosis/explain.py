"""`lab.explain`: gather what there is to know of one packet, and let `verdict` decide.

One packet is sent as a program would send it, and watched at every node and switch;
then the kernels are asked for their tables, and which way they would have sent it.

"""

from __future__ import annotations

import base64
import dataclasses
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any, Protocol

from playground.errors import BadArgument, PlaygroundError
from playground.model.arguments import is_choice, shown
from playground.model.impairment import Impairment
from playground.model.services.table import SERVICES
from playground.operations.connection import commands
from playground.operations.connection.client import Client
from playground.operations.connection.handles import Node
from playground.operations.connection.name_queries import hosts_entries, look_up
from playground.operations.connection.unnamed_machines import addresses_of
from playground.operations.diagnosis.evidence.adjacencies import Findings, find
from playground.operations.diagnosis.evidence.daemon_states import ask_daemons
from playground.operations.diagnosis.evidence.explanation import Explanation
from playground.operations.diagnosis.evidence.facts import (
    Facts,
    Large,
    Look,
    Names,
    Outcome,
    Question,
    RuleHit,
    Way,
    looks,
    narrow_ways,
)
from playground.operations.diagnosis.evidence.network_state import KernelRule, State, read_states
from playground.operations.diagnosis.evidence.packet_trace import (
    ICMP,
    ICMPV6,
    NUMBERS,
    TCP,
    UDP,
    Marks,
    Neighbourly,
    Packet,
    Sighting,
    Trail,
    first_sequence,
    make_packet,
    read_frame,
    read_packet,
)
from playground.operations.diagnosis.evidence.port_guards import GuardedPort, guarded_ports
from playground.operations.diagnosis.evidence.program_looks import ProgramLook, read_programs
from playground.operations.diagnosis.evidence.queue_looks import (
    compare_queues,
    longest_wait_s,
    read_queues,
)
from playground.operations.diagnosis.faults.balancer_faults import balancer_asked
from playground.operations.diagnosis.names.delegations import NameTree, follow
from playground.operations.diagnosis.names.dig_replies import DnsReply, ask
from playground.operations.diagnosis.verdict import decide
from playground.operations.network import Machine, Switch
from playground.operations.network import Node as Declared
from playground.operations.nodes import files
from playground.operations.nodes.names import nameservers
from playground.operations.nodes.routes import KINDS, PROTOCOLS
from playground.operations.programs.balanced_servers import BalancedServer, read_servers
from playground.planning.addresses.nat_realms import find_realms
from playground.planning.addresses.parts_apart import keeping_apart
from playground.planning.addresses.segments import find_segments
from playground.planning.names.zone_texts import root_servers
from playground.planning.plan import NodePlan, Plan

# How long nothing more may be seen before a packet is taken for lost: far more than
# kernels need to pass it on, less than they wait before they repeat it (1 s).
QUIET_S = 0.3
# How long name servers are asked, all together, about one name.
FOLLOW_S = 20.0
# Of packets that a link may lose, as it was told to.
ATTEMPTS = 4
# A probe that is not answered by itself carries this, and so is known again.
_TOKEN_BYTES = 24
# linux/netfilter.h
_DROP, _ACCEPT = 0, 1


class LabOfNodes(Protocol):
    """A lab, as `explain` needs it."""

    @property
    def nodes(self) -> tuple[Declared, ...]:
        """All nodes."""

    def __getitem__(self, name: str) -> Declared: ...

    def __contains__(self, item: object) -> bool: ...


def explain(
    lab: LabOfNodes,
    agent: Client,
    plan: Plan,
    pids: Mapping[str, int],
    source: Node | str,
    target: Node | str,
    *,
    port: int | None = None,
    protocol: str | None = None,
    version: int | None = None,
) -> Explanation:
    """Explain one packet; see `Lab.explain`."""
    question, node, expected = _question(lab, source, target, port, protocol, version)
    found = _Gathering(lab, agent, plan, pids, node).explain(question, expected, version)
    if found.cause == "server stopped":
        # A server that died as it was started, say: why stands in what it printed last.
        words = commands.failed_jobs(lab[found.node])  # type: ignore[arg-type]  # a machine
        found = dataclasses.replace(found, sentence=found.sentence + words)
    return found


# What getent(1) says of a name that nobody knows.
_NOT_FOUND = 2


def addresses(node: Node, name: str) -> list[str]:
    """Return what a name means on a node, in the order of getaddrinfo(3); [] for nothing.

    As its programs would ask: hosts, then DNS, in the order of nsswitch.conf(5).  Where an
    image of the user's has no program for that, the agent asks.

    """
    found = commands.run(
        node,
        ["getent", "ahosts", name],
        check=False,
        env={"RES_OPTIONS": "timeout:1 attempts:1"},
        output_limit_mb=1,
    )
    if found.returncode not in (0, _NOT_FOUND) and node.running().strange:
        return look_up(node, name)
    lines = [line.split() for line in found.stdout.splitlines()]
    # Of a node without any IPv4 address, those of IPv4 come as ::ffff:10.0.4.2 (AI_V4MAPPED).
    return list(dict.fromkeys(words[0].removeprefix("::ffff:") for words in lines if words))


def believed(node: Node, name: str) -> list[str]:
    """Return what of `addresses` the agent finds too: its root can put any program there."""
    said = addresses(node, name)
    if not said:
        return []
    seen = look_up(node, name)
    if not seen and node.running().strange:
        return said  # its system may know names by more than files and DNS
    return [one for one in said if one in seen] or seen


def _question(
    lab: LabOfNodes,
    source: Node | str,
    target: Node | str,
    port: int | None,
    protocol: str | None,
    version: int | None,
) -> tuple[Question, Machine, str | None]:
    """Check the arguments; return the question, the node that asks, the node that is meant."""
    if protocol is None:
        protocol = "icmp" if port is None else "tcp"
    if not is_choice(protocol, NUMBERS):
        raise BadArgument(f"a packet is of {', '.join(NUMBERS)}, not of {shown(protocol)}")
    if protocol == "icmp" and port is not None:
        raise BadArgument('icmp has no ports: leave port= out, or write protocol="tcp"')
    if protocol != "icmp" and (
        isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536
    ):
        raise BadArgument(f"{protocol} needs a port from 1 to 65535, as in port=80, not {port!r}")
    if version not in (None, 4, 6):
        raise BadArgument(f"version is 4 or 6, not {version!r}")
    begin = lab[source] if isinstance(source, str) else source
    if not isinstance(begin, Machine):
        raise BadArgument(f"packets begin at a host or router, and {source!r} is none")
    begin.running()
    end = lab[target] if isinstance(target, str) and target in lab else target
    if isinstance(end, Switch) or not isinstance(end, (str, Machine)) or not end:
        raise BadArgument(f"{target!r} is no host, router, name or address to send to")
    name = end if isinstance(end, str) else end.name
    if name.startswith("-") or any(character.isspace() for character in name):
        raise BadArgument(f"{target!r} is no name or address")
    text = target if isinstance(target, str) else name
    expected = None if isinstance(end, str) else end.name
    return Question(begin.name, text, protocol, port), begin, expected


def _question_below(plan: Plan, found: Explanation) -> Question:
    """Ask for a packet like those in which a tunnel's are, by the explanation of a lost one."""
    entry = [step.found.split()[0] for step in found.steps if step.asked == "tunnel"][-1]
    node = found.node
    [tunnel] = [item.tunnel for item in plan.node(node).interfaces if item.name == entry]
    assert tunnel is not None
    goal = tunnel.remote
    if goal is None:  # a NAT hides the other end, which reaches this one
        [wire] = [wire for wire in plan.wires if wire.end_at(node, entry)]
        node, goal = (wire.b if wire.a.node == node else wire.a).node, tunnel.local
    protocol = "icmp" if tunnel.port is None else "udp"
    return Question(node, str(goal), protocol, tunnel.port)


def _refuse(text: str, question: Question, plan: Plan) -> None:
    """Refuse an address that is not that of one machine."""
    address = ip_address(text)
    said = f"{question.target!r} is " + ("" if question.target == text else f"{text}, ")
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise BadArgument(
            f"{said}an address with an interface: leave out what begins with %, or ask for a "
            "global address"
        )
    networks = {
        own.network
        for node in plan.nodes
        for interface in node.interfaces
        for own in interface.addresses
        if own.version == 4 and own.network.prefixlen < 31  # RFC 3021: a /31 has none
    }
    if address.is_multicast or text == "255.255.255.255":
        kind = "a multicast address" if address.is_multicast else "the broadcast address"
    elif any(address == network.broadcast_address for network in networks):
        kind = "the broadcast address of a network"
    else:
        return
    raise BadArgument(
        f"{said}{kind}: one packet to one machine is what can be explained; capture what is for "
        "many, as in `with lab.capture() as packets`"
    )


def _programs(gathering: _Gathering, name: str) -> tuple[ProgramLook, ...]:
    """Ask the supervisor which programs of the user's own run on a node."""
    node = gathering.lab[name]
    assert isinstance(node, Machine)
    return read_programs(gathering.agent, gathering.pids[name], node.running().programs)


def _balanced(gathering: _Gathering, name: str) -> tuple[BalancedServer, ...]:
    """Ask a load balancer for its servers; () where it does not say."""
    node = gathering.lab[name]
    assert isinstance(node, Machine)
    try:
        return tuple(read_servers(node))
    except PlaygroundError:
        return ()


def _speaks(node: NodePlan) -> bool:
    return bool(node.neighbours or node.announced)


def _findings(gathering: _Gathering, facts: Facts) -> Findings:
    """Ask the routing daemons of all routers what they know of each other."""
    speakers = [node for node in gathering.plan.nodes if _speaks(node)]
    said = ask_daemons(gathering.agent, speakers, gathering.pids)
    dead = [
        (name, interface.name)
        for name, state in facts.states.items()
        for interface in state.interfaces
        if not (interface.up and interface.carrier)
    ]
    return find(gathering.plan, said, dead)


def _without_keepalived(gathering: _Gathering) -> frozenset[str]:
    """Return the routers that share addresses and do not run the daemon that does it."""
    found = set()
    for node in gathering.plan.nodes:
        router = gathering.lab[node.name]
        if node.virtual_routers and isinstance(router, Machine):
            with suppress(PlaygroundError):  # it may have died meanwhile
                if router.services["keepalived"].status() == "stopped":
                    found.add(node.name)
    return frozenset(found)


class _Gathering:
    """A question to one lab, and the means to ask it."""

    def __init__(
        self, lab: LabOfNodes, agent: Client, plan: Plan, pids: Mapping[str, int], node: Machine
    ) -> None:
        self.lab = lab
        self.agent = agent
        self.plan = plan
        self.pids = pids
        self.node = node
        ways = _impairments(plan)
        self.quiet_s = QUIET_S + sum(way.delay_ms + way.jitter_ms for way in ways) / 1000
        self.waits_s = 0.0
        self.loses = any(0 < way.loss_percent < 100 for way in ways)

    def explain(self, question: Question, expected: str | None, version: int | None) -> Explanation:
        names = self._names(question, expected)
        for text in names.addresses:
            _refuse(text, question, self.plan)
        fitting = [text for text in names.addresses if version in (None, ip_address(text).version)]
        facts = Facts(self.plan, question, names, fitting[0] if fitting else None)
        if facts.address is None:
            if not names.addresses and names.nameservers and names.behind is None:
                server = Question(question.source, names.nameservers[0], "udp", 53)
                asking = self.explain(server, None, None)
                tree = _follow(self.lab, self.plan, facts, version) if asking.ok else None
                facts = dataclasses.replace(facts, asking=asking, tree=tree)
            return decide(facts)
        for _ in range(ATTEMPTS if self.loses else 1):
            facts = self._sent(facts)
            if facts.outcome.answered or facts.outcome.errno is not None:
                break
        if not facts.outcome.answered and self._forget_unanswered(facts):
            facts = self._sent(facts)
        facts = self._asked(facts)
        facts = dataclasses.replace(facts, large=tuple(self._large(facts)))
        found = decide(facts)
        if found.ok and balancer_asked(facts, found.path[-1]) is not None:
            return decide(dataclasses.replace(facts, balanced=_balanced(self, found.path[-1])))
        if found.cause in ("no route", "no route back", "overlay") and _speaks(
            self.plan.node(found.node)
        ):
            return decide(dataclasses.replace(facts, findings=_findings(self, facts)))
        if found.cause == "tunnel":
            return decide(dataclasses.replace(facts, below=self._below(found)))
        if found.cause == "server stopped":
            return decide(dataclasses.replace(facts, programs=_programs(self, found.node)))
        if found.cause == "no master":
            return decide(dataclasses.replace(facts, without_keepalived=_without_keepalived(self)))
        return found

    def _below(self, found: Explanation) -> Explanation:
        """Explain a packet of the network below the tunnel in which one was lost."""
        question = _question_below(self.plan, found)
        node = self.lab[question.source]
        assert isinstance(node, Machine)
        below = _Gathering(self.lab, self.agent, self.plan, self.pids, node)
        return below.explain(question, None, None)

    # ... names

    def _names(self, question: Question, expected: str | None) -> Names:
        behind = self._behind(expected)
        target = question.target
        try:
            return Names((str(ip_address(target)),), expected=expected, behind=behind)
        except ValueError:
            pass
        known = tuple(believed(self.node, target))
        try:
            text = files.read(self.node, "/etc/hosts", timeout_s=10, limit_mb=1)
            servers = tuple(nameservers(self.node))
        except PlaygroundError:
            text, servers = "", ()
        in_file = [
            address
            for address, names in hosts_entries(text)
            if target.lower() in map(str.lower, names)
        ]
        written = bool(in_file)
        # getaddrinfo(3) leaves out the family of which a node has no address (AI_ADDRCONFIG);
        # that is not the name's fault.
        known = tuple(dict.fromkeys((*known, *map(str, in_file))))
        unnamed = [] if known or expected is None else addresses_of(self.node, expected)
        plan = self.plan.node(question.source)
        planned = [str(entry.address) for entry in plan.hosts if target in entry.names]
        return Names(
            known or tuple(unnamed),
            by="/etc/hosts" if written else "the lab" if unnamed else "DNS",
            expected=expected,
            behind=behind,
            nameservers=servers,
            planned=planned[0] if planned else None,
            vlans=self._vlans(expected),
            vrfs=_vrfs_between(self.lab, self.plan, self.node, expected),
        )

    def _vlans(self, expected: str | None) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Return the VLANs of both, where each is in some and none is the other's."""
        target = None if expected is None else self.lab[expected]
        if not isinstance(target, Machine):
            return None
        own, theirs = (
            tuple(sorted({part.vlan for part in node.attachments if part.vlan is not None}))
            for node in (self.node, target)
        )
        return (own, theirs) if own and theirs and not set(own) & set(theirs) else None

    def _behind(self, expected: str | None) -> str | None:
        """Return the router whose NAT hides a node from the one that asks."""
        if expected is None:
            return None
        realms = find_realms(find_segments(self.lab.nodes))
        target = self.lab[expected]
        if not isinstance(target, Machine) or not target.links or not self.node.links:
            return None
        own = realms.of_node(target)
        if set(own) & set(realms.reached_from(self.node)):
            return None
        return next((router.name for realm in own for router in realm.exits), None)

    # ... the packet

    def _sent(self, facts: Facts) -> Facts:
        """Send the packet, watch it, and read all tables after that."""
        question, address = facts.question, facts.address
        assert address is not None
        protocol = NUMBERS[question.protocol]
        if protocol == ICMP and ":" in address:
            protocol = ICMPV6
        payload, expects = _payload(question)
        begin = Question(question.source, address, question.protocol, question.port)
        queues = read_queues(self.agent, self.plan, self.pids)
        # What stands in line is not lost.
        self.waits_s = longest_wait_s(self.plan, queues)
        seen = self._probe(begin.source, protocol, address, question.port, payload)
        outcome = Outcome(**seen["outcome"])
        state = read_states(self.agent, self.pids, with_connections=False)
        sightings = tuple(self._sightings(seen["frames"], facts))
        hits = self._hits(seen["traces"], state)
        sequence = None
        if protocol == TCP:
            port = outcome.source_port
            sequence = first_sequence(sightings, question.source, port)
            if sequence is None:
                mine = (hit.packet for hit in hits if hit.node == question.source)
                sequence = next((one.sequence for one in mine if one.source_port == port), None)
        return dataclasses.replace(
            facts,
            outcome=outcome,
            marks=Marks(protocol, sequence, payload if protocol != TCP else b""),
            sightings=sightings,
            hits=tuple(hits),
            counted=dict(zip(self.pids, seen["counted"][1:], strict=True)),
            states=state.nodes,
            expects_answer=expects,
            queues=compare_queues(self.plan, queues, read_queues(self.agent, self.plan, self.pids)),
        )

    def _forget_unanswered(self, facts: Facts) -> bool:
        """Let nodes ask anew for neighbours that they still wait for; tell whether there are any.

        Who has asked in vain asks again only after a second (arp(7), retrans_time), and says
        nothing when a packet comes meanwhile, though the neighbour may be there by now.

        """
        asked = {
            (one.place, one.what.address)
            for one in facts.trail.asked
            if one.way == "out" and isinstance(one.what, Neighbourly) and one.what.asks
        }
        waiting = [
            {"pid": self.pids[node], "interface": one.interface, "addresses": [one.address]}
            for node, state in facts.states.items()
            for one in state.neighbours
            if one.state == "incomplete" and (node, one.address) not in asked
        ]
        if waiting:
            self.agent.call("forget_neighbours", nodes=waiting)
        return bool(waiting)

    def _probe(
        self,
        node: str,
        protocol: int,
        address: str,
        port: int | None,
        payload: bytes = b"",
        packet: bytes | None = None,
    ) -> Any:
        return self.agent.call(
            "probe",
            pid=self.pids[node],
            watch=[None, *self.pids.values()],
            protocol=protocol,
            destination=address,
            port=port,
            payload=base64.b64encode(payload).decode(),
            packet=None if packet is None else base64.b64encode(packet).decode(),
            quiet_s=self.quiet_s + self.waits_s,
            timeout_s=3.0 + 2 * (self.quiet_s + self.waits_s),
        )

    def _sightings(self, frames: Sequence[Sequence[Any]], facts: Facts) -> list[Sighting]:
        places = ["", *self.pids]
        switches = facts.wires.switch_of
        found = []
        for place, interface, kind, at_s, data in frames:
            # Of the agent's own namespace, what passes the ports of switches.
            if place == 0 and interface not in switches:
                continue
            frame = base64.b64decode(data)
            one = read_frame(places[place], interface, kind, at_s, frame)
            if one is not None:
                found.append(one)
        return found

    def _hits(self, traces: Sequence[Mapping[str, Any]], state: State) -> list[RuleHit]:
        places = ["", *self.pids]
        # A chain's own row has no handle, and neither has its policy.
        rules = {
            (name, rule.table, rule.chain, rule.handle): rule
            for name, node in state.nodes.items()
            for rule in node.firewall
        }
        packets: dict[tuple[int, int], Packet] = {}
        found = []
        for row in traces:
            key = (row["watch"], row["id"])
            headers = base64.b64decode(row["network"]) + base64.b64decode(row["transport"])
            if (packet := _traced_packet(headers)) is not None:
                packets[key] = packet
            if key not in packets:
                continue
            node = places[row["watch"]]
            known = rules.get((node, row["table"], row["chain"], row["handle"]))
            found.append(_rule_hit(row, node, packets[key], known))
        return found

    def _asked(self, facts: Facts) -> Facts:
        """Ask the kernels which way they would send it, and the switches for their ports."""
        wanted = [look for look in looks(facts) if look.node in self.pids]
        rows = self.agent.call("look_up_routes", questions=[self._look(look) for look in wanted])
        devices = {switch.device: switch.name for switch in self.plan.switches}
        trees = self.agent.call("switches", devices=list(devices)) if devices else []
        ports = {
            (devices[tree["device"]], port["port"]): (port["state"], port["carrier"])
            for tree in trees
            for port in tree["ports"]
        }
        vrfs = {(node.name, vrf.table): vrf.name for node in self.plan.nodes for vrf in node.vrfs}
        ways = {
            look: _read_way(row, vrfs.get((look.node, row.get("table", 0))))
            for look, row in zip(wanted, rows, strict=True)
        }
        guarded: dict[tuple[str, str], GuardedPort] = {}
        for switch in self.plan.switches:
            if tables := [guard.table for guard in switch.guards]:
                said = self.agent.call("port_guards", device=switch.device, tables=tables)
                guarded |= guarded_ports(switch, said)
        return dataclasses.replace(facts, ways=ways, ports=ports, guarded=guarded)

    def _look(self, look: Look) -> dict[str, Any]:
        found = look._asdict()
        found["pid"] = self.pids[found.pop("node")]
        return found

    # ... large ones

    def _large(self, facts: Facts) -> list[Large]:
        """Send packets as large as the ends would, where a link of the way takes less."""
        found = []
        for role, size, _ in narrow_ways(facts):
            made = _large_packet(facts, role, size)
            if made is None:
                continue
            sender, packet, marks = made
            whole = read_packet(packet)
            assert whole is not None
            seen = self._probe(sender, facts.marks.protocol, whole.destination, None, packet=packet)
            # Rules are those that were read before.
            hits = self._hits(seen["traces"], State(facts.states))
            sightings = tuple(self._sightings(seen["frames"], facts))
            number = seen["outcome"]["errno"]
            found.append(Large(role, sender, size, sightings, tuple(hits), marks, number))
        return found


def _impairments(plan: Plan) -> list[Impairment]:
    both = ((wire.toward_a, wire.toward_b) for wire in plan.wires)
    return [way for ways in both for way in ways if way is not None]


def _follow(lab: LabOfNodes, plan: Plan, facts: Facts, version: int | None) -> NameTree | None:
    """Follow a name through the lab's zones, as the resolver that was asked would."""
    resolver = facts.names.nameservers[0]
    node = plan.owners.get(resolver)
    if node is None or "resolver" not in plan.node(node).daemons:
        return None
    asker = lab[node]
    assert isinstance(asker, Machine)

    # Servers that are silent, or send round in a circle, cost no more than that.
    end = time.monotonic() + FOLLOW_S

    def ask_it(server: str, name: str, kind: str = "A", recursion: bool = False) -> DnsReply | None:
        if time.monotonic() > end:
            return None
        return ask(asker, server, name, kind, recursion)

    kind = "AAAA" if version == 6 else "A"
    return follow(ask_it, facts.question.target, resolver, root_servers(plan), kind)


def _large_packet(facts: Facts, role: str, size: int) -> tuple[str, bytes, Marks] | None:
    trail: Trail = facts.trail
    seen = trail.probe if role == "probe" else trail.answer
    first = next(one for one in seen if one.way == "out" and one.place in facts.states)
    like = first.what
    assert isinstance(like, Packet)
    protocol = facts.marks.protocol
    token = secrets.token_bytes(_TOKEN_BYTES)
    if protocol == TCP and role == "probe":
        # Another connection's first packet: TCP lets it carry data.
        flow = (like.source, 20000 + secrets.randbelow(10000), *like.flow[2:])
        sequence = secrets.randbits(31)
        return first.place, make_packet(TCP, flow, size, sequence=sequence), Marks(TCP, sequence)
    if protocol == TCP:
        sequence = (like.sequence + 1) & 0xFFFFFFFF
        packet = make_packet(
            TCP, like.flow, size, flags=0x18, sequence=sequence, acknowledged=like.acknowledged
        )
        return first.place, packet, Marks(TCP, sequence)
    if protocol == UDP or role == "probe":
        packet = make_packet(protocol, like.flow, size, payload=token)
        return first.place, packet, Marks(protocol, None, token)
    return None  # an echo's answer is as large as the question


def _payload(question: Question) -> tuple[bytes, bool]:
    """Return what the packet carries, and whether that is answered by who gets it."""
    if question.protocol == "udp":
        for row in SERVICES.values():
            for probe in row.probes:
                if (probe.port, probe.protocol) == (question.port, "udp") and probe.send:
                    return probe.send, True
        return secrets.token_bytes(_TOKEN_BYTES), False
    return secrets.token_bytes(_TOKEN_BYTES), True


def _rule_hit(
    row: Mapping[str, Any], node: str, packet: Packet, known: KernelRule | None
) -> RuleHit:
    place, text = f"{row['table']} {row['chain']}", "a rule"
    if known is not None:
        place, text = known.place, known.text
    is_policy = row["type"] == "policy"
    verdict = ""
    if is_policy:
        text = "policy drop"
        verdict = "drop" if row["policy"] == _DROP else ""
    elif row["handle"] is not None:
        verdict = {_DROP: "drop", _ACCEPT: "accept"}.get(row["verdict"], "")
    return RuleHit(
        node,
        place,
        text,
        verdict,
        packet,
        row["mark"],
        hook=known.hook if known is not None else "",
        known=None if is_policy else known,
        is_policy=is_policy,
    )


def _traced_packet(headers: bytes) -> Packet | None:
    return read_packet(headers) if headers else None


def _vrfs_between(
    lab: Any, plan: Plan, node: Any, expected: str | None
) -> tuple[str, str | None, str | None] | None:
    """Return a router with the VRFs that keep two apart, the asking node's first."""
    target = None if expected is None else lab[expected]
    if not isinstance(target, Machine) or not any(one.vrfs for one in plan.nodes):
        return None
    return keeping_apart(node, target, lab.nodes)


def _read_way(row: Mapping[str, Any], vrf: str | None) -> Way:
    if row["errno"] is not None:
        return Way(row["errno"])
    return Way(
        kind=KINDS.get(row["kind"], str(row["kind"])),
        via=row["via"],
        interface=row["interface"],
        source=row["source"],
        prefix=row["prefix"],
        protocol=PROTOCOLS.get(row["protocol"], ""),
        mtu_bytes=row["mtu_bytes"],
        vrf=vrf,
    )
