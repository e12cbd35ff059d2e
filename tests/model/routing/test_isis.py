"""What a router is told of IS-IS: kept, changed, refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.routing.isis import IsisLink, IsisOptions
from playground.model.said_of_links import forget_links
from playground.operations.network import Link, Router, Switch

R = Router("r", routing="isis")
LINK = Link(R, Switch("s"))


def test_what_is_said_of_a_link_is_kept_and_what_is_said_anew_changes() -> None:
    router = Router("r1", routing="isis")
    link = Link(router, Switch("s1"))
    router.isis(link, metric=7, level=1, priority=0, password="secret", hello_s=2, bfd_ms=100)
    router.isis(link, level="1-2", passive=True, network="broadcast", hello_multiplier=4)
    assert router.isis_links == {
        link: IsisLink(7, "1-2", 0, "broadcast", True, "secret", 2, 4, 100)
    }


def test_what_is_said_of_the_router_replaces_what_was() -> None:
    router = Router("r1", routing="isis")
    assert router.isis_router == IsisOptions("49.0001", "2")
    router.isis_options(area="49.00AB", level=1, password="secret")
    assert router.isis_router == IsisOptions("49.00ab", "1", "secret")
    router.isis_options(overload=True)
    assert router.isis_router == IsisOptions("49.0001", "2", None, True)


def test_what_was_said_of_a_link_goes_with_it() -> None:
    a, b = Router("a", routing="isis"), Router("b", routing="isis")
    link = Link(a, b)
    a.isis(link, metric=5)
    forget_links(a, [link])
    assert a.isis_links == {}


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (lambda: R.isis(LINK, metric=0), "metric=0 is no metric"),
        (lambda: R.isis(LINK, metric=2**24), "from 1 to 16777214"),
        (lambda: R.isis(LINK, level=3), "level='3' is no level of IS-IS"),
        (lambda: R.isis(LINK, priority=128), "priority=128 is no whole number from 0 to 127"),
        (lambda: R.isis(LINK, network="ring"), "'ring' is no type of network"),
        (lambda: R.isis(LINK, passive="yes"), "passive='yes' is neither True nor False"),
        (lambda: R.isis(LINK, password="two words"), "is no password"),
        (lambda: R.isis(LINK, hello_s=0), "hello_s=0 is no whole number"),
        (lambda: R.isis(LINK, hello_multiplier=1), "hello_multiplier=1 is no whole number"),
        (lambda: R.isis(LINK, bfd_ms=1), "bfd_ms=1 is no whole number"),
        (lambda: R.isis_options(area="1"), "area='1' is no area of IS-IS"),
        (lambda: R.isis_options(area="49.1"), "groups of four"),
        (lambda: R.isis_options(level="both"), "level='both' is no level"),
        (lambda: R.isis_options(overload=1), "overload=1 is neither True nor False"),
        (lambda: Router("x").isis_options(), "does not speak IS-IS: its routing protocol is none"),
        (lambda: R.isis(Link(Router("y"), Switch("z"))), "not one of its links"),
    ],
)
def test_what_cannot_be_is_refused(declare: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(TopologyError) as refused:
        declare()
    assert complaint in str(refused.value)
    assert R.isis_links == {}
    assert R.isis_router == IsisOptions()
