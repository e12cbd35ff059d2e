"""Policies as data: what they let pass, how they are written, what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.routing.policy import (
    Deny,
    Permit,
    PrefixList,
    PrefixRule,
    RouteMap,
    as_python_pattern,
    as_route_map,
    check_policy,
)


@pytest.mark.parametrize(
    ("lines", "network", "passes"),
    [
        (["10.1.0.0/16"], "10.1.0.0/16", True),
        (["10.1.0.0/16"], "10.1.1.0/24", False),
        (["10.1.0.0/16 le 24"], "10.1.1.0/24", True),
        (["10.1.0.0/16 le 24"], "10.1.1.0/25", False),
        (["10.1.0.0/16 ge 20 le 24"], "10.1.0.0/16", False),
        (["10.1.0.0/16 ge 20 le 24"], "10.1.16.0/20", True),
        (["0.0.0.0/0 ge 25"], "10.1.1.0/32", True),
        (["0.0.0.0/0"], "0.0.0.0/0", True),
        (["0.0.0.0/0"], "10.0.0.0/8", False),
        (["deny 10.1.9.0/24", "10.1.0.0/16 le 24"], "10.1.9.0/24", False),
        (["deny 10.1.9.0/24", "10.1.0.0/16 le 24"], "10.1.8.0/24", True),
        (["2001:db8::/32 le 48", "10.0.0.0/8"], "2001:db8:1::/48", True),
        (["::/0 le 128"], "10.0.0.0/8", False),
    ],
)
def test_the_first_line_that_fits_decides(lines: list[str], network: str, passes: bool) -> None:
    assert PrefixList("some", *lines).passes(ip_network(network)) is passes


def test_lengths_that_say_nothing_are_left_out() -> None:
    # FRR refuses them: "Invalid prefix range".
    assert PrefixList("a", "10.0.0.0/8 ge 8", "10.0.0.0/8 le 8", "10.0.0.0/8 ge 8 le 24").rules == (
        PrefixRule(ip_network("10.0.0.0/8"), le=32),
        PrefixRule(ip_network("10.0.0.0/8")),
        PrefixRule(ip_network("10.0.0.0/8"), le=24),
    )


def test_a_policy_shows_as_it_is_written() -> None:
    policy = RouteMap(
        "from-customer",
        Deny(prefixes=["10.9.0.0/16", "10.8.0.0/16 le 24"]),
        Permit(community=["65001:1", "NO-export"], as_path="^65002_", set_local_preference=200),
        Permit(prefixes=PrefixList("own", "10.1.0.0/16"), prepend=2, add_community="65535:666"),
    )
    assert repr(policy) == (
        "RouteMap('from-customer', Deny(prefixes=['10.9.0.0/16', '10.8.0.0/16 le 24']), "
        "Permit(community=['65001:1', 'no-export'], as_path='^65002_', set_local_preference=200), "
        "Permit(prefixes=PrefixList('own', '10.1.0.0/16'), prepend=2, add_community='blackhole'))"
    )
    assert eval(repr(policy)) == policy
    assert hash(policy) == hash(eval(repr(policy)))


def test_a_list_is_a_route_map_that_lets_the_same_pass() -> None:
    some = PrefixList("some", "deny 10.1.9.0/24", "10.1.0.0/16 le 24")
    for network in ("10.1.9.0/24", "10.1.8.0/24", "10.2.0.0/16"):
        assert as_route_map(some).passes(ip_network(network)) == some.passes(ip_network(network))
    assert as_route_map(as_route_map(some)) == as_route_map(some)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("^$", "", True),
        ("^$", "65001", False),
        ("^65002_", "65002 65003", True),
        ("^65002_", "650021", False),
        ("_65002$", "65001 65002", True),
        ("_65002_", "1 65002 3", True),
        ("^65001( 65001)*$", "65001 65001", True),
    ],
)
def test_as_paths_are_read_as_frr_does(pattern: str, path: str, fits: bool) -> None:
    assert bool(re.search(as_python_pattern(pattern), path)) is fits


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (lambda: PrefixList("some"), "has 0 lines"),
        (lambda: PrefixList("some", 7), "7 is no line of prefixes"),
        (lambda: PrefixList("some", "10.0.0.1/8"), "is no line of prefixes"),
        (lambda: PrefixList("some", "10.0.0.0/8 le 40"), "fits nothing"),
        (lambda: PrefixList("some", "10.0.0.0/8 ge 24 le 16"), "fits nothing"),
        (lambda: PrefixList("1", "10.0.0.0/8"), "a policy's name is a word"),
        (lambda: PrefixList("a b", "10.0.0.0/8"), "a policy's name is a word"),
        (lambda: RouteMap("some"), "not of 0 of them"),
        (lambda: RouteMap("some", "permit"), "made of Permit(...) and Deny(...)"),
        (lambda: Permit(prefixes=7), "prefixes=7 is no PrefixList"),
        (lambda: Permit(community="65001:70000"), "'65001:70000' is no community"),
        (lambda: Deny(community=65001), "community=65001 is no community"),
        (lambda: Permit(as_path="65001;"), "is no regular expression of AS numbers"),
        (lambda: Permit(as_path="("), "is no regular expression of AS numbers"),
        (lambda: Permit(set_local_preference=-1), "set_local_preference=-1 is no whole number"),
        (lambda: Permit(prepend=21), "prepend=21 is no whole number from 0 to 20"),
        (lambda: Permit(set_metric_type=3), "set_metric_type=3 is no whole number from 1 to 2"),
        (
            lambda: Permit(set_community="65001:1", add_community="65001:2"),
            "leave one of the two out",
        ),
        (lambda: check_policy("r1", "send", "all"), "r1: send='all' is no policy"),
    ],
)
def test_what_cannot_be_is_refused(declare: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(TopologyError) as refused:
        declare()
    assert complaint in str(refused.value)
