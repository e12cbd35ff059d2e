"""Firewalls as they are declared, and how they say no."""

from __future__ import annotations

from typing import Any

import pytest

from playground.errors import TopologyError
from playground.operations.network import Host, Link, Router, Switch


@pytest.fixture
def router() -> Router:
    home, modem, isp = Switch("home", subnet="10.5.0.0/24"), Router("modem"), Router("isp")
    Link(home, modem)
    Link(modem, isp)
    return modem


def test_rules_stand_in_the_order_told(router: Router) -> None:
    first = router.firewall.drop(protocol="tcp", port=25)
    second = router.firewall.accept(source="10.0.0.0/8")
    assert router.firewall.declared == (first, second)
    early = router.firewall.log(before=first)
    assert list(router.firewall) == [early, first, second]
    assert [rule.number for rule in router.firewall] == [3, 1, 2]


def test_a_number_is_never_given_twice(router: Router) -> None:
    router.firewall.drop().remove()
    assert router.firewall.drop().number == 2


def test_a_host_is_about_what_comes_in_and_a_router_about_what_goes_through(
    router: Router,
) -> None:
    h1 = Host("h1")
    assert (h1.firewall.drop().chain, router.firewall.drop().chain) == ("input", "forward")
    assert h1.firewall.drop(chain="output").chain == "output"


def test_a_block_is_one_change_or_none(router: Router) -> None:
    kept = router.firewall.drop()
    with pytest.raises(TopologyError), router.firewall.together() as firewall:
        firewall.clear()
        firewall.default("drop")
        firewall.accept(port=0)
    assert router.firewall.declared == (kept,)
    assert router.firewall.policy.defaults == ()


def test_a_rule_in_words(router: Router) -> None:
    home = router.links[0].peer(router).node
    rule = router.firewall.drop(
        source=home,
        destination=["10.9.0.1", "2001:db8::/32"],
        interface=router.links[0],
        out_interface="eth1",
        protocol="tcp",
        port=[25, "1000-2000"],
        source_port=53,
        state="new",
        over="10/second",
    )
    assert rule.match == (
        "from home, to 10.9.0.1, 2001:db8::/32, in by home - modem, out by eth1, tcp, "
        "port 25, 1000-2000, from port 53, new, over 10/second"
    )
    assert router.firewall.accept().match == "all"
    assert repr(router.firewall.accept(port=80)) == "Rule(3, accept, forward, ports=('80',))"
    assert repr(router.firewall) == "<firewall of modem: 3 rules>"


@pytest.mark.parametrize(
    ("match", "sentence"),
    [
        ({"source": "10.0.0.1/24"}, "is no address, network or node"),
        ({"source": "h1"}, "is no address, network or node"),
        ({"destination": 5}, "is no address, network or node"),
        ({"protocol": "ip"}, "protocol='ip' is not known"),
        ({"port": 0}, "is no port"),
        ({"port": "20-10"}, "is no port"),
        ({"port": True}, "is no port"),
        ({"port": 80, "protocol": "icmp"}, "icmp has no ports"),
        ({"state": "old"}, "state='old' is not known"),
        ({"rate": 10}, "is no rate"),
        ({"rate": "10/s"}, "is no rate"),
        ({"rate": "1/day", "over": "1/day"}, "not both"),
        ({"burst": 5}, "burst= belongs to rate="),
        ({"rate": "1/day", "burst": 0}, "is no number of packets"),
        ({"chain": "prerouting"}, "chain='prerouting' is not known"),
        ({"chain": "input", "out_interface": "eth0"}, "write interface="),
        ({"interface": "eth 0"}, "is no link of modem"),
        ({"interface": Switch("other")}, "is no link of modem"),
        ({"comment": 'say "hi"'}, "cannot be kept by the kernel"),
        ({"before": 7}, "has no rule 7"),
        ({"sources": "10.0.0.1"}, "knows no sources="),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    router: Router, match: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(TopologyError, match="the firewall of modem") as refused:
        router.firewall.drop(**match)
    assert sentence in str(refused.value)
    assert not router.firewall


def test_a_host_forwards_nothing() -> None:
    with pytest.raises(TopologyError, match="a host forwards nothing"):
        Host("h1").firewall.default("drop", chain="forward")


def test_a_default_is_one_of_three(router: Router) -> None:
    with pytest.raises(TopologyError, match="is not known"):
        router.firewall.default("log")


def test_what_is_not_there_cannot_be_removed(router: Router) -> None:
    rule = router.firewall.drop()
    with pytest.raises(TopologyError, match="has no rule 9: it has 1"):
        router.firewall.remove(rule, 9)
    assert router.firewall.declared == (rule,)


def test_before_the_start_rows_have_no_counts(router: Router) -> None:
    router.firewall.default("drop")
    router.firewall.accept(protocol="icmp", comment="pings")
    assert repr(router.firewall.rules()) == (
        "number  chain    verdict  match     packets  bytes  comment\n"
        "     1  forward  accept   icmp                      pings\n"
        "        forward  drop     all else"
    )
