"""The flags that a kernel keeps of the routers that an interface has heard."""

from __future__ import annotations

import socket
import struct

from playground.agent.links.netlink import NLA_F_NESTED, attribute
from playground.agent.network.autoconfiguration import router_flags


def test_flags_are_found_in_what_ipv6_says_of_an_interface() -> None:
    # struct ifinfomsg, then IFLA_AF_SPEC > AF_INET6 > IFLA_INET6_FLAGS of linux/if_link.h
    inet6 = attribute(1, struct.pack("I", 0x80000060))
    specific = attribute(26 | NLA_F_NESTED, attribute(socket.AF_INET6 | NLA_F_NESTED, inet6))
    assert router_flags(bytes(16) + specific) == 0x80000060
    assert router_flags(bytes(16)) == 0
