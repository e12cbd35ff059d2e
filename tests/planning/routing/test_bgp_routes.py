"""Which networks BGP tells whom of, under the policies of all."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from playground.model.addresses import Network
from playground.model.routing.bgp import PeerSettings
from playground.model.routing.policy import Deny, Permit, PrefixList, RouteMap, RoutePolicy
from playground.planning.routing.bgp_routes import (
    BgpRoute,
    BgpSpeaker,
    PeerSide,
    apply_policy,
    has_policies,
    what_is_heard,
)


def net(number: int) -> Network:
    return ip_network(f"10.{number}.0.0/16")


PLAIN = PeerSettings()
CUSTOMER = RouteMap("from-customer", Permit(set_community="1:1", set_local_preference=200))
PEER = RouteMap("from-peer", Permit(set_community="1:2", set_local_preference=100))
ONLY_CUSTOMERS = RouteMap("to-peer", Permit(community="1:1"), Permit(as_path="^$"))


def systems(
    *pairs: tuple[int, int], said: dict[tuple[int, int], PeerSettings] | None = None
) -> dict[str, BgpSpeaker]:
    """Systems of one router each, with a network of the system's number."""
    said = said or {}
    numbers = dict.fromkeys(number for pair in pairs for number in pair)
    return {
        str(one): BgpSpeaker(
            one,
            (net(one),),
            tuple(
                PeerSide(str(other), False, said.get((one, other), PLAIN))
                for other in numbers
                if (one, other) in pairs or (other, one) in pairs
            ),
        )
        for one in numbers
    }


def withheld(speakers: dict[str, BgpSpeaker]) -> dict[str, set[int]]:
    return {
        name: {int(str(network).split(".")[1]) for network in heard.withheld}
        for name, heard in what_is_heard(speakers, 4).items()
    }


def test_without_policies_all_hear_of_all() -> None:
    ring = systems((1, 2), (2, 3), (3, 4), (4, 1))
    assert not has_policies(ring.values())
    assert withheld(ring) == {"1": set(), "2": set(), "3": set(), "4": set()}


def test_paths_without_valleys_are_what_policies_make_of_customers_and_peers() -> None:
    """Two transits that are peers, a customer each, and a customer of both."""
    rules: dict[tuple[int, int], PeerSettings] = {}
    for transit, customers, peer in ((1, (3, 5), 2), (2, (4, 5), 1)):
        rules[transit, peer] = PeerSettings(receive=PEER, send=ONLY_CUSTOMERS)
        for customer in customers:
            rules[transit, customer] = PeerSettings(receive=CUSTOMER)
    net_of = ((1, 2), (1, 3), (2, 4), (1, 5), (2, 5))
    assert withheld(systems(*net_of, said=rules))["3"] == set()
    # The customer of both hands nothing from one to the other, as it would without a filter.
    own = PeerSettings(send=RouteMap("own", Permit(as_path="^$")))
    assert withheld(systems((1, 5), (2, 5), (1, 3), (2, 4), said={(5, 1): own, (5, 2): own})) == {
        "1": {2, 4},
        "2": {1, 3},
        "3": {2, 4},
        "4": {1, 3},
        "5": set(),
    }


def test_a_filter_hides_a_network_from_all_behind_it() -> None:
    hidden = PeerSettings(send=PrefixList("some", "10.2.0.0/16"))
    assert withheld(systems((1, 2), (2, 3), said={(2, 3): hidden}))["3"] == {1}


def test_communities_that_all_know() -> None:
    marked = PeerSettings(receive=RouteMap("mark", Permit(set_community="no-export")))
    assert withheld(systems((1, 2), (2, 3), said={(2, 1): marked}))["3"] == {1}


def test_a_system_takes_no_path_that_it_is_in_unless_it_is_told_to() -> None:
    chain = systems((1, 2), (2, 3))
    chain["3"] = chain["3"]._replace(as_number=1)
    assert withheld(chain)["3"] == {1}
    session = chain["3"].sessions[0]._replace(said=PeerSettings(allow_own_as=1))
    chain["3"] = chain["3"]._replace(sessions=(session,))
    assert withheld(chain)["3"] == set()


def test_routes_of_one_system_go_one_step_but_by_a_reflector() -> None:
    def router(number: int, *peers: int, client: bool = False) -> BgpSpeaker:
        said = PeerSettings(client=client)
        sessions = tuple(PeerSide(str(peer), True, said) for peer in peers)
        return BgpSpeaker(65001, (net(number),), sessions)

    chain = {"1": router(1, 2), "2": router(2, 1, 3), "3": router(3, 2)}
    assert withheld(chain) == {"1": {3}, "2": set(), "3": {1}}
    chain["2"] = router(2, 1, 3, client=True)
    assert has_policies(chain.values())
    assert withheld(chain) == {"1": set(), "2": set(), "3": set()}


def test_an_aggregate_and_a_default_route_stand_for_what_is_in_them() -> None:
    speakers = systems((1, 2), (2, 3))
    speakers["2"] = speakers["2"]._replace(aggregates=(ip_network("10.0.0.0/14"),))
    heard = what_is_heard(speakers, 4)
    assert set(heard["3"].covered) == {net(1), net(2)}
    assert set(heard["1"].covered) == {net(2), net(3)}
    only = PeerSettings(send=PrefixList("none", "192.0.2.0/24"), default=True)
    heard = what_is_heard(systems((1, 2), (2, 3), said={(2, 3): only}), 4)
    assert set(heard["3"].covered) == {net(1), net(2)}
    assert heard["3"].withheld == ()


def test_policies_that_agree_on_nothing_end() -> None:
    """RFC 4264's bad gadget: each likes the way by its neighbour better than its own."""

    def likes(other: int) -> PeerSettings:
        way = RouteMap("likes", Permit(as_path=f"^{other} 9$", set_local_preference=200), Permit())
        return PeerSettings(receive=way)

    ring = {(1, 2): likes(2), (2, 3): likes(3), (3, 1): likes(1)}
    found = withheld(systems((1, 9), (2, 9), (3, 9), (1, 2), (2, 3), (3, 1), said=ring))
    assert found["1"] == {9}


@pytest.mark.parametrize(
    ("policy", "path", "communities", "passes"),
    [
        (RouteMap("a", Permit(community="1:1")), (2,), {"1:1"}, True),
        (RouteMap("a", Permit(community=["1:1", "1:2"])), (2,), {"1:2"}, True),
        (RouteMap("a", Permit(community="1:1")), (2,), {"1:2"}, False),
        (RouteMap("a", Deny(as_path="_3$"), Permit()), (2, 3), set(), False),
        (RouteMap("a", Deny(as_path="_3$"), Permit()), (2, 33), set(), True),
        (RouteMap("a", Permit(prefixes="10.0.0.0/8 le 24")), (), set(), True),
        (RouteMap("a", Permit(prefixes="10.0.0.0/8")), (), set(), False),
        (PrefixList("a", "10.1.0.0/16"), (), set(), True),
        (None, (), set(), True),
    ],
)
def test_what_a_policy_lets_pass(
    policy: RoutePolicy | None, path: tuple[int, ...], communities: set[str], passes: bool
) -> None:
    route = BgpRoute(net(1), path, communities=frozenset(communities))
    assert (apply_policy(policy, route, 7) is not None) is passes


def test_what_a_policy_changes() -> None:
    policy = RouteMap("a", Permit(prepend=2, add_community="1:9", set_metric=5, set_weight=1))
    route = apply_policy(policy, BgpRoute(net(1), (2,), communities=frozenset({"1:1"})), 7)
    assert route == BgpRoute(
        net(1), (7, 7, 2), metric=5, weight=1, communities=frozenset({"1:1", "1:9"})
    )
