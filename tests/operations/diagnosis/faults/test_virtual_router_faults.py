"""An address that routers share and none has: whose fault that is."""

from __future__ import annotations

import pytest

from playground.operations.diagnosis.evidence.facts import Facts, Names, Question, Way
from playground.operations.diagnosis.evidence.network_state import InterfaceState, NodeState
from playground.operations.diagnosis.faults.virtual_router_faults import no_master
from playground.operations.diagnosis.faults.walk import Walk
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import make_plan

SHARED = "192.168.1.254"
BY_IT = Way(via=SHARED, interface="eth0")


def walk(down: tuple[tuple[str, str], ...], stopped: tuple[str, ...], second: bool = True) -> Walk:
    """Two homes, of which the first has two routers that share an address, or one."""
    lan, other, isp, h1 = Switch("lan", subnet="192.168.1.0/24"), Switch("t"), Router("isp"), "h1"
    Link(lan, Host(h1))
    for name in ("r1", "r2")[: 2 if second else 1]:
        router = Router(name)
        inside, up, side = Link(lan, router), Link(router, isp), Link(router, other)
        router.masquerade(up)
        router.vrrp(inside, address=SHARED, track={side: 50} if name == "r2" else [up])
    elsewhere, h3, r3 = Switch("home", subnet="192.168.1.0/24"), Host("h3"), Router("r3")
    Link(elsewhere, h3)
    r3.masquerade(Link(r3, isp))
    r3.vrrp(Link(elsewhere, r3), address=SHARED)
    Link(isp, Host("www"))
    plan = make_plan([lan])
    states = {
        node.name: NodeState(
            node.name,
            tuple(
                InterfaceState(one.name, True, (node.name, one.name) not in down, 1500, one.mac)
                for one in node.interfaces
            ),
        )
        for node in plan.nodes
    }
    question = Question(h1, "www", "icmp")
    return Walk(
        Facts(
            plan,
            question,
            Names(("10.0.9.2",)),
            "10.0.9.2",
            states=states,
            without_keepalived=frozenset(stopped),
        )
    )


@pytest.mark.parametrize(
    ("down", "stopped", "node", "why", "advice"),
    [
        (
            (),
            ("r1", "r2"),
            "r1",
            ": keepalived does not run on r1, and keepalived does not run on r2.",
            'Start it: `r1.services["keepalived"].start()`.',
        ),
        (
            (("r1", "eth1"), ("r2", "eth0")),
            (),
            "r1",
            ": r1 gives it up while its eth1 carries nothing, and r2 gives it up while its eth0 "
            "carries nothing.",
            "",
        ),
        # What takes from a priority is no reason to give it up.
        ((("r2", "eth2"),), (), "r1", "none of them has it.", "See what keepalived says"),
        ((), ("r2",), "r2", ": keepalived does not run on r2.", "Start it: `r2."),
    ],
)
def test_the_router_that_should_have_it_is_named(
    down: tuple[tuple[str, str], ...], stopped: tuple[str, ...], node: str, why: str, advice: str
) -> None:
    fault = no_master(walk(down, stopped), "h1", "eth0", SHARED, BY_IT)
    assert fault is not None
    assert (fault.node, fault.cause) == (node, "no master")
    begin = f"h1 sends what is for 10.0.9.2 to {SHARED}, an address that r1 and r2 share, and none "
    assert fault.sentence.startswith(begin)
    assert fault.sentence.endswith(why)
    assert advice in fault.advice


def test_one_that_nobody_shares_on_this_link_is_no_matter_of_theirs() -> None:
    assert no_master(walk((), ()), "h1", "eth0", "192.168.1.9", BY_IT) is None
    assert no_master(walk((), ()), "r1", "eth1", SHARED, BY_IT) is None
    alone = no_master(walk((), ("r1",), second=False), "h1", "eth0", SHARED, Way(interface="eth0"))
    assert alone is not None
    assert alone.sentence == (
        f"h1 looks for {SHARED}, an address that r1 is to have by VRRP, and has not: keepalived "
        f"does not run on r1."
    )
