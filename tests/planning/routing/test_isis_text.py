"""The settings of isisd, word for word."""

from __future__ import annotations

from playground.model.routing.isis import IsisLink, IsisOptions
from playground.model.routing.policy import Permit, RouteMap
from playground.planning.routing.frr_text import Redistribution
from playground.planning.routing.isis_text import IsisFamily, IsisPort, isis_settings

SAID = IsisLink(priority=7, password="secret", hello_s=2, hello_multiplier=4, bfd_ms=100)
PORTS = (
    IsisPort("eth0", "1-2", 10, passive=False, point_to_point=True),
    IsisPort("eth1", "1", 5, passive=True, point_to_point=False, said=SAID),
    IsisPort("lo", "1-2", 0, passive=True, point_to_point=False, local=True),
)


def test_isis() -> None:
    families = [
        IsisFamily(4, PORTS, True, (Redistribution("kernel"),)),
        IsisFamily(6, PORTS[:1], False, (Redistribution("ospf6", RouteMap("m", Permit())),)),
    ]
    options = IsisOptions("49.0001", "1-2", overload=True)
    assert isis_settings("49.0001.0100.0000.1001.00", options, families, "all", "r") == (
        "route-map m-ipv6 permit 10\n"
        "exit\n"
        "router isis lab\n"
        " is-type level-1-2\n"
        " lsp-gen-interval 1\n"
        " spf-interval 1\n"
        " net 49.0001.0100.0000.1001.00\n"
        " metric-style wide\n"
        " log-adjacency-changes\n"
        " topology ipv6-unicast\n"
        " set-overload-bit\n"
        " area-password md5 all authenticate snp validate\n"
        " domain-password md5 all authenticate snp validate\n"
        " redistribute ipv4 kernel level-1\n"
        " default-information originate ipv4 level-1 always\n"
        " redistribute ipv4 kernel level-2\n"
        " default-information originate ipv4 level-2 always\n"
        " redistribute ipv6 ospf6 level-1 route-map m-ipv6\n"
        " redistribute ipv6 ospf6 level-2 route-map m-ipv6\n"
        "interface eth0\n"
        " ip router isis lab\n"
        " ipv6 router isis lab\n"
        " isis circuit-type level-1-2\n"
        " isis metric 10\n"
        " isis hello-interval 1\n"
        " isis hello-multiplier 3\n"
        " isis csnp-interval 1\n"
        " isis psnp-interval 1\n"
        " isis network point-to-point\n"
        "interface eth1\n"
        " ip router isis lab\n"
        " isis circuit-type level-1\n"
        " isis metric 5\n"
        " isis hello-interval 2\n"
        " isis hello-multiplier 4\n"
        " isis csnp-interval 1\n"
        " isis psnp-interval 1\n"
        " isis passive\n"
        " isis priority 7\n"
        " isis password md5 secret\n"
        " isis bfd\n"
        " isis bfd profile every-100ms\n"
        "interface lo\n"
        " ip router isis lab\n"
        " isis circuit-type level-1-2\n"
        " isis metric 0\n"
        " isis passive\n"
    )
