"""What a router is told of OSPF: kept, changed, refused."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.routing.ospf import OspfArea, OspfLink
from playground.model.routing.policy import PrefixList
from playground.operations.network import Link, Router, Switch

R = Router("r", routing="ospf")
LINK = Link(R, Switch("s"))
SOME = PrefixList("some", "10.0.0.0/8")


def test_what_is_said_of_a_link_is_kept_and_what_is_said_anew_changes() -> None:
    router = Router("r1", routing="ospf")
    link = Link(router, Switch("s1"))
    router.ospf(link, area=1, priority=0, password="secret", hello_s=5, bfd_ms=100)
    router.ospf(link, passive=True, dead_s=15, network="broadcast")
    assert router.ospf_links == {
        link: OspfLink(None, "0.0.0.1", 0, "broadcast", True, "secret", 5, 15, 100)
    }


def test_what_is_said_of_an_area_replaces_what_was() -> None:
    router = Router("r1", routing="ospf")
    router.ospf_area(1, kind="nssa", default_cost=5)
    router.ospf_area("0.0.0.1", ranges="10.1.0.0/16", send=SOME)
    ranges = (ip_network("10.1.0.0/16"),)
    assert router.ospf_areas == {"0.0.0.1": OspfArea(None, ranges, SOME)}


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (lambda: R.ospf(LINK, priority=256), "priority=256 is no priority"),
        (lambda: R.ospf(LINK, network="ring"), "'ring' is no type of network"),
        (lambda: R.ospf(LINK, passive="yes"), "passive='yes' is neither True nor False"),
        (lambda: R.ospf(LINK, password="x" * 17), "is no password"),
        (lambda: R.ospf(LINK, hello_s=0), "hello_s=0 is no number of whole seconds"),
        (lambda: R.ospf(LINK, hello_s=5, dead_s=5), "gives up a neighbour before its next"),
        (lambda: R.ospf(LINK, dead_s=5), "goes with hello_s="),
        (lambda: R.ospf(LINK, bfd_ms=1), "bfd_ms=1 is no whole number"),
        (lambda: R.ospf_area(1, kind="stubby"), "use one of 'normal', 'stub', 'totally stubby'"),
        (lambda: R.ospf_area(0, kind="stub"), "area 0 is the backbone"),
        (lambda: R.ospf_area("x"), "area='x' is no OSPF area"),
        (lambda: R.ospf_area(1, ranges=["10.1.0.1/16"]), "'10.1.0.1/16' in ranges= is no network"),
        (lambda: R.ospf_area(1, ranges=["10.0.0.0/8", "10.1.0.0/16"]), "lies in 10.0.0.0/8"),
        (lambda: R.ospf_area(1, send="all"), "send='all' is no PrefixList"),
        (lambda: R.ospf_area(1, default_cost=7), "for an area that hears a default route"),
        (lambda: R.ospf_area(1, kind="stub", default_cost=-1), "default_cost=-1 is no whole"),
        (lambda: Router("x").ospf_area(1), "does not speak OSPF"),
    ],
)
def test_what_cannot_be_is_refused(declare: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(TopologyError) as refused:
        declare()
    assert complaint in str(refused.value)
    assert R.ospf_links == {}
    assert R.ospf_areas == {}
