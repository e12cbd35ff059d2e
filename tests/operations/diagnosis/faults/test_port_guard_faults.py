"""Which guard of a port did not take a frame."""

from __future__ import annotations

import pytest

from playground.model.switching.port_guards import PortGuardPlan
from playground.operations.diagnosis.evidence.facts import Facts, Names, Question
from playground.operations.diagnosis.evidence.packet_trace import Neighbourly, Sighting
from playground.operations.diagnosis.evidence.port_guards import GuardedPort
from playground.operations.diagnosis.faults.port_guard_faults import kept_by_guard
from playground.operations.diagnosis.faults.walk import Walk
from playground.operations.network import Host, Link, Switch
from playground.planning.planner import make_plan

MAC, EVERYBODY = "02:00:00:00:00:09", "ff:ff:ff:ff:ff:ff"


@pytest.mark.parametrize(
    ("refused", "suppressed", "to", "cause"),
    [
        ({MAC}, 0, EVERYBODY, "port security"),
        ({MAC}, 0, "02:00:00:00:00:02", "port security"),
        ({"02:00:00:00:00:08"}, 0, EVERYBODY, None),
        (set(), 9, EVERYBODY, "storm"),
        (set(), 9, "02:00:00:00:00:02", None),
    ],
)
def test_the_port_is_named_that_did_not_take_a_frame(
    refused: set[str], suppressed: int, to: str, cause: str | None
) -> None:
    switch, h1, h2 = Switch("lan"), Host("h1"), Host("h2")
    for host in (h1, h2):
        Link(switch, host)
    plan = make_plan([switch])
    guard = PortGuardPlan("h1-eth0", max_macs=1, storm_limit=10)
    port = GuardedPort(guard, (), frozenset(refused), suppressed)
    facts = Facts(
        plan, Question("h1", "h2", "icmp"), Names(("10.0.1.2",)), guarded={("lan", "h1-eth0"): port}
    )
    asked = Sighting("h1", "eth0", "out", 0.0, MAC, to, Neighbourly("10.0.1.2", True, "10.0.1.1"))
    wires = [(wire, wire.b, wire.a) for wire in plan.wires[:1]]
    fault = kept_by_guard(Walk(facts), asked, wires)
    assert (fault.cause if fault else None) == cause
