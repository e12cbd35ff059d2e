"""Addresses by DHCP: what is planned, and what hosts get from a real server."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from playground.engines.seam import Engine
from playground.errors import NotReady, TopologyError
from playground.lab.lab import Lab
from playground.model.services.dhcp import DHCP, DHCPRelay
from playground.model.services.ipv6.dhcpv6 import DHCPv6
from playground.operations.connection.commands import Job
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.dhcp_networks import server_lines
from playground.planning.difference import compare
from playground.planning.planner import make_plan
from tests.advice import check_advice, follow


class Home:
    """A modem that serves h1 and h2, and a web server behind it."""

    def __init__(self, **settings: object) -> None:
        self.settings = DHCP(**settings)  # type: ignore[arg-type]
        self.home = Switch("home", subnet="192.168.1.0/24")
        self.modem = Router("modem", services=[self.settings])
        self.h1, self.h2, self.www = Host("h1"), Host("h2"), Host("www")
        Link(self.home, self.modem, address="192.168.1.1")
        self.cable = Link(self.home, self.h1, address="dhcp")
        Link(self.home, self.h2, address="dhcp")
        self.uplink = Link(self.modem, self.www, subnet="10.9.9.0/24")

    def addresses(self) -> list[str]:
        plan = make_plan([self.home])
        return [str(plan.node(name).interfaces[0].addresses[0].ip) for name in ("h1", "h2")]


POOL = ("192.168.1.100", "192.168.1.199")


def test_hosts_get_addresses_of_the_pool_and_those_that_are_theirs() -> None:
    assert Home(pool=POOL).addresses() == ["192.168.1.100", "192.168.1.101"]
    assert Home(pool=POOL, static={"h2": "192.168.1.7"}).addresses() == [
        "192.168.1.100",
        "192.168.1.7",
    ]
    assert Home().addresses() == ["192.168.1.2", "192.168.1.3"]


def test_a_pool_is_kept_behind_a_relay_and_on_its_own_network_only() -> None:
    floor, hall = Switch("floor", subnet="192.168.1.0/24"), Switch("hall", subnet="10.2.2.0/24")
    office = Host("office", services=[DHCP(pool=POOL, static={"h2": "192.168.1.7"})])
    relay = Router("relay", services=[DHCPRelay(to="Office")])
    Link(floor, relay)
    Link(relay, hall)
    Link(hall, office)
    for name, switch in (("h1", floor), ("h2", floor), ("h3", hall)):
        Link(switch, Host(name), address="dhcp")
    plan = make_plan([floor])
    addresses = [str(plan.node(name).interfaces[0].addresses[0].ip) for name in ("h1", "h2", "h3")]
    assert addresses == ["192.168.1.100", "192.168.1.7", "10.2.2.3"]


def test_a_server_is_told_its_networks_in_dnsmasqs_words() -> None:
    home = Home(pool=POOL, lease_s=600)
    plan = make_plan([home.home])
    mac = plan.node("h1").interfaces[0].mac
    lines = server_lines(plan, plan.node("modem"))
    assert "dhcp-range=set:net0,192.168.1.100,192.168.1.199,255.255.255.0,600" in lines
    assert "dhcp-option=tag:net0,option:router,192.168.1.1" in lines
    assert f"dhcp-host={mac},192.168.1.100,h1" in lines


def test_one_declaration_serves_both_families() -> None:
    six = DHCPv6(lease_s=600)
    assert Host("a", services=[DHCP(ipv6=six, lease_s=300)]).declared_services == (
        DHCP(lease_s=300),
        six,
    )
    assert repr(Host("b", services=[DHCP(ipv6=True)])) == "Host('b', services=['dhcp', 'dhcpv6'])"
    with pytest.raises(TopologyError, match="service 'dhcpv6' is listed twice"):
        Host("c", services=[DHCP(ipv6=True), "dhcpv6"])
    with pytest.raises(TopologyError, match="ipv6='yes' is neither True nor False, nor a DHCPv6"):
        DHCP(ipv6="yes")  # type: ignore[arg-type]


def test_a_pool_that_nobody_set_is_what_is_free() -> None:
    home = Home()
    plan = make_plan([home.home])
    lines = server_lines(plan, plan.node("modem"))
    assert "dhcp-range=set:net0,192.168.1.155,192.168.1.254,255.255.255.0,3600" in lines


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pool": "192.168.1.100"}, "is no pair"),
        ({"pool": ("192.168.1.9", "x")}, "no IPv4 address"),
        ({"pool": ("192.168.1.9", "192.168.1.8")}, "above its last"),
        ({"lease_s": 5}, "from 120 on"),
        ({"static": {"h1": "nowhere"}}, "static address of h1"),
        ({"options": {"a b": "c"}}, "cannot be written down"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        Home(**settings)


def test_only_a_host_at_a_switch_asks_and_somebody_must_answer() -> None:
    with pytest.raises(TopologyError, match="for a host at a switch"):
        Link(Switch("s"), Router("r"), address="dhcp")
    lonely = Host("h9")
    Link(Switch("quiet"), lonely, address="dhcp")
    with pytest.raises(TopologyError, match="nobody on its network"):
        make_plan([lonely])


def test_a_static_address_lies_in_the_subnet() -> None:
    with pytest.raises(TopologyError, match=r"10\.0\.0\.7"):
        Home(static={"h1": "10.0.0.7"}).addresses()


# -- Running ------------------------------------------------------------------


def test_hosts_ask_a_server_for_their_addresses(engine: Engine) -> None:
    home = Home(pool=POOL, options={"ntp-server": "192.168.1.1"})
    with Lab(home.home, name="leases", quiet=True) as lab:
        leases = home.modem.read("/run/dnsmasq-dhcp.leases")
        rows = {line.split()[3]: line.split()[2] for line in leases.splitlines()}
        assert rows == {"h1": "192.168.1.100", "h2": "192.168.1.101"}
        assert "192.168.1.100/24" in home.h1.run("ip -4 addr show dev eth0").stdout
        assert home.h1.ping("www", count=1).received == 1
        assert home.h2.ping(home.h1, count=1).received == 1
        log = home.modem.read("/var/log/dnsmasq-dhcp.log")
        # One question is enough: the client waits until the server listens.
        for word in ("DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK"):
            assert log.count(word) == 2, log
        late = Host("late")
        Link(home.home, late, address="dhcp")
        lab.start()
        assert late.ping("www", count=1).received == 1
        assert not compare(lab.running_plan(), lab.plan())

        # A lease that has run out is not cured by declaring anything.
        home.h2.run("ip address flush dev eth0")
        found = lab.explain(home.h2, home.www)
        assert (found.node, found.cause) == ("h2", "no address"), found
        assert "its lease has run out" in found.advice
        assert "ipv6" not in found.advice
        check_advice(found, lab)
        follow(found, lab)


def test_a_relay_takes_questions_to_a_server_elsewhere(engine: Engine) -> None:
    floor = Switch("floor", subnet=["10.1.1.0/24", "2001:db8:1::/64"])
    six = DHCPv6(pool=("2001:db8:1::100", "2001:db8:1::1ff"))
    office = Host("office", services=[DHCP(pool=("10.1.1.100", "10.1.1.199"), ipv6=six)])
    router, guest = Router("r1", services=[DHCPRelay(to=office)]), Host("guest")
    up = Link(floor, router)
    Link(floor, guest, address=["dhcp", "dhcpv6"])
    Link(router, office, subnet=["10.2.2.0/24", "2001:db8:2::/64"])
    router.advertise(up, managed=True)
    with Lab(floor, name="relayed", quiet=True) as lab:
        address = lab.plan().node("guest").interfaces[0].addresses[0].ip
        assert address == IPv4Address("10.1.1.100")
        assert "2001:db8:1::100/128" in guest.run("ip -6 address show dev eth0").stdout
        assert "2001:db8:1::100" in office.read("/run/dnsmasq-dhcpv6.leases")
        assert guest.ping("2001:db8:2::2", count=1).received == 1
        assert str(address) in office.read("/run/dnsmasq-dhcp.leases")
        assert guest.ping(office, count=1).received == 1


def test_a_host_without_an_answer_stops_the_start(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playground.lab.apply.LEASE_TIMEOUT_S", 1.0)
    home = Home()
    home.cable.down()
    lab = Lab(home.home, name="deaf", quiet=True)
    with pytest.raises(NotReady, match=r"h1 asked by DHCP for 192\.168\.1\.2/24"):
        lab.start()
    assert not lab.running


def test_a_lab_with_leases_is_found_by_another_program(engine: Engine) -> None:
    home = Home(pool=POOL, static={"h2": "192.168.1.7"})
    with Lab(home.home, name="leases-kept", keep=True, quiet=True) as lab:
        try:
            with Lab.attach("leases-kept") as other:
                assert not compare(other.running_plan(), other.plan())
                assert other["h2"].run("hostname -I").stdout.split() == ["192.168.1.7"]  # type: ignore[union-attr]
        finally:
            lab.stop()


# A server that somebody writes and starts: it prints what it hears, offers one address after
# another as they are declined, and answers nothing that was sent to it alone once told so.
BY_HAND = """
import json, socket, struct, sys
own, *offered = sys.argv[1:]
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
server.setsockopt(socket.SOL_SOCKET, 25, b"eth0")
server.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
server.bind(("", 67))
print("ready", flush=True)
alone = 0
while True:
    data, extra, _, (source, _) = server.recvmsg(2048, 128)
    options, at = {}, 240
    while data[at] != 255:
        options[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    to = socket.inet_ntoa(extra[0][2][8:12])
    kind, has = options[53][0], socket.inet_ntoa(data[12:16])
    asked = socket.inet_ntoa(options[50]) if 50 in options else None
    print(json.dumps([kind, source, to, has, asked, 54 in options]), flush=True)
    if kind == 4:
        offered.pop(0)
        continue
    alone += to == own
    if alone > 1 and to == own:
        continue
    answer = bytearray(data[:240])
    answer[0] = 2
    answer[16:20] = socket.inet_aton(offered[0])
    said = {53: bytes([{1: 2, 3: 5}[kind]]), 54: socket.inet_aton(own), 51: struct.pack("!I", 6)}
    said |= {1: bytes([255, 255, 255, 0]), 3: socket.inet_aton(own), 6: socket.inet_aton(own)}
    body = b"".join(bytes([code, len(value)]) + value for code, value in said.items()) + b"\\xff"
    server.sendto(bytes(answer) + body, (has if has != "0.0.0.0" else "255.255.255.255", 68))
"""
DISCOVER, REQUEST, DECLINE = 1, 3, 4
NOBODY, EVERYBODY = "0.0.0.0", "255.255.255.255"


def heard(job: Job) -> list[Any]:
    """The server's next message: kind, from, to, own address, address asked, server."""
    line = job.stdout.readline()
    assert line, job.stderr.read()
    found: list[Any] = json.loads(line)
    return found


def test_a_client_follows_the_rfc_with_a_server_that_nobody_planned(engine: Engine) -> None:
    lan = Switch("lan", subnet="192.168.1.0/24")
    planned, rogue = Host("planned", services=[DHCP(pool=POOL)]), Host("rogue")
    Link(lan, planned)
    Link(lan, rogue)
    with Lab(lan, name="serv-rogue", quiet=True) as lab:
        own, taken = str(rogue.address), str(planned.address)
        planned.firewall.drop(port=67, protocol="udp")
        job = rogue.start(["python3", "-u", "-c", BY_HAND, own, taken, "192.168.1.66"])
        assert job.stdout.readline() == "ready"
        client = Host("client")
        cable = Link(lan, client, address="dhcp")
        lab.start()

        # Somebody has the first address that is offered, so it is declined (RFC 2131, 3.1).
        assert heard(job) == [DISCOVER, NOBODY, EVERYBODY, NOBODY, None, False]
        assert heard(job) == [REQUEST, NOBODY, EVERYBODY, NOBODY, taken, True]
        assert heard(job) == [DECLINE, NOBODY, EVERYBODY, NOBODY, taken, True]
        assert heard(job) == [DISCOVER, NOBODY, EVERYBODY, NOBODY, None, False]
        given = "192.168.1.66"
        assert heard(job) == [REQUEST, NOBODY, EVERYBODY, NOBODY, given, True]

        # The client's address is one that nobody planned.
        assert client.address == given
        assert f"{given}/24" in client.run("ip -4 addr show dev eth0").stdout
        assert client.nameservers == [own]
        assert f"default via {own}" in client.run("ip route").stdout
        assert client.ping(planned.address, count=1)

        # After half of the lease its server alone is asked (4.4.5, RENEWING) ...
        assert heard(job) == [REQUEST, given, own, given, None, False]
        # ... a cable that is put in again lets it ask all (INIT-REBOOT) ...
        cable.down()
        # The kernel tells nothing of what is out and in again within a moment.
        client.run("while ip link show eth0 | grep -q LOWER_UP; do sleep 0.02; done")
        cable.up()
        assert heard(job) == [REQUEST, NOBODY, EVERYBODY, NOBODY, given, False]
        # ... and where its server is silent it asks all in the end (REBINDING).
        alone, everybody = ([REQUEST, given, to, given, None, False] for to in (own, EVERYBODY))
        asked = [heard(job)]
        while asked[-1] == alone:
            asked.append(heard(job))
        assert len(asked) > 1
        assert asked[-1] == everybody
        assert f"{given}/24" in client.run("ip -4 addr show dev eth0").stdout
