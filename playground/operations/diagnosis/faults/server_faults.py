"""Faults where a packet arrives: wrong machine, no socket, no answer.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from playground.model.services.table import row_of
from playground.operations.diagnosis.evidence.facts import (
    Facts,
    after_rules,
    hits_at,
    look_back,
    packet_of,
    sightings_at,
)
from playground.operations.diagnosis.evidence.network_state import SocketState
from playground.operations.diagnosis.evidence.packet_trace import Packet, Sighting
from playground.operations.diagnosis.faults.advised_calls import (
    endpoint,
    forward_call,
    host_inside,
    variable,
)
from playground.operations.diagnosis.faults.filter_faults import filtered
from playground.operations.diagnosis.faults.link_faults import interface_fault
from playground.operations.diagnosis.faults.route_faults import no_way_on
from playground.operations.diagnosis.faults.walk import Fault, Walk, unknown
from playground.planning.plan_parts import ForwardPlan


def not_served(walk: Walk, node: str, came: Sighting | None) -> Fault | None:
    """Return why the node where a packet stayed does not serve it; None if it does."""
    facts, question = walk.facts, walk.facts.question
    expected = facts.names.expected
    translated = came is not None and packet_of(came).destination != facts.address
    packet = packet_of(came) if came is not None else None
    hit = after_rules(facts, "probe", node)
    if hit is not None and packet is not None and hit.packet.source == packet.source:
        translated = translated or hit.packet.destination != facts.address
    if expected is not None and node != expected and not translated:
        return Fault(
            facts.question.source,
            "wrong name",
            f"The packet came to {node}, which is not {expected}: on {question.source} "
            f"{question.target} means {facts.address}, which is {node}'s.",
            f"Look at `dict({variable(question.source)}.hosts)` and at the name server's records.",
        )
    if question.port is None:
        return _ping_ignored(walk, node)
    answers = [one for one in facts.trail.answer if (one.place, one.way) == (node, "out")]
    refusing = [one for one in facts.trail.errors if (one.place, one.way) == (node, "out")]
    refused = any(packet_of(one).is_refusal for one in (*answers, *refusing))
    port = packet.destination_port if packet is not None else question.port
    if hit is not None and translated:
        port = hit.packet.destination_port
    if refused or not (answers or facts.outcome.answered):
        fault = _closed_to(walk, node, packet, port or question.port, refused)
        if fault is not None:
            return fault
    else:
        _note_listener(walk, node, port or question.port)
    return None


def _ping_ignored(walk: Walk, node: str) -> Fault | None:
    ignores = walk.facts.states[node].sysctls.get("net.ipv4.icmp_echo_ignore_all") == "1"
    answered = walk.facts.outcome.answered or sightings_at(walk.facts, "answer", node, "out")
    if ignores and not answered and ":" not in (walk.facts.address or ""):
        walk.step(node, "echo", "icmp_echo_ignore_all is on", False)
        return Fault(
            node,
            "ping ignored",
            f"{node} got the echo request and does not answer any "
            f"(net.ipv4.icmp_echo_ignore_all = 1).",
            f'Let it answer: `{variable(node)}.sysctls["net.ipv4.icmp_echo_ignore_all"] = 0`.',
        )
    return None


def _note_listener(walk: Walk, node: str, port: int) -> bool:
    address = walk.facts.address or ""
    if walk.last is not None:
        address = packet_of(walk.last).destination
    for socket in walk.facts.states[node].sockets:
        same = (socket.protocol, socket.port) == (walk.facts.question.protocol, port)
        if same and takes(socket, address):
            program = f" ({socket.program})" if socket.program else ""
            walk.step(node, "socket", f"listens on {endpoint(socket.address, port)}{program}")
            return True
    return False


def _translates(facts: Facts, router: str) -> bool:
    """Tell whether rules that somebody made by hand make a router translate."""
    return facts.plan.node(router).kind == "router" and facts.states[router].translates


def _translated_by_hand(facts: Facts, node: str, protocol: str, port: int) -> Fault:
    rule = next(one for one in facts.states[node].firewall if one.hides)
    return Fault(
        node,
        "NAT",
        f"The packet came to {node} itself, where nothing listens on {protocol} port {port}: "
        f"{node} translates addresses by the rule `{rule.text}` of {rule.place}, which was "
        f"made by hand, and no rule leads that port to a host inside.",
        f"Add a rule with dnat to a chain of {node} at the hook prerouting, or take the rule "
        f"away and declare `{variable(node)}.masquerade(link)` and "
        f"{forward_call(facts, node, port, host_inside(facts, node), port)}.",
    )


def _closed_to(
    walk: Walk, node: str, packet: Packet | None, port: int, refused: bool
) -> Fault | None:
    """Return what is wrong with the server; None if it is the way back."""
    facts = walk.facts
    protocol = facts.question.protocol
    here = [
        one for one in facts.states[node].sockets if (one.protocol, one.port) == (protocol, port)
    ]
    service = _service_at(facts, node, port)
    if not here:
        walk.step(node, "socket", f"nothing listens on {protocol} port {port}", False)
        planned = facts.plan.node(node)
        if service is None and planned.nat is None and _translates(facts, node):
            return _translated_by_hand(facts, node, protocol, port)
        if service is None and planned.nat is not None:
            open_outside = [one for one in planned.nat.forwards if one.takes(protocol, port)]
            if open_outside and not open_outside[0].hairpin:
                return _no_hairpin(node, port, open_outside[0])
            return Fault(
                node,
                "NAT",
                f"The packet came to {node} itself, where nothing listens on {protocol} port "
                f"{port}, and {node} has no forward of that port to a host inside.",
                f"Open it: {forward_call(facts, node, port, host_inside(facts, node), port)}.",
            )
        return _nothing_listens(facts, node, protocol, port, service)
    wanted = packet.destination if packet is not None else facts.address or ""
    fits = [one for one in here if takes(one, wanted)]
    if not fits:
        shown = ", ".join(endpoint(one.address, one.port) for one in here)
        walk.step(node, "socket", f"listens on {shown} only", False)
        return Fault(
            node,
            "loopback only",
            f"The server on {node} listens on {shown} only, and the packet was for "
            f"{endpoint(wanted, port)}."
            + (" Only programs on the same machine reach it." if on_loopback(here) else ""),
            "Let it listen on 0.0.0.0 (all of its addresses), or on the one that is asked.",
        )
    if refused:
        shown = endpoint(fits[0].address, port)
        walk.step(node, "socket", f"listens on {shown}, and refuses", False)
        return Fault(
            node,
            "server stopped",
            f"{node} refused the packet, though something listens on {shown}.",
            f"Look whether it takes IPv{6 if ':' in wanted else 4}, and restart it.",
        )
    _note_listener(walk, node, port)
    if facts.counted.get(node, {}).get("ListenOverflows"):
        return Fault(
            node,
            "server busy",
            f"The queue of the server on {node} is full: it does not take its connections.",
            "Look at what it does; restart it.",
        )
    return None


def _nothing_listens(
    facts: Facts, node: str, protocol: str, port: int, service: str | None
) -> Fault:
    came = f"The packet came to {node}, and nothing listens there on {protocol} port {port}"
    # One of the user's own is known to the supervisor, one of ours is not.
    known = {one.name: one for one in facts.programs}
    meant = [known[service]] if service in known else [] if service else [*known.values()]
    running = [one.name for one in meant if one.runs]
    words = [f"{one.name} runs" if one.runs else f"{one.name} {one.status}" for one in meant]
    ports = _open_ports(facts, node, protocol) if running else ()
    if running:
        several = ", ".join(map(str, ports))
        places = f"port{'s' * (len(ports) > 1)} {several}" if ports else f"no {protocol} port"
        words.append(f"{node} listens on {places}")
    if service and not words:
        words.append(service)
    sentence = f"{came} ({', '.join(words)})." if words else f"{came}."
    if meant and len(running) == len(meant):
        # None is to be started: it listens elsewhere, or nowhere yet.
        log = f'`{variable(node)}.services["{running[0]}"].log()` says what it does'
        if not ports:
            return Fault(node, "server stopped", sentence, f"{log}, and where it listens.")
        return Fault(
            node,
            "other port",
            sentence,
            f"Ask for port {ports[0]}, or have {running[0]} listen on port {port}; {log}.",
        )
    own = [one.name for one in meant if not one.runs] or _own_programs(facts, node)
    if service:
        advice = f'Start it: `{variable(node)}.services["{service}"].start()`.'
    elif own:
        advice = f"{_start_own(node, own)}."
    else:
        advice = f"Start a server on {node} that listens on {protocol} port {port}"
        if protocol == "tcp":
            advice = (
                f"Start a server on {node} that listens on port {port}, for example "
                f'`{variable(node)}.start("python3 -m http.server {port}")`'
            )
        advice += "."
    return Fault(node, "server stopped", sentence, advice)


def _open_ports(facts: Facts, node: str, protocol: str) -> tuple[int, ...]:
    """Return the ports on which a node listens for others, those of our services apart."""
    ours = {
        one.number
        for settings in facts.plan.node(node).services
        if not settings.is_own
        for one in row_of(settings).ports
    }
    found = {
        one.port
        for one in facts.states[node].sockets
        if one.protocol == protocol and not ip_address(one.address).is_loopback
    }
    return tuple(sorted(found - ours))


def _no_hairpin(node: str, port: int, forward: ForwardPlan) -> Fault:
    to_port = forward.to_port if forward.last_port is None else port
    return Fault(
        node,
        "NAT",
        f"{node} forwards port {port} to {forward.to} for what comes from outside alone "
        f"(hairpin=False), and the packet came from inside, for the address outside.",
        f"Ask for {endpoint(str(forward.to), to_port)}, as it is called inside, or forward the "
        "port with hairpin=True.",
    )


def _service_at(facts: Facts, node: str, port: int) -> str | None:
    for settings in facts.plan.node(node).services:
        if any(one.number == port for one in row_of(settings).ports):
            return settings.service
    return None


def _own_programs(facts: Facts, node: str) -> list[str]:
    """Return the names of the programs that an image or the user has put on a node."""
    said = facts.plan.node(node).container
    main = ["main"] if said.source or said.command or said.entrypoint else []
    return [*main, *(name for name, _ in said.programs)]


def _start_own(node: str, programs: Sequence[str]) -> str:
    calls = [f'{variable(node)}.services["{name}"]' for name in programs]
    starts = " or ".join(f"`{call}.start()`" for call in calls)
    return (
        f"Start the program that shall listen there: {starts}; `{calls[0]}.log()` says how it "
        "ended, or where it listens instead"
    )


def unanswered(walk: Walk, target: str) -> Fault | None:
    """Return why a node that got a packet sent no answer."""
    facts = walk.facts
    if facts.outcome.answered:
        return None  # within one machine, or faster than anybody could see
    if walk.last is None:
        return unknown(walk, target, "did not answer itself")
    for hit in hits_at(facts, "answer", target):
        if hit.verdict == "drop":
            return filtered(walk, "answer", target, hit)
    way = facts.ways.get(look_back(walk.last))
    if way is not None:
        if way.errno is not None:
            return no_way_on(walk, "answer", target, packet_of(walk.last).source, way)
        hop = way.via or packet_of(walk.last).source
        interface = facts.states[target].interface(way.interface)
        if interface is not None:
            fault = interface_fault(walk, target, interface)
            if fault is not None:
                return fault
        known = [
            one
            for one in facts.states[target].neighbours
            if (one.interface, one.address) == (way.interface, hop)
        ]
        silent = any(one.mac is None for one in known)
        if silent or (not known and facts.expects_answer):
            walk.path_back.append(target)
            return no_way_on(walk, "answer", target, packet_of(walk.last).source, way)
    if facts.expects_answer and facts.question.protocol == "udp":
        return Fault(
            target,
            "no answer",
            f"The packet came to {target}, and the program that listens there has not answered.",
            f"Look at the log of the server on {target}.",
        )
    if not facts.expects_answer:
        walk.step(target, "answer", "none came; with udp none has to")
        return None
    return unknown(walk, target, "got the packet and sent no answer")


def takes(socket: SocketState, wanted: str) -> bool:
    """Tell whether a socket takes what comes for an address (ipv6(7), IPV6_V6ONLY)."""
    if socket.address == "::":
        return ":" in wanted or not socket.only_ipv6
    if socket.address == "0.0.0.0":
        return ":" not in wanted
    return ip_address(socket.address) == ip_address(wanted)


def on_loopback(sockets: Iterable[SocketState]) -> bool:
    """Tell whether sockets listen on loopback addresses only."""
    return all(ip_address(one.address).is_loopback for one in sockets)
