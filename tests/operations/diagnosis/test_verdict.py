"""From facts to a cause: pure decisions, without a network."""

from __future__ import annotations

import dataclasses
import errno
from typing import Any

import pytest

from playground.model.containers.arguments import make_container
from playground.operations.diagnosis.evidence.explanation import CAUSES
from playground.operations.diagnosis.evidence.facts import (
    Facts,
    Look,
    Names,
    Outcome,
    Question,
    RuleHit,
    Way,
    Wires,
    looks,
    narrow_ways,
)
from playground.operations.diagnosis.evidence.network_state import (
    AddressState,
    InterfaceState,
    NodeState,
    SocketState,
)
from playground.operations.diagnosis.evidence.packet_trace import (
    ICMP,
    TCP,
    Marks,
    Neighbourly,
    Packet,
    Sighting,
)
from playground.operations.diagnosis.evidence.program_looks import ProgramLook
from playground.operations.diagnosis.verdict import decide
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.plan import Plan
from playground.planning.planner import make_plan

ISN = 1000
NAME = "www is 10.0.2.2 (/etc/hosts)"


@pytest.fixture
def plan() -> Plan:
    """h1 - home - r1 - www."""
    home = Switch("home", subnet="10.0.1.0/24")
    h1, www, r1 = Host("h1"), Host("www", services=["http"]), Router("r1")
    Link(home, h1)
    Link(home, r1)
    Link(r1, www, subnet="10.0.2.0/24")
    return make_plan([home])


def states(plan: Plan) -> dict[str, NodeState]:
    """The states of nodes that are as they were planned."""
    return {
        node.name: NodeState(
            node.name,
            tuple(
                InterfaceState(
                    one.name,
                    True,
                    True,
                    one.mtu_bytes,
                    one.mac,
                    tuple(AddressState(str(address)) for address in one.addresses),
                    settings={"ipv4.forwarding": "1" if node.kind == "router" else "0"},
                )
                for one in node.interfaces
            ),
            sockets=(SocketState("tcp", "0.0.0.0", 80, "nginx"),) if node.name == "www" else (),
        )
        for node in plan.nodes
    }


def walked(*places: tuple[str, str, str], answer: bool = False, ttl: int = 64) -> list[Sighting]:
    """Sightings of a packet, or its answer, hop by hop: place, interface, way."""
    seen = []
    for at_s, (place, interface, way) in enumerate(places, 100 if answer else 0):
        if way == "out" and seen:
            ttl -= 1
        packet = Packet(TCP, "10.0.1.2", "10.0.2.2", 40000, 80, ttl, 60, flags=2, sequence=ISN)
        if answer:
            packet = Packet(
                *(TCP, "10.0.2.2", "10.0.1.2", 80, 40000, ttl, 60),
                flags=0x12,
                sequence=7,
                acknowledged=ISN + 1,
            )
        seen.append(Sighting(place, interface, way, at_s, "02:00", "02:01", packet))
    return seen


THERE = [("h1", "eth0", "out"), ("r1", "eth0", "in"), ("r1", "eth1", "out"), ("www", "eth0", "in")]
BACK = [(place, name, "in" if way == "out" else "out") for place, name, way in THERE[::-1]]
ON = Way(via="10.0.1.1", interface="eth0", prefix="0.0.0.0/0", protocol="static")
OWN = Way(kind="local")


def facts(plan: Plan, **known: Any) -> Facts:
    """Facts of a packet from h1 to www, port 80; ways are answered for each node."""
    ways = known.pop("ways", {})
    found = Facts(
        plan=plan,
        question=Question("h1", "www", "tcp", 80),
        names=Names(("10.0.2.2",), "/etc/hosts", "www"),
        address="10.0.2.2",
        outcome=Outcome(False, source="10.0.1.2", source_port=40000),
        marks=Marks(TCP, ISN),
        states=states(plan),
    )
    found = dataclasses.replace(found, **known)
    return dataclasses.replace(
        found, ways={look: way for look in looks(found) if (way := ways.get(look.node))}
    )


def test_nobody_is_called_silent_who_was_not_asked(plan: Plan) -> None:
    # As where a rule drops it and the kernel cannot tell which.
    ways = {"h1": ON, "r1": Way(interface="eth1", prefix="10.0.2.0/24")}
    came = walked(*THERE[:2])
    found = decide(facts(plan, sightings=tuple(came), ways=ways))
    assert (found.node, found.cause) == ("r1", "unknown"), found
    assert "nor ask who has 10.0.2.2" in found.sentence
    asks = Neighbourly("10.0.2.2", True, "10.0.2.1")
    came.append(Sighting("r1", "eth1", "out", 200, "02:00", "ff:ff", asks))
    came.append(Sighting("www", "eth0", "in", 201, "02:00", "ff:ff", asks))
    found = decide(facts(plan, sightings=tuple(came), ways=ways))
    assert (found.node, found.cause) == ("www", "neighbour silent"), found


def test_all_is_well_where_the_answer_came(plan: Plan) -> None:
    seen = (*walked(*THERE), *walked(*BACK, answer=True))
    found = decide(
        facts(
            plan,
            sightings=seen,
            outcome=Outcome(True, None, 0.001, "10.0.1.2", 40000),
            ways={"h1": ON, "www": OWN},
        )
    )
    assert found.ok and found.cause == "" and found.node == ""
    assert found.path == ("h1", "r1", "www")
    assert found.path_back == ("www", "r1", "h1")
    assert repr(found).startswith("h1 to www, tcp port 80: yes\nAll is well: h1 - r1 - www.")
    assert "<table" in found._repr_html_()
    assert found.rows[0] == {"node": "h1", "asked": "name", "found": NAME, "ok": True}


def test_an_answer_that_came_counts_more_than_what_was_not_seen(plan: Plan) -> None:
    known = facts(
        plan,
        sightings=tuple(walked(*THERE[:2])),
        outcome=Outcome(True, None, 0.001, "10.0.1.2", 40000),
        ways={"h1": ON, "r1": Way(interface="eth1")},
    )
    assert decide(known).ok
    assert any("not all of its way was seen" in step.found for step in decide(known).steps)


def test_a_packet_that_was_never_seen_is_judged_by_the_kernels_answer(plan: Plan) -> None:
    unreachable = {"h1": Way(errno.ENETUNREACH)}
    found = decide(facts(plan, ways=unreachable, outcome=Outcome(False, errno.ENETUNREACH)))
    assert (found.node, found.cause) == ("h1", "no route")
    assert "via 10.0.1.1 dev eth0" in found.sentence  # what the plan had
    nobody = {"h1": dataclasses.replace(ON, via="10.0.1.9")}
    assert decide(facts(plan, ways=nobody)).cause == "wrong gateway"


def test_what_the_kernel_says_of_a_packet_that_did_not_leave_again(plan: Plan) -> None:
    came = tuple(walked(*THERE[:2]))
    for way, counted, cause in (
        (Way(errno.ENETUNREACH), {}, "no route"),
        (Way(errno.EXDEV), {}, "no route back"),
    ):
        found = decide(facts(plan, sightings=came, ways={"h1": ON, "r1": way}, counted=counted))
        assert (found.node, found.cause) == ("r1", cause)
    on = facts(plan, sightings=came, ways={"h1": ON, "r1": Way(interface="eth0")})
    filtered = dataclasses.replace(on, counted={"r1": {"IPReversePathFilter": 1}})
    assert decide(filtered).cause == "reverse path filter"


def test_a_rule_that_drops_is_named(plan: Plan) -> None:
    came = tuple(walked(*THERE[:2]))
    assert isinstance(came[1].what, Packet)
    hit = RuleHit("r1", "inet hand rules", "tcp dport 80 drop", "drop", came[1].what)
    known = facts(plan, sightings=came, hits=(hit,), ways={"h1": ON})
    found = decide(known)
    assert (found.node, found.cause) == ("r1", "firewall")
    assert "<code>r1.run(&quot;nft list ruleset&quot;)</code>" in found._repr_html_()
    assert "`tcp dport 80 drop`" in found.sentence
    # One about another packet says nothing.
    other = dataclasses.replace(hit, packet=Packet(TCP, "10.0.1.2", "10.0.2.2", 1, 2, sequence=5))
    assert decide(dataclasses.replace(known, hits=(other,))).cause != "firewall"


def test_a_name_that_nobody_knows(plan: Plan) -> None:
    unknown = facts(plan, names=Names(()), address=None)
    assert decide(unknown).cause == "name unknown"
    behind = facts(plan, names=Names((), expected="www", behind="r1"), address=None)
    assert (decide(behind).node, decide(behind).cause) == ("r1", "NAT")
    apart = facts(plan, names=Names((), expected="www", vlans=((10,), (20, 30))), address=None)
    assert decide(apart).cause == "no route"
    assert "h1 is in VLAN 10 and www in VLAN 20 and 30, and no" in decide(apart).sentence
    asking = decide(facts(plan, ways={"h1": Way(errno.ENETUNREACH)}))
    server = facts(plan, names=Names((), nameservers=("10.0.2.2",)), address=None, asking=asking)
    found = decide(server)
    assert found.cause == "no route" and "cannot ask its name server 10.0.2.2" in found.sentence


def test_a_server_that_refuses_and_why(plan: Plan) -> None:
    there = facts(plan, sightings=tuple(walked(*THERE)), ways={"h1": ON, "www": OWN})
    for sockets, cause in (
        ((), "server stopped"),
        ((SocketState("tcp", "127.0.0.1", 80),), "loopback only"),
        ((SocketState("tcp", "::", 80, only_ipv6=True),), "loopback only"),
        ((SocketState("udp", "0.0.0.0", 80),), "server stopped"),
    ):
        www = dataclasses.replace(there.states["www"], sockets=sockets)
        found = decide(dataclasses.replace(there, states={**there.states, "www": www}))
        assert (found.node, found.cause) == ("www", cause)
    assert (
        '.services["http"].start()'
        in decide(
            dataclasses.replace(there, states={**there.states, "www": NodeState("www")})
        ).advice
    )


def test_a_stopped_program_of_an_image_is_what_is_to_be_started(plan: Plan) -> None:
    container = make_container("Host", "www", {"image": "nginx", "programs": {"api": "serve"}})
    nodes = tuple(
        dataclasses.replace(node, services=(), container=container) if node.name == "www" else node
        for node in plan.nodes
    )
    there = facts(
        dataclasses.replace(plan, nodes=nodes),
        sightings=tuple(walked(*THERE)),
        ways={"h1": ON, "www": OWN},
    )
    www = dataclasses.replace(there.states["www"], sockets=())
    found = decide(dataclasses.replace(there, states={**there.states, "www": www}))
    assert found.cause == "server stopped"
    assert found.advice.startswith("Start the program that shall listen there: ")
    for call in ('services["main"].start()` or', 'services["api"].start()`;', '["main"].log()'):
        assert call in found.advice
    both = (ProgramLook("api", "running"), ProgramLook("main", "running"))
    ended = (ProgramLook("main", "running"), ProgramLook("api", "ended with status 3"))
    log = '`www.services["api"].log()` says what it does'
    for programs, ports, cause, sentence, advice in (
        (
            both,
            (8000,),
            "other port",
            "80 (api runs, main runs, www listens on port 8000).",
            f"Ask for port 8000, or have api listen on port 80; {log}.",
        ),
        (
            ended,
            (81, 82),
            "server stopped",
            "(main runs, api ended with status 3, www listens on ports 81, 82).",
            'listen there: `www.services["api"].start()`; ',
        ),
        (both, (), "server stopped", "www listens on no tcp port).", f"{log}, and where it"),
    ):
        sockets = tuple(SocketState("tcp", "0.0.0.0", port) for port in ports)
        own = (SocketState("tcp", "127.0.0.11", 40000), *sockets)
        states = {**there.states, "www": dataclasses.replace(www, sockets=own)}
        found = decide(dataclasses.replace(there, programs=programs, states=states))
        assert found.cause == cause
        assert sentence in found.sentence and advice in found.advice


def test_kernels_are_asked_where_the_packet_was_seen(plan: Plan) -> None:
    known = facts(plan, sightings=tuple(walked(*THERE)))
    assert looks(known) == [
        Look("h1", "10.0.2.2", "10.0.1.2", None, TCP, 40000, 80),
        Look("r1", "10.0.2.2", "10.0.1.2", "eth0", TCP, 40000, 80),
        Look("r1", "10.0.1.2"),
        Look("www", "10.0.2.2", "10.0.1.2", "eth0", TCP, 40000, 80),
        Look("www", "10.0.1.2"),
    ]


def test_a_way_is_narrow_where_a_link_takes_less_than_its_ends(plan: Plan) -> None:
    seen = (*walked(*THERE), *walked(*BACK, answer=True))
    known = facts(plan, sightings=seen, outcome=Outcome(True))
    assert narrow_ways(known) == []
    r1 = known.states["r1"]
    small = tuple(dataclasses.replace(one, mtu_bytes=1300) for one in r1.interfaces)
    narrow = {**known.states, "r1": dataclasses.replace(r1, interfaces=small)}
    known = dataclasses.replace(known, states=narrow)
    assert narrow_ways(known) == [("probe", 1500, 1300), ("answer", 1500, 1300)]


def test_a_switch_that_keeps_a_frame_is_named(plan: Plan) -> None:
    """As one does whose ports are in different VLANs: in at one port, out at no other."""
    asked = Neighbourly("10.0.1.1", True, "10.0.1.2")
    port = next(
        end.interface
        for wire in plan.wires
        for end, other in ((wire.a, wire.b), (wire.b, wire.a))
        if (end.node, other.node) == ("home", "h1")
    )
    seen = tuple(
        Sighting(place, interface, way, at_s, "02:00", "ff:ff", asked)
        for at_s, (place, interface, way) in enumerate([("h1", "eth0", "out"), ("", port, "in")])
    )
    found = decide(facts(plan, sightings=seen, ways={"h1": ON}))
    assert (found.node, found.cause) == ("home", "switch")
    assert "VLAN" in found.advice


def test_a_route_that_came_back_meanwhile(plan: Plan) -> None:
    came = walked(*THERE[:2])
    probe = came[1].what
    assert isinstance(probe, Packet)
    error = Packet(ICMP, "10.0.1.1", "10.0.1.2", kind=3, code=0, quoted=probe)
    said = Sighting("r1", "eth0", "out", 5.0, "02:01", "02:00", error)
    known = facts(plan, sightings=(*came, said), ways={"h1": ON, "r1": Way(interface="eth1")})
    found = decide(known)
    assert (found.node, found.cause) == ("r1", "no route")
    assert "have just changed" in found.sentence


def test_wires_lead_through_switches_and_end_at_machines(plan: Plan) -> None:
    crossed = Wires(plan).crossed(("h1", "eth0"))
    assert set(crossed) == {("h1", "eth0"), ("r1", "eth0")}
    assert [step[2].node for step in crossed["r1", "eth0"]] == ["home", "r1"]


def test_every_cause_is_a_phrase_with_its_meaning() -> None:
    assert all(meaning and not meaning.endswith(".") for meaning in CAUSES.values())
