"""Tunnels between routers that are no neighbours: what goes through them, and around it.

VXLAN is in every kernel on which labs run; the other kinds run on a second kernel too.

"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from playground.engines.docker.engine import DockerEngine
from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import EngineError, TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.lab.lab_as_json import load, save
from playground.model.kernel.features import FEATURES
from playground.operations.network import Host, Link, Router, Tunnel
from tests.facts import assert_can_ping, assert_cannot_ping, assert_path, wait_on


class Sites:
    """Two sites whose networks the provider between them knows nothing of."""

    lab: Lab

    def __init__(self, **said: Any) -> None:
        self.h1, self.h2 = Host("h1"), Host("h2")
        self.r1, self.r2 = Router("r1"), Router("r2")
        self.isp = Router("isp", routing=None)
        Link(self.h1, self.r1, subnet="192.168.1.0/24")
        Link(self.h2, self.r2, subnet="192.168.2.0/24")
        self.cable = Link(self.r1, self.isp, subnet="203.0.113.0/30")
        Link(self.isp, self.r2, subnet="203.0.113.4/30")
        if said:
            self.tunnel = Tunnel(self.r1, self.r2, subnet="10.9.0.0/30", **said)


@pytest.fixture(scope="module")
def sites(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Sites]:
    sites = Sites(kind="vxlan", vni=7)
    with Lab(sites.r1, quiet=True, engine=namespaces_engine) as sites.lab:
        keep_lab(sites.lab.id)
        yield sites


def test_the_sites_reach_each_other_by_the_tunnel(sites: Sites) -> None:
    assert_path(sites.h1, sites.h2, "192.168.1.1", "10.9.0.2", "192.168.2.2")


def test_inside_are_the_packets_and_around_them_those_of_the_network_below(sites: Sites) -> None:
    with sites.tunnel.capture() as inside, sites.cable.capture() as outside:
        assert_can_ping(sites.h1, sites.h2)
    assert {"192.168.1.2"} <= {packet.source for packet in inside if packet.protocol == "ICMP"}
    around = [packet for packet in outside if packet.destination == "203.0.113.6"]
    assert around and {packet.destination_port for packet in around} == {4789}


def test_what_is_longer_than_the_mtu_of_the_tunnel_is_refused_at_its_entry(sites: Sites) -> None:
    [one, _] = sites.tunnel.statistics()
    assert one.mtu_bytes == 1450
    fits = sites.h1.run("ping -c 1 -W 3 -M do -s 1422 192.168.2.2", check=False)
    longer = sites.h1.run("ping -c 1 -W 3 -M do -s 1423 192.168.2.2", check=False)
    assert fits.returncode == 0
    assert "mtu = 1450" in longer.stdout or "mtu=1450" in longer.stdout, longer


def test_a_tunnel_goes_down_and_up_with_the_ways_through_it(sites: Sites) -> None:
    sites.tunnel.down()
    assert_cannot_ping(sites.h1, sites.h2)
    sites.tunnel.up()
    assert_can_ping(sites.h1, sites.h2)


def test_frames_in_a_tunnel_are_impaired_as_on_a_cable(sites: Sites) -> None:
    sites.tunnel.impair(delay_ms=30)
    ping = sites.h1.ping(sites.h2, count=3, interval_s=0.05)
    sites.tunnel.restore()
    assert ping.rtt_ms is not None and ping.rtt_ms >= 60


def test_what_stops_a_tunnels_packets_below_is_named(sites: Sites) -> None:
    lab = sites.lab
    assert lab.explain(sites.h1, sites.h2).ok
    sites.isp.firewall.drop(protocol="udp", port=4789)
    found = lab.explain(sites.h1, sites.h2)
    sites.isp.firewall.remove(*sites.isp.firewall)
    assert (found.cause, found.node) == ("firewall", "isp")
    assert "What r1 sends into its tunnel vxlan0 to r2 does not come out there." in found.sentence


def test_ends_that_do_not_agree_are_told_from_a_network_that_does_not_lead(
    namespaces_engine: NamespacesEngine,
) -> None:
    sites = Sites(kind="vxlan")
    with Lab(sites.r1, quiet=True, engine=namespaces_engine) as lab:
        address = sites.r2.run("cat /sys/class/net/vxlan0/address").stdout.strip()
        sites.r2.run("ip link del vxlan0")
        wrong = f"ip link add vxlan0 address {address} type vxlan id 99 local 203.0.113.6"
        sites.r2.run(f"{wrong} remote 203.0.113.1 dstport 4789")
        sites.r2.run("ip link set vxlan0 up")
        sites.r2.run("ip address add 10.9.0.2/30 dev vxlan0")
        sites.r2.run("ip route add 192.168.1.0/24 via 10.9.0.1")
        found = lab.explain(sites.h1, sites.h2)
    assert (found.cause, found.node) == ("tunnel", "r1"), found
    assert "the two ends do not agree" in found.sentence


def test_the_commands_that_make_its_ends_are_those_of_the_plan(sites: Sites) -> None:
    words = "type vxlan id 7 local 203.0.113.1 remote 203.0.113.6 dstport 4789 ttl 64"
    [first, _] = sites.tunnel.as_shell()
    assert first.startswith("r1: ip link add vxlan0 mtu 1450 address 02:")
    assert first.endswith(words)
    there = sites.r1.run("ip -d link show vxlan0").stdout
    assert "vxlan id 7 remote 203.0.113.6 local 203.0.113.1" in there


def test_who_attaches_later_finds_the_tunnel(sites: Sites) -> None:
    lab = sites.lab
    saved = load(save(lab.nodes, lab.plan(), Credentials.make()))
    found = {node.name: node for node in saved.nodes}["r1"].links[-1]
    assert repr(found) == repr(sites.tunnel)
    assert saved.plan == lab.plan()


def test_a_tunnel_is_made_and_removed_while_the_lab_runs(
    namespaces_engine: NamespacesEngine,
) -> None:
    sites = Sites()
    with Lab(sites.r1, quiet=True, engine=namespaces_engine) as lab:
        assert_cannot_ping(sites.h1, sites.h2)
        tunnel = Tunnel(sites.r1, sites.r2, kind="vxlan")
        lab.start()
        assert_path(sites.h1, sites.h2, "192.168.1.1", "10.0.1.2", "192.168.2.2")
        lab.remove(tunnel)
        assert "vxlan0" not in sites.r1.run("ip link").stdout
        assert_cannot_ping(sites.h1, sites.h2)


@pytest.mark.parametrize("kind", ["vxlan", "wireguard"])
def test_it_is_there_on_docker_too(docker_engine: DockerEngine, kind: str) -> None:
    sites = Sites(kind=kind)
    with Lab(sites.r1, name="links-tunnels", quiet=True, engine=docker_engine):
        assert_path(sites.h1, sites.h2, "192.168.1.1", "10.9.0.2", "192.168.2.2")


def test_a_kernel_that_lacks_the_kind_is_named_with_the_module_and_nothing_is_left(
    namespaces_engine: NamespacesEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Asked for by a name that no kernel knows.
    strange = replace(FEATURES["vxlan"], name="no-such-kind")
    monkeypatch.setitem(FEATURES, "vxlan", strange)
    sites = Sites(kind="vxlan")
    lab = Lab(sites.r1, quiet=True, engine=namespaces_engine)
    with pytest.raises(EngineError, match=r"vxlan0 of r1, .* no vxlan .CONFIG_VXLAN.*modprobe"):
        lab.start()
    assert not lab.running


# -- WireGuard, by the kernel or by wireguard-go ---------------------------------


@pytest.fixture(scope="module")
def secret(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Sites]:
    sites = Sites(kind="wireguard")
    with Lab(sites.r1, quiet=True, engine=namespaces_engine) as sites.lab:
        keep_lab(sites.lab.id)
        yield sites


def test_what_is_inside_is_hidden_from_the_network_below(secret: Sites) -> None:
    with secret.tunnel.capture() as inside, secret.cable.capture() as outside:
        assert_path(secret.h1, secret.h2, "192.168.1.1", "10.9.0.2", "192.168.2.2")
    assert "192.168.1.2" in {packet.source for packet in inside}
    around = [packet for packet in outside if packet.destination == "203.0.113.6"]
    assert around and {packet.protocol for packet in around} == {"WireGuard"}
    assert secret.tunnel.statistics()[0].mtu_bytes == 1440


def test_both_ends_show_each_other_and_no_private_key_leaves_its_node(secret: Sites) -> None:
    one, other = (node.run("wg show wg0").stdout for node in (secret.r1, secret.r2))
    assert "latest handshake" in one and "endpoint: 203.0.113.6:51820" in one
    own, peer = (said.split("public key: ")[1].split()[0] for said in (one, other))
    assert f"peer: {peer}" in one and f"peer: {own}" in other
    keys = [node.read("/etc/wireguard/wg0.conf") for node in (secret.r1, secret.r2)]
    assert len({key.split("PrivateKey = ")[1].split()[0] for key in keys}) == 2
    assert "PrivateKey" not in secret.lab.plan().to_json()
    assert secret.r1.run("stat -c %a /etc/wireguard/wg0.conf").stdout.strip() == "600"


def test_a_secret_tunnel_goes_down_and_up_and_explains_itself(secret: Sites) -> None:
    assert secret.lab.explain(secret.h1, secret.h2).ok
    secret.tunnel.down()
    assert_cannot_ping(secret.h1, secret.h2)
    secret.tunnel.up()
    assert_can_ping(secret.h1, secret.h2)
    secret.isp.firewall.drop(protocol="udp", port=51820)
    found = secret.lab.explain(secret.h1, secret.h2)
    secret.isp.firewall.remove(*secret.isp.firewall)
    assert (found.cause, found.node) == ("firewall", "isp"), found


def test_a_tunnel_that_is_no_more_does_not_end_the_others(secret: Sites) -> None:
    secret.r1.write("/etc/wireguard/before.conf", "[Interface]\nListenPort = 51999\n")
    secret.r1.run("sv restart wireguard")
    wait_on(secret.r1, "sv status wireguard | grep '^run: ' && wg show wg0 endpoints | grep 203.0")
    wait_on(secret.h1, "ping -c1 -W2 h2")


def test_a_laptop_behind_a_modem_joins_the_network_of_its_office(
    namespaces_engine: NamespacesEngine,
) -> None:
    laptop, office, printer = Host("laptop"), Router("office"), Host("printer")
    modem, isp = Router("modem"), Router("isp")
    Link(laptop, modem, subnet="192.168.1.0/24")
    modem.masquerade(Link(modem, isp, subnet="203.0.113.0/30"))
    uplink = Link(isp, office, subnet="203.0.113.4/30")
    Link(office, printer, subnet="10.5.0.0/24")
    office.masquerade(uplink)
    Tunnel(laptop, office, kind="wireguard", subnet="10.9.0.0/30")
    with Lab(isp, quiet=True, engine=namespaces_engine):
        # The office could not begin it, and yet may begin to speak as soon as the lab runs.
        assert_can_ping(printer, "10.9.0.2")
        assert_path(laptop, printer, "10.9.0.1", "10.5.0.2")
        assert "persistent keepalive: every 25 seconds" in laptop.run("wg show").stdout


def test_programs_of_a_tunnel_come_with_the_image_of_a_node(
    namespaces_engine: NamespacesEngine,
) -> None:
    sites = Sites()
    with Lab(sites.r1, quiet=True, engine=namespaces_engine) as lab:
        tunnel = Tunnel(sites.r1, sites.r2, kind="wireguard")
        with pytest.raises(TopologyError, match=r"r1 runs already, .* services=\["):
            lab.start()
        lab.remove(tunnel)


# -- kinds that this kernel may lack -------------------------------------------

KINDS = [
    pytest.param(name, number, options, marks=pytest.mark.second_kernel(name), id=name)
    for name, number, options in (
        ("gre", 47, {"key": 5}),  # numbers of IANA's "Protocol Numbers"
        ("ipip", 4, {}),
        ("sit", 41, {}),
    )
]


@pytest.mark.parametrize(("kind", "protocol", "options"), KINDS)
def test_a_kind_carries_what_it_is_for(
    namespaces_engine: NamespacesEngine, kind: str, protocol: int, options: dict[str, Any]
) -> None:
    sites = Sites()
    if kind == "sit":
        Link(sites.h1, sites.r1, subnet="2001:db8:1::/64")
        Link(sites.h2, sites.r2, subnet="2001:db8:2::/64")
    tunnel = Tunnel(sites.r1, sites.r2, kind=kind, **options)
    goal = "2001:db8:2::2" if kind == "sit" else "192.168.2.2"
    with Lab(sites.r1, quiet=True, engine=namespaces_engine):
        with sites.cable.capture(filter=f"ip proto {protocol}") as outside:
            assert_can_ping(sites.h1, goal)
        assert len(outside) >= 2
        assert tunnel.statistics()[0].mtu_bytes == (1472 if kind == "gre" else 1480)
        tunnel.impair(delay_ms=20)
        ping = sites.h1.ping(goal, count=3, interval_s=0.05)
        assert ping.rtt_ms is not None and ping.rtt_ms >= 40
        tunnel.down()
        assert_cannot_ping(sites.h1, goal)
        tunnel.up()
        assert_can_ping(sites.h1, goal)
