"""Routes, policy rules and sysctls by hand: what is taken, and what packets do then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from playground.engines.seam import Engine
from playground.errors import AgentError, TopologyError, UnknownName
from playground.lab import lab_as_json
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Machine, Router, Switch
from playground.planning.plan import NodePlan
from playground.planning.planner import make_plan
from playground.planning.shell_script import own_route_as_shell
from tests.facts import assert_can_ping, assert_cannot_ping, assert_path


def own(node: NodePlan) -> list[str]:
    return [
        " ".join(
            [
                str(route.destination),
                *(f"via {hop.via} dev {hop.interface}" for hop in route.hops),
                *([f"metric {route.metric}"] if route.metric else []),
                route.kind,
                str(route.table),
            ]
        )
        for route in node.own_routes
    ]


# -- what is said ------------------------------------------------------------


@pytest.fixture
def pair() -> tuple[Router, Router, Link]:
    a, b = Router("a"), Router("b")
    link = Link(a, b, subnet="10.1.0.0/24")
    Link(b, Host("h1"), subnet="10.2.0.0/24")
    return a, b, link


def test_a_gateway_is_a_node_or_an_address(pair: tuple[Router, Router, Link]) -> None:
    a, b, link = pair
    a.route("10.7.0.0/16", via=b)
    a.route("10.8.0.0/16", via="10.1.0.2", metric=5)
    a.route("10.9.0.0/16", link=link, table=100)
    a.route("10.66.0.0/16", kind="blackhole")
    assert own(make_plan([a]).node("a")) == [
        "10.9.0.0/16 via None dev eth0 unicast 100",
        "10.66.0.0/16 blackhole 254",
        "10.7.0.0/16 via 10.1.0.2 dev eth0 unicast 254",
        "10.8.0.0/16 via 10.1.0.2 dev eth0 metric 5 unicast 254",
    ]


def test_a_route_by_hand_takes_the_place_of_the_labs_own(pair: tuple[Router, Router, Link]) -> None:
    a, _, _ = pair
    assert [str(route.destination) for route in make_plan([a]).node("a").routes] == ["10.2.0.0/24"]
    spare = a.route("10.2.0.0/24", via="10.1.0.2", metric=7)
    assert len(make_plan([a]).node("a").routes) == 1
    spare.remove()
    a.route("10.2.0.0/24", kind="prohibit")
    assert make_plan([a]).node("a").routes == ()


def test_the_same_route_again_replaces_it(pair: tuple[Router, Router, Link]) -> None:
    a, b, _ = pair
    a.route("default", via="10.1.0.9")
    made = a.route("default", via=b)
    assert a.own_routes == [made]
    made.remove()
    made.remove()
    assert a.own_routes == []


def test_a_rule_says_which_packets_go_by_another_table(pair: tuple[Router, Router, Link]) -> None:
    a, _, link = pair
    first = a.policy_rule(source="10.2.0.0/24", table=100)
    a.policy_rule(link=link, mark=7, table=101)
    rules = make_plan([a]).node("a").own_rules
    assert [(r.priority, str(r.source), r.interface, r.mark, r.table) for r in rules] == [
        (1000, "10.2.0.0/24", None, None, 100),
        (1001, "None", "eth0", 7, 101),
    ]
    first.remove()
    assert len(a.own_rules) == 1


def test_a_host_in_a_rule_stands_for_its_addresses(pair: tuple[Router, Router, Link]) -> None:
    a, b, _ = pair
    h1 = b.links[1].peer(b).node
    a.policy_rule(source=h1, destination=b, table=100)
    assert [(str(r.source), str(r.destination)) for r in make_plan([a]).node("a").own_rules] == [
        ("10.2.0.2/32", "10.1.0.2/32"),
        ("10.2.0.2/32", "10.2.0.1/32"),
    ]
    families = make_plan([a], ipv6=True).node("a").own_rules
    assert all(r.source.version == r.destination.version == r.family for r in families)


def test_a_rule_names_no_host_of_another_lab(pair: tuple[Router, Router, Link]) -> None:
    a, _, _ = pair
    a.policy_rule(source=Host("stranger"), table=100)
    with pytest.raises(TopologyError, match="table 100 names stranger, which has no address"):
        make_plan([a])


def test_sysctls_are_part_of_the_plan() -> None:
    h1 = Host("h1", sysctls={"net.ipv4.tcp_ecn": 1})
    h1.sysctls["net.ipv4.ip_default_ttl"] = 33
    Link(h1, Host("h2"))
    assert make_plan([h1]).node("h1").sysctls[-2:] == (
        ("net.ipv4.tcp_ecn", "1"),
        ("net.ipv4.ip_default_ttl", "33"),
    )
    assert repr(Host("h3", sysctls={"net.ipv4.tcp_ecn": 1})).endswith(
        "sysctls={'net.ipv4.tcp_ecn': '1'})"
    )


def test_what_was_said_by_hand_is_saved(pair: tuple[Router, Router, Link]) -> None:
    a, b, link = pair
    a.route("10.7.0.0/16", via=[b, "10.1.0.9"], link=link, table=100)
    a.policy_rule(source="10.2.0.0/24", table=100, link=link)
    a.policy_rule(source=b.links[1].peer(b).node, table=101)
    b.sysctls["net.ipv4.tcp_ecn"] = 1
    plan = make_plan([a])
    nodes = [a, *(link.peer(a).node for link in a.links), b.links[1].peer(b).node]
    loaded = lab_as_json.load(lab_as_json.save(nodes, plan, Credentials.make(None)))
    assert loaded.plan == plan
    assert make_plan(loaded.nodes) == make_plan([a])


STRANGER = Link(Host("x"), Host("y"))


@pytest.mark.parametrize(
    ("say", "complaint"),
    [
        (lambda h: h.route("10.9.0.0/16"), "needs a gateway"),
        (lambda h: h.route("10.9.0.1/16", via="10.0.0.1"), "is no range of addresses"),
        (lambda h: h.route("10.9.0.0/16", via="next door"), "is no gateway"),
        (lambda h: h.route("2001:db8:9::/64", via="10.0.0.1"), "address is not IPv6"),
        (lambda h: h.route("10.9.0.0/16", link=STRANGER), "not one of the links of h"),
        (lambda h: h.route("10.9.0.0/16", kind="throw"), "kind='throw' is not known"),
        (lambda h: h.route("10.9.0.0/16", via="10.1.0.1", kind="blackhole"), "leads nowhere"),
        (lambda h: h.route("10.9.0.0/16", via="10.1.0.1", metric=0), "no whole number from 1"),
        (lambda h: h.route("10.9.0.0/16", via="10.1.0.1", table=254), "is Linux's own"),
        (lambda h: h.policy_rule(table=100), "must say which packets"),
        (lambda h: h.policy_rule(table=None, mark=1), "must say which packets"),
        (lambda h: h.policy_rule(table=100, source=Switch("office")), "office is a switch"),
        (lambda h: h.policy_rule(table=100, mark=1, priority=0), "no whole number from 1"),
        (
            lambda h: h.policy_rule(table=100, source="10.0.0.0/8", destination="2001:db8::/32"),
            "different families",
        ),
        (lambda h: h.sysctls.__setitem__("kernel.hostname", "x"), "no setting of a node's own"),
        (lambda h: h.sysctls.__setitem__("net/../kernel/x", "1"), "no setting of a node's own"),
        (lambda h: h.sysctls.__setitem__("net.ipv4.ip_forward", ""), "cannot be ''"),
    ],
)
def test_what_cannot_be_is_refused(say: Callable[[Machine], Any], complaint: str) -> None:
    host = Host("h")
    with pytest.raises(TopologyError) as refused:
        say(host)
    assert complaint in str(refused.value)
    assert (host.own_routes, host.own_rules, host.own_sysctls) == ([], [], {})
    with pytest.raises(UnknownName, match=r"is not running, .* declared for 'net.x'"):
        host.sysctls["net.x"]


def test_a_gateway_far_away_is_refused(pair: tuple[Router, Router, Link]) -> None:
    a, _, _ = pair
    a.route("10.9.0.0/16", via="192.0.2.1")
    with pytest.raises(TopologyError, match=r"no IPv4 address on a link of a"):
        make_plan([a])


def test_ipv4_goes_over_a_next_hop_that_has_ipv6_alone() -> None:
    # RFC 8950
    a, b = Router("a"), Router("b")
    link = Link(a, b, subnet="2001:db8:1::/64")
    a.route("10.2.0.0/24", via=b)
    a.route("10.3.0.0/24", via="fe80::1", link=link)
    planned = make_plan([a]).node("a").own_routes
    assert [own_route_as_shell(route) for route in planned] == [
        "ip route add 10.2.0.0/24 via inet6 2001:db8:1::2 dev eth0",
        "ip route add 10.3.0.0/24 via inet6 fe80::1 dev eth0",
    ]
    a.route("10.4.0.0/24", via="fe80::1")
    with pytest.raises(TopologyError, match="say by which link= it is reached"):
        make_plan([a])


@pytest.mark.parametrize("of", ["eth0", "default", "all"])
def test_a_declared_sysctl_wins_over_the_labs_own(of: str) -> None:
    host = Host("h", sysctls={f"net/ipv6/conf/{of}/accept_ra": 2})
    Link(host, Router("r"), subnet="2001:db8:1::/64")
    found = make_plan([host]).node("h").sysctls
    assert [value for name, value in found if name == "net.ipv6.conf.eth0.accept_ra"] == ["2"]
    assert ("net.ipv6.conf.eth0.router_solicitations", "0") in found


def test_what_is_said_of_an_interface_is_nearer_than_what_is_said_of_all() -> None:
    host = Host("h")
    for name, value in (("all", 1), ("eth0", 2), ("default", 0)):
        host.sysctls[f"net.ipv4.conf.{name}.rp_filter"] = value
    Link(host, Router("r"))
    Link(host, Router("s"))
    found = dict(make_plan([host]).node("h").sysctls)
    assert [found[f"net.ipv4.conf.eth{n}.rp_filter"] for n in (0, 1)] == ["2", "1"]


def test_ipv6_cannot_be_off_where_it_has_an_address() -> None:
    host = Host("h", sysctls={"net.ipv6.conf.eth0.disable_ipv6": 1})
    Link(host, Router("r"), subnet="2001:db8:1::/64")
    with pytest.raises(TopologyError, match="sysctls turn IPv6 off where eth0 has the address"):
        make_plan([host])


# -- what packets do ---------------------------------------------------------


def test_packets_of_ipv4_cross_a_link_of_ipv6(engine: Engine) -> None:
    h1, h2, r1, r2 = Host("h1"), Host("h2"), Router("r1", routing=None), Router("r2", routing=None)
    setting = "net.ipv6.conf.eth1.accept_ra"
    r1.sysctls[setting] = 2
    Link(h1, r1, subnet="10.1.0.0/24")
    Link(r2, h2, subnet="10.2.0.0/24", names=("eth1", None))
    middle = Link(
        r1, r2, subnet="fd00::/64", names=("eth1", "eth0"), macs=(None, "02:00:00:00:00:02")
    )
    for host, router_ in ((h1, r1), (h2, r2)):
        host.route("default", via=router_)
    r2.route("10.1.0.0/24", via=r1)
    r1.route("10.2.0.0/24", via="fe80::ff:fe00:2", link=middle)
    with Lab(h1, quiet=True) as lab:
        assert r1.sysctls[setting] == "2"
        assert_can_ping(h1, "h2")
        [row] = [row for row in r1.routes() if str(row.destination) == "10.2.0.0/24"]
        assert str(row.via) == "fe80::ff:fe00:2"
        assert row.as_shell() == "ip route add 10.2.0.0/24 via inet6 fe80::ff:fe00:2 dev eth1"
        assert "neighbour   fe80::ff:fe00:2 is 02:00:00:00:00:02 at eth1" in str(
            lab.explain(h1, h2)
        )
        made = r1.route("10.2.0.0/24", via=["fd00::9", r2])
        rows = [row for row in r1.routes() if str(row.destination) == "10.2.0.0/24"]
        assert [str(row.via) for row in rows] == ["fd00::9", "fd00::2"]
        made.remove()
        r1.route("10.2.0.0/24", via="fd00::9")
        found = lab.explain(h1, h2)
        assert (found.node, found.cause) == ("r1", "wrong gateway")
        assert "fd00::9" in str(found)


@pytest.fixture(scope="module")
def diamond(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    """h1 - a, two ways from a to d by b and by c, d - h2; h3 is a second host at a."""
    a, b, c, d = (Router(name) for name in "abcd")
    for number, (one, other) in enumerate([(a, b), (b, d), (a, c), (c, d)]):
        Link(one, other, subnet=f"10.0.{number}.0/24")
    Link(a, Host("h1"), subnet="10.1.1.0/24")
    Link(d, Host("h2"), subnet="10.1.2.0/24")
    Link(a, Host("h3"), subnet="10.1.3.0/24")
    a.sysctls["net.ipv4.fib_multipath_hash_policy"] = 1
    with Lab(a, quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def router(lab: Lab, name: str) -> Router:
    found = lab[name]
    assert isinstance(found, Router)
    return found


def test_a_route_goes_the_other_way_and_back(diamond: Lab) -> None:
    a, h1 = router(diamond, "a"), diamond.node("h1")
    by_b = ("10.1.1.1", "10.0.0.2", "10.0.1.2", "10.1.2.2")
    assert_path(h1, "h2", *by_b)
    made = a.route("10.1.2.0/24", via=router(diamond, "c"))
    assert_path(h1, "h2", "10.1.1.1", "10.0.2.2", "10.0.1.2", "10.1.2.2")
    assert "10.1.2.0/24" not in [
        str(route.destination) for route in a.routes() if str(route.via) == "10.0.0.2"
    ]
    before = list(a.routes())
    diamond.start()  # what was said is done already
    assert list(a.routes()) == before
    made.remove()
    assert_path(h1, "h2", *by_b)


def test_equal_paths_share_what_is_sent(diamond: Lab) -> None:
    a = router(diamond, "a")
    made = a.route("10.1.2.0/24", via=[router(diamond, "b"), router(diamond, "c")])
    rows = [row for row in a.routes() if str(row.destination) == "10.1.2.0/24"]
    assert [str(row.via) for row in rows] == ["10.0.0.2", "10.0.2.2"]
    assert_can_ping(diamond.node("h1"), "h2")
    made.remove()


def test_a_blackhole_swallows_and_gives_back(diamond: Lab) -> None:
    a, h1 = router(diamond, "a"), diamond.node("h1")
    hole = a.route("10.1.2.0/24", kind="blackhole")
    assert_cannot_ping(h1, "h2")
    assert "blackhole" in [row.kind for row in a.routes()]
    hole.remove()
    assert_can_ping(h1, "h2")


def test_one_host_goes_by_a_table_of_its_own(diamond: Lab) -> None:
    a = router(diamond, "a")
    route = a.route("default", via=router(diamond, "c"), table=100)
    rule = a.policy_rule(source="10.1.3.0/24", table=100)
    assert_path(diamond.node("h3"), "h2", "10.1.3.1", "10.0.2.2", "10.0.1.2", "10.1.2.2")
    assert_path(diamond.node("h1"), "h2", "10.1.1.1", "10.0.0.2", "10.0.1.2", "10.1.2.2")
    [row] = a.policy_rules()
    assert row.as_shell() == "ip rule add priority 1000 from 10.1.3.0/24 table 100"
    assert "ip route add default via 10.0.2.2 dev eth1 table 100" in [
        item.as_shell() for item in a.routes()
    ]
    rule.remove()
    route.remove()
    assert list(a.policy_rules()) == []


def test_a_route_by_a_link_that_was_down_comes_back(diamond: Lab) -> None:
    a, c = router(diamond, "a"), router(diamond, "c")
    made = a.route("10.99.0.0/16", via=c)
    link = next(link for link in a.links if link.peer(a).node is c)

    def there() -> bool:
        return "10.99.0.0/16" in [str(route.destination) for route in a.routes()]

    assert there()
    link.down()
    assert not there()
    link.up()
    assert there()
    made.remove()


def test_sysctls_are_read_back_and_set_live(diamond: Lab) -> None:
    a = router(diamond, "a")
    assert a.sysctls["net.ipv4.fib_multipath_hash_policy"] == "1"
    a.sysctls["net.ipv4.ip_forward"] = False
    assert a.sysctls["net.ipv4.ip_forward"] == "0"
    assert_cannot_ping(diamond.node("h1"), "h2")
    a.sysctls["net.ipv4.ip_forward"] = True
    assert_can_ping(diamond.node("h1"), "h2")
    with pytest.raises(UnknownName, match="the kernel of a has no setting"):
        a.sysctls["net.ipv4.no_such_thing"]


def test_what_the_kernel_refuses_is_as_if_it_had_not_been_said(diamond: Lab) -> None:
    a = router(diamond, "a")
    with pytest.raises(AgentError):
        a.sysctls["net.ipv4.no_such_thing"] = 1
    assert "net.ipv4.no_such_thing" not in a.own_sysctls
    with pytest.raises(TopologyError):
        a.route("10.9.0.0/16", via="192.0.2.1")
    assert a.own_routes == []
    diamond.start()


def test_a_value_that_the_kernel_refuses_is_told_with_its_node(engine: Engine) -> None:
    h1 = Host("h1")
    Link(h1, Host("h2"))
    h1.sysctls["net.ipv4.ip_forward"] = "often"
    with pytest.raises(AgentError, match=r"^in h1: cannot set the sysctl .* to 'often'"):
        Lab(h1, quiet=True).start()
