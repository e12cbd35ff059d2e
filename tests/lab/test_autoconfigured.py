"""Hosts that get their IPv6 address from a router: facts of a network that runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playground.engines.seam import Engine
from playground.errors import LabWarning, NotReady
from playground.lab.lab import Lab
from playground.model.ipv6.slaac import SLAAC
from playground.model.services.ipv6.dhcpv6 import DHCPv6
from playground.operations.network import Host, Link, Router, Switch
from tests.facts import assert_can_ping, wait_on


class Campus:
    """Two networks with SLAAC at one router, and a host by hand."""

    def __init__(self) -> None:
        self.home = Switch("home", subnet=["10.3.0.0/24", "2001:db8:3::/64"])
        self.away = Switch("away", subnet="2001:db8:4::/64")
        self.r1 = Router("r1")
        self.h1, self.h2, self.h3 = Host("h1"), Host("h2"), Host("h3")
        self.lan = Link(self.home, self.r1)
        self.far = Link(self.away, self.r1)
        Link(self.home, self.h1, address="slaac")
        Link(self.home, self.h2)
        Link(self.away, self.h3, address=SLAAC(identifier="stable", temporary=True))
        self.r1.advertise(self.lan, dnssl="lab.example", rdnss="2001:db8:3::53", preference="high")
        self.r1.advertise(self.far)


@pytest.fixture(scope="module")
def campus(engine: Engine) -> Iterator[Campus]:
    it = Campus()
    with Lab(it.home, name="six-campus", engine=engine, quiet=True):
        yield it


def test_a_host_has_the_planned_address_when_the_start_returns(campus: Campus) -> None:
    said = campus.h1.run("ip -6 address show dev eth0 scope global").stdout
    planned = [item for item in campus.h1.interfaces["eth0"].addresses if item.version == 6]
    assert str(planned[0]) in said
    assert "dynamic" in said
    assert "tentative" not in said


def test_its_way_out_is_the_router_that_it_has_heard(campus: Campus) -> None:
    way = campus.h1.run("ip -6 route show default").stdout
    assert "proto ra" in way
    assert "via fe80:" in way
    assert "pref high" in way
    assert_can_ping(campus.h1, "h3")
    assert_can_ping(campus.h3, "h2")


def test_a_stable_address_is_planned_and_a_temporary_one_is_spoken_from(campus: Campus) -> None:
    said = campus.h3.run("ip -6 address show dev eth0 scope global").stdout
    assert str(campus.h3.interfaces["eth0"].addresses[0]) in said
    assert "stable-privacy" in said
    assert "temporary" in said


def test_the_name_server_of_which_the_router_tells_is_the_one_that_is_asked(campus: Campus) -> None:
    lines = campus.h1.run("cat /etc/resolv.conf").stdout.splitlines()
    assert lines[1:3] == ["search lab.example", "nameserver 2001:db8:3::53"]
    assert "2001:db8:3::53" not in campus.h2.run("cat /etc/resolv.conf").stdout


def test_who_did_not_ask_for_it_does_not_listen(campus: Campus) -> None:
    assert "proto ra" not in campus.h2.run("ip -6 route").stdout


def test_what_a_router_tells_changes_at_once(campus: Campus) -> None:
    campus.r1.advertise(campus.lan, rdnss="2001:db8:3::54", lifetime_s=0)
    wait_on(campus.h1, "grep -q '^nameserver 2001:db8:3::54' /etc/resolv.conf")
    wait_on(campus.h1, "! ip -6 route | grep -q ^default")
    campus.r1.advertise(campus.lan, rdnss="2001:db8:3::53", preference="high")
    wait_on(campus.h1, "ip -6 route | grep -q ^default")


def test_a_file_of_name_servers_has_those_of_routers_and_of_others(
    namespaces_engine: Engine,
) -> None:
    home, r1 = Switch("home", subnet="2001:db8:3::/64"), Router("r1")
    h1, ns = Host("h1"), Host("ns", services=["dns"])
    lan = Link(home, r1)
    r1.advertise(lan, rdnss="2001:db8:3::53")
    cable = Link(home, h1, address="slaac")
    with Lab(home, name="names-both", engine=namespaces_engine, quiet=True) as lab:
        assert h1.nameservers == ["2001:db8:3::53"]
        h1.nameservers = ["2001:db8:3::99"]
        # The lab gets a name server, and writes the file anew.
        Link(home, ns)
        lab.start()
        own = [str(item.ip) for item in ns.interfaces["eth0"].addresses if item.version == 6]
        assert h1.nameservers == ["2001:db8:3::53", *own]
        lab.remove(cable)
        Link(home, h1, address="slaac")
        lab.start()
        assert h1.nameservers == ["2001:db8:3::53", *own]
        assert h1.run("grep -c playground-name-servers /proc/net/unix").stdout == "1\n"
        h1.nameservers = ["2001:db8:3::99"]
        r1.advertise(lan, rdnss="2001:db8:3::54")
        wait_on(h1, "grep -q '^nameserver 2001:db8:3::54' /etc/resolv.conf")
        assert h1.nameservers[-1] == "2001:db8:3::99"


def test_a_host_that_comes_later_hears_the_router_too(namespaces_engine: Engine) -> None:
    home, r1 = Switch("home", subnet="2001:db8:3::/64"), Router("r1")
    h1, h2 = Host("h1"), Host("h2")
    r1.advertise(Link(home, r1))
    Link(home, h1, address="slaac")
    with Lab(home, name="six-later", engine=namespaces_engine, quiet=True) as lab:
        Link(home, h2, address="slaac")
        lab.start()
        assert "dynamic" in h2.run("ip -6 address show scope global").stdout
        assert_can_ping(h2, h1)


def test_a_start_names_the_address_that_another_has(namespaces_engine: Engine) -> None:
    home, r1 = Switch("home", subnet="2001:db8:3::/64"), Router("r1")
    h1, h2 = Host("h1"), Host("h2")
    r1.advertise(Link(home, r1))
    link = Link(home, h1, address="slaac", macs=(None, "02:00:00:00:00:01"))
    Link(home, h2, address="2001:db8:3:0:0:ff:fe00:1")
    with (
        pytest.warns(LabWarning, match="h1 makes the address 2001:db8:3::ff:fe00:1 itself, and h2"),
        pytest.raises(NotReady, match=r"h1 made the address 2001:db8:3::ff:fe00:1 on eth0, and"),
        Lab(home, name="six-taken", engine=namespaces_engine, quiet=True, strict=False),
    ):
        pass
    assert link in home.links


class Office:
    """Three networks at one router: with DHCPv6, and with SLAAC and DHCPv6 for the rest alone."""

    def __init__(self) -> None:
        self.hall = Switch("hall", subnet=["10.4.0.0/24", "2001:db8:a::/64"])
        self.lab = Switch("lab", subnet="2001:db8:b::/64")
        pool = ("2001:db8:a::100", "2001:db8:a::1ff")
        self.r1 = Router("r1", services=[DHCPv6(pool=pool)])
        self.info = Host("info", services=[DHCPv6(stateless=True)])
        self.ns, self.h1, self.h2 = Host("ns", services=["dns"]), Host("h1"), Host("h2")
        hall, lab = Link(self.hall, self.r1), Link(self.lab, self.r1)
        Link(self.hall, self.ns)
        Link(self.hall, self.h1, address="dhcpv6")
        Link(self.lab, self.info)
        Link(self.lab, self.h2, address=["slaac", "dhcpv6"])
        self.r1.advertise(hall, managed=True, rdnss=())
        self.r1.advertise(lab, other=True, rdnss=())


def test_an_address_comes_from_a_server_and_the_way_from_a_router(engine: Engine) -> None:
    it = Office()
    with Lab(it.hall, name="six-office", engine=engine, quiet=True):
        said = it.h1.run("ip -6 address show dev eth0 scope global").stdout
        assert "2001:db8:a::100/128" in said
        assert said.count("inet6") == 1  # it makes none of its own
        assert "proto ra" in it.h1.run("ip -6 route show default").stdout
        server = str(it.ns.interfaces["eth0"].addresses[1].ip)
        assert it.h1.nameservers == [server]
        # The other has made its address, and asked for the rest.
        assert "2001:db8:b::/64" in str(it.h2.interfaces["eth0"].addresses[0].network)
        assert it.h2.nameservers == [server]
        assert_can_ping(it.h2, "h1")
        assert_can_ping(it.ns, str(it.h2.interfaces["eth0"].addresses[0].ip))


def test_a_lab_may_configure_itself_everywhere(namespaces_engine: Engine) -> None:
    home, away, r1 = Switch("home"), Switch("away"), Router("r1")
    h1, h2 = Host("h1", sysctls={"net.ipv6.conf.all.max_addresses": 8}), Host("h2")
    for switch, host in ((home, h1), (away, h2)):
        Link(switch, r1)
        Link(switch, host)
    with Lab(home, name="six-all", engine=namespaces_engine, quiet=True, ipv6="slaac"):
        for host in (h1, h2):
            assert "dynamic" in host.run("ip -6 address show scope global").stdout
            assert "proto ra" in host.run("ip -6 route show default").stdout
        assert_can_ping(h1, str(h2.interfaces["eth0"].addresses[1].ip))


def test_a_secret_of_ones_own_may_be_written_short(namespaces_engine: Engine) -> None:
    secret = {"net.ipv6.conf.eth0.stable_secret": "2001:db8::1"}
    home, r1, h1 = (
        Switch("home", subnet="2001:db8:3::/64"),
        Router("r1"),
        Host("h1", sysctls=secret),
    )
    Link(home, r1)
    Link(home, h1)
    with Lab(home, name="six-secret", engine=namespaces_engine, quiet=True):
        assert h1.sysctls["net.ipv6.conf.eth0.stable_secret"].endswith(":0001")
