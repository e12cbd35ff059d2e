"""A link that is taken out takes along what was said of it, and of peers behind it."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab_as_json import save
from playground.lab.methods.link_removal import taken_out
from playground.model.topology import refuse_in_use
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


def test_a_running_lab_is_saved_while_a_link_is_out() -> None:
    home, away = Switch("home"), Switch("away")
    inner, host, watch = (Link(home, node) for node in (Router("r"), Host("h"), Host("w")))
    router = inner.ends[1].node
    assert isinstance(router, Router)
    uplink, spare = Link(router, away), Link(router, Host("spare"))
    Link(away, Host("server"))
    router.advertise(inner)
    router.request_prefix(uplink, to=[inner, spare])
    router.nat64(uplink)
    router.untranslate(*router.nat)
    home.set_port(host, cost=7)
    home.set_port(inner, cost=8)
    home.mirror(host, to=watch)
    nodes = [end.node for link in (inner, host, watch, uplink, spare) for end in link.ends]
    credentials = Credentials.make()

    def saved_without(link: Link) -> None:
        with taken_out(link):
            save(dict.fromkeys(nodes), without, credentials)
            raise KeyError  # as a start that fails does

    without = make_plan([Host("alone")])
    before = router.advertised, router.requested, router.translated64, home.mirrored
    for link in (inner, host, watch, uplink, spare):
        with pytest.raises(KeyError):
            saved_without(link)
        after = router.advertised, router.requested, router.translated64, home.mirrored
        assert after == before
        assert set(home.port_settings) == {host, inner}
    with taken_out(inner):
        assert (router.advertised, router.requested) == ({}, {uplink: (spare,)})
    with taken_out(host):
        assert (home.port_settings, home.mirrored) == ({}, None)
    with taken_out(uplink):
        assert (router.requested, router.translated64) == ({}, None)


@pytest.mark.parametrize("protocol", ["ospf", "bgp"])
def test_a_running_lab_is_saved_while_a_link_of_a_protocol_is_out(protocol: str) -> None:
    a, b = (Router(name, routing=protocol) for name in "ab")
    link = Link(a, b)
    if protocol == "ospf":
        a.ospf(link, cost=7)
    else:
        a.bgp(link, announce=True)
    with taken_out(link):
        assert (a.ospf_links, a.bgp_links) == ({}, {})
        save([a, b], make_plan([Host("alone")]), Credentials.make())


def test_routes_by_hand_go_before_their_link() -> None:
    a, b = Router("a"), Router("b")
    link = Link(a, b)
    route = a.route("10.9.0.0/16", via=b, link=link)
    with pytest.raises(TopologyError, match=r"take that back first with a\.own_routes\[0\]\."):
        refuse_in_use(link)
    route.remove()
    rule = a.policy_rule(link=link, table=7)
    with pytest.raises(TopologyError, match=r"while a\.own_rules\[0\] speaks of it"):
        refuse_in_use(link)
    rule.remove()
    refuse_in_use(link)
