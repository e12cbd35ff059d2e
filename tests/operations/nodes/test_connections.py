"""The connections that a node keeps in mind, and what it means to forget them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from playground.engines.seam import Engine
from playground.errors import BadArgument, NotRunning
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router, Switch
from playground.operations.nodes.connections import read_connection
from tests.census import wait_until
from tests.facts import assert_can_ping
from tests.traffic import serve, speak

ROW: dict[str, Any] = {
    "protocol": 6,
    "source": "192.168.1.11",
    "source_port": 40312,
    "destination": "10.1.0.2",
    "destination_port": 80,
    "reply_source": "10.1.0.2",
    "reply_source_port": 80,
    "reply_destination": "10.9.0.2",
    "reply_destination_port": 40312,
    "state": "ESTABLISHED",
    "status": 0x19E,  # IPS_SRC_NAT and others
    "expires_s": 431999,
}


def test_a_row_says_who_began_and_who_answers_whom() -> None:
    row = read_connection(ROW)
    assert (row.protocol, row.state, row.translated) == ("tcp", "ESTABLISHED", True)
    assert (row.source, row.source_port, row.answers_to, row.answers_to_port) == (
        "192.168.1.11",
        40312,
        "10.9.0.2",
        40312,
    )
    udp = read_connection(ROW | {"protocol": 17, "state": None, "status": 0x188})
    assert (udp.protocol, udp.state, udp.translated) == ("udp", "unanswered", False)
    assert read_connection(ROW | {"protocol": 200}).protocol == "200"


def test_a_node_that_does_not_run_has_none() -> None:
    with pytest.raises(NotRunning):
        Host("h1").connections()
    with pytest.raises(BadArgument, match="most=0 is no number of rows"):
        Host("h1").connections(most=0)


@pytest.fixture(scope="module")
def cafe(engine: Engine) -> Iterator[Lab]:
    """h1 behind the modem, and www outside; IPv6 everywhere."""
    home, modem, www = Switch("home", subnet="192.168.1.0/24"), Router("modem"), Host("www")
    Link(home, modem, address="192.168.1.1")
    Link(home, Host("h1"), address="192.168.1.11")
    modem.masquerade(Link(modem, www, addresses=("10.9.0.2/24", "10.9.0.1/24")))
    with Lab(home, ipv6=True, quiet=True) as lab:
        yield lab


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> None:
    if "cafe" in request.fixturenames:
        request.getfixturevalue("cafe").node("modem").forget()


def test_a_nat_knows_what_it_translates(cafe: Lab) -> None:
    h1, modem, www = (cafe.node(name) for name in ("h1", "modem", "www"))
    with serve(www, 7000, "udp"), speak(h1, 5000) as speaker:
        speaker.write("10.9.0.1:7000\n")
        assert speaker.stdout.readline() == "10.9.0.1 answer to hello"
        (row,) = modem.connections()
    assert (row.protocol, row.state, row.translated) == ("udp", "answered", True)
    assert (row.source, row.source_port) == ("192.168.1.11", 5000)
    assert (row.destination, row.destination_port) == ("10.9.0.1", 7000)
    assert (row.answers_to, row.answers_to_port) == ("10.9.0.2", 5000)


def test_both_families_and_icmp_are_connections_too(cafe: Lab) -> None:
    h1, modem = cafe.node("h1"), cafe.node("modem")
    assert_can_ping(h1, "10.9.0.1")
    assert_can_ping(h1, "www")  # IPv6, which comes first
    four, six = sorted(modem.connections(), key=lambda row: ":" in row.source)
    assert (four.protocol, four.translated) == ("icmp", True)
    assert (six.protocol, six.translated) == ("icmp", False)


def test_one_connection_or_all_can_be_forgotten(cafe: Lab) -> None:
    h1, modem, www = (cafe.node(name) for name in ("h1", "modem", "www"))
    with serve(www, 7000, "udp"), serve(www, 7001, "udp"), speak(h1, 5000) as speaker:
        for port in (7000, 7001):
            speaker.write(f"10.9.0.1:{port}\n")
            speaker.stdout.readline()
        first = next(row for row in modem.connections() if row.destination_port == 7000)
        assert modem.forget(first) == 1
        assert [row.destination_port for row in modem.connections()] == [7001]
        assert modem.forget(first) == 0
        assert modem.forget() == 1
        assert modem.connections() == ()


def test_what_is_forgotten_does_not_find_back(cafe: Lab) -> None:
    """An answer to a connection that the NAT has forgotten goes nowhere."""
    h1, modem, www = (cafe.node(name) for name in ("h1", "modem", "www"))
    with speak(www, 7000) as server, speak(h1, 5000) as client:
        client.write("10.9.0.1:7000\n")
        assert server.stdout.readline() == "10.9.0.2 hello"
        server.write("10.9.0.2:5000\n")
        assert client.stdout.readline() == "10.9.0.1 hello"
        modem.forget()
        server.write("10.9.0.2:5000\n")  # for the modem itself now
        wait_until(lambda: [row.source for row in modem.connections()] == ["10.9.0.1"])
        client.write("10.9.0.1:7000\n")  # begins anew
        assert server.stdout.readline() == "10.9.0.2 hello"
        row = next(row for row in modem.connections() if row.source == "192.168.1.11")
        assert row.state == "unanswered"
        assert row.answers_to_port != 5000  # which the modem keeps for what it got


def test_a_node_that_neither_translates_nor_filters_keeps_none(cafe: Lab) -> None:
    assert_can_ping(cafe.node("h1"), "www")
    assert cafe.node("h1").connections() == ()


def test_forget_takes_rows(cafe: Lab) -> None:
    with pytest.raises(BadArgument, match="takes rows"):
        cafe.node("modem").forget("all")  # type: ignore[arg-type]
