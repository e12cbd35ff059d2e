"""Names of links on a page and in its addresses.  Pure."""

from __future__ import annotations

from playground.errors import UnknownName
from playground.lab.lab import Lab
from playground.operations.network import Link
from playground.planning.interface_names import match
from playground.planning.plan_parts import WirePlan


def key_of(wire: WirePlan) -> str:
    """Return what a link is called: its first end, as in "h1:eth0".

    No two wires end at one interface or port, so no two have one key.

    """
    return f"{wire.a.node}:{wire.a.interface}"


def links_by_key(lab: Lab) -> dict[str, Link]:
    """Return all links of a lab by their keys."""
    wires = match(lab.links, lab.plan())
    return {key_of(wires[link]): link for link in lab.links if link in wires}


def link_of(lab: Lab, key: str) -> Link:
    """Return the link of that key; raises `UnknownName` where there is none."""
    try:
        return links_by_key(lab)[key]
    except KeyError:
        raise UnknownName(
            f"this lab has no link {key!r}: it was removed meanwhile; reload the page"
        ) from None
