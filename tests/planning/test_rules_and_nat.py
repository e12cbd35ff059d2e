"""Plans of firewalls and NAT: rules with addresses, and rows of what was counted."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.operations.network import Host, Link, Router, Switch
from playground.operations.nodes.firewall_counters import counted_rows
from playground.planning.nft_text import make_ruleset, rule_lines
from playground.planning.plan_parts import ForwardPlan, NatPlan, RulePlan, RulesetPlan, UplinkPlan
from playground.planning.planner import make_plan

WEB = ForwardPlan("eth0", (ip_address("10.9.0.1"),), "tcp", 8080, ip_address("192.168.1.2"), 80)


def masquerading(*uplinks: str, forwards: tuple[ForwardPlan, ...] = ()) -> str:
    return make_ruleset(RulesetPlan(NatPlan(tuple(map(UplinkPlan, uplinks)), forwards)))


# -- NAT ---------------------------------------------------------------------


def test_only_masquerading_routers_have_a_ruleset() -> None:
    modem, isp, h1 = Router("modem"), Router("isp"), Host("h1")
    Link(modem, h1)
    modem.masquerade(Link(modem, isp, names=("wan", None)))
    plan = make_plan([modem])
    assert plan.node("modem").ruleset == masquerading("wan")
    assert (plan.node("isp").ruleset, plan.node("h1").ruleset) == ("", "")


def test_a_forward_is_written_with_addresses() -> None:
    home, modem, isp, h1 = Switch("home"), Router("modem"), Router("isp"), Host("h1")
    Link(home, modem, address="192.168.1.1/24")
    Link(home, h1, address="192.168.1.2")
    uplink = Link(isp, modem, addresses=("10.25.1.1/32", "10.25.1.65/16"))
    modem.masquerade(uplink)
    modem.forward(uplink, port=8080, to=(h1, 80))
    wanted = ForwardPlan("eth1", (ip_address("10.25.1.65"),), "tcp", 8080, WEB.to, 80)
    assert make_plan([home]).node("modem").ruleset == masquerading("eth1", forwards=(wanted,))


def test_a_forward_goes_to_the_hosts_address_inside() -> None:
    modem, isp, h1 = Router("modem"), Router("isp"), Host("h1")
    uplink = Link(modem, isp)
    Link(isp, h1)
    Link(modem, h1)
    modem.masquerade(uplink)
    modem.forward(uplink, port=8080, to=h1)
    assert "dnat ip to 10.0.3.2:8080" in make_plan([modem]).node("modem").ruleset


# -- rules -------------------------------------------------------------------


def network() -> tuple[Switch, Host, Router, Router, Link]:
    home, h1 = Switch("home", subnet="10.5.0.0/24"), Host("h1")
    modem, isp = Router("modem"), Router("isp")
    Link(home, modem, address="10.5.0.1")
    Link(home, h1, address="10.5.0.2")
    return home, h1, modem, isp, Link(modem, isp, subnet="10.6.0.0/24", names=("wan", None))


def lines_of(node: Host | Router, ipv6: bool = False) -> list[str]:
    rules = make_plan([node], ipv6=ipv6).node(node.name).rules
    chains = ("input", "forward", "output")
    return [line.text for chain in chains for line in rule_lines(rules, chain) if line.rule]


def test_a_rule_of_a_plan_is_data() -> None:
    home, h1, modem, isp, uplink = network()
    several = ["10.0.0.1", "10.0.0.0/8", h1]
    modem.firewall.log(
        source=several,
        destination=isp,
        interface=home,
        out_interface=uplink,
        protocol="tcp",
        port=[80, "20-25", "22-30"],
        state="new",
        rate="5/second",
        comment="masquerade me",
    )
    plan = make_plan([modem])
    assert plan.node("modem").filters.rules == (
        RulePlan(
            1,
            "forward",
            "log",
            sources=(ip_network("10.0.0.0/8"),),
            destinations=(ip_network("10.6.0.2"),),
            interfaces=("eth0",),
            out_interfaces=("wan",),
            protocol="tcp",
            ports=((20, 30), (80, 80)),
            states=("new",),
            rate="5/second",
            comment="masquerade me",
            log_prefix="modem 1",
        ),
    )
    [node] = [one for one in json.loads(plan.to_json())["nodes"] if one["name"] == "modem"]
    [rule] = node["filters"]["rules"]
    assert (rule["sources"], rule["ports"], rule["verdict"]) == (
        ["10.0.0.0/8"],
        [[20, 30], [80, 80]],
        "log",
    )
    assert "ruleset" not in node


@pytest.mark.parametrize(
    ("match", "text"),
    [
        ({}, 'counter drop comment "1"'),
        ({"source": "10.0.0.0/8"}, 'ip saddr 10.0.0.0/8 counter drop comment "1"'),
        ({"destination": "fd00::1"}, 'ip6 daddr fd00::1 counter drop comment "1"'),
        (
            {"source": ["10.0.0.1", "10.0.0.0/8", "10.0.0.0/16"]},
            'ip saddr 10.0.0.0/8 counter drop comment "1"',
        ),
        (
            {"protocol": "tcp", "port": [80, "20-25", "22-30"]},
            'tcp dport { 20-30, 80 } counter drop comment "1"',
        ),
        ({"port": 53}, 'meta l4proto { tcp, udp } th dport 53 counter drop comment "1"'),
        ({"protocol": "icmp"}, 'meta l4proto { icmp, ipv6-icmp } counter drop comment "1"'),
        ({"protocol": "ospf"}, 'meta l4proto 89 counter drop comment "1"'),
        ({"protocol": "udp"}, 'meta l4proto udp counter drop comment "1"'),
        ({"source_port": 68, "protocol": "udp"}, 'udp sport 68 counter drop comment "1"'),
        ({"state": ["new", "invalid"]}, 'ct state new,invalid counter drop comment "1"'),
        ({"rate": "5/second"}, 'limit rate 5/second counter drop comment "1"'),
        (
            {"over": "5/minute", "burst": 9},
            'limit rate over 5/minute burst 9 packets counter drop comment "1"',
        ),
        ({"interface": "eth0"}, 'iifname "eth0" counter drop comment "1"'),
        ({"out_interface": ["eth0", "wan"]}, 'oifname { "eth0", "wan" } counter drop comment "1"'),
        ({"chain": "output", "interface": "wan"}, 'oifname "wan" counter drop comment "1"'),
        ({"comment": "why"}, 'counter drop comment "1 why"'),
    ],
    ids=str,
)
def test_a_rule_as_nft_says_it(match: dict[str, Any], text: str) -> None:
    _, _, modem, _, _ = network()
    modem.firewall.drop(**match)
    assert lines_of(modem) == [text]


def test_a_rule_may_name_nodes_and_links() -> None:
    home, h1, modem, isp, uplink = network()
    modem.firewall.accept(source=h1, destination=isp, interface=home, out_interface=uplink)
    modem.firewall.drop(source=home)
    assert lines_of(modem) == [
        'iifname "eth0" oifname "wan" ip saddr 10.5.0.2 ip daddr 10.6.0.2 '
        'counter accept comment "1"',
        'ip saddr 10.5.0.0/24 counter drop comment "2"',
    ]


def test_a_node_has_addresses_of_both_families() -> None:
    _, h1, modem, _, _ = network()
    modem.firewall.drop(source=h1)
    modem.firewall.drop(source=h1, destination="10.0.0.0/8")
    first, second, third = lines_of(modem, ipv6=True)
    assert first == 'ip saddr 10.5.0.2 counter drop comment "1"'
    assert second.startswith("ip6 saddr 2001:db8:")
    assert third == 'ip saddr 10.5.0.2 ip daddr 10.0.0.0/8 counter drop comment "2"'


def test_verdicts() -> None:
    _, h1, _, _, _ = network()
    h1.firewall.reject(protocol="tcp", port=80)
    h1.firewall.reject(protocol="udp")
    h1.firewall.log(protocol="tcp")
    assert lines_of(h1) == [
        'tcp dport 80 counter reject with tcp reset comment "1"',
        'meta l4proto udp counter reject comment "2"',
        'meta l4proto tcp counter log prefix "h1 3" group 7067 comment "3"',
    ]


@pytest.mark.parametrize(
    ("match", "sentence"),
    [
        ({"source": "10.0.0.1", "destination": "fd00::1"}, "fits no packet"),
        ({"source": Host("elsewhere")}, "names elsewhere, which has no address in this lab"),
        ({"source": Switch("elsewhere")}, "names elsewhere, which has no address in this lab"),
    ],
    ids=["two families", "host", "switch"],
)
def test_a_rule_about_nothing_is_refused_by_the_plan(match: dict[str, Any], sentence: str) -> None:
    _, _, modem, _, _ = network()
    modem.firewall.drop(**match)
    with pytest.raises(TopologyError, match=sentence):
        make_plan([modem])


def test_rows_have_the_sum_of_both_families() -> None:
    _, h1, modem, _, _ = network()
    modem.firewall.drop(source=h1, comment="h1")
    plan = make_plan([modem], ipv6=True).node("modem")
    counts = [
        ("forward", "established", 7, 700),
        ("forward", "1 h1", 2, 200),
        ("forward", "1 h1", 3, 300),
    ]
    rows = list(counted_rows(plan, modem.firewall.policy, counts))
    assert [(row.number, row.match, row.packets, row.bytes, row.comment) for row in rows] == [
        (None, "established connections", 7, 700, ""),
        (1, "from h1", 5, 500, "h1"),
    ]
    assert len(rows[1].nft) == 2
