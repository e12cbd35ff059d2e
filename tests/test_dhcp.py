"""Addresses by DHCP: what is planned, and what hosts get from a real server."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from playground.changes import compare
from playground.dhcp import server_lines
from playground.engine import Engine
from playground.errors import NotReady, TopologyError
from playground.lab import Lab
from playground.network import Host, Link, Router, Switch
from playground.planning import make_plan
from playground.services import DHCP, DHCPRelay


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


def test_a_server_is_told_its_networks_in_dnsmasqs_words() -> None:
    home = Home(pool=POOL, lease_s=600)
    plan = make_plan([home.home])
    mac = plan.node("h1").interfaces[0].mac
    lines = server_lines(plan, plan.node("modem"))
    assert "dhcp-range=set:net0,192.168.1.100,192.168.1.199,255.255.255.0,600" in lines
    assert "dhcp-option=tag:net0,option:router,192.168.1.1" in lines
    assert f"dhcp-host={mac},192.168.1.100,h1" in lines


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
        assert all(word in log for word in ("DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK"))
        late = Host("late")
        Link(home.home, late, address="dhcp")
        lab.start()
        assert late.ping("www", count=1).received == 1
        assert not compare(lab._plan, lab.plan())


def test_a_relay_takes_questions_to_a_server_elsewhere(engine: Engine) -> None:
    floor = Switch("floor", subnet="10.1.1.0/24")
    office = Host("office", services=[DHCP()])
    router, guest = Router("r1", services=[DHCPRelay(to=office)]), Host("guest")
    Link(floor, router)
    Link(floor, guest, address="dhcp")
    Link(router, office, subnet="10.2.2.0/24")
    with Lab(floor, name="relayed", quiet=True) as lab:
        address = lab.plan().node("guest").interfaces[0].addresses[0].ip
        assert isinstance(address, IPv4Address)
        assert str(address) in office.read("/run/dnsmasq-dhcp.leases")
        assert guest.ping(office, count=1).received == 1


def test_a_host_without_an_answer_stops_the_start(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playground.applying.LEASE_TIMEOUT_S", 1.0)
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
                assert not compare(other._plan, other.plan())
                assert other["h2"].run("hostname -I").stdout.split() == ["192.168.1.7"]  # type: ignore[union-attr]
        finally:
            lab.stop()
