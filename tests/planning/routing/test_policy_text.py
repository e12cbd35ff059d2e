"""Policies in FRR's words, word for word."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.model.routing.policy import Deny, Permit, PrefixList, RouteMap
from playground.planning.routing.policy_text import PolicyTexts

SOME = PrefixList("some", "deny 10.1.9.0/24", "10.1.0.0/16 le 24", "2001:db8::/32 ge 48")


def test_a_list_has_the_lines_of_its_family() -> None:
    four, six = PolicyTexts("r", 4), PolicyTexts("r", 6)
    assert (four.prefix_list(SOME), six.prefix_list(SOME)) == ("some", "some")
    four.prefix_list(SOME)  # a second time it is there
    assert four.lines == [
        "ip prefix-list some seq 5 deny 10.1.9.0/24",
        "ip prefix-list some seq 10 permit 10.1.0.0/16 le 24",
    ]
    assert six.lines == ["ipv6 prefix-list some seq 5 permit 2001:db8::/32 ge 48"]
    nothing = PolicyTexts("r", 6)
    nothing.prefix_list(PrefixList("four", "10.0.0.0/8"))
    assert nothing.lines == ["ipv6 prefix-list four seq 5 deny any"]


def test_a_route_map_with_all_there_is() -> None:
    texts = PolicyTexts("r", 4, as_number=65001)
    policy = RouteMap(
        "all",
        Deny(prefixes=SOME, tag=7),
        Permit(
            prefixes="10.2.0.0/16",
            community=["65001:1", "no-export"],
            as_path="^65002_",
            set_local_preference=200,
            set_metric=50,
            prepend=2,
            add_community="65001:2",
        ),
        Permit(set_weight=1, set_tag=9, set_metric_type=1, set_community=["1:1", "2:2"]),
    )
    assert texts.route_map(policy) == "all"
    assert texts.lines == [
        "ip prefix-list some seq 5 deny 10.1.9.0/24",
        "ip prefix-list some seq 10 permit 10.1.0.0/16 le 24",
        "route-map all deny 10",
        " match ip address prefix-list some",
        " match tag 7",
        "exit",
        "ip prefix-list all-20 seq 5 permit 10.2.0.0/16",
        "bgp community-list standard all-20 seq 5 permit 65001:1",
        "bgp community-list standard all-20 seq 10 permit no-export",
        "bgp as-path access-list all-20 seq 5 permit ^65002_",
        "route-map all permit 20",
        " match ip address prefix-list all-20",
        " match community all-20",
        " match as-path all-20",
        " set local-preference 200",
        " set metric 50",
        " set as-path prepend 65001 65001",
        " set community 65001:2 additive",
        "exit",
        "route-map all permit 30",
        " set weight 1",
        " set tag 9",
        " set metric-type type-1",
        " set community 1:1 2:2",
        "exit",
    ]
    assert PolicyTexts("r", 6, 1).route_map(policy) == "all-ipv6"


def test_two_policies_of_one_name_are_refused() -> None:
    texts = PolicyTexts("r", 4)
    texts.prefix_list(SOME)
    with pytest.raises(TopologyError, match="two policies of one name, 'some'"):
        texts.prefix_list(PrefixList("some", "10.0.0.0/8"))


def test_route_maps_of_both_families_share_their_names() -> None:
    four = PolicyTexts("r", 4, 1)
    six = PolicyTexts("r", 6, 1, beside=four)
    both = RouteMap("a", Permit(SOME, set_weight=1))
    assert (four.route_map(both), six.route_map(both)) == ("a", "a-ipv6")
    assert any(line.startswith("ip prefix-list some ") for line in four.lines)
    assert any(line.startswith("ipv6 prefix-list some ") for line in six.lines)
    with pytest.raises(TopologyError, match="two policies of one name, 'a-ipv6'"):
        four.route_map(RouteMap("a-ipv6", Permit()))


def test_a_list_may_be_called_unnamed() -> None:
    texts = PolicyTexts("r", 4)
    named = PrefixList("unnamed", "10.1.0.0/16")
    texts.route_map(RouteMap("some", Permit(named), Permit("10.2.0.0/16")))
    lists = [line for line in texts.lines if line.startswith("ip prefix-list")]
    assert lists == [
        "ip prefix-list unnamed seq 5 permit 10.1.0.0/16",
        "ip prefix-list some-20 seq 5 permit 10.2.0.0/16",
    ]
    assert repr(Permit(named)) == f"Permit(prefixes={named!r})"


def test_other_protocols_have_no_communities() -> None:
    with pytest.raises(TopologyError, match="has prepend=, which only routes of BGP have"):
        PolicyTexts("r", 4).route_map(RouteMap("some", Permit(prepend=1)))
