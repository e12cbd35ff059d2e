"""Lines in FRR's words: the daemons that they need."""

from __future__ import annotations

import pytest

from playground.model.services.frr_daemon_of_line import lines_needing, services_needed

CONF = """\
frr version 10.3
hostname r1
password zebra
!
interface eth0
 ip address 10.0.1.1/24
 ip ospf area 0
 ip ospf bfd
 description the bfd link to vrrp
ip route 10.9.0.0/16 10.0.1.2
router bgp 65001
 bgp router-id 1.1.1.1
 neighbor 10.0.1.2 remote-as 65002
 address-family ipv4 unicast
  neighbor 10.0.1.2 route-map ospf in
"""


def test_a_text_needs_the_daemons_of_its_lines() -> None:
    assert services_needed(CONF) == ("ospf", "bfd", "bgp")
    assert [(line.number, line.text) for line in lines_needing(CONF) if line.service == "bfd"] == [
        (8, "ip ospf bfd")
    ]


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("router ospf6", ("ospf6",)),
        ("router ospf 1 vrf red", ("ospf",)),
        (" ipv6 ospf6 area 0", ("ospf6",)),
        ("router rip", ("rip",)),
        ("router ripng", ("ripng",)),
        ("router isis LAB", ("isis",)),
        (" ip router isis LAB", ("isis",)),
        (" ip router openfabric LAB", ("openfabric",)),
        ("bfd", ("bfd",)),
        (" neighbor 10.0.0.2 bfd", ("bfd",)),
        (" ip pim", ("pim",)),
        (" ip igmp version 3", ("pim",)),
        (" ipv6 mld", ("pim6",)),
        (" vrrp 5 ip 10.0.0.1", ("vrrp",)),
        ("mpls ldp", ("ldp",)),
        ("router eigrp 1", ("eigrp",)),
        ("router babel", ("babel",)),
        ("pbr-map A seq 1", ("pbr",)),
        (" ip nhrp network-id 1", ("nhrp",)),
        (" traffic-eng", ("segments",)),
        ("ip router-id 1.1.1.1", ()),
        ("ip prefix-list OSPF permit any", ()),
        ("ip forwarding", ()),
        ("no router ospf", ()),
        ("ipv6 route 2001:db8::/32 blackhole", ()),
        (" no ipv6 nd suppress-ra", ()),
        ("route-map bgp permit 10", ()),
    ],
)
def test_a_line_needs(line: str, needed: tuple[str, ...]) -> None:
    assert services_needed(line) == needed
