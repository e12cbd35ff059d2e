"""Kinds of tunnels, and one end as the kernel is told of it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from playground.model.kernel.features import FEATURES
from playground.model.kernel.tunnels import KINDS, TunnelEnd

ONE, OTHER = ip_address("10.0.1.1"), ip_address("10.0.2.1")
SIX, SEVEN = ip_address("2001:db8::6"), ip_address("2001:db8::7")


@pytest.mark.parametrize(
    ("end", "bytes_"),
    [
        (TunnelEnd("gre", ONE, OTHER), 24),  # RFC 2784: 20 of IPv4, 4 of its own
        (TunnelEnd("gre", ONE, OTHER, number=1), 28),  # RFC 2890
        (TunnelEnd("ipip", ONE, OTHER), 20),
        (TunnelEnd("sit", ONE, OTHER), 20),
        (TunnelEnd("vxlan", ONE, OTHER, 1, 4789), 50),  # RFC 7348 section 5
        (TunnelEnd("vxlan", SIX, SEVEN, 1, 4789), 70),
    ],
)
def test_what_a_kind_adds_to_a_packet(end: TunnelEnd, bytes_: int) -> None:
    assert end.overhead_bytes == bytes_


def test_commands_are_those_of_iproute2() -> None:
    [gre] = TunnelEnd("gre", ONE, OTHER, number=7).as_shell("gre1", 1472, "")
    assert gre == ("ip link add gre1 mtu 1472 type gre key 7 local 10.0.1.1 remote 10.0.2.1 ttl 64")
    [vxlan] = TunnelEnd("vxlan", SIX, SEVEN, 9, 4789).as_shell("vxlan0", 1430, "02:00:00:00:00:01")
    assert vxlan == (
        "ip link add vxlan0 mtu 1430 address 02:00:00:00:00:01 type vxlan id 9 "
        "local 2001:db8::6 remote 2001:db8::7 dstport 4789 ttl 64"
    )


def test_every_kind_is_a_feature_that_the_kernel_is_asked_for() -> None:
    for name in KINDS:
        assert FEATURES[name].trial == ("link", name)
