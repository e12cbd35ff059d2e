"""Address translation as it is declared, and what it does to packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.difference import compare
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping, assert_cannot_ping
from tests.traffic import ask, send, serve, speak


def office() -> tuple[Switch, Host, Router, Link]:
    home, h1, modem, isp = Switch("home"), Host("h1"), Router("modem"), Router("isp")
    Link(home, modem)
    Link(home, h1)
    uplink = Link(isp, modem, addresses=("10.9.0.1/24", ["10.9.0.2/24", "10.9.0.3/24"]))
    return home, h1, modem, uplink


# -- what is declared --------------------------------------------------------


def test_saying_it_again_changes_how() -> None:
    _, _, modem, uplink = office()
    modem.masquerade(uplink)
    modem.masquerade(uplink, kind="symmetric", helpers=[])
    (item,) = modem.masquerades
    assert (item.kind, item.helpers, item.address) == ("symmetric", (), None)
    modem.snat(uplink, to="10.9.0.3")
    assert [str(item.address) for item in modem.masquerades] == ["10.9.0.3"]


def test_what_was_told_can_be_taken_back() -> None:
    _, h1, modem, uplink = office()
    modem.masquerade(uplink)
    modem.forward(uplink, port=80, to=h1)
    modem.untranslate(*modem.forwards)
    assert (modem.forwards, modem.uplinks) == ((), (uplink,))
    modem.untranslate()
    assert modem.nat == []


@pytest.mark.parametrize(
    ("method", "arguments", "sentence"),
    [
        ("masquerade", {"kind": "round"}, "kind='round' is not known"),
        ("masquerade", {"helpers": ["sip"]}, "there is no helper 'sip'"),
        ("masquerade", {"helpers": "ftp"}, "helpers is a list"),
        ("snat", {"to": "2001:db8::1"}, "is no IPv4 address"),
        ("snat", {"to": "10.9.0.3", "kind": "full-cone"}, "goes with masquerade"),
        ("masquerade", {"ports": "9-8"}, "which is no range of ports"),
        ("masquerade", {"ports": "1000-2000", "kind": "full-cone"}, "leave ports= out"),
        ("masquerade", {"clamp_mss": "yes"}, "clamp_mss"),
        ("one_to_one", {"address": "10.9.0.3", "to": "h1"}, "is no host and port"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(method: str, arguments: dict[str, Any], sentence: str) -> None:
    _, _, modem, uplink = office()
    with pytest.raises(TopologyError) as refused:
        getattr(modem, method)(uplink, **arguments)
    assert sentence in str(refused.value)
    assert modem.nat == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"port": "8000-7000"}, "write the lower one first"),
        ({"port": "8000-70000"}, "no range of ports"),
        ({"port": "http"}, "which is no number between 1 and 65535"),
        ({"port": 8000, "hairpin": 1}, "hairpin"),
        ({"port": "90-99"}, "tcp port 95 is forwarded to h1 already"),
    ],
    ids=str,
)
def test_a_forward_that_cannot_be_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    _, h1, modem, uplink = office()
    modem.forward(uplink, port="95-105", to=h1)
    with pytest.raises(TopologyError) as refused:
        modem.forward(uplink, to=h1, **arguments)
    assert sentence in str(refused.value)
    assert [item.words for item in modem.forwards] == ["95-105"]


def test_ports_of_a_range_keep_their_numbers() -> None:
    _, h1, modem, uplink = office()
    with pytest.raises(TopologyError, match="keep their numbers; write to=h1"):
        modem.forward(uplink, port="8000-8010", to=(h1, 9000))
    modem.forward(uplink, port="8000-8010", to=h1)
    modem.forward(uplink, port="8000-8010", to=h1)  # said again, it is the same
    assert modem.forwards[0].ports == range(8000, 8011)


@pytest.mark.parametrize("method", ["snat", "one_to_one"])
def test_an_address_outside_is_the_routers_own(method: str) -> None:
    home, h1, modem, uplink = office()
    modem.masquerade(uplink)
    if method == "snat":
        modem.snat(uplink, to="10.9.0.7")
    else:
        modem.one_to_one(uplink, address="10.9.0.7", to=h1)
    with pytest.raises(TopologyError, match=r"has 10\.9\.0\.2, 10\.9\.0\.3 on that link"):
        make_plan([home])


def test_one_to_one_needs_a_masquerade_and_a_host_inside() -> None:
    home, h1, modem, uplink = office()
    modem.one_to_one(uplink, address="10.9.0.3", to=h1)
    with pytest.raises(TopologyError, match="does not masquerade"):
        make_plan([home])
    modem.masquerade(uplink)
    assert "snat ip to 10.9.0.3" in make_plan([home]).node("modem").ruleset


def test_zones_are_rules_that_one_could_write() -> None:
    home, _, modem, uplink = office()
    dmz = Switch("dmz")
    Link(dmz, modem)
    modem.zones(inside=home, outside=uplink, dmz=dmz)
    assert modem.uplinks == (uplink,)
    assert [(rule.chain, rule.verdict, rule.match) for rule in modem.firewall] == [
        ("forward", "accept", "in by home - modem"),
        ("forward", "accept", "in by isp - modem, out by dmz - modem"),
        ("forward", "accept", "in by dmz - modem, out by isp - modem"),
        ("input", "accept", "in by home - modem"),
        ("input", "accept", "icmp"),
    ]


def test_a_link_is_in_one_zone() -> None:
    home, _, modem, uplink = office()
    with pytest.raises(TopologyError, match="in two zones"):
        modem.zones(inside=[home, uplink], outside=uplink)
    with pytest.raises(TopologyError, match="neither a link of this router"):
        modem.zones(inside=Switch("other"), outside=uplink)
    assert (modem.nat, modem.firewall.declared) == ([], ())


# -- what happens to packets -------------------------------------------------


@pytest.fixture(scope="module")
def cafe(engine: Engine) -> Iterator[Lab]:
    """h1 and h2 behind the modem, whose uplink has three addresses; a and b outside."""
    home, modem, isp = Switch("home", subnet="192.168.1.0/24"), Router("modem"), Router("isp")
    Link(home, modem, address="192.168.1.1")
    for number in (11, 12):
        Link(home, Host(f"h{number - 10}"), address=f"192.168.1.{number}")
    outside = ["10.9.0.2/24", "10.9.0.3/24", "10.9.0.4/24"]
    Link(isp, modem, addresses=("10.9.0.1/24", outside), mtu=1400)
    Link(isp, Host("a"), addresses=("10.1.0.1/24", "10.1.0.2/24"))
    Link(isp, Host("b"), addresses=("10.2.0.1/24", "10.2.0.2/24"))
    with Lab(home, quiet=True) as lab:
        serve(lab.node("a"), 80)
        serve(lab.node("h1"), 80)
        yield lab


@pytest.fixture
def modem(cafe: Lab) -> Iterator[Router]:
    """The modem, masquerading; afterwards it is told nothing."""
    modem = cafe.node("modem")
    assert isinstance(modem, Router)
    modem.masquerade(modem.links[1])
    yield modem
    modem.firewall.clear()
    modem.untranslate()
    assert not compare(cafe.running_plan(), cafe.plan())
    modem.forget()


A, B = "10.1.0.2", "10.2.0.2"


def test_what_leaves_has_the_address_that_was_asked_for(cafe: Lab, modem: Router) -> None:
    h1 = cafe.node("h1")
    assert ask(h1, A, 80).startswith("10.9.0.2 ")
    modem.snat(modem.links[1], to="10.9.0.4")
    assert ask(h1, A, 80).startswith("10.9.0.4 ")


def test_a_forward_is_there_at_once_and_gone_at_once(cafe: Lab, modem: Router) -> None:
    h1, h2, a = cafe.node("h1"), cafe.node("h2"), cafe.node("a")
    assert ask(a, "10.9.0.2", 8080) == "refused"
    modem.forward(modem.links[1], port=8080, to=(h1, 80))
    assert ask(a, "10.9.0.2", 8080).startswith(A)
    assert ask(h2, "10.9.0.2", 8080).startswith("192.168.1.1 ")  # hairpin
    modem.untranslate(*modem.forwards)
    assert ask(a, "10.9.0.2", 8080) == "refused"


def test_without_hairpin_a_forward_is_for_those_outside(cafe: Lab, modem: Router) -> None:
    h1, h2, a = cafe.node("h1"), cafe.node("h2"), cafe.node("a")
    modem.forward(modem.links[1], port="80-81", to=h1, hairpin=False)
    assert ask(a, "10.9.0.2", 80).startswith(A)
    assert ask(h2, "10.9.0.2", 80) == "refused"
    why = cafe.explain(h2, "10.9.0.2", port=80)
    assert (why.cause, why.node) == ("NAT", "modem")
    assert "hairpin=False" in why.sentence
    assert ask(h2, "192.168.1.11", 80).startswith("192.168.1.12 ")


def test_a_range_of_ports_comes_in_with_its_numbers(cafe: Lab, modem: Router) -> None:
    h1, a = cafe.node("h1"), cafe.node("a")
    modem.forward(modem.links[1], port="8000-8002", to=h1)
    with serve(h1, 8001):
        assert ask(a, "10.9.0.2", 8001).startswith(A)
        assert ask(a, "10.9.0.2", 8000) == "refused"
        assert ask(a, "10.9.0.2", 8003) == "refused"


def test_what_leaves_takes_a_port_of_the_range(cafe: Lab, modem: Router) -> None:
    modem.masquerade(modem.links[1], ports="30000-30001")
    a, h1 = cafe.node("a"), cafe.node("h1")
    seen = {ask(h1, A, 80) for _ in range(2)}
    assert seen <= {"10.9.0.2 30000", "10.9.0.2 30001"}
    assert_can_ping(h1, A)
    assert ask(a, "10.9.0.2", 30000) == "refused"


def segment_bytes(address: str) -> int:
    """Return the segment size (RFC 9293, MSS) that a connection to port 80 has."""
    import socket

    with socket.create_connection((address, 80), timeout=10) as line:
        return line.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)


def test_a_clamped_segment_fits_the_uplink(cafe: Lab, modem: Router) -> None:
    a, h1 = cafe.node("a"), cafe.node("h1")
    assert h1.call(segment_bytes, A) == 1448  # 1460 without the option of timestamps
    modem.masquerade(modem.links[1], clamp_mss=True)
    assert h1.call(segment_bytes, A) == 1348
    modem.forward(modem.links[1], port=80, to=h1)
    assert a.call(segment_bytes, "10.9.0.2") == 1348


def test_a_rule_keeps_somebody_from_a_forwarded_port(cafe: Lab, modem: Router) -> None:
    h1, a, b = (cafe.node(name) for name in ("h1", "a", "b"))
    modem.forward(modem.links[1], port=8080, to=(h1, 80))
    modem.firewall.drop(source=a)
    assert ask(a, "10.9.0.2", 8080) == "silence"
    assert ask(b, "10.9.0.2", 8080).startswith(B)


def test_one_address_stands_for_a_host_both_ways(cafe: Lab, modem: Router) -> None:
    h1, h2, a = cafe.node("h1"), cafe.node("h2"), cafe.node("a")
    modem.one_to_one(modem.links[1], address="10.9.0.3", to=h1)
    assert ask(h1, A, 80).startswith("10.9.0.3 ")
    assert ask(h2, A, 80).startswith("10.9.0.2 ")
    assert ask(a, "10.9.0.3", 80).startswith(A)
    assert ask(h2, "10.9.0.3", 80).startswith("192.168.1.1 ")


def test_zones_are_the_policy_of_a_home(cafe: Lab, modem: Router) -> None:
    h1, a = cafe.node("h1"), cafe.node("a")
    modem.zones(inside=cafe["home"], outside=modem.links[1])
    assert_can_ping(h1, A)
    assert_cannot_ping(a, "192.168.1.11")
    assert_can_ping(a, "10.9.0.2")
    assert ask(a, "10.9.0.2", 22) == "silence"
    assert ask(h1, "192.168.1.1", 2222) == "refused"  # the modem is there for those inside
    modem.forward(modem.links[1], port=8080, to=(h1, 80))
    assert ask(a, "10.9.0.2", 8080).startswith(A)


# -- hole punching -----------------------------------------------------------


def ports_seen(cafe: Lab) -> tuple[int, int]:
    """Return from which port of the modem's h1's port 5000 comes to a, and to b."""
    a, b, h1 = (cafe.node(name) for name in ("a", "b", "h1"))
    with serve(a, 7000, "udp") as at_a, serve(b, 7000, "udp") as at_b, speak(h1, 5000) as speaker:
        seen = []
        for address, server in ((A, at_a), (B, at_b)):
            speaker.write(f"{address}:7000\n")
            seen.append(int((server.stdout.readline() or "").split()[1]))
            assert speaker.stdout.readline() == f"{address} answer to hello"
    return seen[0], seen[1]


@pytest.mark.parametrize("kind", ["port-restricted", "full-cone"])
def test_a_cone_is_one_port_for_all(cafe: Lab, modem: Router, kind: str) -> None:
    modem.masquerade(modem.links[1], kind=kind)
    assert ports_seen(cafe) == (5000, 5000)


def test_a_symmetric_nat_has_a_port_for_each(cafe: Lab, modem: Router) -> None:
    modem.masquerade(modem.links[1], kind="symmetric")
    assert ports_seen(cafe) != (5000, 5000)


@pytest.mark.parametrize(
    ("kind", "answer"), [("port-restricted", "refused"), ("full-cone", "silence")]
)
def test_a_stranger_comes_in_through_a_full_cone_alone(
    cafe: Lab, modem: Router, kind: str, answer: str
) -> None:
    a, b, h1 = (cafe.node(name) for name in ("a", "b", "h1"))
    modem.masquerade(modem.links[1], kind=kind)
    with serve(a, 7000, "udp") as server, speak(h1, 5000) as speaker:
        speaker.write(f"{A}:7000\n")
        assert (server.stdout.readline() or "").split()[:2] == ["10.9.0.2", "5000"]
        assert speaker.stdout.readline() == f"{A} answer to hello"
        assert send(b, "10.9.0.2", 5000, timeout_s=1) == answer
        if kind == "full-cone":
            assert speaker.stdout.readline() == f"{B} unasked"


# -- helpers -----------------------------------------------------------------

# As a TFTP server does: it answers from another port than it was asked at.
TFTP = r"""
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 69))
print("listening", flush=True)
while True:
    request, who = server.recvfrom(600)
    answer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answer.sendto(b"\0\3\0\1data", who)
    answer.close()
"""


def fetch(address: str) -> str:
    """Ask a TFTP server for a file (RFC 1350); return its first block, or "silence"."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.sendto(b"\0\1file\0octet\0", (address, 69))
        try:
            return client.recv(600)[4:].decode()
        except TimeoutError:
            return "silence"


def test_tftp_needs_its_helper(cafe: Lab, modem: Router) -> None:
    a, h1 = cafe.node("a"), cafe.node("h1")
    with a.start(["python3", "-c", TFTP]) as server:
        assert server.stdout.readline() == "listening"
        assert h1.call(fetch, A) == "silence"
        modem.masquerade(modem.links[1], helpers=["ftp", "tftp"])
        assert h1.call(fetch, A) == "data"
