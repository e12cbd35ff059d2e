"""Rulesets: their text, and whether nft takes it where it is at hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from playground.planning.nft_text import (
    MOST_EDITED,
    NO_RULES,
    Counter,
    Insertion,
    as_shell,
    comments_checksum,
    find_edit,
    make_ruleset,
    rule_as_shell,
    rule_lines,
)
from playground.planning.plan_parts import (
    DefaultPlan,
    FilterPlan,
    ForwardPlan,
    NatPlan,
    PairPlan,
    RulePlan,
    RulesetPlan,
    UplinkPlan,
)

INSIDE, OUTSIDE = ip_address("192.168.1.2"), ip_address("10.9.0.1")
WEB = ForwardPlan("eth0", (OUTSIDE,), "tcp", 8080, INSIDE, 80)
FTP = ForwardPlan("wan", (OUTSIDE, ip_address("10.9.0.2")), "tcp", 21, INSIDE, 2121)
DNS = ForwardPlan("eth0", WEB.addresses, "udp", 53, INSIDE, 53)
RANGE = replace(WEB, last_port=8090, hairpin=False)
PAIR = PairPlan("eth0", ip_address("10.9.0.3"), INSIDE)


def nat(
    *uplinks: str,
    forwards: tuple[ForwardPlan, ...] = (),
    pairs: tuple[PairPlan, ...] = (),
    helpers: tuple[str, ...] = ("ftp",),
    kind: str = "port-restricted",
    address: str | None = None,
    ports: tuple[int, int] | None = None,
    clamp_mss: bool = False,
) -> NatPlan:
    to = None if address is None else ip_address(address)
    plans = tuple(UplinkPlan(name, to, kind, ports, clamp_mss) for name in uplinks)
    return NatPlan(plans, forwards, pairs, helpers)


WEB_ONLY = FilterPlan(
    (
        RulePlan(1, "input", "accept", protocol="tcp", ports=((80, 80),)),
        RulePlan(
            2,
            "forward",
            "drop",
            sources=(ip_network("10.0.0.2"), ip_network("fd00::2")),
            comment="no",
        ),
    ),
    (DefaultPlan("input", "reject"),),
)


def test_masquerade() -> None:
    assert make_ruleset(RulesetPlan(nat("eth0"), FilterPlan())) == (
        """\
table inet playground
delete table inet playground
table inet playground {
	ct helper ftp {
		type "ftp" protocol tcp;
	}

	chain helpers {
		type filter hook prerouting priority filter; policy accept;
		tcp dport 21 ct helper set "ftp"
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "eth0" meta nfproto ipv4 masquerade
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		ct state established,related counter accept comment "established"
		iifname "eth0" counter drop comment "outside"
	}
}
"""
    )


def test_filters() -> None:
    assert make_ruleset(RulesetPlan(None, WEB_ONLY)) == (
        """\
table inet playground
delete table inet playground
table inet playground {
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" counter accept comment "loopback"
		ct state established,related counter accept comment "established"
		icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, \
nd-neighbor-advert } counter accept comment "neighbours"
		tcp dport 80 counter accept comment "1"
		counter reject comment "default"
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		ct state established,related counter accept comment "established"
		ip saddr 10.0.0.2 counter drop comment "2 no"
		ip6 saddr fd00::2 counter drop comment "2 no"
	}
}
"""
    )


def test_who_was_told_nothing_has_no_rules() -> None:
    assert make_ruleset(RulesetPlan(None, FilterPlan())) == ""


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        (nat("eth0", "wan"), 'oifname { "eth0", "wan" } meta nfproto ipv4 masquerade'),
        (nat("eth0", "wan"), 'iifname { "eth0", "wan" } counter drop'),
        (
            nat("eth0", forwards=(WEB,)),
            'iifname "eth0" ip daddr 10.9.0.1 tcp dport 8080 dnat ip to 192.168.1.2:80',
        ),
        (
            nat("eth0", forwards=(WEB,)),
            'iifname != "eth0" ip daddr 10.9.0.1 tcp dport 8080 meta mark set 0x70670001 '
            "dnat ip to 192.168.1.2:80",
        ),
        (nat("eth0", forwards=(WEB,)), "meta mark 0x70670001 masquerade"),
        (nat("eth0", forwards=(WEB,)), "ct status dnat counter accept"),
        (nat("eth0", forwards=(DNS,)), "udp dport 53 dnat ip to 192.168.1.2:53"),
        (nat("wan", forwards=(FTP,)), "ip daddr { 10.9.0.1, 10.9.0.2 } tcp dport 21"),
        (nat("wan", forwards=(FTP,)), 'tcp dport { 21, 2121 } ct helper set "ftp"'),
        (nat("wan", helpers=("ftp", "tftp")), 'udp dport 69 ct helper set "tftp"'),
        (nat("wan", kind="symmetric"), 'oifname "wan" meta nfproto ipv4 masquerade fully-random'),
        (nat("wan", address="10.9.0.2"), 'oifname "wan" meta nfproto ipv4 snat ip to 10.9.0.2'),
        (
            nat("eth0", forwards=(RANGE,)),
            'iifname "eth0" ip daddr 10.9.0.1 tcp dport 8080-8090 dnat ip to 192.168.1.2',
        ),
        (
            nat("wan", ports=(1024, 2047)),
            'oifname "wan" meta nfproto ipv4 meta l4proto { tcp, udp } masquerade to :1024-2047',
        ),
        (nat("wan", ports=(1024, 2047)), 'oifname "wan" meta nfproto ipv4 masquerade\n'),
        (
            nat("wan", ports=(1, 2), address="10.9.0.2", kind="symmetric"),
            "snat ip to 10.9.0.2:1-2 fully-random",
        ),
        (
            nat("wan", clamp_mss=True),
            'oifname "wan" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu',
        ),
        (nat("wan", kind="full-cone"), "dnat ip to udp dport map @cone0"),
        (nat("eth0", pairs=(PAIR,)), 'oifname "eth0" ip saddr 192.168.1.2 snat ip to 10.9.0.3'),
        (nat("eth0", pairs=(PAIR,)), 'iifname "eth0" ip daddr 10.9.0.3 dnat ip to 192.168.1.2'),
    ],
    ids=str,
)
def test_nat_rules(told: NatPlan, rule: str) -> None:
    assert rule in make_ruleset(RulesetPlan(told, FilterPlan()))


def test_a_firewall_without_a_memory_lets_in_what_nat_has_translated() -> None:
    filters = FilterPlan((), (DefaultPlan("forward", "accept", established=False),))
    lines = rule_lines(RulesetPlan(nat("eth0"), filters), "forward")
    comments = [line.comment for line in lines]
    assert comments == ["answers", "outside", "default"]


def test_without_hairpin_nothing_is_translated_for_those_inside() -> None:
    ruleset = make_ruleset(RulesetPlan(nat("eth0", forwards=(RANGE,)), FilterPlan()))
    assert 'iifname != "eth0"' not in ruleset


@pytest.mark.skipif(
    os.environ.get("CI") != "true"
    and (os.geteuid() != 0 or shutil.which("nft") is None or shutil.which("unshare") is None),
    reason="needs root, nft and unshare; a lab's helper has them, and the tests there use them",
)
@pytest.mark.parametrize(
    ("told", "filters"),
    [
        (nat("eth0"), FilterPlan()),
        (nat("eth0", "wan-1.5_x", forwards=(WEB, DNS)), FilterPlan()),
        (nat("wan", forwards=(FTP, RANGE)), FilterPlan()),
        (nat("wan", "eth0", ports=(1024, 2047), clamp_mss=True), WEB_ONLY),
        (nat("wan", kind="symmetric", helpers=("ftp", "tftp"), address="10.9.0.2"), WEB_ONLY),
        (nat("wan", "eth0", kind="full-cone", pairs=(PAIR,)), WEB_ONLY),
        (None, WEB_ONLY),
    ],
    ids=["masquerade", "two uplinks", "ftp", "ports", "symmetric", "cone", "filters"],
)
def test_nft_takes_it_and_loading_it_again_replaces_it(
    told: NatPlan | None, filters: FilterPlan
) -> None:
    ruleset = make_ruleset(RulesetPlan(told, filters))
    shell = "nft -f - && nft list ruleset > /dev/null"
    for text in (ruleset, ruleset + ruleset, ruleset + NO_RULES):
        done = subprocess.run(
            ["unshare", "-n", "sh", "-c", shell],
            input=text,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_a_ruleset_and_a_rule_as_commands() -> None:
    assert as_shell(NO_RULES).splitlines()[0] == "nft -f - <<'END'"
    assert (
        rule_as_shell("input", 'tcp dport 80 counter accept comment "1"')
        == "nft 'add rule inet playground input tcp dport 80 counter accept comment \"1\"'"
    )
    assert rule_as_shell("input", 'drop comment "1 don\'t"').count("'\"'\"'") == 1


# -- editing what is loaded ----------------------------------------------------


def port(number: int, chain: str = "input") -> RulePlan:
    return RulePlan(number, chain, "drop", protocol="tcp", ports=((number, number),))


def some(*rules: RulePlan, told: NatPlan | None = None, default: str = "") -> RulesetPlan:
    defaults = (DefaultPlan("input", default),) if default else ()
    return RulesetPlan(told, FilterPlan(rules, defaults))


def test_a_rule_at_the_end_is_added_and_one_before_others_inserted() -> None:
    old = some(port(1), port(2))
    three = 'tcp dport 3 counter drop comment "3"'
    for new, before in (((1, 2, 3), None), ((1, 3, 2), "2"), ((3, 1, 2), "1")):
        edit = find_edit(old, some(*map(port, new)))
        assert edit is not None
        assert edit.insert == (Insertion("input", before, three),)
        assert edit.remove == ()


def test_a_rule_stands_before_the_default() -> None:
    edit = find_edit(some(port(1), default="drop"), some(port(1), port(2), default="drop"))
    assert edit is not None
    assert [item.before for item in edit.insert] == ["default"]
    known = ["loopback", "established", "neighbours", "1", "default"]
    assert edit.known == {"input": comments_checksum(known)}


def test_a_rule_of_both_families_is_two_rules_with_one_comment() -> None:
    both = RulePlan(2, "input", "drop", sources=(ip_network("10.0.0.2"), ip_network("fd00::2")))
    edit = find_edit(some(port(1)), some(port(1), both))
    assert edit is not None
    assert [item.text for item in edit.insert] == [
        'ip saddr 10.0.0.2 counter drop comment "2"',
        'ip6 saddr fd00::2 counter drop comment "2"',
    ]
    back = find_edit(some(port(1), both), some(port(1)))
    assert back is not None
    assert back.remove == (Counter("input", "2"),)


def test_rules_of_two_chains_are_edited_at_once() -> None:
    old = some(port(1), port(2, "output"))
    edit = find_edit(old, some(port(2, "output"), port(3, "output"), port(4)))
    assert edit is not None
    assert edit.remove == (Counter("input", "1"),)
    assert [(item.chain, item.before) for item in edit.insert] == [
        ("input", None),
        ("output", None),
    ]
    assert edit.known.keys() == {"input", "output"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (some(), some(port(1))),
        (some(port(1)), some()),
        (some(port(1)), some(port(1), port(2, "output"))),
        (some(port(1)), some(port(1), default="drop")),
        (some(port(1)), some(port(1), told=nat("eth0"))),
        (some(port(1), port(2)), some(port(2), port(1))),
        (some(port(1)), some(replace(port(1), verdict="accept"))),
        (some(port(1)), some(port(1), *map(port, range(2, MOST_EDITED + 3)))),
    ],
    ids=[
        "a first rule",
        "the last one",
        "another chain",
        "a default",
        "NAT",
        "another order",
        "a rule that says something else",
        "many rules",
    ],
)
def test_all_is_loaded_where_more_differs(old: RulesetPlan, new: RulesetPlan) -> None:
    assert find_edit(old, new) is None


FORWARD = ForwardPlan(
    "eth0", (ip_address("203.0.113.1"),), "tcp", 8080, ip_address("192.168.1.11"), 80
)


def test_a_forward_replaces_the_chains_of_nat_and_leaves_the_rules() -> None:
    old = some(port(1, "forward"), told=nat("eth0"))
    edit = find_edit(old, some(port(1, "forward"), told=nat("eth0", forwards=(FORWARD,))))
    assert edit is not None
    assert edit.translations.splitlines()[:3] == [
        "flush chain inet playground prerouting",
        "flush chain inet playground postrouting",
        "table inet playground {",
    ]
    assert "dnat ip to 192.168.1.11:80" in edit.translations
    assert [item.text for item in edit.insert] == [
        'ct status dnat counter accept comment "forwarded"'
    ]
    back = find_edit(some(told=nat("eth0", clamp_mss=True)), some(told=nat("eth0")))
    assert back is not None
    assert back.translations.splitlines()[:2] == [
        "flush chain inet playground clamp_mss",
        "delete chain inet playground clamp_mss",
    ]


@pytest.mark.parametrize(
    "other",
    [nat("eth0", kind="full-cone"), nat("eth0", helpers=("ftp", "tftp"))],
    ids=["a map, which would lose what it holds", "a helper"],
)
def test_nat_that_takes_more_than_chains_is_loaded_whole(other: NatPlan) -> None:
    assert find_edit(some(told=nat("eth0")), some(told=other)) is None


def test_nothing_is_edited_between_a_ruleset_and_itself() -> None:
    edit = find_edit(WEB_AND_NAT, WEB_AND_NAT)
    assert edit is not None
    assert (edit.remove, edit.insert) == ((), ())


WEB_AND_NAT = RulesetPlan(nat("eth0"), WEB_ONLY)
