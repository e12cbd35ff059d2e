"""Overlays of a lab that starts: waited for until each leaf sends to all others of its VNIs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from playground.errors import NotReady
from playground.operations.connection.client import Client
from playground.operations.connection.program_outputs import output_of
from playground.planning.plan import Plan

_PAUSE_S = 0.1
_LIMIT_S = 10.0

# What is for all, or for nobody that is known, is sent to each of these: bridge(8).
_FLOODED = re.compile(r"^00:00:00:00:00:00 .*\bdst ([0-9.]{7,15})\b", re.M)


class _Missing(NamedTuple):
    """A leaf that does not send to another of a VNI yet."""

    leaf: str
    device: str
    other: str
    address: str


def wait_overlays(agent: Client, plan: Plan, pids: Mapping[str, int], timeout_s: float) -> None:
    """Wait until each router with a VNI floods to all others of it to which it has a way.

    Raises `NotReady` after ``timeout_s`` seconds.

    """
    if not any(node.vnis for node in plan.nodes):
        return
    waiting = list(_pairs(plan, _reached(agent, plan, pids)))
    deadline = time.monotonic() + timeout_s
    while True:
        told = {
            place: flooded_to(_entries(agent, pids, *place))
            for place in dict.fromkeys((one.leaf, one.device) for one in waiting)
        }
        waiting = [one for one in waiting if one.address not in told[one.leaf, one.device]]
        if not waiting:
            return
        if time.monotonic() > deadline:
            one = waiting[0]
            raise NotReady(
                f"{one.leaf} has not heard within {timeout_s:g} s that {one.other} "
                f"({one.address}) is a leaf of {one.device} too: look at "
                f'{one.leaf}.vtysh("show bgp l2vpn evpn summary")'
            )
        time.sleep(_PAUSE_S)


def flooded_to(entries: str) -> set[str]:
    """Return the addresses to which a VXLAN device sends what is for all, as bridge(8) says.

    >>> flooded_to("00:00:00:00:00:00 dst 10.10.10.3 self permanent")
    {'10.10.10.3'}

    """
    return set(_FLOODED.findall(entries))


def _pairs(plan: Plan, reached: Mapping[str, set[str]]) -> Iterator[_Missing]:
    leaves = [(node.name, vni) for node in plan.nodes for vni in node.vnis]
    for name, vni in leaves:
        for other, its in leaves:
            address = str(its.local)
            if other != name and its.number == vni.number and address in reached[name]:
                yield _Missing(name, vni.device, other, address)


def _reached(agent: Client, plan: Plan, pids: Mapping[str, int]) -> dict[str, set[str]]:
    """Return the single addresses to which each leaf has routes."""
    names = [node.name for node in plan.nodes if node.vnis]
    rows = agent.call("routes", pids=[pids[name] for name in names])
    return {
        name: {row["destination"].partition("/")[0] for row in its}
        for name, its in zip(names, rows, strict=True)
    }


def _entries(agent: Client, pids: Mapping[str, int], name: str, device: str) -> str:
    argv = ["bridge", "fdb", "show", "dev", device]
    process = agent.spawn(pids[name], argv, limit_s=_LIMIT_S)
    said = output_of(process, f"bridge(8) on {name}", _LIMIT_S, "is it that of the image?")
    return said.decode(errors="replace")
