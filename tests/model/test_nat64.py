"""What a router is told of hosts that have IPv6 alone."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.nat64 import Nat64
from playground.operations.network import Host, Link, Router, Switch


def test_a_router_that_translates_hides_what_it_translates() -> None:
    r1 = Router("r1")
    uplink = Link(Switch("outside"), r1)
    r1.nat64(uplink, pool="10.99.0.0/16")
    assert r1.translated64 == Nat64(
        uplink,
        ip_network("2001:db8:64:ff9b::/96"),  # type: ignore[arg-type]
        ip_network("10.99.0.0/16"),  # type: ignore[arg-type]
    )
    assert list(r1.uplinks) == [uplink]
    r1.masquerade(uplink, kind="symmetric")
    r1.nat64(uplink)
    assert [item.kind for item in r1.masquerades] == ["symmetric"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prefix": "2001:db8::/64"}, "no /96 of IPv6"),
        ({"prefix": "10.0.0.0/8"}, "no /96 of IPv6"),
        ({"prefix": None}, "no /96 of IPv6"),
        ({"pool": "10.0.0.0/31"}, "from /8 to /30"),
        ({"pool": "2001:db8::/96"}, "no range of IPv4"),
    ],
)
def test_what_is_no_prefix_and_no_pool_is_refused(arguments: dict[str, Any], words: str) -> None:
    r1 = Router("r1")
    uplink = Link(r1, Host("h1"))
    with pytest.raises(TopologyError, match=words):
        r1.nat64(uplink, **arguments)
    with pytest.raises(TopologyError, match="not one of its links"):
        r1.nat64(Link(Router("r2"), Host("h2")))
    assert r1.translated64 is None
    assert not r1.nat
