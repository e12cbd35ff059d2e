"""The settings of routing daemons, word for word."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from playground.planning.routing.frr_text import (
    BgpFamily,
    BgpPeer,
    OspfPort,
    Redistribution,
    RipPort,
    bgp_settings,
    ospf6_settings,
    ospf_settings,
    rip_settings,
    ripng_settings,
)

ME = ip_address("10.0.1.1")
KERNEL = (Redistribution("kernel"),)


RIP_PORTS = [RipPort("eth0", False), RipPort("eth1", True)]


def test_ospf() -> None:
    ports = [
        OspfPort("eth0", "0.0.0.0", 10, passive=False, point_to_point=True),
        OspfPort("eth1", "0.0.0.1", 100, passive=True, point_to_point=False),
    ]
    assert ospf_settings(ME, ports, default=True, redistribute=KERNEL) == (
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
    assert rip_settings(
        RIP_PORTS, default=False, redistribute=[*KERNEL, Redistribution("bgp")]
    ) == (
        "router rip\n"
        " version 2\n"
        " network eth0\n"
        " network eth1\n"
        " passive-interface eth1\n"
        " timers basic 5 15 10\n"
        " redistribute kernel\n"
        " redistribute bgp\n"
    )


def test_ospf_for_ipv6() -> None:
    ports = [
        OspfPort("eth0", "0.0.0.0", 10, passive=False, point_to_point=True),
        OspfPort("eth1", "0.0.0.1", 100, passive=True, point_to_point=False),
    ]
    assert ospf6_settings(
        ME, ports, default=True, redistribute=(*KERNEL, Redistribution("ripng"))
    ) == (
        "router ospf6\n"
        " ospf6 router-id 10.0.1.1\n"
        " timers lsa min-arrival 0\n"
        " timers throttle spf 200 200 500\n"
        " log-adjacency-changes\n"
        " redistribute kernel\n"
        " redistribute ripng\n"
        " default-information originate always\n"
        "interface eth0\n"
        " ipv6 ospf6 area 0.0.0.0\n"
        " ipv6 ospf6 cost 10\n"
        " ipv6 ospf6 hello-interval 1\n"
        " ipv6 ospf6 dead-interval 3\n"
        " ipv6 ospf6 retransmit-interval 1\n"
        " ipv6 ospf6 network point-to-point\n"
        "interface eth1\n"
        " ipv6 ospf6 area 0.0.0.1\n"
        " ipv6 ospf6 cost 100\n"
        " ipv6 ospf6 hello-interval 1\n"
        " ipv6 ospf6 dead-interval 3\n"
        " ipv6 ospf6 retransmit-interval 1\n"
        " ipv6 ospf6 passive\n"
    )


def test_ripng() -> None:
    assert ripng_settings(RIP_PORTS, default=True, own=[ip_network("2001:db8:9::1/128")]) == (
        "router ripng\n"
        " network eth0\n"
        " network eth1\n"
        " passive-interface eth1\n"
        " route 2001:db8:9::1/128\n"
        " timers basic 5 15 10\n"
        " default-information originate\n"
    )


def test_bgp_has_sessions_for_each_family() -> None:
    inside = BgpPeer(ip_address("10.0.2.1"), 64512, source=ME)
    apart = BgpPeer(ip_address("10.7.0.1"), 64513, on_subnet=False)
    six = BgpPeer(ip_address("2001:db8::2"), 64513)
    families = [
        BgpFamily(4, (ip_network("10.0.1.0/24"),), (inside, apart), True, KERNEL),
        BgpFamily(6, (ip_network("2001:db8::/64"),), (six,)),
    ]
    assert bgp_settings(64512, ME, families) == (
        "router bgp 64512\n"
        " bgp router-id 10.0.1.1\n"
        " bgp log-neighbor-changes\n"
        " no bgp default ipv4-unicast\n"
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
        " neighbor 2001:db8::2 remote-as 64513\n"
        " neighbor 2001:db8::2 timers connect 1\n"
        " neighbor 2001:db8::2 advertisement-interval 0\n"
        " address-family ipv4 unicast\n"
        "  network 10.0.1.0/24\n"
        "  redistribute kernel\n"
        "  neighbor 10.0.2.1 activate\n"
        "  neighbor 10.0.2.1 next-hop-self\n"
        "  neighbor 10.0.2.1 default-originate\n"
        "  neighbor 10.7.0.1 activate\n"
        "  neighbor 10.7.0.1 default-originate\n"
        " exit-address-family\n"
        " address-family ipv6 unicast\n"
        "  network 2001:db8::/64\n"
        "  neighbor 2001:db8::2 activate\n"
        " exit-address-family\n"
    )
