"""Tunnels as they are declared: checked at once, and read back as they were written."""

from __future__ import annotations

import pytest

from playground.errors import BadArgument, TopologyError
from playground.model.links.tunnel import Tunnel
from playground.model.topology import Host, Router, Switch

A, B = Router("a"), Host("b")


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (lambda: Tunnel(A, Switch("s"), kind="gre"), "joins two hosts or routers, and .*switch s"),
        (lambda: Tunnel(A, A, kind="gre"), "both ends are the same node"),
        (lambda: Tunnel(A, B, kind="tap"), 'no kind of tunnel .tap.; write one of "gre", "ipip"'),
        (lambda: Tunnel(A, B, kind="ipip", key=1), 'key= is a number of kind "gre"'),
        (lambda: Tunnel(A, B, kind="gre", key=2**32), "from 0 to 4294967295 .RFC 2784, RFC 2890"),
        (lambda: Tunnel(A, B, kind="vxlan", vni=0), "vni=0 is no number from 1 to 16777215"),
        (lambda: Tunnel(A, B, kind="gre", port=4789), "has no ports, for it is no UDP"),
        (lambda: Tunnel(A, B, kind="vxlan", port=0), "no UDP port"),
        (lambda: Tunnel(A, B, kind="vxlan", port=10**5000), "port=<int> is no UDP port"),
        (lambda: Tunnel(A, B, kind="gre", key=10**5000), "key=<int> is no number"),
        (lambda: Tunnel(A, B, kind=10**5000), "no kind of tunnel <int>"),
        (lambda: Tunnel(A, B, kind="gre", macs=("02:00:00:00:00:01", None)), "bare packets"),
        (lambda: Tunnel(A, B, kind="sit", subnet="10.0.0.0/24"), "carries IPv6 alone"),
        (lambda: Tunnel(A, B, kind="ipip", subnet="2001:db8::/64"), "carries IPv4 alone"),
        (lambda: Tunnel(A, B, kind="gre", endpoints=("2001:db8::1", None)), "runs over IPv4"),
        (lambda: Tunnel(A, B, kind="gre", endpoints=("10.0.0.1/24", None)), 'write "10.0.0.1"'),
        (lambda: Tunnel(A, B, kind="gre", endpoints="10.0.0.1"), "endpoints is a pair"),
        (
            lambda: Tunnel(A, B, kind="vxlan", endpoints=("10.0.0.1", "2001:db8::1")),
            "are of two families",
        ),
        (lambda: Tunnel(A, B, kind="gre", mtu=20), "not a number of bytes between 68"),
    ],
)
def test_what_cannot_be_is_refused_at_once_and_leaves_no_trace(declare, words) -> None:
    with pytest.raises(TopologyError, match=words):
        declare()
    assert A.links == B.links == []


@pytest.mark.parametrize(
    "said",
    [
        "kind='gre', subnet='10.9.0.0/30', key=7",
        "kind='ipip', names=('up', None)",
        "kind='vxlan', endpoints=('10.0.0.1', None), vni=5, port=8472, mtu=1400",
        "kind='sit', offload=True",
    ],
)
def test_it_is_written_as_it_was_declared(said: str) -> None:
    text = f"Tunnel(a, b, {said})"
    assert repr(eval(text, {"Tunnel": Tunnel, "a": Router("a"), "b": Host("b")})) == text


def test_it_is_a_link_of_both_nodes_and_keeps_what_was_said() -> None:
    a, b = Router("a"), Host("b")
    tunnel = Tunnel(a, b, kind="gre", key=7)
    assert a.links == b.links == [tunnel]
    assert (tunnel.kind, tunnel.families, tunnel.tunnel.number) == ("gre", (4, 6), 7)
    with pytest.raises(TopologyError, match="leads to no switch with VLANs"):
        tunnel.change(vlan=10)
    with pytest.raises(BadArgument):
        tunnel.tunnel = None
