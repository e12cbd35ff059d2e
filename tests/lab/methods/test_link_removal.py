"""A link that is taken out takes along what was said of it, and of peers behind it."""

from __future__ import annotations

import pytest

from playground.lab.methods.link_removal import taken_out
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import make_plan


def test_what_was_said_of_a_link_goes_with_it_and_comes_back_with_it() -> None:
    a, b, c = (Router(name, routing="bgp") for name in "abc")
    exchange = Switch("exchange")
    links = [Link(exchange, router) for router in (a, b)]
    direct = Link(b, c)
    Link(a, Host("h"))
    a.bgp_peer(b, password="secret")
    b.bgp_peer(c, hold_s=9)
    b.vrrp(links[1], address="10.0.1.9", track=[direct])
    a.vrrp(links[0], address="10.0.1.9")
    make_plan([a])
    with pytest.raises(KeyError), taken_out(links[0]):
        assert (a.bgp_peers, a.virtual_routers) == ({}, ())
        assert set(b.bgp_peers) == {c}
        raise KeyError
    assert set(a.bgp_peers) == {b}
    assert a.virtual_routers
    with taken_out(direct):
        pass
    assert b.bgp_peers == {}
    assert b.virtual_routers[0].track == ()
    make_plan([a])
