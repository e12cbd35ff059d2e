"""The text of radvd.conf(5)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from playground.planning.ipv6.radvd_text import radvd_text
from playground.planning.plan_parts import AdvertisementPlan

PREFIX = ip_network("2001:db8:1::/64")


def test_radvd_is_told_all_of_it() -> None:
    text = radvd_text(
        [
            AdvertisementPlan(
                "eth1",
                (PREFIX,),  # type: ignore[arg-type]
                managed=True,
                other=True,
                autonomous=False,
                lifetime_s=0,
                rdnss=(ip_address("2001:db8::53"),),  # type: ignore[arg-type]
                dnssl=("example.com", "lab"),
                preference="high",
            )
        ]
    )
    assert text == (
        "interface eth1 {\n"
        "\tAdvSendAdvert on;\n"
        "\tMinRtrAdvInterval 3;\n"
        "\tMaxRtrAdvInterval 10;\n"
        "\tAdvManagedFlag on;\n"
        "\tAdvOtherConfigFlag on;\n"
        "\tAdvDefaultLifetime 0;\n"
        "\tAdvDefaultPreference high;\n"
        "\tprefix 2001:db8:1::/64 { AdvOnLink on; AdvAutonomous off; };\n"
        "\tRDNSS 2001:db8::53 { };\n"
        "\tDNSSL example.com lab { };\n"
        "};\n"
    )
