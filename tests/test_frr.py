"""The settings of routing daemons, word for word."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from playground.frr import (
    BgpPeer,
    OspfPort,
    RipPort,
    bgp_settings,
    ospf_settings,
    rip_settings,
)

ME = ip_address("10.0.1.1")


def test_ospf() -> None:
    ports = [
        OspfPort("eth0", "0.0.0.0", 10, passive=False, point_to_point=True),
        OspfPort("eth1", "0.0.0.1", 100, passive=True, point_to_point=False),
    ]
    assert ospf_settings(ME, ports, default=True) == (
        "router ospf\n"
        " ospf router-id 10.0.1.1\n"
        " timers throttle lsa all 0\n"
        " timers lsa min-arrival 0\n"
        " timers throttle spf 10 50 500\n"
        " log-adjacency-changes\n"
        " redistribute kernel\n"
        " default-information originate always\n"
        "interface eth0\n"
        " ip ospf area 0.0.0.0\n"
        " ip ospf cost 10\n"
        " ip ospf dead-interval minimal hello-multiplier 4\n"
        " ip ospf retransmit-interval 1\n"
        " ip ospf network point-to-point\n"
        "interface eth1\n"
        " ip ospf area 0.0.0.1\n"
        " ip ospf cost 100\n"
        " ip ospf dead-interval minimal hello-multiplier 4\n"
        " ip ospf retransmit-interval 1\n"
        " ip ospf passive\n"
    )


def test_rip() -> None:
    assert rip_settings([RipPort("eth0", False), RipPort("eth1", True)], default=False) == (
        "router rip\n"
        " version 2\n"
        " network eth0\n"
        " network eth1\n"
        " passive-interface eth1\n"
        " timers basic 5 15 10\n"
        " redistribute kernel\n"
    )


def test_bgp() -> None:
    peers = [
        BgpPeer(ip_address("10.0.2.1"), 64512, source=ME),
        BgpPeer(ip_address("10.7.0.1"), 64513, on_subnet=False),
    ]
    networks = [ip_network("10.0.1.0/24")]
    assert bgp_settings(64512, ME, networks, peers, default=True) == (
        "router bgp 64512\n"
        " bgp router-id 10.0.1.1\n"
        " bgp log-neighbor-changes\n"
        " no bgp ebgp-requires-policy\n"
        " timers bgp 1 3\n"
        " coalesce-time 0\n"
        " neighbor 10.0.2.1 remote-as 64512\n"
        " neighbor 10.0.2.1 timers connect 1\n"
        " neighbor 10.0.2.1 advertisement-interval 0\n"
        " neighbor 10.0.2.1 update-source 10.0.1.1\n"
        " neighbor 10.7.0.1 remote-as 64513\n"
        " neighbor 10.7.0.1 timers connect 1\n"
        " neighbor 10.7.0.1 advertisement-interval 0\n"
        " neighbor 10.7.0.1 disable-connected-check\n"
        " address-family ipv4 unicast\n"
        "  network 10.0.1.0/24\n"
        "  redistribute kernel\n"
        "  neighbor 10.0.2.1 next-hop-self\n"
        "  neighbor 10.0.2.1 default-originate\n"
        "  neighbor 10.7.0.1 default-originate\n"
        " exit-address-family\n"
    )
