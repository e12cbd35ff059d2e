"""Names of links on a page and in its addresses.  Pure."""

from __future__ import annotations

from playground.errors import NotRunning, UnknownName
from playground.lab.lab import Lab
from playground.operations.network import Link
from playground.planning.interface_names import match
from playground.planning.plan import Plan
from playground.planning.plan_parts import WirePlan


def plan_of(lab: Lab, drawn: Plan | None = None) -> Plan:
    """Return the plan of what runs, or of what would run where nothing does.

    What runs is at hand.  A new plan of a large lab takes seconds, and waits for whoever changes
    the lab at this moment, so that a page may not ask for one where all pages wait: it gives that
    which its picture has ``drawn``.

    """
    try:
        return lab.running_plan()
    except NotRunning:
        return drawn or lab.plan()


def key_of(wire: WirePlan) -> str:
    """Return what a link is called: its first end, as in "h1:eth0".

    No two wires end at one interface or port, so no two have one key.

    """
    return f"{wire.a.node}:{wire.a.interface}"


def links_by_key(lab: Lab, plan: Plan | None = None) -> dict[str, Link]:
    """Return all links of a lab by their keys, as they are in a plan, by default `plan_of`."""
    wires = match(lab.links, plan or plan_of(lab))
    return {key_of(wires[link]): link for link in lab.links if link in wires}


def link_of(lab: Lab, key: str, plan: Plan | None = None) -> Link:
    """Return the link of that key; raises `UnknownName` where there is none."""
    try:
        return links_by_key(lab, plan)[key]
    except KeyError:
        raise UnknownName(
            f"this lab has no link {key!r}: it was removed meanwhile; reload the page"
        ) from None
