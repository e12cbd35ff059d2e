"""What is wrong where a bond has no carrier."""

from __future__ import annotations

import pytest

from playground.operations.diagnosis.evidence.facts import Facts, Names, Question
from playground.operations.diagnosis.faults.bond_faults import dead_bond
from playground.operations.diagnosis.faults.walk import Walk
from playground.operations.network import Bond, Host, Link, Switch
from playground.planning.planner import make_plan


@pytest.mark.parametrize(
    ("down", "node", "interface", "cause", "words"),
    [
        (2, "h", "bond0", "link down", "All links of h's bond bond0 are down: eth0, eth1."),
        (2, "s", "h-bond0", "link down", "All links of s's bond h-bond0 are down"),
        (1, "h", "bond0", "bond", "waits for the other side to speak LACP"),
        (1, "h", "eth0", None, ""),
    ],
)
def test_a_bond_says_what_its_links_lack(
    down: int, node: str, interface: str, cause: str | None, words: str
) -> None:
    switch, host = Switch("s"), Host("h")
    links = [Link(switch, host) for _ in range(2)]
    Bond(*links)
    for link in links[:down]:
        link.down()
    plan = make_plan([switch])
    walk = Walk(Facts(plan, Question("h", "x", "icmp"), Names(())))
    fault = dead_bond(walk, node, interface)
    assert (fault.cause if fault else None) == cause
    assert words in (fault.sentence if fault else "")
