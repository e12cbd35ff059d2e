"""A load balancer without a server is named, though it answers."""

from __future__ import annotations

import pytest

from playground.model.services.proxies import LoadBalancer
from playground.operations.diagnosis.evidence.facts import Facts, Names, Question
from playground.operations.diagnosis.faults.balancer_faults import balancer_asked, no_server
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.operations.network import Host, Link, Switch
from playground.operations.programs.balanced_servers import BalancedServer
from playground.planning.planner import make_plan


def facts(*servers: tuple[str, str], port: int = 80, layer: int = 7) -> Facts:
    lan, webs = Switch("lan"), [Host("www1"), Host("www2")]
    front = Host("front", services=[LoadBalancer(to=webs, port=80, layer=layer)])
    for host in (Host("client"), front, *webs):
        Link(lan, host)
    rows = tuple(BalancedServer(name, status, "L4CON", 0, 0, 0, 0) for name, status in servers)
    question = Question("client", "front", "tcp", port)
    return Facts(make_plan([lan]), question, Names(()), balanced=rows)


def fault(known: Facts) -> Fault | None:
    walk = Walk(known)
    walk.path += ["client", "front"]
    return no_server(walk)


def test_none_of_its_servers_takes_part() -> None:
    found = fault(facts(("www1:80", "DOWN"), ("www2:80", "DOWN 1/2")))
    assert found is not None
    assert (found.node, found.cause) == ("front", "no server")
    assert "www1:80 is DOWN (L4CON), www2:80 is DOWN 1/2 (L4CON)" in found.sentence
    assert "lab.explain('front', 'www1', port=80)" in found.advice
    assert "the page /" in found.advice


def test_on_layer_4_no_page_is_asked_for() -> None:
    found = fault(facts(("www1:80", "DOWN"), ("www2:80", "DOWN"), layer=4))
    assert found is not None
    assert "page" not in found.advice


def test_who_was_taken_out_by_hand_is_put_back_by_hand() -> None:
    found = fault(facts(("www1:80", "DOWN"), ("www2:80", "MAINT")))
    assert found is not None
    assert 'set_state("www2:80", "ready")' in found.advice


@pytest.mark.parametrize(
    "known",
    [
        facts(("www1:80", "DOWN"), ("www2:80", "UP 1/2")),
        facts(("www1:80", "no check")),
        facts(("elsewhere:80", "DOWN")),
        facts(),
        facts(("www1:80", "DOWN"), port=22),
    ],
    ids=["one is well", "none is checked", "none of its own", "says nothing", "other port"],
)
def test_else_there_is_no_fault(known: Facts) -> None:
    assert fault(known) is None


def test_only_the_balancers_own_port_is_the_balancers() -> None:
    assert balancer_asked(facts(), "front") is not None
    assert balancer_asked(facts(port=22), "front") is None
    assert balancer_asked(facts(), "www1") is None
