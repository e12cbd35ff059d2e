"""Settings of routing protocols: what is taken, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.routing.ospf import OspfLink
from playground.model.routing.policy import PrefixList
from playground.operations.network import Link, Router, Switch


def test_what_is_said_of_a_link_is_kept_and_can_be_changed() -> None:
    r1, r2 = Router("r1", routing="ospf"), Router("r2", routing="ospf")
    link = Link(r1, r2)
    r1.ospf(link, cost=100)
    r1.ospf(link, area=1)
    assert r1.ospf_links == {link: OspfLink(100, "0.0.0.1")}
    r1.ospf(link, cost=5, area="0.0.0.2")
    assert r1.ospf_links == {link: OspfLink(5, "0.0.0.2")}


def test_a_router_of_several_protocols_says_for_each_what_it_tells_of() -> None:
    router = Router("r", routing=["ospf", "bgp"], redistribute={"ospf": ["default"], "bgp": "ospf"})
    assert router.protocols == ("ospf", "bgp")
    assert repr(router) == (
        "Router('r', routing=('ospf', 'bgp'), redistribute={'ospf': ['default'], 'bgp': ['ospf']})"
    )
    assert Router("r", routing=["rip"]).routing == "rip"


def test_a_router_shows_its_protocol() -> None:
    assert repr(Router("r1", routing="rip")) == "Router('r1', routing='rip')"
    assert repr(Router("r1", routing="bgp", as_number=64512)).endswith("as_number=64512)")
    assert repr(Router("r1", routing=None)) == "Router('r1', routing=None)"


OSPF_ROUTER = Router("o", routing="ospf")
OWN = Link(OSPF_ROUTER, Switch("s"))
OTHER = Link(Router("p", routing="rip"), Switch("t"))


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (lambda: Router("r", routing="eigrp"), 'use routing="static"'),
        (lambda: Router("r", routing=("ospf", "static")), 'as in routing=("ospf", "bgp")'),
        (
            lambda: Router("r", routing=("ospf", "rip"), redistribute=["kernel"]),
            'says for each what it tells of, as in redistribute={"ospf": ["rip"], "rip": []}',
        ),
        (
            lambda: Router("r", routing=("ospf", "rip"), redistribute={"ospf": ["ospf"]}),
            "redistribute=['ospf'] is not known",
        ),
        (
            lambda: Router(
                "r", routing="ospf", redistribute={"default": PrefixList("p", "10.0.0.0/8")}
            ),
            'takes no policy for "default"',
        ),
        (lambda: Router("r", as_number=1), "as_number=1 is for BGP"),
        (lambda: Router("r", routing="bgp", as_number=0), "0 is no number of an autonomous"),
        (lambda: Router("r", routing="bgp", as_number=23456), "from 64512 to 65534"),
        (lambda: Router("r", routing="bgp", as_number="1"), "no number of an autonomous"),
        (lambda: Router("r", redistribute="kernel"), "is for a routing protocol"),
        (lambda: Router("r", routing="ospf", redistribute=["ospf"]), "'connected', 'kernel'"),
        (lambda: Router("r", routing="rip", redistribute=7), "redistribute=7 is not known"),
        (lambda: Router("r", ["ospf"], "ospf"), "leave the service out"),
        (lambda: OSPF_ROUTER.ospf(OWN, cost=0), "cost=0 is no OSPF cost"),
        (lambda: OSPF_ROUTER.ospf(OWN, cost=True), "cost=True is no OSPF cost"),
        (lambda: OSPF_ROUTER.ospf(OWN, area="backbone"), "area='backbone' is no OSPF area"),
        (lambda: OSPF_ROUTER.ospf(OWN, area=-1), "area=-1 is no OSPF area"),
        (lambda: OSPF_ROUTER.ospf(OTHER, cost=1), "not one of its links"),
        (lambda: OTHER.ends[0].node.ospf(OTHER, cost=1), "protocol is 'rip'"),  # type: ignore[union-attr]
    ],
)
def test_what_cannot_be_is_refused(declare: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(TopologyError) as refused:
        declare()
    assert complaint in str(refused.value)
