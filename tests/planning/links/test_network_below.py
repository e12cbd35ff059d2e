"""The network below a tunnel: shortest ways by cables, out of NAT and never in."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from playground.model.links.tunnel import Tunnel
from playground.model.topology import Host, Link, Router, Switch
from playground.planning.addresses.addressing import assign
from playground.planning.addresses.segments import collect, find_segments
from playground.planning.links.network_below import NetworkBelow


class Sites:
    """Two sites at a provider, of whom one hides behind a modem."""

    def __init__(self) -> None:
        self.r1, self.r2, self.isp = Router("r1"), Router("r2"), Router("isp")
        self.modem, self.home = Router("modem"), Host("home")
        Link(self.isp, self.r1, subnet="10.0.1.0/24")
        Link(self.isp, self.r2, subnet="10.0.2.0/24", mtu=1400)
        uplink = Link(self.isp, self.modem, subnet="10.0.3.0/24")
        self.modem.masquerade(uplink)
        lan = Switch("lan", subnet="192.168.1.0/24")
        Link(lan, self.modem)
        Link(lan, self.home)

    def below(self) -> NetworkBelow:
        segments = find_segments(collect([self.isp]))
        return NetworkBelow(segments, assign(segments))


@pytest.fixture
def sites() -> Sites:
    return Sites()


def test_a_way_has_the_addresses_at_its_ends_and_the_least_mtu(sites: Sites) -> None:
    way = sites.below().way(sites.r1, sites.r2, 4)
    assert way is not None
    assert (str(way.local), str(way.remote)) == ("10.0.1.2", "10.0.2.2")
    assert (way.mtu_bytes, way.masquerades) == (1400, None)


def test_a_way_leads_out_of_a_home_and_not_in(sites: Sites) -> None:
    out = sites.below().way(sites.home, sites.r1, 4)
    assert out is not None and out.masquerades is sites.modem
    assert sites.below().way(sites.r1, sites.home, 4) is None


def test_a_tunnel_is_no_part_of_it(sites: Sites) -> None:
    Tunnel(sites.r1, sites.r2, kind="gre")
    way = sites.below().way(sites.r1, sites.r2, 4)
    assert way is not None and str(way.local) == "10.0.1.2"


def test_only_addresses_that_a_node_has_there_can_be_its_end(sites: Sites) -> None:
    below = sites.below()
    assert below.way(sites.r1, sites.r2, 4, local=ip_address("10.9.9.9")) is None
    for own in ("10.0.1.1", "10.0.2.1"):
        way = below.way(sites.r1, sites.isp, 4, remote=ip_address(own))
        assert way is not None and (str(way.remote), way.mtu_bytes) == (own, 1500)


def test_no_way_of_a_family_that_nobody_speaks(sites: Sites) -> None:
    assert sites.below().way(sites.r1, sites.r2, 6) is None
