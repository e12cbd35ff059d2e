"""What routers were told of their links: forgotten with a link, and remembered for an undo."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from playground.model.vrfs import without_links

Key = TypeVar("Key")
Value = TypeVar("Value")

# What routers keep of links, and of those behind them: replaced as a whole, never changed.
_OF_LINKS = (
    "bgp_links",
    "bgp_peers",
    "isis_links",
    "ospf_links",
    "virtual_routers",
    "advertised",
    "requested",
    "translated64",
    "vrfs",
    "vnis",
    "mpls_links",
)


def said_of_links(router: Any) -> dict[str, Any]:
    """Return the attributes of a router that speak of links, and of those behind them."""
    return {name: getattr(router, name) for name in _OF_LINKS}


def forget_links(router: Any, gone: Collection[object]) -> None:
    """Let a router forget what it was told of links, or of VLANs on them, that are gone."""
    router.virtual_routers = tuple(
        dataclasses.replace(one, track=tuple(item for item in one.track if item[0] not in gone))
        for one in router.virtual_routers
        if one.link not in gone
    )
    router.ospf_links = without(router.ospf_links, gone)
    router.isis_links = without(router.isis_links, gone)
    router.bgp_links = without(router.bgp_links, gone)
    router.advertised = without(router.advertised, gone)
    router.vrfs = without_links(router.vrfs, gone)
    router.vnis = without_links(router.vnis, gone)
    router.mpls_links = tuple(link for link in router.mpls_links if link not in gone)
    router.requested = {
        link: left
        for link, links in without(router.requested, gone).items()
        if (left := tuple(one for one in links if one not in gone))
    }
    if router.translated64 is not None and router.translated64.link in gone:
        router.translated64 = None


def without(known: Mapping[Key, Value], gone: Collection[object]) -> dict[Key, Value]:
    """Return a mapping without some of its keys.

    >>> without({"a": 1, "b": 2}, ["a"])
    {'b': 2}

    """
    return {key: value for key, value in known.items() if key not in gone}
